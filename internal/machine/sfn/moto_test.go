package sfn_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	service "github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/machine/machinetest"
	"github.com/sluice-ci/sluice/internal/machine/sfn"
)

// notOnMoto lists the tests of the contract that moto 5.2.1 cannot pass, and
// what it does otherwise than Step Functions.
var notOnMoto = map[string]string{
	"AnsweredOnce":    "it takes a failure for a task of a run that has ended",
	"FailureLeadsOn":  "it takes a second answer while the run goes on",
	"StopKillsTokens": "a run that waits for a token does not notice StopExecution",
	"OneAnswerWins":   "it takes several answers to one task",
}

// TestContractOnMoto runs the contract against somebody else's Step Functions:
// moto's, on loopback, with its interpreter on. Its calls to Lambda come back to
// this process.
func TestContractOnMoto(t *testing.T) {
	if testing.Short() {
		t.Skip("moto takes seconds to start; -short leaves it out")
	}
	if err := exec.Command("python3", "-c", "import moto.server, moto.stepfunctions.parser").Run(); err != nil {
		t.Skipf("left out: python3 with moto[server] is not on this machine (%v)", err)
	}
	moto := startMoto(t)
	machines := 0
	machinetest.Run(t, func(t *testing.T) machinetest.Harness {
		if why := notOnMoto[path.Base(t.Name())]; why != "" {
			t.Skip("left out on moto: " + why)
		}
		machines++ // moto keeps runs for as long as it lives, and tests reuse their names
		created, err := moto.client.CreateStateMachine(t.Context(), &service.CreateStateMachineInput{
			Name: aws.String(fmt.Sprint("m", machines)), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"),
			Definition: aws.String(machinetest.Text),
		})
		if err != nil {
			t.Fatal(err)
		}
		moto.forget()
		arns := func(context.Context, string, int) (string, error) { return *created.StateMachineArn, nil }
		m, err := sfn.New(moto.client, arns, runs)
		if err != nil {
			t.Fatal(err)
		}
		return machinetest.Harness{Machine: patient{m, moto}, Calls: moto.called, Token: func(run string, n int) string {
			return moto.token(t, run, n)
		}}
	})
}

// motoServer is a child process, and the Lambda service that it calls.
type motoServer struct {
	client *service.Client

	mu     sync.Mutex
	tokens map[string][]string // by run; guarded by mu
}

// startMoto starts a server that ends with the test.
func startMoto(t *testing.T) *motoServer {
	t.Helper()
	s := new(motoServer)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close() // moto takes it; no port can be handed over
	lambda := httptest.NewServer(http.HandlerFunc(s.invoke))
	t.Cleanup(lambda.Close)
	at, err := url.Parse(lambda.URL)
	if err != nil {
		t.Fatal(err)
	}

	cmd := exec.CommandContext(t.Context(), "python3", "-B", "testdata/stepfunctions.py", "-H", "127.0.0.1", "-p", fmt.Sprint(port))
	cmd.Env = append(os.Environ(), "MOTO_PORT="+at.Port(), "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "NO_PROXY=*")
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait() // it is killed when the test ends
		close(ended)
	}()
	t.Cleanup(func() {
		<-ended
		if t.Failed() {
			t.Logf("moto said:\n%s", output.String())
		}
	})

	s.client = service.New(service.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		BaseEndpoint: aws.String(fmt.Sprintf("http://127.0.0.1:%d", port)), Retryer: aws.NopRetryer{},
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		_, err := s.client.ListStateMachines(ctx, &service.ListStateMachinesInput{})
		if err == nil {
			return s
		}
		select {
		case <-ended:
			t.Fatalf("moto ended: %v", err)
		case <-ctx.Done():
			t.Fatalf("moto does not answer: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// invoke is Lambda: it remembers the token of a call.
func (s *motoServer) invoke(w http.ResponseWriter, r *http.Request) {
	var in struct{ Token, Run string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[in.Run] = append(s.tokens[in.Run], in.Token)
	w.Write([]byte("{}"))
}

func (s *motoServer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string][]string{}
}

// token polls, so that a moto that is stuck fails the test with its output.
func (s *motoServer) token(t *testing.T, run string, n int) string {
	t.Helper()
	for range 2000 {
		if token, ok := s.nth(run, n); ok {
			return token
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("run %s has not called task %d", run, n)
	return ""
}

func (s *motoServer) nth(run string, n int) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tokens[run]) < n {
		return "", false
	}
	return s.tokens[run][n-1], true
}

func (s *motoServer) called(run string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tokens[run])
}

// runOf returns the run that has called the task with token, and how many tasks
// it has called.
func (s *motoServer) runOf(token string) (run string, calls int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for run, tokens := range s.tokens {
		for _, t := range tokens {
			if t == token {
				return run, len(tokens)
			}
		}
	}
	return "", 0
}

// patient waits after each answer that was taken until the run has gone on: the
// contract looks at once, and Step Functions, moto's too, promises no more than
// soon.
type patient struct {
	machine.Machine
	moto *motoServer
}

func (p patient) Succeed(ctx context.Context, token string, output []byte) error {
	return p.settle(ctx, token, p.Machine.Succeed(ctx, token, output))
}

func (p patient) Fail(ctx context.Context, token, errorName, cause string) error {
	return p.settle(ctx, token, p.Machine.Fail(ctx, token, errorName, cause))
}

func (p patient) settle(ctx context.Context, token string, err error) error {
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for run, calls := p.moto.runOf(token); p.moto.called(run) == calls; {
		status, err := p.Machine.Describe(ctx, run)
		if err != nil || status != machine.Running {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

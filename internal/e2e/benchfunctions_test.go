package e2e_test

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

const (
	functionRounds = 100 // of each function, in turns with hello
	maxInit        = 1.7 // times hello's, of functions with at most fewClients
	fewClients     = 3
	maxZip         = 10 // MB
)

// BenchmarkFunctions measures how long each function takes from the start of
// its process to the first request for work, in turns with a function that does
// nothing, and how large it is. Both are what Lambda waits for when it begins a
// new process. A function with more clients than the bar is for has none.
//
//	make bench
func BenchmarkFunctions(b *testing.B) {
	if b.N > 1 {
		b.Skip("it is one measurement: use -benchtime 1x")
	}
	hello := "../../build/hello/bootstrap"
	mains, _ := filepath.Glob("../../functions/*/main.go")
	if len(mains) == 0 {
		b.Fatal("there are no functions")
	}
	host := newRuntime(b)
	var bars []bar
	for _, main := range mains {
		name := filepath.Base(filepath.Dir(main))
		built := filepath.Join("../../build", runtime.GOARCH, name, "bootstrap")
		clients := clientsOf(b, name)
		f, l, ratio := inTurns(functionRounds, func() time.Duration { return host.init(b, built) }, func() time.Duration { return host.init(b, hello) })
		initial := bar{what: fmt.Sprintf("init of %s, clients: %d", name, clients), measured: short(f), limit: short(l) + " hello", ratio: ratio}
		if clients <= fewClients {
			initial.most = maxInit
		}
		size := zipped(b, filepath.Join("../../build/arm64", name, "bootstrap"))
		if size > maxZip {
			b.Errorf("%s is a zip of %.1f MB; want at most %d", name, size, maxZip)
		}
		bars = append(bars, initial, bar{what: "zip of " + name + ", MB", measured: fmt.Sprintf("%.1f MB", size), ratio: size, most: maxZip})
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nwhat\tmeasured\tlimit, same run\tratio\tbar\tverdict")
	for _, x := range bars {
		fmt.Fprintln(w, x.row())
	}
	w.Flush()
}

// clientsOf counts the AWS services whose clients are linked into a function.
func clientsOf(b *testing.B, name string) int {
	b.Helper()
	out, err := exec.Command("go", "list", "-tags", "lambda.norpc", "-deps", "../../functions/"+name).Output()
	if err != nil {
		b.Fatalf("go list of %s: %v", name, err)
	}
	n := 0
	for dep := range strings.Lines(string(out)) {
		service, ok := strings.CutPrefix(strings.TrimSpace(dep), "github.com/aws/aws-sdk-go-v2/service/")
		if ok && !strings.Contains(service, "/") {
			n++
		}
	}
	return n
}

// zipped returns the size of a program as it is uploaded, in MB.
func zipped(b *testing.B, file string) float64 {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatalf("%v: run make functions", err)
	}
	defer f.Close()
	var n counter
	z := zip.NewWriter(&n)
	w, err := z.Create("bootstrap")
	if err == nil {
		_, err = io.Copy(w, f)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	return float64(n) / 1e6
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// A lambdaRuntime is the Lambda runtime API of processes that get no work.
type lambdaRuntime struct {
	address string
	asked   chan time.Time // when a process asked for work
}

func newRuntime(b *testing.B) *lambdaRuntime {
	r := &lambdaRuntime{asked: make(chan time.Time, 1)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		now := time.Now()
		if !strings.HasSuffix(q.URL.Path, "/invocation/next") {
			b.Errorf("%s %s; want a request for work", q.Method, q.URL.Path)
			http.Error(w, "no", http.StatusNotFound)
		}
		r.asked <- now
		<-q.Context().Done() // until the process is ended
	}))
	b.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	return r
}

// init returns how long a program takes until it asks for work.
func (r *lambdaRuntime) init(b *testing.B, program string) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, program)
	var said strings.Builder
	c.Stderr = &said
	c.Env = append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + r.address, "_HANDLER=bootstrap", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_SESSION_TOKEN=test",
	}, settings...)
	start := time.Now()
	if err := c.Start(); err != nil {
		b.Fatalf("%v: run make bench", err)
	}
	ended := make(chan struct{})
	go func() { c.Wait(); close(ended) }()
	defer func() { c.Process.Kill(); <-ended }()
	select {
	case at := <-r.asked:
		return at.Sub(start)
	case <-ended:
		b.Fatalf("%s ended: %s", program, said.String())
		return 0
	}
}

// settings are what the functions are told, by a deployment, of the world.
var settings = []string{
	"SLUICE_ACCOUNT=111122223333", "SLUICE_TABLE=sluice", "SLUICE_BUCKET=sluice-artifacts", "SLUICE_BUS=sluice", "SLUICE_LOG=info",
	"SLUICE_KEY=arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-4333-8444-555555555555",
	"SLUICE_ALERTS=arn:aws:sns:eu-west-1:111122223333:sluice-alerts", "SLUICE_APPROVALS=arn:aws:sns:eu-west-1:111122223333:sluice-approvals",
	"SLUICE_PAGES=https://hook.lambda-url.eu-west-1.on.aws", "SLUICE_QUEUE=https://sqs.eu-west-1.amazonaws.com/111122223333/sluice-resume",
}

package crash_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/record"
)

// childEnv names the folder of a system that this test binary is to serve.
const childEnv = "SLUICE_CRASH_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childEnv); folder != "" {
		if err := serve(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is a laptop assembly over folder/data with the definitions and the
// mapping that lie in folder, until it is killed.
func serve(folder string) error {
	m, err := mapping.Read(filepath.Join(folder, "sluice.local.yaml"))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := local.Open(ctx, local.Options{
		Data: filepath.Join(folder, "data"), Mapping: m, URL: "http://" + l.Addr().String(),
		Log:   slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Seams: local.Seams{SweepEvery: time.Second, Ports: faulty},
	})
	if err != nil {
		return err
	}
	if err := register(ctx, s, folder); err != nil {
		return err
	}
	h, err := s.Handler(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}
	go s.Watch(ctx)
	fmt.Printf("listening on http://%s\n", l.Addr())
	return http.Serve(l, backdoor(s, folder, h))
}

// definitions reads the pipelines of a folder.
func definitions(folder string) ([]definition.Definition, error) {
	return definition.ReadDir(filepath.Join(folder, "pipelines"), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
}

func register(ctx context.Context, s *local.System, folder string) error {
	defs, err := definitions(folder)
	if err != nil {
		return err
	}
	_, _, err = s.Register(ctx, defs)
	return err
}

// What is left to do in a system.
type left struct {
	Active []string // executions that have not ended, and how far they are
	Outbox int      // rows that wait to be delivered
}

// backdoor is what the test may do beside the API: deploy the definitions
// again, abort a machine run as an operator would, and ask what is left to do.
func backdoor(s *local.System, folder string, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", api)
	answer := func(path string, f func(r *http.Request) (any, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			json.NewEncoder(w).Encode(v)
		})
	}
	answer("POST /register", func(r *http.Request) (any, error) { return nil, register(r.Context(), s, folder) })
	answer("POST /abort", func(r *http.Request) (any, error) {
		e, err := s.Records.Execution(r.Context(), "", r.FormValue("execution"))
		if err != nil {
			return nil, err
		}
		return nil, s.Service.Machine.Stop(r.Context(), e.Value.Run, "Operator.Aborted", "for the test")
	})
	answer("GET /left", func(r *http.Request) (any, error) {
		rows, err := s.Service.Outbox(r.Context())
		if err != nil {
			return nil, err
		}
		active, err := activeIn(r.Context(), s.Records)
		return left{active, len(rows)}, err
	})
	return mux
}

// activeIn tells what has not ended, in deleted pipelines too.
func activeIn(ctx context.Context, read record.Reader) ([]string, error) {
	var ids []string
	for _, name := range append(names(), brief) {
		active, err := read.Active(ctx, name, 0)
		if err != nil {
			return nil, err
		}
		for _, e := range active {
			actions, err := read.Actions(ctx, e.ID)
			if err != nil {
				return nil, err
			}
			place := fmt.Sprintf("%s/%s %s in stage %d, entry %d, attempt %d:", name, e.ID, e.Status, e.Stage, e.Entry, e.Attempt)
			for _, a := range actions {
				place += fmt.Sprintf(" %s/%d %s", a.Name, a.Try, a.Status)
			}
			ids = append(ids, place)
		}
	}
	return ids, nil
}

// A child is a process that serves a folder.
type child struct {
	cmd   *exec.Cmd
	url   string
	api   *client.Client
	http  *http.Client
	says  *os.File
	ended chan struct{} // closed when the process has ended
}

// spawn starts a child. Its log is added to folder/child.log. bin is a binary
// of this test.
func spawn(t *testing.T, bin, folder string, env ...string) *child {
	t.Helper()
	cmd := exec.Command(bin, "-test.run=^$")
	cmd.Env = append(append(os.Environ(), childEnv+"="+folder), env...)
	log, err := os.OpenFile(filepath.Join(folder, "child.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: cmd, says: r, ended: make(chan struct{}), http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
	go func() {
		cmd.Wait()
		close(c.ended)
	}()
	t.Cleanup(c.kill)
	return c
}

// errDied says that a child ended before it listened.
var errDied = errors.New("the child ended before it listened")

// begin starts a child and waits until it listens, or has died.
func begin(t *testing.T, bin, folder string, env ...string) (*child, error) {
	t.Helper()
	c := spawn(t, bin, folder, env...)
	line, err := bufio.NewReader(c.says).ReadString('\n')
	if err != nil {
		c.kill()
		return nil, errDied
	}
	c.url = strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	c.api = client.New(c.url, c.http)
	return c, nil
}

// start is begin for a child that has to listen.
func start(t *testing.T, folder string) *child {
	t.Helper()
	c, err := begin(t, os.Args[0], folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// kill ends the child as a power cut would, memory and all.
func (c *child) kill() {
	c.cmd.Process.Kill()
	<-c.ended
	c.says.Close()
	c.http.CloseIdleConnections()
}

// dead reports whether the child has ended.
func (c *child) dead() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

package standin

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/awstest"
)

// initTimeout is how long a process may take until it asks for work.
const initTimeout = 10 * time.Second

// A worker is one process of a function. It has one invocation at a time.
type worker struct {
	id   string
	f    *function
	cmd  *exec.Cmd
	next chan *invocation // given to the process when it asks
	now  chan *invocation // the one it has, or empty
	dead chan struct{}
	used bool // it had an invocation before; guarded by the host
}

// What a worker is after an invocation.
type state int

const (
	usable state = iota
	ended
	untouched // it ended before it took the invocation
)

// An invocation is one event for a function. done takes its first outcome.
type invocation struct {
	id, clientContext string
	payload           []byte
	done              chan outcome
}

// worker returns a worker of f that waits, or a new one.
func (h *host) worker(f *function) (*worker, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(f.idle) > 0 {
		w := f.idle[len(f.idle)-1]
		f.idle = f.idle[:len(f.idle)-1]
		if w.alive() {
			w.used = true
			return w, nil
		}
	}
	if h.closed {
		return nil, fmt.Errorf("the stand-in has ended")
	}
	return h.startWorker(f)
}

// keep lets a worker wait for more work, unless its function was changed.
func (h *host) keep(w *worker) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if w.f.retired || h.closed {
		w.kill()
		return
	}
	w.f.idle = append(w.f.idle, w)
}

// startWorker starts a process. The host is locked.
func (h *host) startWorker(f *function) (*worker, error) {
	w := &worker{id: strconv.FormatInt(h.ids.Add(1), 10), f: f, next: make(chan *invocation), now: make(chan *invocation, 1), dead: make(chan struct{})}
	log, err := os.OpenFile(h.logFile(f.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	w.cmd = exec.Command(filepath.Join(f.root, "bootstrap"))
	w.cmd.Dir, w.cmd.Env = f.root, h.environment(w)
	w.cmd.Stdout, w.cmd.Stderr = log, log
	if err := awstest.StartChild(w.cmd); err != nil {
		return nil, err
	}
	h.workers[w.id] = w
	go func() {
		w.cmd.Wait()
		close(w.dead)
		h.mu.Lock()
		delete(h.workers, w.id)
		h.mu.Unlock()
	}()
	return w, nil
}

// environment is what Lambda gives a process, and nothing of ours.
func (h *host) environment(w *worker) []string {
	env := []string{
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"LANG=en_US.UTF-8",
		"TZ=:UTC",
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + w.f.root,
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(h.runtime.URL, "http://") + "/" + w.id,
		"AWS_LAMBDA_FUNCTION_NAME=" + w.f.name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(w.f.memory),
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + w.f.name,
		"AWS_LAMBDA_LOG_STREAM_NAME=standin/" + w.id,
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"AWS_REGION=" + Region,
		"AWS_DEFAULT_REGION=" + Region,
		"AWS_ACCESS_KEY_ID=" + keyPrefix + w.f.name,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_SESSION_TOKEN=standin",
		"AWS_ENDPOINT_URL=" + h.s.URL(),
	}
	for name, value := range w.f.environment {
		env = append(env, name+"="+value)
	}
	return env
}

func (w *worker) kill() { w.cmd.Process.Kill() }

func (w *worker) alive() bool {
	select {
	case <-w.dead:
		return false
	default:
		return true
	}
}

// invoke gives the process an invocation and waits for its end.
func (w *worker) invoke(i *invocation) (outcome, state) {
	exited := failure("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited without providing a reason", i.id))
	timer := time.NewTimer(initTimeout)
	defer timer.Stop()
	select {
	case w.next <- i:
	case <-w.dead:
		return exited, untouched
	case <-timer.C:
		w.kill()
		return failure("Sandbox.Timedout", "the function did not ask for work within "+initTimeout.String()), ended
	}
	timer.Reset(w.f.timeout)
	select {
	case o := <-i.done:
		return o, usable
	case <-w.dead:
		select {
		case o := <-i.done: // a panic is reported first
			return o, ended
		default:
			return exited, ended
		}
	case <-timer.C:
		w.kill()
		return failure("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", i.id, w.f.timeout.Seconds())), ended
	}
}

// serveRuntime is the Runtime API, below the id of a worker:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (h *host) serveRuntime(rw http.ResponseWriter, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/2018-06-01/runtime/")
	h.mu.Lock()
	w := h.workers[id]
	h.mu.Unlock()
	switch parts := strings.Split(path, "/"); {
	case w == nil:
		http.Error(rw, "no such worker", http.StatusForbidden)
	case path == "invocation/next":
		w.serveNext(rw, r)
	case path == "init/error":
		rw.WriteHeader(http.StatusAccepted)
	case len(parts) == 3 && parts[0] == "invocation":
		w.serveEnd(rw, r, parts[1], parts[2] == "error")
	default:
		http.NotFound(rw, r)
	}
}

func (w *worker) serveNext(rw http.ResponseWriter, r *http.Request) {
	select {
	case i := <-w.next:
		w.now <- i
		header := rw.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(w.f.timeout).UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", w.f.arn)
		header.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
		if i.clientContext != "" {
			header.Set("Lambda-Runtime-Client-Context", i.clientContext)
		}
		rw.Write(i.payload)
	case <-w.dead:
	case <-r.Context().Done():
	}
}

func (w *worker) serveEnd(rw http.ResponseWriter, r *http.Request, id string, failed bool) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	select {
	case i := <-w.now:
		if i.id != id {
			http.Error(rw, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
			return
		}
		i.done <- outcome{body, failed}
		rw.WriteHeader(http.StatusAccepted)
	default:
		http.Error(rw, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
	}
}

func (h *host) logFile(function string) string {
	return filepath.Join(h.s.dir, "log-"+function)
}

// Logs returns what the processes of a function have printed so far.
func (s *Standin) Logs(function string) string {
	data, err := os.ReadFile(s.host.logFile(function))
	if err != nil {
		return ""
	}
	return string(data)
}

// Package background runs the jobs of providers in this process while the
// pipeline goes on, and remembers for ever how they ended.
//
// Starts and ends of jobs are lines of one file, jobs.log in the data folder.
// A job that has a start but no end there, and is not running in this process,
// was cut off when the process that ran it died: it is lost.
//
// # Durability
//
// A crash of this process loses nothing that was written. A loss of power may
// lose the newest lines, and that is why a result is not trusted unless it is
// whole. Whether a job that ends is worth a flush of the disk is the job's
// choice ([Task.Durable]). Without it, a power cut can only forget a start or
// an end that the orchestrator has not recorded yet; it starts that job again,
// as it does with a lost one. Once the orchestrator has recorded the end, in
// its own durable store, nobody asks here again.
package background

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/failpoint"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/process"
)

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Limit int                // of jobs that run at once; default two for each core
	Ended func(jobID string) // called when Poll can tell the end of a job
}

// A Runner runs jobs. Several providers may share one. It is safe for
// concurrent use. One process at a time may use a data folder.
type Runner struct {
	Data string // the data folder, absolute

	id    string
	jobs  *journal
	slots chan struct{}
	ended func(string)

	cleaning sync.WaitGroup

	mu      sync.Mutex
	running map[string]*running // guarded by mu
}

type running struct {
	stop   context.CancelCauseFunc
	done   chan struct{} // closed when the end is on disk
	result action.Result // what Poll says meanwhile
}

// The causes for which the context of a Task ends.
var (
	errStopped = errors.New("stopped")
	errTimeout = errors.New("timed out")
	errHalted  = errors.New("this process closes")
)

// New returns a Runner that keeps what it knows below the folder data, which
// it creates.
func New(data string, opts Options) (*Runner, error) {
	data, err := filepath.Abs(data)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"work", "logs"} {
		if err := os.MkdirAll(filepath.Join(data, name), 0o700); err != nil {
			return nil, err
		}
	}
	if real, err := filepath.EvalSymlinks(data); err == nil {
		data = real
	}
	if opts.Limit <= 0 {
		opts.Limit = 2 * runtime.NumCPU()
	}
	if opts.Ended == nil {
		opts.Ended = func(string) {}
	}
	jobs, err := openJournal(filepath.Join(data, "jobs.log"))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(data))
	return &Runner{
		Data: data, id: hex.EncodeToString(sum[:6]), jobs: jobs, ended: opts.Ended,
		slots: make(chan struct{}, opts.Limit), running: map[string]*running{},
	}, nil
}

// Close ends what runs and closes the file of jobs. No end is kept of what it
// cuts off: those jobs are lost, as after a crash. No job may be started after.
func (r *Runner) Close() error {
	r.mu.Lock()
	cut := slices.Collect(maps.Values(r.running))
	r.mu.Unlock()
	for _, now := range cut {
		now.stop(errHalted)
	}
	for _, now := range cut {
		<-now.done
	}
	r.cleaning.Wait()
	return r.jobs.file.Close()
}

// Mark returns the mark of the processes of a job.
func (r *Runner) Mark(jobID string) string { return r.id + ":" + jobID }

// Sweep kills what an earlier process of this data folder left running. It is
// called once, before the first job, by who owns the folder.
func (r *Runner) Sweep() (int, error) { return process.Sweep(r.id + ":") }

// Tidy removes the folders in which jobs of an earlier process worked: who has
// died cannot. It is called once, after Sweep, because a process that lives
// could write there.
func (r *Runner) Tidy() error {
	jobs, err := os.ReadDir(filepath.Join(r.Data, "work"))
	errs := []error{err}
	for _, job := range jobs {
		errs = append(errs, r.RemoveWork(job.Name()))
	}
	return errors.Join(errs...)
}

// LogFile returns where the log of a job is kept.
func (r *Runner) LogFile(jobID string) string { return filepath.Join(r.Data, "logs", jobID+".log") }

// WorkFolder returns where a job may work. It is the job's own to make and remove.
func (r *Runner) WorkFolder(jobID string) string { return filepath.Join(r.Data, "work", jobID) }

// RemoveWork removes the folder of a job, also where a build took write
// permission away.
func (r *Runner) RemoveWork(jobID string) error {
	root := r.WorkFolder(jobID)
	if os.Remove(root) == nil { // it was empty
		return nil
	}
	if os.RemoveAll(root) == nil {
		return nil
	}
	filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(root)
}

// A Task is a job and the work it means.
type Task struct {
	Job        action.Job
	ExternalID string
	Timeout    time.Duration // of the work once it runs; 0 for none but the job's deadline
	Durable    bool          // whether the result is flushed to the disk

	// Clean, if there is one, tidies up after the job. Nobody waits for it but
	// Close.
	Clean func()

	// Run does the work. When ctx ends it ends what it started and returns;
	// its result does not count then.
	Run func(ctx context.Context) action.Result
}

var safeID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// Start begins t in the background, unless its job was started before. Either
// way it returns what Poll would.
func (r *Runner) Start(t Task) (action.Result, error) {
	id := t.Job.ID
	if !safeID.MatchString(id) {
		return action.Result{}, fmt.Errorf("job id %q cannot be the name of a folder", id)
	}
	r.mu.Lock()
	if now, ok := r.running[id]; ok {
		r.mu.Unlock()
		return now.result, nil
	}
	// The start is written under the lock: whoever sees it must also see that
	// the job is running.
	_, known, err := r.jobs.last(id)
	if err == nil && !known {
		err = failpoint.Step("job start", func() error { return r.jobs.add(id, []byte(started), false) })
	}
	if err != nil || known {
		r.mu.Unlock()
		if err != nil {
			return action.Result{}, err
		}
		return r.Poll(t.Job, t.ExternalID)
	}
	ctx, stop := context.WithCancelCause(context.Background())
	now := &running{
		stop: stop, done: make(chan struct{}),
		result: action.Result{Status: pipeline.InProgress, ExternalID: t.ExternalID, Log: true},
	}
	r.running[id] = now
	r.mu.Unlock()
	go r.run(ctx, t, now)
	return now.result, nil
}

func (r *Runner) run(ctx context.Context, t Task, now *running) {
	defer now.stop(nil)
	result := r.work(ctx, t)
	r.cleaning.Go(func() { r.clean(t) })
	if errors.Is(context.Cause(ctx), errHalted) {
		close(now.done)
		return
	}
	if result.ExternalID == "" {
		result.ExternalID = t.ExternalID
	}
	result.Log = true
	content, err := json.Marshal(result)
	if err == nil {
		err = failpoint.Step("job end", func() error { return r.jobs.add(t.Job.ID, content, t.Durable) })
	}
	r.mu.Lock()
	if err == nil {
		delete(r.running, t.Job.ID)
	} else {
		// The end cannot be kept. It can still be told, as long as this
		// process lives; after that the job is lost.
		now.result = result
	}
	r.mu.Unlock()
	close(now.done)
	r.ended(t.Job.ID)
}

// clean ends what a job left running and tidies up after it.
func (r *Runner) clean(t Task) {
	process.Sweep(r.Mark(t.Job.ID)) // what it misses, the next start finds
	if t.Clean != nil {
		t.Clean()
	}
}

// work waits for its turn and runs t.
func (r *Runner) work(ctx context.Context, t Task) (result action.Result) {
	if !t.Job.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, t.Job.Deadline, errTimeout)
		defer cancel()
	}
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return Ended(ctx)
	}
	if t.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.Timeout, errTimeout)
		defer cancel()
	}
	if ctx.Err() == nil {
		result = t.Run(ctx)
	}
	if ctx.Err() != nil {
		return Ended(ctx)
	}
	return result
}

// Ended returns the result of a job whose context has ended.
func Ended(ctx context.Context) action.Result {
	if errors.Is(context.Cause(ctx), errStopped) {
		return action.Fail(action.JobFailed, "stopped")
	}
	return action.Fail(action.Timeout, "The action timed out and was ended")
}

// Poll tells how a job stands that was started, here or by a process that has
// died.
func (r *Runner) Poll(job action.Job, externalID string) (action.Result, error) {
	r.mu.Lock()
	now, ok := r.running[job.ID]
	if ok {
		defer r.mu.Unlock()
		return now.result, nil
	}
	r.mu.Unlock()
	content, known, err := r.jobs.last(job.ID)
	if err != nil {
		return action.Result{}, err
	}
	if !known {
		return action.Result{}, fmt.Errorf("job %s was not started", job.ID)
	}
	var result action.Result
	if json.Unmarshal(content, &result) != nil || !result.Status.Final() {
		return action.Result{
			Status: action.Lost, ExternalID: externalID, Log: true,
			Summary: "The process that ran this action ended before it did",
		}, nil
	}
	return result, nil
}

// Stop ends a job and returns when nothing of it runs any more.
func (r *Runner) Stop(ctx context.Context, job action.Job) error {
	r.mu.Lock()
	now, ok := r.running[job.ID]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	now.stop(errStopped)
	select {
	case <-now.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Package actiontest is the contract of action.Provider in executable form.
//
// [Run] knows nothing of what a provider does: the caller's [Harness] makes
// jobs that succeed, fail or go on until they are stopped, and says how often
// the work of a job was really done. Providers of every kind run it: those
// that end a job within Start, and those whose jobs go on elsewhere.
package actiontest

import (
	"encoding/json"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Harness is what Run needs to know of a provider. Open and Succeeds are
// required; what a nil function would be needed for is not tested.
type Harness struct {
	// Open returns a new provider over the same kept state each time, as a new
	// process would have it after a crash. The provider calls ended when a job
	// that Start left in progress has ended.
	Open func(t *testing.T, ended func(jobID string)) action.Provider

	// Succeeds returns a new job that succeeds, with outputs if the provider
	// has any.
	Succeeds func(t *testing.T) action.Job

	// Fails returns a new job that fails because of what it does.
	Fails func(t *testing.T) action.Job

	// Blocks returns a new job that goes on until it is stopped, and a
	// function that waits until its work is under way. Lost says whether such
	// a job dies with the process.
	Blocks func(t *testing.T) (job action.Job, begun func())
	Lost   bool

	// Done returns how often the work of a job was begun.
	Done func(t *testing.T, job action.Job) int

	// Blobs is where the outputs are.
	Blobs blob.Store
}

// Run runs every test of the contract. It calls open once per test.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	tests := []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"Succeeds", succeeds},
		{"StartTwiceWorksOnce", startTwiceWorksOnce},
		{"StartAfterCrashWorksOnce", startAfterCrashWorksOnce},
		{"ConcurrentStartsWorkOnce", concurrentStartsWorkOnce},
		{"EndIsStable", endIsStable},
		{"FailureHasCodeAndMessage", failureHasCodeAndMessage},
		{"OutputsAreVerified", outputsAreVerified},
		{"StopOfUnknownDoesNothing", stopOfUnknownDoesNothing},
		{"StopOfEndedDoesNothing", stopOfEndedDoesNothing},
		{"StopEndsWork", stopEndsWork},
		{"DeadlineEndsWork", deadlineEndsWork},
		{"CrashIsLost", crashIsLost},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := &bench{Harness: open(t), ended: make(chan string, 100)}
			b.p = b.Open(t, func(id string) { b.ended <- id })
			tt.run(t, b)
		})
	}
}

// patience is how long a test waits for something that should happen at once.
const patience = 30 * time.Second

type bench struct {
	Harness
	p     action.Provider
	ended chan string
}

// finish starts job and returns its end.
func (b *bench) finish(t *testing.T, job action.Job) action.Result {
	t.Helper()
	r, err := b.p.Start(t.Context(), job)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	if r.Status != pipeline.InProgress {
		return r
	}
	return b.await(t, job)
}

// await waits until job has ended and returns how.
func (b *bench) await(t *testing.T, job action.Job) action.Result {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case id := <-b.ended:
			if id != job.ID {
				continue
			}
			r := poll(t, b.p, job)
			if !r.Status.Final() {
				t.Fatalf("told of the end of a job that is %s", r.Status)
			}
			return r
		case <-timeout:
			t.Fatalf("the job has not ended after %v; it is %s", patience, poll(t, b.p, job).Status)
		}
	}
}

func poll(t *testing.T, p action.Provider, job action.Job) action.Result {
	t.Helper()
	r, err := p.Poll(t.Context(), job)
	if err != nil {
		t.Fatalf("Poll: %v", err)
	}
	return r
}

// same compares results as they are stored.
func same(t *testing.T, what string, got, want action.Result) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("%s: %s; want %s", what, g, w)
	}
}

func (b *bench) worked(t *testing.T, job action.Job, want int) {
	t.Helper()
	if b.Done == nil {
		return
	}
	if got := b.Done(t, job); got != want {
		t.Errorf("the work was done %d times; want %d", got, want)
	}
}

func succeeds(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	r := b.finish(t, job)
	if r.Status != pipeline.Succeeded || r.Error != nil {
		t.Errorf("%s, %+v; want Succeeded", r.Status, r.Error)
	}
	b.worked(t, job, 1)
}

func startTwiceWorksOnce(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	first := b.finish(t, job)
	again, err := b.p.Start(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "second Start", again, first)
	b.worked(t, job, 1)
}

func startAfterCrashWorksOnce(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	first := b.finish(t, job)
	b.p = b.Open(t, func(id string) { b.ended <- id })
	again, err := b.p.Start(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Start by a new process", again, first)
	same(t, "Poll by a new process", poll(t, b.p, job), first)
	b.worked(t, job, 1)
}

func concurrentStartsWorkOnce(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	results := make(chan action.Result, 8)
	for range cap(results) {
		go func() {
			r, err := b.p.Start(t.Context(), job)
			if err != nil {
				t.Errorf("Start: %v", err)
			}
			results <- r
		}()
	}
	inProgress := false
	for range cap(results) {
		switch r := <-results; r.Status {
		case pipeline.InProgress:
			inProgress = true
		case pipeline.Succeeded:
		default:
			t.Errorf("Start: %s", r.Status)
		}
	}
	if inProgress && poll(t, b.p, job).Status == pipeline.InProgress {
		b.await(t, job)
	}
	if r := poll(t, b.p, job); r.Status != pipeline.Succeeded {
		t.Errorf("in the end %s", r.Status)
	}
	b.worked(t, job, 1)
}

func endIsStable(t *testing.T, b *bench) {
	for _, make := range []func(*testing.T) action.Job{b.Succeeds, b.Fails} {
		if make == nil {
			continue
		}
		job := make(t)
		end := b.finish(t, job)
		for range 3 {
			same(t, "Poll", poll(t, b.p, job), end)
		}
	}
}

func failureHasCodeAndMessage(t *testing.T, b *bench) {
	if b.Fails == nil {
		t.Skip("its jobs cannot fail")
	}
	r := b.finish(t, b.Fails(t))
	if r.Status != pipeline.Failed || r.Error == nil || r.Error.Code == "" || r.Error.Message == "" || r.Summary == "" {
		t.Errorf("%s %q, %+v; want Failed with a summary, a code and a message", r.Status, r.Summary, r.Error)
	}
}

func outputsAreVerified(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	r := b.finish(t, job)
	if len(r.Outputs) != len(job.Outputs) {
		t.Fatalf("%d outputs; want %d", len(r.Outputs), len(job.Outputs))
	}
	for i, out := range r.Outputs {
		if out.Name != job.Outputs[i].Name || out.Ref.Bucket != job.Outputs[i].Ref.Bucket || out.Ref.Key != job.Outputs[i].Ref.Key {
			t.Errorf("output %+v; want it where the job says: %+v", out, job.Outputs[i])
		}
		content, err := b.Blobs.Open(t.Context(), out.Ref)
		if err != nil {
			t.Errorf("output %s: %v", out.Name, err)
			continue
		}
		if n, err := io.Copy(io.Discard, content); err != nil || n != out.Ref.Size {
			t.Errorf("output %s: %d bytes, %v; want %d", out.Name, n, err, out.Ref.Size)
		}
		content.Close()
		wrong := out.Ref
		wrong.Digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
		if _, err := b.Blobs.Open(t.Context(), wrong); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("output %s with a wrong digest: %v; want ErrDigest", out.Name, err)
		}
	}
}

func stopOfUnknownDoesNothing(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	if err := b.p.Stop(t.Context(), job); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if r := b.finish(t, job); r.Status != pipeline.Succeeded {
		t.Errorf("started after that: %s", r.Status)
	}
}

func stopOfEndedDoesNothing(t *testing.T, b *bench) {
	job := b.Succeeds(t)
	end := b.finish(t, job)
	for range 2 {
		if err := b.p.Stop(t.Context(), job); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	same(t, "Poll after Stop", poll(t, b.p, job), end)
}

// begin starts a job that blocks.
func (b *bench) begin(t *testing.T, change func(*action.Job)) action.Job {
	t.Helper()
	if b.Blocks == nil {
		t.Skip("its jobs do not go on elsewhere")
	}
	job, begun := b.Blocks(t)
	change(&job)
	r, err := b.p.Start(t.Context(), job)
	if err != nil || r.Status != pipeline.InProgress {
		t.Fatalf("Start: %s, %v; want InProgress", r.Status, err)
	}
	begun()
	if r := poll(t, b.p, job); r.Status != pipeline.InProgress {
		t.Fatalf("Poll: %s; want InProgress", r.Status)
	}
	return job
}

func stopEndsWork(t *testing.T, b *bench) {
	job := b.begin(t, func(*action.Job) {})
	if err := b.p.Stop(t.Context(), job); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	r := poll(t, b.p, job)
	if r.Status != pipeline.Failed || r.Error == nil {
		t.Errorf("after Stop: %s, %+v; want Failed", r.Status, r.Error)
	}
	same(t, "Start after Stop", must(b.p.Start(t.Context(), job)), r)
	b.worked(t, job, 1)
}

func must(r action.Result, _ error) action.Result { return r }

func deadlineEndsWork(t *testing.T, b *bench) {
	job := b.begin(t, func(j *action.Job) { j.Deadline = time.Now().Add(300 * time.Millisecond) })
	if r := b.await(t, job); r.Status != pipeline.Failed || r.Error == nil || r.Error.Code != action.Timeout {
		t.Errorf("%s, %+v; want Failed with Timeout", r.Status, r.Error)
	}
}

func crashIsLost(t *testing.T, b *bench) {
	if !b.Lost {
		t.Skip("its jobs do not die with the process")
	}
	job := b.begin(t, func(*action.Job) {})
	dead := b.p
	b.p = b.Open(t, func(id string) { b.ended <- id })
	if r := poll(t, b.p, job); r.Status != action.Lost {
		t.Errorf("Poll by a new process: %s; want Lost", r.Status)
	}
	if r := must(b.p.Start(t.Context(), job)); r.Status != action.Lost {
		t.Errorf("Start by a new process: %s; want Lost", r.Status)
	}
	b.worked(t, job, 1)
	if err := dead.Stop(t.Context(), job); err != nil { // it was not really dead
		t.Error(err)
	}
}

package background_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func newRunner(t *testing.T, data string, opts background.Options) *background.Runner {
	t.Helper()
	r, err := background.New(data, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func succeed(context.Context) action.Result { return action.Result{Status: pipeline.Succeeded} }

func block(ctx context.Context) action.Result {
	<-ctx.Done()
	return action.Result{Status: pipeline.Succeeded} // which nobody believes
}

// No more than Limit jobs run at once; the others wait and can be stopped.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRunner(t, t.TempDir(), background.Options{Limit: 2})
		begun := 0
		job := func(id string) action.Job { return action.Job{ID: id} }
		for _, id := range []string{"a", "b", "c", "d"} {
			result, err := r.Start(background.Task{Job: job(id), Run: func(ctx context.Context) action.Result {
				begun++
				return block(ctx)
			}})
			if err != nil || result.Status != pipeline.InProgress {
				t.Fatalf("%s: %s, %v", id, result.Status, err)
			}
			synctest.Wait()
		}
		if begun != 2 {
			t.Errorf("%d jobs run; want 2", begun)
		}
		if err := r.Stop(t.Context(), job("c")); err != nil { // it waits
			t.Error(err)
		}
		if result, err := r.Poll(job("c"), ""); err != nil || result.Status != pipeline.Failed || result.Error.Message != "stopped" {
			t.Errorf("stopped while it waited: %+v, %v", result, err)
		}
		if err := r.Stop(t.Context(), job("a")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if begun != 3 {
			t.Errorf("%d jobs were begun; want 3, for there is room again", begun)
		}
		r.Stop(t.Context(), job("b"))
		r.Stop(t.Context(), job("d"))
	})
}

func TestTimeouts(t *testing.T) {
	tests := []struct {
		name string
		task background.Task
		want time.Duration
	}{
		{"of the job", background.Task{Job: action.Job{ID: "a", Deadline: time.Date(2000, 1, 1, 0, 10, 0, 0, time.UTC)}}, 10 * time.Minute},
		{"of the work", background.Task{Job: action.Job{ID: "b"}, Timeout: time.Hour}, time.Hour},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) { // where it is midnight of 2000-01-01
			ended := make(chan string, 1)
			r := newRunner(t, t.TempDir(), background.Options{Ended: func(id string) { ended <- id }})
			tt.task.Run = block
			begin := time.Now()
			if _, err := r.Start(tt.task); err != nil {
				t.Fatal(err)
			}
			<-ended
			if took := time.Since(begin); took != tt.want {
				t.Errorf("%s: ended after %v; want %v", tt.name, took, tt.want)
			}
			if result, err := r.Poll(tt.task.Job, ""); err != nil || result.Error == nil || result.Error.Code != action.Timeout {
				t.Errorf("%s: %+v, %v", tt.name, result, err)
			}
		})
	}
}

// A result that a crash of the machine cut short is no result, and does not
// spoil what is written after it.
func TestTornResultIsLost(t *testing.T) {
	for _, durable := range []bool{false, true} {
		data, ended := t.TempDir(), make(chan string, 1)
		r := newRunner(t, data, background.Options{Ended: func(id string) { ended <- id }})
		job := action.Job{ID: "a"}
		if _, err := r.Start(background.Task{Job: job, ExternalID: "x:a", Durable: durable, Run: succeed}); err != nil {
			t.Fatal(err)
		}
		<-ended
		r.Close()
		file := filepath.Join(data, "jobs.log")
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		begin := len("a started\n")
		for n := begin; n < len(whole)-1; n++ {
			for _, tail := range [][]byte{nil, make([]byte, len(whole)-n)} {
				os.WriteFile(file, append(whole[:n:n], tail...), 0o600)
				r := newRunner(t, data, background.Options{Ended: func(id string) { ended <- id }})
				if result, err := r.Poll(job, "x:a"); err != nil || result.Status != action.Lost || result.ExternalID != "x:a" {
					t.Errorf("%d bytes: %+v, %v; want Lost", n, result, err)
				}
				next := action.Job{ID: "next"}
				r.Start(background.Task{Job: next, Run: succeed})
				<-ended
				if result, err := r.Poll(next, ""); err != nil || result.Status != pipeline.Succeeded {
					t.Errorf("%d bytes: the job after it: %+v, %v", n, result, err)
				}
				r.Close()
			}
		}
	}
}

// A result may be longer than what is read at once.
func TestLongJournal(t *testing.T) {
	data, ended := t.TempDir(), make(chan string, 1)
	r := newRunner(t, data, background.Options{Ended: func(id string) { ended <- id }})
	defer r.Close()
	for i, size := range []int{10, 3 << 20, 10, 1 << 20, 10} {
		summary := strings.Repeat("x", size)
		job := action.Job{ID: fmt.Sprint("job", i)}
		if _, err := r.Start(background.Task{Job: job, Run: func(context.Context) action.Result {
			return action.Result{Status: pipeline.Succeeded, Summary: summary}
		}}); err != nil {
			t.Fatal(err)
		}
		<-ended
		fresh := newRunner(t, data, background.Options{})
		for _, r := range []*background.Runner{r, fresh} {
			if result, err := r.Poll(job, ""); err != nil || result.Summary != summary {
				t.Errorf("result of %d bytes: %d bytes, %v", size, len(result.Summary), err)
			}
			if result, err := r.Poll(action.Job{ID: "job0"}, ""); err != nil || result.Status != pipeline.Succeeded {
				t.Errorf("the first: %s, %v", result.Status, err)
			}
		}
		fresh.Close()
	}
}

// The end is told only when Poll can tell it.
func TestEndedAfterResult(t *testing.T) {
	data := t.TempDir()
	told := make(chan pipeline.Status, 1)
	var r *background.Runner
	r = newRunner(t, data, background.Options{Ended: func(id string) {
		result, _ := r.Poll(action.Job{ID: id}, "")
		told <- result.Status
	}})
	r.Start(background.Task{Job: action.Job{ID: "a"}, Run: succeed})
	if status := <-told; status != pipeline.Succeeded {
		t.Errorf("%s; want Succeeded", status)
	}
}

func TestUnsafeIDs(t *testing.T) {
	r := newRunner(t, t.TempDir(), background.Options{})
	for _, id := range []string{"", "../x", "a/b", ".", "a\x00"} {
		if _, err := r.Start(background.Task{Job: action.Job{ID: id}, Run: succeed}); err == nil {
			t.Errorf("%q: no error", id)
		}
	}
	if _, err := r.Poll(action.Job{ID: "unknown"}, ""); err == nil {
		t.Error("Poll of a job that was never started: no error")
	}
}

// Tidy removes what a process that died left, also where a build took write
// permission away.
func TestTidy(t *testing.T) {
	data := t.TempDir()
	r := newRunner(t, data, background.Options{})
	locked := filepath.Join(r.WorkFolder("j"), "src")
	if err := os.MkdirAll(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(locked, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(locked, 0o500); err != nil {
		t.Fatal(err)
	}
	if err := r.Tidy(); err != nil {
		t.Error(err)
	}
	if rest, err := os.ReadDir(filepath.Join(data, "work")); err != nil || len(rest) > 0 {
		t.Errorf("left: %v, %v", rest, err)
	}
}

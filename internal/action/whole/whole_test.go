package whole_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var job = action.Job{ID: "j"}

// TestOnce starts one job from two places: it is done once, and both are told.
func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		p := whole.Provider(func(context.Context, action.Job) (action.Result, error) {
			calls.Add(1)
			<-release
			return action.Result{Status: pipeline.Succeeded}, nil
		})
		for range 2 {
			go func() {
				if res, err := p.Start(t.Context(), job); err != nil || res.Status != pipeline.Succeeded {
					t.Errorf("start: %+v, %v", res, err)
				}
			}()
		}
		synctest.Wait()
		if res, _ := p.Poll(t.Context(), job); res.Status != pipeline.InProgress {
			t.Errorf("poll while it runs: %s", res.Status)
		}
		close(release)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("done %d times", calls.Load())
		}
	})
}

// TestUnknownEndIsForgotten pins that a Go error is tried again.
func TestUnknownEndIsForgotten(t *testing.T) {
	calls := 0
	p := whole.Provider(func(context.Context, action.Job) (action.Result, error) {
		if calls++; calls == 1 {
			return action.Result{}, errors.New("disk")
		}
		return action.Result{Status: pipeline.Succeeded}, nil
	})
	if _, err := p.Start(t.Context(), job); err == nil {
		t.Error("no error")
	}
	if res, err := p.Poll(t.Context(), job); err != nil || res.Status != action.Lost {
		t.Errorf("poll: %+v, %v", res, err)
	}
	if res, err := p.Start(t.Context(), job); err != nil || res.Status != pipeline.Succeeded {
		t.Errorf("second start: %+v, %v", res, err)
	}
}

func TestPanicIsForgotten(t *testing.T) {
	p := whole.Provider(func(context.Context, action.Job) (action.Result, error) { panic("bug") })
	func() {
		defer func() { _ = recover() }()
		_, _ = p.Start(t.Context(), job)
	}()
	if res, _ := p.Poll(t.Context(), job); res.Status != action.Lost {
		t.Errorf("poll after a panic: %s", res.Status)
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := whole.Provider(func(ctx context.Context, _ action.Job) (action.Result, error) {
			<-ctx.Done()
			return action.Result{}, ctx.Err()
		})
		if err := p.Stop(t.Context(), job); err != nil {
			t.Errorf("stop before start: %v", err)
		}
		go func() { _, _ = p.Start(t.Context(), job) }()
		synctest.Wait()
		if err := p.Stop(t.Context(), job); err != nil {
			t.Error(err)
		}
		if res, err := p.Poll(t.Context(), job); err != nil || res.Status != pipeline.Failed {
			t.Errorf("poll after stop: %+v, %v", res, err)
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := whole.Provider(func(ctx context.Context, _ action.Job) (action.Result, error) {
			<-ctx.Done()
			return action.Result{}, ctx.Err()
		})
		res, err := p.Start(t.Context(), action.Job{ID: "j", Deadline: time.Now().Add(time.Hour)})
		if err != nil || res.Error == nil || res.Error.Code != action.Timeout {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestPut(t *testing.T) {
	var blobs wholetest.Blobs
	out := action.Artifact{Name: "Out", Ref: blob.Ref{Bucket: "b", Key: "k"}}
	first, err := whole.PutBytes(t.Context(), &blobs, out, []byte("one"))
	if err != nil || first.Ref.Key != "k" || first.Ref.Size != 3 {
		t.Fatalf("first: %+v, %v", first, err)
	}
	if again, err := whole.PutBytes(t.Context(), &blobs, out, []byte("one")); err != nil || again != first {
		t.Errorf("same content again: %+v, %v", again, err)
	}
	other, err := whole.PutBytes(t.Context(), &blobs, out, []byte("two"))
	if err != nil || !strings.HasPrefix(other.Ref.Key, "k-") || string(blobs.Content(t, other.Ref)) != "two" {
		t.Errorf("other content: %+v, %v", other, err)
	}
	if again, err := whole.PutBytes(t.Context(), &blobs, out, []byte("two")); err != nil || again != other {
		t.Errorf("other content again: %+v, %v", again, err)
	}
}

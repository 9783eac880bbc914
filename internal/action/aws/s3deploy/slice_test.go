package s3deploy_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/s3deploy"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A slow world is one in which each object takes a minute.
type slow struct {
	*world
	began   time.Time
	minutes atomic.Int64
}

func newSlow() *slow {
	s := &slow{world: newWorld(), began: time.Now()}
	s.After = s.tick
	return s
}

func (s *slow) tick(string) error { s.minutes.Add(1); return nil }

func (s *slow) now() time.Time { return s.began.Add(time.Duration(s.minutes.Load()) * time.Minute) }

// call calls the provider in a new process that has 15 minutes.
func (s *slow) call(t *testing.T, job action.Job) (action.Result, error) {
	t.Helper()
	p := s3deploy.New(credentials.Fixed[s3deploy.S3](&s.S3), &s.S3, s3deploy.Options{Now: s.now})
	ctx, cancel := context.WithDeadline(t.Context(), s.now().Add(15*time.Minute))
	defer cancel()
	if job.Cursor == "" {
		return p.Start(ctx, job)
	}
	return p.Poll(ctx, job)
}

// files returns n files and what is deployed of them.
func files(t *testing.T, n int) (content []byte, want map[string]string) {
	var all []entry
	want = map[string]string{}
	for i := range n {
		name := fmt.Sprintf("f%03d.txt", i)
		all = append(all, entry{name, name, 0o644})
		want[name] = "text/plain " + name
	}
	return pack(t, all...), want
}

// TestSlices deploys more than a function has time for: no file twice, none
// left out.
func TestSlices(t *testing.T) {
	s := newSlow()
	content, want := files(t, 100)
	job := s.job(t, content)
	job.Deadline = s.began.Add(10 * time.Hour)
	slices, percent := 0, 0
	for {
		r, err := s.call(t, job)
		if err != nil {
			t.Fatal(err)
		}
		slices++
		if r.Status == pipeline.Succeeded {
			if r.Cursor != "" || r.Summary != "Deployment Succeeded" {
				t.Errorf("in the end %+v", r)
			}
			break
		}
		if n := len(s.Keys("site")); r.Status != pipeline.InProgress || r.Cursor != fmt.Sprintf("%d/100", n) || r.Percent != n || r.Percent <= percent || r.Summary != fmt.Sprintf("%d of 100 files are deployed", n) {
			t.Fatalf("with %d objects: %+v", n, r)
		}
		job.Cursor, percent = r.Cursor, r.Percent
	}
	if diff := cmp.Diff(want, s.objects()); diff != "" || s.Puts() != 100 {
		t.Errorf("%d objects were written: %s", s.Puts(), diff)
	}
	if slices < 5 || slices > 10 { // 13 minutes each, and up to 8 files more on their way
		t.Errorf("%d slices", slices)
	}
}

// TestSliceAgain does a slice twice at once, lets one be cut short, and
// repeats it.
func TestSliceAgain(t *testing.T) {
	s := newSlow()
	content, want := files(t, 60)
	job := s.job(t, content)
	job.Deadline = s.began.Add(10 * time.Hour)
	r, err := s.call(t, job)
	if err != nil || r.Cursor == "" {
		t.Fatalf("%+v, %v", r, err)
	}
	job.Cursor = r.Cursor
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if r, err := s.call(t, job); err != nil || r.Status != pipeline.InProgress || r.Cursor == job.Cursor {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	both.Wait()
	down := awsfake.Error("ServiceUnavailable")
	next := fmt.Sprintf("PutObject f%03d.txt", r.Percent*60/100+2)
	s.After = func(call string) error {
		if call == next {
			return down
		}
		return s.tick(call)
	}
	if r, err := s.call(t, job); !errors.Is(err, down) {
		t.Errorf("%+v, %v; want %v", r, err, down)
	}
	s.After = s.tick
	for job.Cursor != "" {
		if r, err = s.call(t, job); err != nil {
			t.Fatal(err)
		}
		job.Cursor = r.Cursor
	}
	if diff := cmp.Diff(want, s.objects()); diff != "" || r.Status != pipeline.Succeeded {
		t.Errorf("%+v: %s", r, diff)
	}
}

// TestLate pins that a caller with no time left begins nothing and says so.
func TestLate(t *testing.T) {
	s := newSlow()
	content, _ := files(t, 3)
	p := s3deploy.New(credentials.Fixed[s3deploy.S3](&s.S3), &s.S3, s3deploy.Options{Now: s.now})
	ctx, cancel := context.WithDeadline(t.Context(), s.now().Add(time.Minute))
	defer cancel()
	if r, err := p.Start(ctx, s.job(t, content)); err == nil || !strings.Contains(err.Error(), "too little time") || s.Puts() > 0 {
		t.Errorf("%+v, %v, %d objects", r, err, s.Puts())
	}
}

// TestCursor refuses what this provider did not say of this archive.
func TestCursor(t *testing.T) {
	s := newSlow()
	content, _ := files(t, 3)
	for _, cursor := range []string{"x", "1", "1/2/3", "0/3", "3/3", "-1/3", "2/4", "1/3 "} {
		job := s.job(t, content)
		job.Cursor = cursor
		if r, err := s.call(t, job); err == nil || r.Status != "" || s.Puts() > 0 {
			t.Errorf("cursor %q: %+v, %v", cursor, r, err)
		}
	}
}

// TestLives pins when a job is lost that a process has started which tells
// nothing any more.
func TestLives(t *testing.T) {
	s := newSlow()
	content, _ := files(t, 3)
	job := s.job(t, content)
	job.Deadline = s.began.Add(90 * time.Minute) // it begins now
	p := s3deploy.New(credentials.Fixed[s3deploy.S3](&s.S3), &s.S3, s3deploy.Options{Lives: 16 * time.Minute, Now: s.now})
	for minute, want := range map[int64]pipeline.Status{0: pipeline.InProgress, 15: pipeline.InProgress, 16: action.Lost} {
		s.minutes.Store(minute)
		if r, err := p.Poll(t.Context(), job); err != nil || r.Status != want {
			t.Errorf("after %d minutes: %+v, %v; want %s", minute, r, err, want)
		}
	}
}

// An endless S3 writes nothing, until its caller gives up.
type endless struct {
	s3deploy.S3
	once  *sync.Once
	begun chan bool
}

func (e endless) PutObject(ctx context.Context, _ *s3.PutObjectInput, _ ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	e.once.Do(func() { close(e.begun) })
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestStop stops the second slice of a job. Whoever stops it knows no cursor.
func TestStop(t *testing.T) {
	s := newSlow()
	content, _ := files(t, 60)
	job := s.job(t, content)
	e := endless{nil, new(sync.Once), make(chan bool)}
	p := s3deploy.New(credentials.Fixed[s3deploy.S3](e), &s.S3, s3deploy.Options{})
	stopped := make(chan error, 1)
	go func() {
		<-e.begun
		stopped <- p.Stop(context.Background(), job)
	}()
	second := job
	second.Cursor = "14/60"
	if r, err := p.Poll(t.Context(), second); err != nil || r.Status != pipeline.Failed || r.Summary != "The action was stopped." {
		t.Errorf("%+v, %v", r, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if err := p.Stop(t.Context(), job); err != nil {
		t.Errorf("stopped again: %v", err)
	}
}

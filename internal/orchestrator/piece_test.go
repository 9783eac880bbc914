package orchestrator_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// pieces is a world whose deployment is done in three pieces: one by Start,
// the others by Poll. It remembers the calls.
type pieces struct {
	*world
	calls  []string
	while  func(cursor string) // called within each Poll
	slower string              // what the Poll that is under way tells instead
}

func newPieces(t *testing.T, seed uint64) *pieces {
	p := &pieces{world: newWorld(t, seed), while: func(string) {}}
	p.svc.Catalog = p
	d := app(pipeline.Superseded)
	d.Stages = []pipeline.Stage{d.Stages[0], d.Stages[1], {Name: "Release", Actions: d.Stages[3].Actions[1:]}}
	p.create(d)
	return p
}

// Provider implements action.Catalog.
func (p *pieces) Provider(id pipeline.ActionTypeID) action.Provider {
	if id.Category == pipeline.Deploy {
		return p
	}
	return catalog{p.world}
}

var nextPiece = map[string]string{"": "1/3", "1/3": "2/3"}

func (p *pieces) piece(job action.Job) action.Result {
	next, ok := nextPiece[job.Cursor]
	if !ok {
		return action.Result{Status: pipeline.Succeeded, Summary: "all"}
	}
	return action.Result{Status: pipeline.InProgress, Summary: next, Cursor: next}
}

func (p *pieces) Start(_ context.Context, job action.Job) (action.Result, error) {
	p.calls = append(p.calls, "Start "+job.Cursor)
	return p.piece(job), nil
}

func (p *pieces) Poll(_ context.Context, job action.Job) (action.Result, error) {
	p.calls = append(p.calls, "Poll "+job.Cursor)
	r := p.piece(job)
	p.while(job.Cursor)
	if p.slower != "" {
		r.Cursor, p.slower = p.slower, ""
	}
	return r, nil
}

func (p *pieces) Stop(_ context.Context, job action.Job) error {
	p.calls = append(p.calls, "Stop "+job.Cursor)
	return nil
}

// sending returns the errands that p's use cases send from now on, which
// nobody runs.
func (p *pieces) sending(t *testing.T) *[]orchestrator.Errand {
	sent := new([]orchestrator.Errand)
	svc, err := orchestrator.New(p.svc.Ports, orchestrator.Home{Account: "123456789012", Region: "eu-west-1"}, orchestrator.Options{
		Now:  func() time.Time { p.now = p.now.Add(time.Millisecond); return p.now },
		Send: func(_ context.Context, e orchestrator.Errand) error { *sent = append(*sent, e); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.svc = svc
	return sent
}

// TestPieces holds that each piece is done once, in order, whoever asks in
// between how it stands.
func TestPieces(t *testing.T) {
	p := newPieces(t, 1)
	p.while = func(cursor string) {
		id := p.latest("Release", "Copy").ID
		for _, old := range []string{"", "0/3"} { // the question of a sweep or an event, and an errand that comes late
			if err := p.svc.Run(t.Context(), orchestrator.Errand{Job: id, Cursor: old}); err != nil {
				t.Error(err)
			}
		}
		a := p.latest("Release", "Copy") // whose task is called again
		if err := p.svc.RunAction(t.Context(), orchestrator.RunRequest{Token: a.Token, Run: a.Run, Execution: a.Execution, Stage: a.Stage, Action: a.Name}); err != nil {
			t.Error(err)
		}
		if r := p.latest("Release", "Copy").Result; r.Summary != cursor {
			t.Errorf("while the piece at %s is done: %+v", cursor, r)
		}
	}
	id := p.start()
	p.settle()
	p.want(id, pipeline.Succeeded)
	if want := []string{"Start ", "Poll 1/3", "Poll 2/3"}; !slices.Equal(p.calls, want) {
		t.Errorf("calls %q; want %q", p.calls, want)
	}
	if r := p.latest("Release", "Copy").Result; r.Summary != "all" || r.Cursor != "" {
		t.Errorf("in the end %+v", r)
	}
}

// TestPieceTwice has an errand delivered again while it is run. The second is
// faster and comes further: what the first tells then is old.
func TestPieceTwice(t *testing.T) {
	p := newPieces(t, 2)
	p.while = func(cursor string) {
		p.while = func(string) {}
		if err := p.svc.Run(t.Context(), orchestrator.Errand{Job: p.latest("Release", "Copy").ID, Cursor: cursor}); err != nil {
			t.Error(err)
		}
		p.slower = "1.5/3"
	}
	id := p.start()
	p.settle()
	p.want(id, pipeline.Succeeded)
	if want := []string{"Start ", "Poll 1/3", "Poll 1/3", "Poll 2/3"}; !slices.Equal(p.calls, want) {
		t.Errorf("calls %q; want %q", p.calls, want)
	}
}

// TestPieceErrands pins who is sent: one errand a piece, and another one when
// nothing was heard for longer than a function lives.
func TestPieceErrands(t *testing.T) {
	p := newPieces(t, 3)
	sent := p.sending(t)
	p.start()
	p.settle()
	a := p.latest("Release", "Copy")
	want := []orchestrator.Errand{{Job: a.ID, Cursor: "1/3"}}
	if diff := cmp.Diff(want, *sent); diff != "" {
		t.Fatal(diff)
	}
	for minute := range 45 {
		p.now = a.Updated.Add(time.Duration(minute) * time.Minute)
		if err := p.svc.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want = append(want, want[0], want[0]) // after 20 and 40 minutes
	if diff := cmp.Diff(want, *sent); diff != "" {
		t.Error(diff)
	}
	if err := p.svc.StopExecution(t.Context(), orchestrator.Stop{Pipeline: "app", Execution: a.Execution, Abandon: true}); err != nil {
		t.Fatal(err)
	}
	p.settle()
	if want = append(want, orchestrator.Errand{Job: a.ID, Stop: true}); !cmp.Equal(want, *sent) {
		t.Errorf("after a stop: %s", cmp.Diff(want, *sent))
	}
	for _, e := range *sent {
		if err := p.svc.Run(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"Start ", "Stop "}; !slices.Equal(p.calls, want) {
		t.Errorf("calls %q; want %q", p.calls, want)
	}
}

// TestPieceFaults lets writes fail and lose their answer, and things happen
// twice.
func TestPieceFaults(t *testing.T) {
	for seed := range uint64(50) {
		p := newPieces(t, seed)
		p.faults = true
		id := p.start()
		p.settle()
		p.want(id, pipeline.Succeeded)
		last := map[string]int{}
		for i, call := range p.calls {
			last[call] = i
		}
		if len(last) != 3 || t.Failed() {
			t.Fatalf("seed %d: %s", seed, fmt.Sprint(p.calls))
		}
	}
}

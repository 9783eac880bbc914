package approvals_test

import (
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/cloud/approvals"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store/memory"
)

// open returns the provider as a new process has it.
func open(t *testing.T, table *memory.Store) action.Provider {
	t.Helper()
	all, err := approvals.New(table)
	if err != nil {
		t.Fatal(err)
	}
	return all[catalog.AWS(pipeline.Approval, "Manual")]
}

func job(id string) action.Job {
	return action.Job{ID: id, Action: pipeline.Action{Name: "Ask", TypeID: catalog.AWS(pipeline.Approval, "Manual")}}
}

// All processes give one request the same token, also those that come first
// and at once; another deployment gives another.
func TestOneToken(t *testing.T) {
	table := new(memory.Store)
	tokens := make([]string, 16)
	var all sync.WaitGroup
	for i := range tokens {
		p := open(t, table)
		all.Go(func() {
			r, err := p.Start(t.Context(), job("job-1"))
			if err != nil {
				t.Error(err)
			}
			tokens[i] = r.Token
		})
	}
	all.Wait()
	for _, token := range tokens {
		if token == "" || token != tokens[0] {
			t.Fatalf("tokens %q; want one", tokens)
		}
	}
	if r, err := open(t, new(memory.Store)).Start(t.Context(), job("job-1")); err != nil || r.Token == tokens[0] {
		t.Errorf("another deployment gives the same token, or %v", err)
	}
}

// Asked again, by whichever process, a request has the token that it had.
func TestToken(t *testing.T) {
	table := new(memory.Store)
	first, err := open(t, table).Start(t.Context(), job("job-1"))
	if err != nil || first.Status != pipeline.InProgress || first.ExternalID != first.Token {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := open(t, table).Poll(t.Context(), job("job-1")); err != nil || again.Token != first.Token {
		t.Errorf("asked again: %+v, %v; want token %s", again, err, first.Token)
	}
	if other, err := open(t, table).Start(t.Context(), job("job-2")); err != nil || other.Token == first.Token {
		t.Errorf("another request: %+v, %v", other, err)
	}
	if err := open(t, table).Stop(t.Context(), job("job-1")); err != nil {
		t.Error(err)
	}
}

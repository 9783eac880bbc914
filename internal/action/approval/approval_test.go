package approval_test

import (
	"bytes"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/approval"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func open(t *testing.T, salt byte) action.Provider {
	t.Helper()
	p, err := approval.New(bytes.Repeat([]byte{salt}, approval.SaltSize))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestApproval(t *testing.T) {
	ctx, p := t.Context(), open(t, 1)
	job := action.Job{ID: "j1", Action: pipeline.Action{Configuration: map[string]string{"CustomData": "Look.", "ExternalEntityLink": "https://example.com"}}}
	first, err := p.Start(ctx, job)
	if err != nil {
		t.Fatal(err)
	}
	if !uuid.MatchString(first.Token) {
		t.Errorf("token %q", first.Token)
	}
	want := action.Result{Status: pipeline.InProgress, Summary: "Look.", ExternalID: first.Token, ExternalURL: "https://example.com", Token: first.Token}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
	if err := p.Stop(ctx, job); err != nil {
		t.Error(err)
	}
	for name, call := range map[string]func() (action.Result, error){
		"start again":   func() (action.Result, error) { return p.Start(ctx, job) },
		"poll":          func() (action.Result, error) { return p.Poll(ctx, job) },
		"a new process": func() (action.Result, error) { return open(t, 1).Start(ctx, job) },
	} {
		if got, err := call(); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestTokens pins that neither another job nor another folder has the token.
func TestTokens(t *testing.T) {
	seen := make(map[string]bool)
	for salt := range byte(3) {
		for _, id := range []string{"j1", "j2", ""} {
			res, err := open(t, salt).Start(t.Context(), action.Job{ID: id})
			if err != nil || seen[res.Token] {
				t.Errorf("salt %d, job %q: token %s again, %v", salt, id, res.Token, err)
			}
			seen[res.Token] = true
		}
	}
	if _, err := approval.New([]byte("short")); err == nil {
		t.Error("a short salt is accepted")
	}
}

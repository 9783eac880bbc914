package watch

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/git"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// A repository is the source of pushes.
type repository struct {
	target Target
	repo   *git.Repository // nil: to be opened
	refs   *refs
}

func (r *repository) look(ctx context.Context, now time.Time) (State, bool, error) {
	if r.repo == nil {
		repo, err := git.Open(r.target.Path)
		if err != nil {
			return nil, false, err
		}
		r.repo, r.refs = repo, newRefs(repo.Common)
	}
	if r.refs.reftable() {
		return r.ask(ctx, now)
	}
	state, same, err := r.refs.read(now)
	if err != nil {
		r.repo = nil // it may have been moved, or made anew
	}
	return state, same, err
}

// ask asks git for the refs when the files that hold them changed.
func (r *repository) ask(ctx context.Context, now time.Time) (State, bool, error) {
	if r.refs.quiet(now) {
		return r.refs.last, true, nil
	}
	all, err := r.repo.Refs(ctx)
	if err != nil {
		r.repo = nil
		return nil, false, err
	}
	state := make(State, len(all))
	for _, ref := range all {
		state[git.Full(ref.Type, ref.Name)] = ref.ID
	}
	r.refs.last = state
	return state, false, nil
}

// event describes a push. A tag of something that is no commit is none, nor is
// a commit that is gone.
func (r *repository) event(ctx context.Context, key, old, id string) (trigger.Event, error) {
	refType, name, ok := git.Split(key)
	if !ok {
		return nil, nil
	}
	id, err := r.repo.Peel(ctx, id) // a tag may name a tag object
	if errors.Is(err, git.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	commit, err := r.repo.Commit(ctx, id)
	if err != nil {
		return nil, err
	}
	push := trigger.Push{
		Repository: r.target.Repository,
		RefType:    trigger.RefType(refType),
		Ref:        name,
		Commit:     commit.ID,
		OldCommit:  old,
		Author:     trigger.Author{ID: commit.AuthorEmail, Name: commit.AuthorName, Email: commit.AuthorEmail, Date: commit.AuthorDate},
		Message:    commit.Message,
	}
	if old == "" {
		push.OldCommit = strings.Repeat("0", len(commit.ID))
	} else if refType == git.Branch {
		push.Files, err = r.repo.Changed(ctx, old, commit.ID)
	}
	return push, err
}

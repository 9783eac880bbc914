// Package approvals has the provider of manual approvals in an AWS account.
package approvals

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/approval"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// New returns the provider over the table of the deployment, which holds the
// salt of all approval tokens.
func New(table store.Store) (catalog.Providers, error) {
	if table == nil {
		return nil, errors.New("approvals.New: a table is required")
	}
	return catalog.Providers{catalog.AWS(pipeline.Approval, "Manual"): &gate{table: table}}, nil
}

// A gate is the provider of approvals, once it knows the salt.
type gate struct {
	table store.Store
	mu    sync.Mutex
	known action.Provider // nil: the salt was not read yet; guarded by mu
}

// saltKey is the key of the salt. It is made by the first approval ever and
// never changed: with another one, open requests would get other tokens.
var saltKey = store.Key{PK: "SALT", SK: "APPROVAL"}

func (g *gate) provider(ctx context.Context) (action.Provider, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known != nil {
		return g.known, nil
	}
	salt, err := saltOf(ctx, g.table)
	if err != nil {
		return nil, fmt.Errorf("salt of approval tokens: %w", err)
	}
	g.known, err = approval.New(salt)
	return g.known, err
}

// saltOf reads the salt, or makes it. Of several who make one the first wins,
// and all read it.
func saltOf(ctx context.Context, table store.Store) ([]byte, error) {
	it, err := table.Get(ctx, saltKey)
	if !store.IsNotFound(err) {
		return it.Value, err
	}
	salt := make([]byte, approval.SaltSize)
	rand.Read(salt) // never fails
	err = table.Write(ctx, store.Op{Key: saltKey, Kind: store.Put, Value: salt})
	if err != nil && !store.IsConflict(err) {
		return nil, err
	}
	it, err = table.Get(ctx, saltKey)
	return it.Value, err
}

// Start implements action.Provider.
func (g *gate) Start(ctx context.Context, job action.Job) (action.Result, error) {
	p, err := g.provider(ctx)
	if err != nil {
		return action.Result{}, err
	}
	return p.Start(ctx, job)
}

// Poll implements action.Provider.
func (g *gate) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return g.Start(ctx, job)
}

// Stop implements action.Provider: nothing runs.
func (*gate) Stop(context.Context, action.Job) error { return nil }

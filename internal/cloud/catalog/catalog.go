// Package catalog says who does which actions in an AWS account.
package catalog

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Providers are who does the jobs of which action types.
type Providers map[pipeline.ActionTypeID]action.Provider

// AWS returns the type of AWS's own actions of a provider.
func AWS(c pipeline.Category, provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: c, Owner: pipeline.AWS, Provider: provider, Version: "1"}
}

// Of returns the catalog of all of them. An action of a type that nobody
// does fails: what is not there is never simulated in an account.
func Of(all ...Providers) action.Catalog {
	c := byType{}
	for _, some := range all {
		maps.Copy(c, some)
	}
	return c
}

type byType map[pipeline.ActionTypeID]action.Provider

// Provider implements action.Catalog.
func (c byType) Provider(id pipeline.ActionTypeID) action.Provider {
	if p, ok := c[id]; ok {
		return p
	}
	return refusal{c}
}

// A refusal fails every job. A deployment refuses such an action first, so it
// is met only by one that was deployed before or past it.
type refusal struct{ byType }

func (r refusal) refuse(job action.Job) (action.Result, error) {
	var known []string
	for id := range r.byType {
		known = append(known, string(id.Category)+"/"+id.Provider)
	}
	slices.Sort(known)
	id := job.Action.TypeID
	return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s: provider %s (category %s, owner %s, version %s) does not run in an AWS account yet; this function runs %s",
		job.Action.Name, id.Provider, id.Category, id.Owner, id.Version, strings.Join(known, ", "))), nil
}

// Start implements action.Provider.
func (r refusal) Start(_ context.Context, job action.Job) (action.Result, error) {
	return r.refuse(job)
}

// Poll implements action.Provider.
func (r refusal) Poll(_ context.Context, job action.Job) (action.Result, error) {
	return r.refuse(job)
}

// Stop implements action.Provider.
func (refusal) Stop(context.Context, action.Job) error { return nil }

// Command resume asks how work stands that goes on elsewhere, or ends it.
//
// Started by: the queue of errands; rules, for builds that have ended.
// Does: Service.Run.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud/approvals"
	"github.com/sluice-ci/sluice/internal/cloud/builds"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/deploys"
	"github.com/sluice-ci/sluice/internal/cloud/invokes"
	"github.com/sluice-ci/sluice/internal/cloud/rules"
	"github.com/sluice-ci/sluice/internal/cloud/sources"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/entry"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		gate := func(b *work.Bench) (catalog.Providers, error) { return approvals.New(b.Store) }
		svc, err := work.Runner(e, sources.New, builds.New, deploys.New, invokes.New, rules.New, gate)
		if err != nil {
			return nil, err
		}
		return resumer{svc, svc.Records.External, e.Log}.handle, nil
	})
}

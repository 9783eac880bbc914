// Command approval runs manual approvals: it asks, and somebody else takes the
// answer.
//
// Started by: state machines, for each such action.
// Does: Service.RunAction. The task is answered through the outbox.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/cloud/approvals"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		e.Need("SLUICE_ACCOUNT", "SLUICE_TABLE")
		table, err := cloud.Table(e)
		if err != nil {
			return nil, err
		}
		providers, err := approvals.New(table)
		if err != nil {
			return nil, err
		}
		svc, err := cloud.Service(e, orchestrator.Ports{Store: table, Catalog: catalog.Of(providers)}, nil)
		return handler(svc), err
	})
}

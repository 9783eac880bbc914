// Command stage moves an execution from one stage to the next.
//
// Started by: state machines, on every way into a stage and at the end.
// Does: Service.Enter. The task is answered through the outbox.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		svc, err := cloud.Service(e, orchestrator.Ports{}, nil)
		return handler(svc), err
	})
}

// Command invoke runs invoke actions.
//
// Started by: state machines, for each such action.
// Does: Service.RunAction. The task is answered through the outbox.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud/invokes"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/entry"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		svc, err := work.Runner(e, invokes.New)
		return handler(svc), err
	})
}

// Command hook serves the page that a link in an approval mail leads to.
//
// Started by: its function URL, by anybody in the world who has a link.
// Does: Service.Request; Service.Decide.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		svc, err := cloud.Service(e, orchestrator.Ports{}, nil)
		if err != nil {
			return nil, err
		}
		return handler(svc, e.Log)
	})
}

// Command api answers the CodePipeline API.
//
// Started by: its function URL, for requests that IAM has authenticated.
// Does: what the API offers but for changing declarations.
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
		return handler(svc, svc.Records, e.AWS.Region, e.Log)
	})
}

// Command trigger starts executions when a source changed or a schedule says so.
//
// Started by: rules, for events of CodeCommit, S3 and ECR, and for schedules.
// Does: Service.Notice; Service.StartExecution.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		svc, err := cloud.Service(e, orchestrator.Ports{}, nil)
		return triggers{svc, e.Log}.handle, err
	})
}

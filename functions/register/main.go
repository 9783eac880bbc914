// Command register tells Sluice what a deployment made for a pipeline.
//
// Started by: CloudFormation, for the custom resource Custom::SluicePipeline.
// Does: Service.Deploy; Service.DeletePipeline.
package main

import (
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		store := artifacts{Bucket: e.String("SLUICE_BUCKET"), Key: e.String("SLUICE_KEY")}
		svc, err := cloud.Service(e, orchestrator.Ports{}, nil)
		if err != nil {
			return nil, err
		}
		return registrar{svc, svc.Records, s3.NewFromConfig(e.AWS), e.String("SLUICE_ACCOUNT"), store}.handler(e.Log), nil
	})
}

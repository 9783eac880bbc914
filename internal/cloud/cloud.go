// Package cloud assembles Sluice in an AWS account: the same use cases as on a
// laptop, over DynamoDB, S3, Step Functions, EventBridge and SNS.
//
// A function takes only the parts that it needs, because whatever is linked
// into it costs time each time it begins, used or not. So this package knows
// no more than the table; the rest is apart:
//
//	delivery    what only the function outbox talks to: machines, bus, queue
//	work        what whoever runs actions needs: artifacts, roles, catalogs
//	sources, builds, deploys, invokes, approvals
//	            the providers of a function each; resume has them all
//	rules       the providers of rules, which only resume runs
package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
)

// Table returns the store of the deployment.
func Table(e entry.Environment) (store.Store, error) {
	table := e.String("SLUICE_TABLE")
	if err := e.Err(); err != nil {
		return nil, err
	}
	return dynamo.New(dynamodb.NewFromConfig(e.AWS), table)
}

// Service returns the use cases over ports, whose store is the deployment's
// table unless it is given. Send says where errands go; nil where no use case
// has any.
func Service(e entry.Environment, ports orchestrator.Ports, send func(context.Context, orchestrator.Errand) error) (*orchestrator.Service, error) {
	home := orchestrator.Home{Account: e.String("SLUICE_ACCOUNT"), Region: e.AWS.Region}
	if ports.Store == nil {
		var err error
		if ports.Store, err = Table(e); err != nil {
			return nil, err
		}
	}
	return orchestrator.New(ports, home, orchestrator.Options{
		Log: e.Log, Send: send,
		Mail: orchestrator.Mail{
			Alerts:    e.Optional("SLUICE_ALERTS"),
			Approvals: e.Optional("SLUICE_APPROVALS"),
			Pages:     e.Optional("SLUICE_PAGES"),
		},
	})
}

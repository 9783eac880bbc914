// Package rules has the providers of rules in an AWS account that do what no
// action does. The other rules run as actions, by the actions' providers.
package rules

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/sluice-ci/sluice/internal/action/aws/alarm"
	"github.com/sluice-ci/sluice/internal/action/deploymentwindow"
	"github.com/sluice-ci/sluice/internal/action/variablecheck"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/cloud/work"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// New returns the providers.
func New(b *work.Bench) (catalog.Providers, error) {
	alarms, err := alarm.New(work.Client(b, func(c aws.Config) alarm.Client { return cloudwatch.NewFromConfig(c) }), time.Now)
	if err != nil {
		return nil, err
	}
	window, err := deploymentwindow.New(time.Now)
	if err != nil {
		return nil, err
	}
	return catalog.Providers{
		catalog.AWS(pipeline.RuleCategory, "CloudWatchAlarm"):  alarms,
		catalog.AWS(pipeline.RuleCategory, "DeploymentWindow"): window,
		catalog.AWS(pipeline.RuleCategory, "VariableCheck"):    variablecheck.New(),
	}, nil
}

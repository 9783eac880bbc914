package alarm

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// On returns what tells which of some alarms are on, for a job that names them.
// One that does not exist is refused: it would never stop anything.
func On(client credentials.Client[Client]) func(ctx context.Context, job action.Job, names []string) ([]string, error) {
	return func(ctx context.Context, job action.Job, names []string) ([]string, error) {
		if len(names) == 0 {
			return nil, nil // for CloudWatch that would be all there are
		}
		c, err := client(ctx, job)
		if err != nil {
			return nil, fault.Of("ask for the alarm "+strings.Join(names, ", "), err)
		}
		states, err := ask(ctx, c, names)
		if err != nil {
			return nil, err
		}
		var on []string
		for i, state := range states {
			if state == string(types.StateValueAlarm) {
				on = append(on, names[i])
			}
		}
		return on, nil
	}
}

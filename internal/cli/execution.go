package cli

import (
	"context"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// searched is how many executions are searched for one by the beginning of
// its id, as the program prints it.
const searched = 1000

// complete returns the execution of a pipeline whose id begins with prefix.
func (c *connection) complete(ctx context.Context, name, prefix string) (string, error) {
	if len(prefix) >= 36 {
		return prefix, nil // a whole id: the API says whether it exists
	}
	all, err := c.executions(ctx, name, searched)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range all.Summaries {
		if strings.HasPrefix(e.PipelineExecutionID, prefix) {
			found = append(found, e.PipelineExecutionID)
		}
	}
	switch len(found) {
	case 0:
		return "", pipeline.Errorf(pipeline.PipelineExecutionNotFound, "pipeline %s has no execution %s", name, prefix)
	case 1:
		return found[0], nil
	}
	return "", usagef("executions %s all begin with %s: write more of the id", strings.Join(found, ", "), prefix)
}

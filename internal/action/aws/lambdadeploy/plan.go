package lambdadeploy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A plan is the configuration of a job.
type plan struct {
	function string
	alias    string // "": only a version is published
	version  string // that was published before; "": the artifact's code is
	steps    []step // of the way to all traffic; none: at once
	total    time.Duration
	alarms   []string
}

// A step is a share of the traffic, and since when the new version gets it.
type step struct {
	after   time.Duration
	percent int
}

// Limits of the action (reference 5.5).
const (
	maxAlarms = 10
	maxShift  = 48 * time.Hour
)

var (
	canary = regexp.MustCompile(`^Canary(\d{1,2})Percent(\d{1,4})Minutes?$`)
	linear = regexp.MustCompile(`^Linear(\d{1,2})PercentEvery(\d{1,4})Minutes?$`)
	number = regexp.MustCompile(`^[1-9][0-9]*$`)
)

func planOf(job action.Job) (plan, error) {
	conf := job.Action.Configuration
	p := plan{function: conf["FunctionName"], alias: conf["FunctionAlias"], version: conf["PublishedTargetVersion"]}
	for name := range strings.SplitSeq(conf["Alarms"], ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(p.alarms, name) {
			p.alarms = append(p.alarms, name)
		}
	}
	refuse := func(format string, args ...any) (plan, error) {
		return p, fault.Refuse(action.ConfigurationError, "Action %s: "+format, append([]any{job.Action.Name}, args...)...)
	}
	strategy := conf["DeployStrategy"]
	var err error
	p.steps, p.total, err = shift(strategy)
	switch {
	case p.function == "":
		return refuse("it has no FunctionName")
	case err != nil:
		return refuse("DeployStrategy is %q; it has to be AllAtOnce, CanaryNPercentMMinutes or LinearNPercentEveryMMinutes, with N from 1 to 99 and at most 2 days in all", strategy)
	case p.version != "" && !number.MatchString(p.version):
		return refuse("PublishedTargetVersion is %q; it has to be the number of a version", p.version)
	case p.alias == "" && (len(p.steps) > 0 || p.version != "" || len(p.alarms) > 0):
		return refuse("it has no FunctionAlias, which DeployStrategy, PublishedTargetVersion and Alarms need")
	case len(p.alarms) > maxAlarms:
		return refuse("it has %d Alarms; at most %d are watched", len(p.alarms), maxAlarms)
	case p.total >= pipeline.Timeout(job.Action):
		return refuse("DeployStrategy %s takes %s, and the action times out after %s", strategy, p.total, pipeline.Timeout(job.Action))
	case p.version == "" && len(job.Inputs) != 1:
		return refuse("it has %d input artifacts; a deployment has one", len(job.Inputs))
	}
	return p, nil
}

// shift returns the steps of a strategy before the last one, at which the new
// version gets everything.
func shift(strategy string) ([]step, time.Duration, error) {
	if strategy == "" || strategy == "AllAtOnce" {
		return nil, 0, nil
	}
	m, several := canary.FindStringSubmatch(strategy), false
	if m == nil {
		m, several = linear.FindStringSubmatch(strategy), true
	}
	if m == nil {
		return nil, 0, strconv.ErrSyntax
	}
	percent, _ := strconv.Atoi(m[1])
	minutes, _ := strconv.Atoi(m[2])
	every := time.Duration(minutes) * time.Minute
	if percent == 0 || minutes == 0 {
		return nil, 0, strconv.ErrRange
	}
	steps := []step{{0, percent}}
	for share := 2 * percent; several && share < 100; share += percent {
		steps = append(steps, step{time.Duration(len(steps)) * every, share})
	}
	total := time.Duration(len(steps)) * every
	if total > maxShift {
		return nil, 0, strconv.ErrRange
	}
	return steps, total, nil
}

// due returns the share of the traffic that is due when so much time has
// passed, in percent.
func (p plan) due(passed time.Duration) int {
	if passed >= p.total {
		return 100
	}
	share := 0
	for _, s := range p.steps {
		if passed >= s.after {
			share = s.percent
		}
	}
	return share
}

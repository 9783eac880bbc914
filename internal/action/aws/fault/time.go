package fault

import (
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// skew is how far the clock of a job may be from AWS's. Requests from a clock
// that is further off are refused as expired.
const skew = 15 * time.Minute

// Overdue reports whether something that happened to a job at that time came
// too late for it.
func Overdue(job action.Job, at time.Time) bool {
	return !job.Deadline.IsZero() && at.After(job.Deadline)
}

// TimedOut is the end of a job whose time was up. left says what becomes of
// the work: "Stack web was not stopped."
func TimedOut(job action.Job, left string) action.Result {
	return action.Fail(action.Timeout, strings.TrimSuffix(fmt.Sprintf("Action %s did not end within its timeout. %s", job.Action.Name, left), " "))
}

// Before is a time before a job began, by AWS's clocks too. It is zero if that
// is not known.
func Before(job action.Job) time.Time {
	if job.Deadline.IsZero() {
		return time.Time{}
	}
	return job.Deadline.Add(-pipeline.Timeout(job.Action) - skew)
}

// Console returns the address of AWS's console in a Region, without a slash at
// the end.
func Console(region string) string {
	domain := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(region, "cn-"):
		domain = "console.amazonaws.cn"
	case strings.HasPrefix(region, "us-gov-"):
		domain = "console.amazonaws-us-gov.com"
	}
	return "https://" + region + "." + domain
}

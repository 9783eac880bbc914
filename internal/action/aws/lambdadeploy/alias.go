package lambdadeploy

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// A note is the end of an alias's description while it is shifted, and after it
// was moved back: " [sluice <job> <seconds since 1970, or back>]".
var note = regexp.MustCompile(` ?\[sluice (\S+) (\d+|back)\]$`)

// maxDescription is how many characters a description has.
const maxDescription = 256

// An alias is what is known of the alias before it is changed.
type alias struct {
	*lambda.GetAliasOutput
	text string    // its description without a note
	job  string    // of the note
	back bool      // it was moved back
	from time.Time // since when it is shifted
}

func (d *deployment) alias(ctx context.Context) (alias, error) {
	out, err := d.client.GetAlias(ctx, &lambda.GetAliasInput{FunctionName: &d.plan.function, Name: &d.plan.alias})
	if err != nil {
		return alias{}, d.said("read the alias "+d.plan.alias+" of the function", err)
	}
	a := alias{GetAliasOutput: out, text: aws.ToString(out.Description)}
	if m := note.FindStringSubmatch(a.text); m != nil {
		a.text, a.job, a.back = strings.TrimSuffix(a.text, m[0]), m[1], m[2] == "back"
		seconds, _ := strconv.ParseInt(m[2], 10, 64)
		a.from = time.Unix(seconds, 0)
	}
	return a, nil
}

// share returns the percentage of the traffic that a version gets beside the
// alias's own, -1 if another one gets some.
func (a alias) share(version string) int {
	share := 0
	if a.RoutingConfig != nil {
		for v, weight := range a.RoutingConfig.AdditionalVersionWeights {
			if v != version {
				return -1
			}
			share = int(weight*100 + 0.5)
		}
	}
	return share
}

// move takes the alias towards version as far as is due.
func (d *deployment) move(ctx context.Context, version string) error {
	a, err := d.alias(ctx)
	if err != nil {
		return err
	}
	ours := a.job == d.job.ID
	share := a.share(version)
	switch {
	case ours && a.back:
		return d.movedBack(a, version)
	case aws.ToString(a.FunctionVersion) == version && share == 0:
		return nil
	case !ours && share != 0:
		return fault.Refuse(action.JobFailed, "The alias %s of the function %s has two versions; a deployment begins with one", d.plan.alias, d.plan.function)
	}
	on, err := d.Alarms(ctx, d.job, d.plan.alarms)
	if err != nil {
		return err
	}
	if len(on) > 0 {
		return d.back(ctx, a, version)
	}
	if !ours {
		a.from = d.at
	}
	due := d.plan.due(d.at.Sub(a.from))
	switch {
	case due == 100:
		return d.update(ctx, a, version, 0, version, a.text)
	case ours && share == due:
		return errWait
	}
	if err := d.update(ctx, a, *a.FunctionVersion, due, version, d.noted(a.text, strconv.FormatInt(a.from.Unix(), 10))); err != nil {
		return err
	}
	return errWait
}

// back moves the alias back, and notes it: who looks at the job later is told
// the same.
func (d *deployment) back(ctx context.Context, a alias, version string) error {
	if err := d.update(ctx, a, *a.FunctionVersion, 0, version, d.noted(a.text, "back")); err != nil {
		return err
	}
	return d.movedBack(a, version)
}

func (d *deployment) movedBack(a alias, version string) error {
	return fault.Refuse(action.JobFailed, "One of the alarms %s was on when the alias %s of the function %s was to be moved to version %s; it is at version %s",
		strings.Join(d.plan.alarms, ", "), d.plan.alias, d.plan.function, version, *a.FunctionVersion)
}

// update changes the alias: its version, the percentage that another one gets,
// and its description.
func (d *deployment) update(ctx context.Context, a alias, main string, percent int, other, text string) error {
	routing := &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{}}
	if percent > 0 {
		routing.AdditionalVersionWeights[other] = float64(percent) / 100
	}
	_, err := d.client.UpdateAlias(ctx, &lambda.UpdateAliasInput{
		FunctionName: &d.plan.function, Name: &d.plan.alias, FunctionVersion: &main, RoutingConfig: routing,
		Description: &text, RevisionId: a.RevisionId,
	})
	if err != nil {
		return d.said("move the alias "+d.plan.alias+" of the function", err)
	}
	return nil
}

// noted returns a description with a note, cut to what Lambda takes.
func (d *deployment) noted(text, state string) string {
	end := fmt.Sprintf(" [sluice %s %s]", d.job.ID, state)
	if room := maxDescription - len(end); len(text) > room {
		text = strings.ToValidUTF8(text[:room], "")
	}
	return strings.TrimPrefix(text+end, " ")
}

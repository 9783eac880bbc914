package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// outcome says what a status of a stack means (reference, Appendix B).
func outcome(status string) pipeline.Status {
	switch {
	case status == "CREATE_COMPLETE", status == "UPDATE_COMPLETE", status == "DELETE_COMPLETE", status == "IMPORT_COMPLETE":
		return pipeline.Succeeded
	case strings.HasSuffix(status, "_FAILED"), strings.HasSuffix(status, "ROLLBACK_COMPLETE"):
		return pipeline.Failed
	}
	return pipeline.InProgress
}

// replaceable are the states in which REPLACE_ON_FAILURE deletes a stack
// first.
var replaceable = map[types.StackStatus]bool{
	types.StackStatusRollbackFailed:       true,
	types.StackStatusCreateFailed:         true,
	types.StackStatusDeleteFailed:         true,
	types.StackStatusUpdateRollbackFailed: true,
	types.StackStatusRollbackComplete:     true,
}

// absent reports whether err says that there is no such stack. The code is
// that of every malformed request, so the text has to be read.
func absent(err error) bool {
	return fault.Code(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist")
}

// describe returns the stack, or nil if there is none.
func (d *deployment) describe(ctx context.Context) (*types.Stack, error) {
	out, err := d.client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &d.stack})
	switch {
	case absent(err):
		return nil, nil
	case err != nil:
		return nil, fault.Of("describe stack "+d.stack, err)
	case len(out.Stacks) == 0 || out.Stacks[0].StackStatus == types.StackStatusDeleteComplete:
		return nil, nil
	}
	return &out.Stacks[0], nil
}

// The tokens of the operations of a job.
func (d *deployment) token() *string       { return aws.String(d.job.ID) }
func (d *deployment) deleteToken() *string { return aws.String(d.job.ID + "-delete") }

// A trace is what the events of a stack tell of the newest operation of a job.
type trace struct {
	token  string
	status string
	at     time.Time
	events []types.StackEvent // of the operation, newest first
}

// errGone says that a stack was deleted after it was described.
var errGone = errors.New("the stack is gone")

// trace returns the trace of the job in st, or nil if it has none. It reads
// the events from the newest back to the time before the job, and those of an
// operation that failed to its beginning.
func (d *deployment) trace(ctx context.Context, st *types.Stack) (*trace, error) {
	var found *trace
	before := fault.Before(d.job)
	in := &cloudformation.DescribeStackEventsInput{StackName: st.StackId}
	for {
		page, err := d.client.DescribeStackEvents(ctx, in)
		if absent(err) {
			return nil, errGone
		}
		if err != nil {
			return nil, fault.Of("describe the events of stack "+d.stack, err)
		}
		for _, ev := range page.StackEvents {
			token := aws.ToString(ev.ClientRequestToken)
			ours := token == *d.token() || token == *d.deleteToken()
			whole := aws.ToString(ev.PhysicalResourceId) == aws.ToString(st.StackId)
			switch {
			case found != nil && token != found.token:
				return found, nil
			case found != nil:
				found.events = append(found.events, ev)
			case ours && whole:
				found = &trace{token: token, status: string(ev.ResourceStatus), at: aws.ToTime(ev.Timestamp), events: []types.StackEvent{ev}}
				if outcome(found.status) != pipeline.Failed {
					return found, nil
				}
			case ev.Timestamp != nil && ev.Timestamp.Before(before):
				return nil, nil
			}
		}
		if in.NextToken = page.NextToken; in.NextToken == nil {
			return found, nil
		}
	}
}

// told is the result of a job whose trace is tr.
func (d *deployment) told(ctx context.Context, st *types.Stack, tr *trace) (action.Result, error) {
	id := aws.ToString(st.StackId)
	state := outcome(tr.status)
	switch {
	case state == pipeline.InProgress:
		return d.running(id, fmt.Sprintf("Stack %s is in %s", d.stack, tr.status))
	case fault.Overdue(d.job, tr.at):
		return d.timedOut(id), nil
	case state == pipeline.Failed:
		return d.failed(id, "Stack %s is in %s. %s", d.stack, tr.status, tr.reasons()), nil
	}
	st, err := d.describe(ctx) // the outputs may be younger than what was read before the events
	if err != nil {
		return action.Result{}, err
	}
	if st == nil {
		return d.failed(id, "Stack %s was deleted after its deployment", d.stack), nil
	}
	return d.succeeded(ctx, st, fmt.Sprintf("Stack %s is in %s", d.stack, tr.status))
}

const (
	maxReasons = 3
	maxReason  = 500 // bytes
)

// reasons says which resources failed first, and why. Those that were
// cancelled because of them are left out.
func (tr *trace) reasons() string {
	var reasons []string
	last := ""
	for i := len(tr.events) - 1; i >= 0 && len(reasons) < maxReasons; i-- {
		ev := tr.events[i]
		reason := aws.ToString(ev.ResourceStatusReason)
		if len(reason) > maxReason {
			reason = strings.ToValidUTF8(reason[:maxReason], "") + "…"
		}
		switch {
		case reason == "":
		case aws.ToString(ev.PhysicalResourceId) == aws.ToString(ev.StackId):
			last = reason
		case strings.HasSuffix(string(ev.ResourceStatus), "_FAILED") && !strings.HasSuffix(strings.ToLower(reason), "cancelled"):
			reasons = append(reasons, fmt.Sprintf("%s (%s) %s: %s", aws.ToString(ev.LogicalResourceId), aws.ToString(ev.ResourceType), ev.ResourceStatus, reason))
		}
	}
	if len(reasons) == 0 {
		return last
	}
	return strings.Join(reasons, "; ")
}

// createOrUpdate goes on with CREATE_UPDATE.
func (d *deployment) createOrUpdate(ctx context.Context) (action.Result, error) {
	st, tr, err := d.look(ctx)
	switch {
	case err != nil:
		return action.Result{}, err
	case tr != nil:
		return d.told(ctx, st, tr)
	case !d.begin || d.late():
		return d.running(idOf(st), "")
	case st == nil:
		return d.create(ctx)
	}
	return d.update(ctx, st)
}

// replaceOnFailure goes on with REPLACE_ON_FAILURE. A stack that is gone is
// created by Poll too: the job may have deleted it.
func (d *deployment) replaceOnFailure(ctx context.Context) (action.Result, error) {
	st, tr, err := d.look(ctx)
	switch {
	case err != nil:
		return action.Result{}, err
	case st == nil && d.late():
		return d.timedOut(""), nil
	case st == nil:
		return d.create(ctx)
	case tr != nil && tr.status == "DELETE_COMPLETE": // described just before it was gone
		return d.running(idOf(st), "")
	case tr != nil:
		return d.told(ctx, st, tr)
	case !d.begin || d.late():
		return d.running(idOf(st), "")
	case replaceable[st.StackStatus]:
		return d.delete(ctx, st, d.deleteToken())
	}
	return d.update(ctx, st)
}

// deleteOnly goes on with DELETE_ONLY. It must not begin in Poll: the stack
// that is there may be another one, made after this job's was gone.
func (d *deployment) deleteOnly(ctx context.Context) (action.Result, error) {
	st, tr, err := d.look(ctx)
	switch {
	case err != nil:
		return action.Result{}, err
	case st == nil || tr != nil && tr.status == "DELETE_COMPLETE":
		return action.Result{Status: pipeline.Succeeded, Summary: fmt.Sprintf("Stack %s does not exist any more", d.stack)}, nil
	case tr != nil:
		return d.told(ctx, st, tr)
	case !d.begin || d.late():
		return d.running(idOf(st), "")
	}
	return d.delete(ctx, st, d.token())
}

// look returns the stack and the job's trace in it, or nil for what there is
// none of.
func (d *deployment) look(ctx context.Context) (*types.Stack, *trace, error) {
	st, err := d.describe(ctx)
	if st == nil || err != nil {
		return nil, nil, err
	}
	tr, err := d.trace(ctx, st)
	if errors.Is(err, errGone) {
		return nil, nil, nil
	}
	return st, tr, err
}

func idOf(st *types.Stack) string {
	if st == nil {
		return ""
	}
	return aws.ToString(st.StackId)
}

func (d *deployment) create(ctx context.Context) (action.Result, error) {
	m, err := d.material(ctx)
	if err != nil {
		return action.Result{}, err
	}
	out, err := d.client.CreateStack(ctx, &cloudformation.CreateStackInput{
		StackName: &d.stack, ClientRequestToken: d.token(), RoleARN: d.role, Capabilities: d.capabilities,
		TemplateBody: m.body, TemplateURL: m.url, Parameters: m.parameters, Tags: m.tags, StackPolicyBody: m.policy,
	})
	if err != nil {
		return d.refused(ctx, "create stack "+d.stack, err)
	}
	return d.running(aws.ToString(out.StackId), fmt.Sprintf("Stack %s is being created", d.stack))
}

func (d *deployment) update(ctx context.Context, st *types.Stack) (action.Result, error) {
	m, err := d.material(ctx)
	if err != nil {
		return action.Result{}, err
	}
	_, err = d.client.UpdateStack(ctx, &cloudformation.UpdateStackInput{
		StackName: &d.stack, ClientRequestToken: d.token(), RoleARN: d.role, Capabilities: d.capabilities,
		TemplateBody: m.body, TemplateURL: m.url, Parameters: m.parameters, Tags: m.tags, StackPolicyBody: m.policy,
	})
	switch {
	case err != nil && strings.Contains(err.Error(), "No updates are to be performed"):
		return d.succeeded(ctx, st, fmt.Sprintf("Stack %s has no changes. No updates are to be performed.", d.stack))
	case err != nil:
		return d.refused(ctx, "update stack "+d.stack, err)
	}
	return d.running(idOf(st), fmt.Sprintf("Stack %s is being updated", d.stack))
}

func (d *deployment) delete(ctx context.Context, st *types.Stack, token *string) (action.Result, error) {
	_, err := d.client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: st.StackId, ClientRequestToken: token, RoleARN: d.role})
	if err != nil {
		return d.refused(ctx, "delete stack "+d.stack, err)
	}
	return d.running(idOf(st), fmt.Sprintf("Stack %s is being deleted", d.stack))
}

// refused is the result of an operation that CloudFormation refuses. The
// reason may be that the job has begun it already, in another process.
func (d *deployment) refused(ctx context.Context, doing string, refusal error) (action.Result, error) {
	err := fault.Of(doing, refusal)
	if fault.Type(refusal) == action.SystemUnavailable || fault.Type(refusal) == action.PermissionError {
		return action.Result{}, err
	}
	st, tr, lookErr := d.look(ctx)
	switch {
	case lookErr != nil:
		return action.Result{}, lookErr
	case tr != nil:
		return d.told(ctx, st, tr)
	}
	return action.Result{}, err
}

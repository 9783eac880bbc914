package cloudformation

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// mark is the description of the job's change set.
func (d *deployment) mark() string { return "Sluice job " + d.job.ID }

// empty reports whether a change set could not be made because nothing
// changes.
func empty(cs *cloudformation.DescribeChangeSetOutput) bool {
	reason := aws.ToString(cs.StatusReason)
	return cs.Status == types.ChangeSetStatusFailed &&
		(strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates are to be performed"))
}

// describeChangeSet returns the change set of the configured name, or nil if
// there is none.
func (d *deployment) describeChangeSet(ctx context.Context) (*cloudformation.DescribeChangeSetOutput, error) {
	cs, err := d.client.DescribeChangeSet(ctx, &cloudformation.DescribeChangeSetInput{StackName: &d.stack, ChangeSetName: &d.changeSet})
	switch {
	case absent(err), strings.HasPrefix(fault.Code(err), "ChangeSetNotFound"):
		return nil, nil
	case err != nil:
		return nil, fault.Of(fmt.Sprintf("describe change set %s of stack %s", d.changeSet, d.stack), err)
	case cs.Status == types.ChangeSetStatusDeleteComplete:
		return nil, nil
	}
	return cs, nil
}

// replaceChangeSet goes on with CHANGE_SET_REPLACE. Where there is no change
// set Poll makes it too: the job may have deleted the one before.
func (d *deployment) replaceChangeSet(ctx context.Context) (action.Result, error) {
	cs, err := d.describeChangeSet(ctx)
	if err != nil {
		return action.Result{}, err
	}
	if cs != nil && aws.ToString(cs.Description) == d.mark() {
		return d.changeSetTold(ctx, cs)
	}
	if d.late() || cs != nil && (!d.begin || cs.Status == types.ChangeSetStatusDeleteInProgress || cs.Status == types.ChangeSetStatusDeletePending) {
		return d.running("", "")
	}
	if cs != nil {
		_, err := d.client.DeleteChangeSet(ctx, &cloudformation.DeleteChangeSetInput{StackName: &d.stack, ChangeSetName: cs.ChangeSetId})
		if err != nil {
			return action.Result{}, fault.Of(fmt.Sprintf("delete change set %s of stack %s", d.changeSet, d.stack), err)
		}
	}
	return d.createChangeSet(ctx)
}

func (d *deployment) createChangeSet(ctx context.Context) (action.Result, error) {
	st, err := d.describe(ctx)
	if err != nil {
		return action.Result{}, err
	}
	m, err := d.material(ctx)
	if err != nil {
		return action.Result{}, err
	}
	kind := types.ChangeSetTypeUpdate
	if st == nil || st.StackStatus == types.StackStatusReviewInProgress {
		kind = types.ChangeSetTypeCreate
	}
	if m.policy != nil && kind == types.ChangeSetTypeUpdate { // a change set cannot bring a policy
		if _, err := d.client.SetStackPolicy(ctx, &cloudformation.SetStackPolicyInput{StackName: &d.stack, StackPolicyBody: m.policy}); err != nil {
			return action.Result{}, fault.Of("set the policy of stack "+d.stack, err)
		}
	}
	out, err := d.client.CreateChangeSet(ctx, &cloudformation.CreateChangeSetInput{
		StackName: &d.stack, ChangeSetName: &d.changeSet, ChangeSetType: kind, ClientToken: d.token(), Description: aws.String(d.mark()),
		RoleARN: d.role, Capabilities: d.capabilities, TemplateBody: m.body, TemplateURL: m.url, Parameters: m.parameters, Tags: m.tags,
	})
	switch {
	case fault.Code(err) == "AlreadyExistsException": // the old one is not quite gone, or another process was faster
		return d.running("", "")
	case err != nil:
		return action.Result{}, fault.Of(fmt.Sprintf("create change set %s of stack %s", d.changeSet, d.stack), err)
	}
	return d.running(aws.ToString(out.Id), fmt.Sprintf("Change set %s is being created", d.changeSet))
}

// changeSetTold is the result of a job whose change set is cs.
func (d *deployment) changeSetTold(ctx context.Context, cs *cloudformation.DescribeChangeSetOutput) (action.Result, error) {
	id := aws.ToString(cs.ChangeSetId)
	summary := fmt.Sprintf("Change set %s was created", d.changeSet)
	switch {
	case empty(cs):
		summary = fmt.Sprintf("Change set %s is empty. %s", d.changeSet, aws.ToString(cs.StatusReason))
	case cs.Status == types.ChangeSetStatusCreateComplete:
	case cs.Status == types.ChangeSetStatusCreatePending, cs.Status == types.ChangeSetStatusCreateInProgress:
		return d.running(id, fmt.Sprintf("Change set %s is in %s", d.changeSet, cs.Status))
	default:
		return d.failed(id, "Change set %s of stack %s is in %s. %s", d.changeSet, d.stack, cs.Status, aws.ToString(cs.StatusReason)), nil
	}
	st, err := d.describe(ctx)
	if err != nil {
		return action.Result{}, err
	}
	if st == nil {
		st = &types.Stack{}
	}
	r, err := d.succeeded(ctx, st, summary)
	d.identify(&r, id)
	return r, err
}

// executeChangeSet goes on with CHANGE_SET_EXECUTE.
func (d *deployment) executeChangeSet(ctx context.Context) (action.Result, error) {
	st, tr, err := d.look(ctx)
	if err != nil {
		return action.Result{}, err
	}
	if tr != nil {
		return d.told(ctx, st, tr)
	}
	cs, err := d.describeChangeSet(ctx)
	switch {
	case err != nil:
		return action.Result{}, err
	case st == nil || cs == nil:
		return action.Result{}, fault.Refuse(action.ConfigurationError, "Stack %s has no change set %s to execute", d.stack, d.changeSet)
	case empty(cs):
		return d.succeeded(ctx, st, fmt.Sprintf("Change set %s is empty; nothing was executed", d.changeSet))
	case cs.Status == types.ChangeSetStatusFailed:
		return d.failed(aws.ToString(cs.ChangeSetId), "Change set %s of stack %s cannot be executed; it is in FAILED. %s", d.changeSet, d.stack, aws.ToString(cs.StatusReason)), nil
	case !d.begin || d.late():
		return d.running(idOf(st), "")
	}
	_, err = d.client.ExecuteChangeSet(ctx, &cloudformation.ExecuteChangeSetInput{StackName: &d.stack, ChangeSetName: cs.ChangeSetId, ClientRequestToken: d.token()})
	if err != nil {
		return d.refused(ctx, fmt.Sprintf("execute change set %s of stack %s", d.changeSet, d.stack), err)
	}
	return d.running(idOf(st), fmt.Sprintf("Change set %s is being executed", d.changeSet))
}

package cloudformation_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
)

// A fake is a CloudFormation whose operations take three looks. It is as
// strict about states as the service.
type fake struct {
	awsfake.Service
	stacks  map[string]*stack
	sets    map[string]*changeSet // by stack/name
	made    int
	ops     []string // that were begun
	tokens  []string // of ops
	fails   bool     // whether operations fail
	stuck   bool     // whether they go on for ever
	same    bool     // whether templates change nothing
	forgets bool     // tokens of repeated calls, as CloudFormation may in the end
	last    any      // input of the last operation
}

type stack struct {
	name, id, token string
	status          types.StackStatus
	steps           []step
	events          []types.StackEvent // newest first
}

type step struct{ resource, status, reason string }

type changeSet struct {
	description, reason string
	status              types.ChangeSetStatus
	looks               int
}

func newFake() *fake {
	return &fake{stacks: map[string]*stack{}, sets: map[string]*changeSet{}}
}

// put adds a stack that somebody left in a state.
func (f *fake) put(name string, status types.StackStatus) {
	f.Look(func() {
		st := f.add(name)
		st.token = "somebody"
		st.event("", string(status), "")
	})
}

func (f *fake) add(name string) *stack {
	f.made++
	st := &stack{name: name, id: fmt.Sprintf("arn:aws:cloudformation:eu-west-1:111122223333:stack/%s/%d", name, f.made)}
	f.stacks[name] = st
	return st
}

func (st *stack) event(resource, status, reason string) {
	ev := types.StackEvent{
		StackId: &st.id, PhysicalResourceId: &st.id, LogicalResourceId: &st.name, ResourceType: aws.String("AWS::CloudFormation::Stack"),
		ResourceStatus: types.ResourceStatus(status), Timestamp: aws.Time(time.Now()), ClientRequestToken: &st.token,
	}
	if reason != "" {
		ev.ResourceStatusReason = &reason
	}
	if resource == "" {
		st.status = types.StackStatus(status)
	} else {
		ev.PhysicalResourceId, ev.LogicalResourceId, ev.ResourceType = aws.String("p-"+resource), &resource, aws.String("AWS::S3::Bucket")
	}
	st.events = slices.Insert(st.events, 0, ev)
}

// operate begins an operation: CREATE, UPDATE or DELETE.
func (f *fake) operate(st *stack, op string, token *string) {
	f.ops, f.tokens = append(f.ops, op), append(f.tokens, aws.ToString(token))
	st.token = aws.ToString(token)
	st.event("", op+"_IN_PROGRESS", "User Initiated")
	rollback := map[string]string{"CREATE": "ROLLBACK", "UPDATE": "UPDATE_ROLLBACK"}[op]
	switch {
	case f.stuck:
		st.steps = nil
	case f.fails && op == "DELETE":
		st.steps = []step{{"Bucket", "DELETE_FAILED", "The bucket you tried to delete is not empty"}, {"", "DELETE_FAILED", "The following resource(s) failed to delete: [Bucket]."}}
	case f.fails:
		st.steps = []step{
			{"Bucket", op + "_FAILED", "bucket exists"}, {"Other", op + "_FAILED", "Resource creation cancelled"},
			{"", rollback + "_IN_PROGRESS", "The following resource(s) failed: [Bucket, Other]."}, {"", rollback + "_COMPLETE", ""},
		}
	default:
		st.steps = []step{{"Bucket", op + "_COMPLETE", ""}, {"", op + "_COMPLETE", ""}}
	}
}

// pass lets one step of every operation happen.
func (f *fake) pass() {
	for name, st := range f.stacks {
		if len(st.steps) > 0 {
			st.event(st.steps[0].resource, st.steps[0].status, st.steps[0].reason)
			st.steps = st.steps[1:]
		}
		if st.status == types.StackStatusDeleteComplete {
			delete(f.stacks, name)
		}
	}
}

func (f *fake) find(nameOrID *string) *stack {
	for _, st := range f.stacks {
		if st.name == *nameOrID || st.id == *nameOrID {
			return st
		}
	}
	return nil
}

func validation(format string, args ...any) error {
	return awsfake.API("ValidationError", fmt.Sprintf(format, args...))
}

func (f *fake) DescribeStacks(_ context.Context, in *cloudformation.DescribeStacksInput, _ ...func(*cloudformation.Options)) (out *cloudformation.DescribeStacksOutput, err error) {
	err = f.Do("DescribeStacks", func() error {
		st := f.find(in.StackName)
		if st == nil {
			return validation("Stack with id %s does not exist", *in.StackName)
		}
		out = &cloudformation.DescribeStacksOutput{Stacks: []types.Stack{{
			StackId: &st.id, StackName: &st.name, StackStatus: st.status,
			Outputs: []types.Output{{OutputKey: aws.String("Url"), OutputValue: aws.String("https://example.com")}},
		}}}
		f.pass()
		return nil
	})
	return out, err
}

// DescribeStackEvents answers in pages of two.
func (f *fake) DescribeStackEvents(_ context.Context, in *cloudformation.DescribeStackEventsInput, _ ...func(*cloudformation.Options)) (out *cloudformation.DescribeStackEventsOutput, err error) {
	err = f.Do("DescribeStackEvents", func() error {
		st := f.find(in.StackName)
		if st == nil {
			return validation("Stack [%s] does not exist", *in.StackName)
		}
		from := len(aws.ToString(in.NextToken))
		out = &cloudformation.DescribeStackEventsOutput{StackEvents: st.events[from:min(from+2, len(st.events))]}
		if from+2 < len(st.events) {
			out.NextToken = aws.String(strings.Repeat(".", from+2))
		}
		return nil
	})
	return out, err
}

func (f *fake) CreateStack(_ context.Context, in *cloudformation.CreateStackInput, _ ...func(*cloudformation.Options)) (out *cloudformation.CreateStackOutput, err error) {
	err = f.Do("CreateStack", func() error {
		st := f.find(in.StackName)
		if st != nil && (st.token != aws.ToString(in.ClientRequestToken) || f.forgets) {
			return awsfake.API("AlreadyExistsException", "Stack ["+st.name+"] already exists")
		}
		if st == nil {
			st, f.last = f.add(*in.StackName), in
			f.operate(st, "CREATE", in.ClientRequestToken)
		}
		out = &cloudformation.CreateStackOutput{StackId: &st.id}
		return nil
	})
	return out, err
}

var updatable = []types.StackStatus{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"}

func (f *fake) UpdateStack(_ context.Context, in *cloudformation.UpdateStackInput, _ ...func(*cloudformation.Options)) (out *cloudformation.UpdateStackOutput, err error) {
	err = f.Do("UpdateStack", func() error {
		st := f.find(in.StackName)
		switch {
		case st == nil:
			return validation("Stack [%s] does not exist", *in.StackName)
		case st.token == aws.ToString(in.ClientRequestToken) && !f.forgets:
		case !slices.Contains(updatable, st.status):
			return validation("Stack:%s is in %s state and can not be updated.", st.id, st.status)
		case f.same:
			return validation("No updates are to be performed.")
		default:
			f.last = in
			f.operate(st, "UPDATE", in.ClientRequestToken)
		}
		out = &cloudformation.UpdateStackOutput{StackId: &st.id}
		return nil
	})
	return out, err
}

func (f *fake) DeleteStack(_ context.Context, in *cloudformation.DeleteStackInput, _ ...func(*cloudformation.Options)) (out *cloudformation.DeleteStackOutput, err error) {
	err = f.Do("DeleteStack", func() error {
		st := f.find(in.StackName)
		switch {
		case st == nil || st.token == aws.ToString(in.ClientRequestToken):
		case st.status == types.StackStatusUpdateInProgress:
			return validation("Stack [%s] cannot be deleted while in status %s", st.id, st.status)
		default:
			f.operate(st, "DELETE", in.ClientRequestToken)
		}
		out = &cloudformation.DeleteStackOutput{}
		return nil
	})
	return out, err
}

func (f *fake) CreateChangeSet(_ context.Context, in *cloudformation.CreateChangeSetInput, _ ...func(*cloudformation.Options)) (out *cloudformation.CreateChangeSetOutput, err error) {
	err = f.Do("CreateChangeSet", func() error {
		st, key := f.find(in.StackName), *in.StackName+"/"+*in.ChangeSetName
		switch {
		case f.sets[key] != nil:
			return awsfake.API("AlreadyExistsException", "ChangeSet "+key+" already exists")
		case in.ChangeSetType == types.ChangeSetTypeUpdate && st == nil:
			return validation("Stack [%s] does not exist", *in.StackName)
		case in.ChangeSetType == types.ChangeSetTypeUpdate && !slices.Contains(updatable, st.status):
			return validation("Stack:%s is in %s state and can not be updated.", st.id, st.status)
		case in.ChangeSetType == types.ChangeSetTypeCreate && st == nil:
			st = f.add(*in.StackName)
			st.event("", "REVIEW_IN_PROGRESS", "User Initiated")
		}
		f.ops, f.tokens, f.last = append(f.ops, "CHANGE_SET_"+string(in.ChangeSetType)), append(f.tokens, *in.ClientToken), in
		f.sets[key] = &changeSet{description: *in.Description, status: types.ChangeSetStatusCreatePending}
		out = &cloudformation.CreateChangeSetOutput{Id: aws.String("arn:changeSet/" + key), StackId: &st.id}
		return nil
	})
	return out, err
}

func (f *fake) DescribeChangeSet(_ context.Context, in *cloudformation.DescribeChangeSetInput, _ ...func(*cloudformation.Options)) (out *cloudformation.DescribeChangeSetOutput, err error) {
	err = f.Do("DescribeChangeSet", func() error {
		st, key := f.find(in.StackName), *in.StackName+"/"+*in.ChangeSetName
		if st == nil {
			return validation("Stack [%s] does not exist", *in.StackName)
		}
		cs := f.sets[key]
		if cs == nil {
			return awsfake.API("ChangeSetNotFound", "ChangeSet ["+*in.ChangeSetName+"] does not exist")
		}
		out = &cloudformation.DescribeChangeSetOutput{
			StackId: &st.id, ChangeSetId: aws.String("arn:changeSet/" + key), Status: cs.status, Description: &cs.description, StatusReason: &cs.reason,
		}
		switch cs.looks++; {
		case f.stuck:
		case cs.status == types.ChangeSetStatusDeleteInProgress:
			delete(f.sets, key)
		case cs.looks < 2 || cs.status != types.ChangeSetStatusCreatePending:
		case f.fails:
			cs.status, cs.reason = types.ChangeSetStatusFailed, "Parameters: [Size] must have values"
		case f.same:
			cs.status, cs.reason = types.ChangeSetStatusFailed, "The submitted information didn't contain changes. Submit different information to create a change set."
		default:
			cs.status = types.ChangeSetStatusCreateComplete
		}
		return nil
	})
	return out, err
}

// DeleteChangeSet takes a moment, as it does with nested stacks.
func (f *fake) DeleteChangeSet(_ context.Context, in *cloudformation.DeleteChangeSetInput, _ ...func(*cloudformation.Options)) (out *cloudformation.DeleteChangeSetOutput, err error) {
	err = f.Do("DeleteChangeSet", func() error {
		f.ops, f.tokens = append(f.ops, "CHANGE_SET_DELETE"), append(f.tokens, "")
		f.sets[strings.TrimPrefix(*in.ChangeSetName, "arn:changeSet/")].status = types.ChangeSetStatusDeleteInProgress
		out = &cloudformation.DeleteChangeSetOutput{}
		return nil
	})
	return out, err
}

func (f *fake) ExecuteChangeSet(_ context.Context, in *cloudformation.ExecuteChangeSetInput, _ ...func(*cloudformation.Options)) (out *cloudformation.ExecuteChangeSetOutput, err error) {
	err = f.Do("ExecuteChangeSet", func() error {
		st, cs := f.find(in.StackName), f.sets[strings.TrimPrefix(*in.ChangeSetName, "arn:changeSet/")]
		switch {
		case st.token == *in.ClientRequestToken && !f.forgets:
		case cs.status != types.ChangeSetStatusCreateComplete || strings.HasSuffix(string(st.status), "_FAILED") || st.status == "UPDATE_IN_PROGRESS":
			return awsfake.API("InvalidChangeSetStatus", "ChangeSet cannot be executed in its current status")
		case st.status == types.StackStatusReviewInProgress:
			f.operate(st, "CREATE", in.ClientRequestToken)
		default:
			f.operate(st, "UPDATE", in.ClientRequestToken)
		}
		out = &cloudformation.ExecuteChangeSetOutput{}
		return nil
	})
	return out, err
}

func (f *fake) SetStackPolicy(_ context.Context, _ *cloudformation.SetStackPolicyInput, _ ...func(*cloudformation.Options)) (out *cloudformation.SetStackPolicyOutput, err error) {
	err = f.Do("SetStackPolicy", func() error {
		f.ops, f.tokens = append(f.ops, "POLICY"), append(f.tokens, "")
		out = &cloudformation.SetStackPolicyOutput{}
		return nil
	})
	return out, err
}

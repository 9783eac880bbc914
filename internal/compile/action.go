package compile

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// resource calls a function and waits for its task token.
const resource = "arn:aws:states:::lambda:invoke.waitForTaskToken"

// groupName is the name of the state that runs group g of stage i; behind the
// last group it is the state that leaves the stage.
func (c *compiler) groupName(i, g int) string {
	s := c.declaration.Stages[i]
	all := s.Groups()
	switch {
	case g >= len(all):
		return c.enterName(i + 1)
	case len(all[g]) == 1:
		return stateName(s.Name + " / " + all[g][0].Name)
	default:
		return stateName(fmt.Sprintf("%s / %d actions of run order %d", s.Name, len(all[g]), all[g][0].Order()))
	}
}

// actions adds the states that run the actions of stage i.
func (c *compiler) actions(i int) {
	s := c.declaration.Stages[i]
	leave := c.enterName(i + 1)
	for g, group := range s.Groups() {
		name, next := c.groupName(i, g), c.groupName(i, g+1)
		if len(group) == 1 {
			task := c.task(s, group[0], group)
			task.ResultPath = asl.Null
			task.Catch = []asl.Catch{caught(leave, "States.ALL")}
			task.Next = next
			c.states[name] = task
			continue
		}
		p := asl.Parallel{ResultPath: asl.Null, Catch: []asl.Catch{caught(leave, "States.ALL")}}
		for _, a := range group {
			p.Branches = append(p.Branches, c.branch(s, a, group))
		}
		p.Next = next
		if next != leave { // a failure must keep the next group from starting
			check := stateName(fmt.Sprintf("%s / after run order %d", s.Name, group[0].Order()))
			p.ResultPath, p.Next = "$.group", check
			c.states[check] = anyFailed(len(group), leave, next)
		}
		c.states[name] = p
	}
}

// task returns the task of action a, one of group, without its way on.
func (c *compiler) task(s pipeline.Stage, a pipeline.Action, group []pipeline.Action) asl.Task {
	return asl.Task{
		Resource:       resource,
		Parameters:     invoke(c.targets.of(a.TypeID.Category), map[string]string{"stage": s.Name, "action": a.Name}),
		TimeoutSeconds: int(c.patience(a, group) / time.Second),
		Retry:          retries(),
	}
}

// longest is the longest timeout of a task that the language has.
const longest = 99_999_999 * time.Second

// patience is how long the task of an action is waited for: as long as the
// action may take, and where it may have to wait for others of its group to
// end, as long as all of them may. The record says when it is too late, from
// when the action began; see Service.Sweep.
func (c *compiler) patience(a pipeline.Action, group []pipeline.Action) time.Duration {
	if !c.declaration.Crowded(group) {
		return pipeline.Timeout(a)
	}
	all := time.Duration(0)
	for _, b := range group {
		all += pipeline.Timeout(b)
	}
	return min(all, longest)
}

// branch returns a machine of one action that always succeeds: its output is
// {} or {"failed": true}.
func (c *compiler) branch(s pipeline.Stage, a pipeline.Action, group []pipeline.Action) asl.Machine {
	name := stateName(s.Name + " / " + a.Name)
	failed := stateName(s.Name + " / " + a.Name + " failed")
	task := c.task(s, a, group)
	task.OutputPath = asl.Null
	task.Catch = []asl.Catch{{ErrorEquals: []string{"States.ALL"}, Next: failed}}
	task.End = true
	return asl.Machine{StartAt: name, States: map[string]asl.State{
		name:   task,
		failed: asl.Pass{Result: json.RawMessage(`{"failed":true}`), Then: asl.Then{End: true}},
	}}
}

// anyFailed leads to leave if one of n branches failed, else to next.
func anyFailed(n int, leave, next string) asl.Choice {
	present := true
	or := make([]asl.Rule, n)
	for i := range or {
		or[i] = asl.Rule{Variable: fmt.Sprintf("$.group[%d].failed", i), IsPresent: &present}
	}
	return asl.Choice{Choices: []asl.Rule{{Or: or, Next: leave}}, Default: next}
}

// invoke returns the parameters of a call of function: the task's token, whose
// run it is, and ids.
func invoke(function string, ids map[string]string) json.RawMessage {
	payload := map[string]string{
		"token.$":     "$$.Task.Token",
		"run.$":       "$$.Execution.Name",
		"execution.$": "$.execution",
		"call.$":      "$$.State.RetryCount",  // tells a call that was given up from the one that waits
		"visit.$":     "$$.State.EnteredTime", // tells calls from before a stage was repeated from those behind
	}
	for k, v := range ids {
		payload[k] = v
	}
	b, err := json.Marshal(map[string]any{"FunctionName": function, "Payload": payload})
	if err != nil {
		panic(err) // strings always encode
	}
	return b
}

// retries repeats a call that never reached its handler. What a handler says
// is never retried by the machine: its own records decide.
func retries() []asl.Retry {
	attempts := 6
	return []asl.Retry{{
		ErrorEquals:     []string{"Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException", "Lambda.TooManyRequestsException", "Lambda.Unknown"},
		IntervalSeconds: 1,
		MaxAttempts:     &attempts,
		BackoffRate:     2,
		MaxDelaySeconds: 30,
		JitterStrategy:  "FULL",
	}}
}

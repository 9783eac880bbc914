// Package compile turns a pipeline's declaration into the state machine that
// runs it. Nothing about running order lives anywhere else.
//
// # Shape
//
//	Enter S1 → S1 / A → Enter S2 → S2 / 1 {S2 / B ∥ S2 / C} → Enter S3 → … → Finish
//
// "Enter S" leaves the stage before S, waits until S admits the execution, and
// ends when its actions may start. "Finish" leaves the last stage. One state
// follows per run order: a Task, or a Parallel of Tasks.
//
// Transitions are what a run costs, so the catch is the choice. A task of the
// stage function that has something else to say than "go on" fails with a name:
//
//	Sluice.At.<stage>  begin at that stage (retry and rollback start a new run);
//	Sluice.Skip        the stage's entry condition said SKIP: go on behind it;
//	Sluice.Retry       the stage before failed and is to run again in this run;
//	any other name     is caught by nobody and ends the run: Sluice.Failed,
//	                   Sluice.Stopped, Sluice.Superseded, Sluice.Cancelled.
//
// An action that fails leads to the next "Enter", which reads from the records
// that the stage failed. Siblings in a Parallel are never cancelled: each
// branch catches its own error.
//
// Payloads carry ids only: no definition, no secret, no large value.
package compile

import (
	"slices"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Targets are the functions a machine calls, by the name or ARN its home
// knows them by. They are the only part of the text that differs between homes.
type Targets struct {
	Stage, Source, Build, Deploy, Invoke, Approval string
}

// Local are the targets of the embedded engine.
var Local = Targets{Stage: "stage", Source: "source", Build: "build", Deploy: "deploy", Invoke: "invoke", Approval: "approval"}

// of returns the function that runs actions of category c.
func (t Targets) of(c pipeline.Category) string {
	switch c {
	case pipeline.Source:
		return t.Source
	case pipeline.Deploy:
		return t.Deploy
	case pipeline.Invoke:
		return t.Invoke
	case pipeline.Approval:
		return t.Approval
	default: // Build, Test, Compute
		return t.Build
	}
}

// Names of the errors that a task of the stage function leads on with.
const (
	ErrorSkip  = "Sluice.Skip"
	ErrorRetry = "Sluice.Retry"
	errorAt    = "Sluice.At."
)

// ErrorAt is the error that leads a run to begin at stage.
func ErrorAt(stage string) string { return errorAt + stage }

// Machine returns the state machine of d, which has passed pipeline.Validate.
func Machine(d pipeline.Declaration, t Targets) asl.Machine {
	c := compiler{declaration: d, targets: t, states: map[string]asl.State{}}
	for i := range d.Stages {
		c.enter(i)
		c.actions(i)
	}
	c.finish()
	return asl.Machine{Comment: "Sluice pipeline " + d.Name, StartAt: c.enterName(0), States: c.states}
}

type compiler struct {
	declaration pipeline.Declaration
	targets     Targets
	states      map[string]asl.State
}

// enterName is the name of the state that leads into stage i; behind the last
// stage it is the state that ends the run.
func (c *compiler) enterName(i int) string {
	if i >= len(c.declaration.Stages) {
		return "Finish"
	}
	return stateName("Enter " + c.declaration.Stages[i].Name)
}

// enter adds the task that leaves stage i-1 and waits for stage i.
func (c *compiler) enter(i int) {
	s := c.declaration.Stages[i]
	payload := map[string]string{"enter": s.Name}
	var catch []asl.Catch
	if i > 0 {
		before := c.declaration.Stages[i-1]
		payload["leave"] = before.Name
		catch = c.again(i-1, catch)
	} else {
		for k, later := range c.declaration.Stages[1:] {
			catch = append(catch, caught(c.enterName(k+1), ErrorAt(later.Name)))
		}
	}
	if skips(s) {
		catch = append(catch, caught(c.enterName(i+1), ErrorSkip))
	}
	c.states[c.enterName(i)] = asl.Task{
		Resource:   resource,
		Parameters: invoke(c.targets.Stage, payload),
		ResultPath: asl.Null,
		Retry:      retries(),
		Catch:      catch,
		Then:       asl.Then{Next: c.groupName(i, 0)},
	}
}

// finish adds the task that leaves the last stage and ends the execution.
func (c *compiler) finish() {
	last := len(c.declaration.Stages) - 1
	c.states["Finish"] = asl.Task{
		Resource:   resource,
		Parameters: invoke(c.targets.Stage, map[string]string{"leave": c.declaration.Stages[last].Name}),
		ResultPath: asl.Null,
		Retry:      retries(),
		Catch:      c.again(last, nil),
		Then:       asl.Then{End: true},
	}
}

// again adds the way back into stage i: its failure may repeat it, by itself
// or because somebody asked for a retry while some of its actions still ran.
func (c *compiler) again(i int, catch []asl.Catch) []asl.Catch {
	s := c.declaration.Stages[i]
	if len(s.Actions) > 1 || s.OnFailure != nil && s.OnFailure.Result == "RETRY" {
		catch = append(catch, caught(c.groupName(i, 0), ErrorRetry))
	}
	return catch
}

// skips reports whether the entry condition of s may skip it.
func skips(s pipeline.Stage) bool {
	return s.BeforeEntry != nil && slices.ContainsFunc(s.BeforeEntry.Conditions, func(c pipeline.Condition) bool { return c.Result == "SKIP" })
}

// caught returns a Catch that forgets the error: what happened is recorded.
func caught(next string, errors ...string) asl.Catch {
	return asl.Catch{ErrorEquals: errors, Next: next, ResultPath: asl.Null}
}

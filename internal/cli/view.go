package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A view is what there is to see of one execution.
type view struct {
	Execution      codepipeline.PipelineExecution
	Stages         []stageView
	Started, Ended time.Time // Ended is the last change
	Link           string    // to the page of the first approval it waits for
}

// A stageView is one stage of a view. Status is empty before it is reached.
type stageView struct {
	Name    string
	Status  pipeline.Status
	Note    string // why the execution waits in front of it
	Whose   string // which execution is shown, when they differ
	Blocked []approval
	Held    bool // the way into the stage is disabled
	Actions []actionView
}

// An actionView is the newest run of an action; without one, ID is empty.
type actionView struct {
	Stage, Name    string
	Type           pipeline.ActionTypeID
	ID             string
	Status         pipeline.Status
	Summary        string
	External       string // id of the work where it was done
	Revision       string
	Error          *action.Error
	Question       string // of an approval
	Started, Ended time.Time
	Token          string // of an approval that waits
}

// path names a for a person and for the command line.
func (a actionView) path() string { return a.Stage + "/" + a.Name }

// waits reports whether a is an approval nobody has answered.
func (a actionView) waits() bool {
	return a.Type.Category == pipeline.Approval && a.Status == pipeline.InProgress
}

// simulated reports whether a only looked as if it ran. Its provider says so
// in its summary, and where the id of the work would be.
func (a actionView) simulated() bool { return strings.HasPrefix(a.External, "simulated-") }

// An approval is a request that nobody has answered.
type approval struct{ Execution, Stage, Action, Token string }

// look reads everything about an execution.
func (c *connection) look(ctx context.Context, d pipeline.Declaration, execution string) (view, error) {
	e, err := c.execution(ctx, d.Name, execution)
	if err != nil {
		return view{}, err
	}
	runs, err := c.actions(ctx, d.Name, execution)
	if err != nil {
		return view{}, err
	}
	state, err := c.state(ctx, d.Name)
	if err != nil {
		return view{}, err
	}
	return assemble(d, e, runs, state), nil
}

// assemble makes a view of what the API says. Runs are oldest first.
func assemble(d pipeline.Declaration, e codepipeline.PipelineExecution, runs []codepipeline.ActionExecutionDetail, state codepipeline.GetPipelineStateOutput) view {
	v := view{Execution: e}
	newest := map[string]codepipeline.ActionExecutionDetail{}
	for _, r := range runs {
		newest[r.StageName+"/"+r.ActionName] = r
		if v.Started.IsZero() || r.StartTime.Before(v.Started) {
			v.Started = r.StartTime.Time
		}
		if r.LastUpdateTime.After(v.Ended) {
			v.Ended = r.LastUpdateTime.Time
		}
	}
	states := map[string]codepipeline.StageState{}
	for _, s := range state.StageStates {
		states[s.StageName] = s
	}
	for _, s := range d.Stages {
		sv := stageView{Name: s.Name}
		st := states[s.Name]
		for _, a := range s.Actions {
			av := actionView{Stage: s.Name, Name: a.Name, Type: a.TypeID}
			if r, ran := newest[s.Name+"/"+a.Name]; ran {
				av.fill(r)
				av.Token = tokenOf(av, e, st, r)
			}
			for _, r := range e.ArtifactRevisions {
				if len(a.OutputArtifacts) > 0 && a.TypeID.Category == pipeline.Source && r.Name == a.OutputArtifacts[0].Name {
					av.Revision = r.RevisionID
					if !av.simulated() {
						av.Summary = cmp.Or(r.RevisionSummary, av.Summary)
					}
				}
			}
			sv.Actions = append(sv.Actions, av)
		}
		sv.Status = stageStatus(e, sv.Actions, st)
		sv.hold(e.PipelineExecutionID, st)
		v.Stages = append(v.Stages, sv)
	}
	return v
}

// fill puts one run of its action into a.
func (a *actionView) fill(r codepipeline.ActionExecutionDetail) {
	a.ID, a.Status, a.Started, a.Ended = r.ActionExecutionID, r.Status, r.StartTime.Time, r.LastUpdateTime.Time
	a.Question = r.Input.ResolvedConfiguration["CustomData"]
	if res := r.Output.ExecutionResult; res != nil {
		a.Summary, a.External, a.Error = res.ExternalExecutionSummary, res.ExternalExecutionID, res.ErrorDetails
	}
}

// tokenOf returns the token of an approval that waits: from the state, or in
// PARALLEL mode from the run itself.
func tokenOf(a actionView, e codepipeline.PipelineExecution, st codepipeline.StageState, r codepipeline.ActionExecutionDetail) string {
	if !a.waits() {
		return ""
	}
	if e.ExecutionMode == pipeline.Parallel && r.Output.ExecutionResult != nil {
		return r.Output.ExecutionResult.ExternalExecutionID
	}
	for _, s := range st.ActionStates {
		if s.ActionName == a.Name && s.LatestExecution != nil && s.LatestExecution.ActionExecutionID == a.ID {
			return s.LatestExecution.Token
		}
	}
	return ""
}

// stageStatus returns how e stands in a stage. The state of the pipeline knows
// while e is the latest execution there; afterwards the actions tell.
func stageStatus(e codepipeline.PipelineExecution, actions []actionView, st codepipeline.StageState) pipeline.Status {
	if l := st.LatestExecution; l != nil && l.PipelineExecutionID == e.PipelineExecutionID {
		return l.Status
	}
	ran, succeeded := 0, 0
	status := pipeline.Status("")
	for _, a := range actions {
		switch a.Status {
		case "":
			continue
		case pipeline.InProgress:
			status = pipeline.InProgress
		case pipeline.Succeeded:
			succeeded++
		default:
			if status == "" {
				status = pipeline.Failed
			}
		}
		ran++
	}
	switch {
	case ran == 0 || status != "":
		return status
	case succeeded == len(actions):
		return pipeline.Succeeded
	case e.Status.Final():
		return pipeline.Stopped
	}
	return pipeline.InProgress
}

// hold notes why execution waits in front of the stage, if it does.
func (s *stageView) hold(execution string, st codepipeline.StageState) {
	waiting := false
	for _, in := range st.InboundExecutions {
		waiting = waiting || in.PipelineExecutionID == execution
	}
	if !waiting {
		return
	}
	if !st.InboundTransition.Enabled {
		s.Held = true
		s.Note = "waits: the transition into this stage is disabled: " + st.InboundTransition.DisabledReason
		return
	}
	s.Note = "waits for its turn"
	l := st.LatestExecution
	if l == nil || l.PipelineExecutionID == execution {
		return
	}
	s.Note = fmt.Sprintf("waits for its turn: execution %s is in this stage", short(l.PipelineExecutionID))
	for _, a := range st.ActionStates {
		if a.LatestExecution != nil && a.LatestExecution.Token != "" {
			s.Blocked = append(s.Blocked, approval{l.PipelineExecutionID, s.Name, a.ActionName, a.LatestExecution.Token})
			s.Note = fmt.Sprintf("waits for its turn: execution %s is in this stage and waits for approval", short(l.PipelineExecutionID))
		}
	}
}

// approvals returns what somebody has to answer before v goes on. Those of
// executions in front of it come first.
func (v view) approvals() []approval {
	var all []approval
	for _, s := range v.Stages {
		all = append(all, s.Blocked...)
		for _, a := range s.Actions {
			if a.waits() {
				all = append(all, approval{v.Execution.PipelineExecutionID, s.Name, a.Name, a.Token})
			}
		}
	}
	return all
}

// waiting reports whether nothing moves until a person does something.
func (v view) waiting() bool {
	held := len(v.approvals()) > 0
	for _, s := range v.Stages {
		held = held || s.Held
		for _, a := range s.Actions {
			if a.Status == pipeline.InProgress && !a.waits() {
				return false
			}
		}
	}
	return held && v.Execution.Status == pipeline.InProgress
}

// verdict returns the exit code of an execution that has ended.
func verdict(s pipeline.Status) int {
	switch s {
	case pipeline.Succeeded:
		return ExitOK
	case pipeline.Failed:
		return ExitFailed
	}
	return ExitEnded
}

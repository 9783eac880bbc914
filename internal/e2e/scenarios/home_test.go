package scenarios_test

import (
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A home is a running Sluice, seen from outside.
type home struct {
	t    *testing.T
	name string
	api  *client.Client
	code string // folder of the git repositories

	records store.Store

	told  func(repository, commit string) // a push is known
	store func(bucket, key string, content []byte)
	tick  func() // lets a minute's work of the sweep be done
	tell  func() // logs what there is to know, when a story fails
}

// patience is how long a story waits for something that has to come. It is a
// bound for broken code, not a measure.
const patience = 2 * time.Minute

// await polls until what holds.
func (h *home) await(missing string, what func() bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	for n := 1; !what(); n++ {
		if n%20 == 0 {
			h.tick()
		}
		select {
		case <-ctx.Done():
			h.tell()
			h.t.Fatalf("%s: waited %s for %s", h.name, patience, missing)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// do calls the API.
func (h *home) do(operation string, in, out any) {
	h.t.Helper()
	err := h.api.Do(h.t.Context(), operation, in, out)
	if pipeline.CodeOf(err) == pipeline.ServiceUnavailable { // its function was being replaced
		err = h.api.Do(h.t.Context(), operation, in, out)
	}
	if err != nil {
		h.t.Fatalf("%s: %s: %v", h.name, operation, err)
	}
}

// refused calls the API, which has to refuse with code.
func (h *home) refused(code pipeline.Code, operation string, in any) {
	h.t.Helper()
	if err := h.api.Do(h.t.Context(), operation, in, nil); pipeline.CodeOf(err) != code {
		h.t.Errorf("%s: %s gave %v; want %s", h.name, operation, err, code)
	}
}

// commit commits files, by name, to the main branch of a repository, which is
// made if need be, and returns the commit. Nobody is told.
func (h *home) commit(repository, message string, files map[string]string) string {
	h.t.Helper()
	dir := filepath.Join(h.code, repository)
	git := func(args ...string) string {
		h.t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ada", "-c", "user.email=ada@example.com"}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			h.t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out[:max(0, len(out)-1)])
	}
	if _, err := os.Stat(dir); err != nil {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			h.t.Fatal(err)
		}
		git("init", "-q", "-b", "main")
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	git("add", ".")
	git("commit", "-q", "--allow-empty", "-m", message)
	return git("rev-parse", "HEAD")
}

// push is a commit that is told of.
func (h *home) push(repository, message string, files map[string]string) string {
	h.t.Helper()
	id := h.commit(repository, message, files)
	h.told(repository, id)
	return id
}

// executions returns the executions of a pipeline, newest first.
func (h *home) executions(name string) []codepipeline.PipelineExecutionSummary {
	h.t.Helper()
	var out codepipeline.ListPipelineExecutionsOutput
	h.do("ListPipelineExecutions", codepipeline.ListPipelineExecutionsInput{PipelineName: name}, &out)
	return out.Summaries
}

// started waits for the n-th execution of a pipeline and returns its id.
func (h *home) started(name string, n int) string {
	h.t.Helper()
	h.await("an execution of "+name, func() bool { return len(h.executions(name)) >= n })
	all := h.executions(name)
	return all[len(all)-n].PipelineExecutionID
}

// start starts an execution by hand.
func (h *home) start(name string, variables ...record.Variable) string {
	h.t.Helper()
	var out codepipeline.StartPipelineExecutionOutput
	h.do("StartPipelineExecution", codepipeline.StartPipelineExecutionInput{Name: name, Variables: variables}, &out)
	return out.PipelineExecutionID
}

// status waits until an execution has a status.
func (h *home) status(name, id string, want pipeline.Status) {
	h.t.Helper()
	var last codepipeline.PipelineExecution
	defer func() {
		if h.t.Failed() {
			h.t.Logf("%s: execution %s is %s (%s): %+v", h.name, id, last.Status, last.StatusSummary, h.history(name, id))
		}
	}()
	h.await(name+" to be "+string(want), func() bool {
		var out codepipeline.GetPipelineExecutionOutput
		h.do("GetPipelineExecution", codepipeline.GetPipelineExecutionInput{PipelineName: name, PipelineExecutionID: id}, &out)
		last = out.PipelineExecution
		if last.Status.Final() && last.Status != want {
			h.t.Fatalf("%s: execution %s of %s is %s (%s); want %s: %+v", h.name, id, name, last.Status, last.StatusSummary, want, h.history(name, id))
		}
		return last.Status == want
	})
}

// A step is one line of a history that both homes have to agree on.
type step struct {
	Stage, Action string
	Status        pipeline.Status
	Variables     []string // names
	Error         string   // code
	said          string   // is not compared: it names places
}

// history returns the steps of an execution in the order of their stages;
// those of one stage, which may run side by side, by name.
func (h *home) history(name, id string) []step {
	h.t.Helper()
	var all []step
	for _, d := range h.details(name, id) {
		s := step{Stage: d.StageName, Action: d.ActionName, Status: d.Status}
		for key := range d.Output.OutputVariables {
			s.Variables = append(s.Variables, key)
		}
		slices.Sort(s.Variables)
		if r := d.Output.ExecutionResult; r != nil && r.ErrorDetails != nil {
			s.Error = r.ErrorDetails.Code
		}
		if r := d.Output.ExecutionResult; r != nil {
			s.said = r.ExternalExecutionSummary
		}
		all = append(all, s)
	}
	return all
}

// details returns the action executions of an execution, ordered as history.
func (h *home) details(name, id string) []codepipeline.ActionExecutionDetail {
	h.t.Helper()
	var out codepipeline.ListActionExecutionsOutput
	h.do("ListActionExecutions", codepipeline.ListActionExecutionsInput{
		PipelineName: name, MaxResults: 100, Filter: &codepipeline.ActionExecutionFilter{PipelineExecutionID: id},
	}, &out)
	inOrder(out.Details, func(d codepipeline.ActionExecutionDetail) (string, string) { return d.StageName, d.ActionName })
	return out.Details
}

// inOrder brings what is listed with the newest first into the order of the
// stages, those of one stage by name.
func inOrder[T any](all []T, of func(T) (stage, name string)) {
	slices.Reverse(all)
	order := map[string]int{}
	for _, v := range all {
		if stage, _ := of(v); order[stage] == 0 {
			order[stage] = len(order) + 1
		}
	}
	slices.SortStableFunc(all, func(a, b T) int {
		stageA, nameA := of(a)
		stageB, nameB := of(b)
		return cmp.Or(order[stageA]-order[stageB], cmp.Compare(nameA, nameB))
	})
}

// token waits for an approval and returns its token. In PARALLEL mode it is in
// the action's own line.
func (h *home) token(name, id, action string) (token string) {
	h.t.Helper()
	h.await("a token of "+action, func() bool {
		var state codepipeline.GetPipelineStateOutput
		h.do("GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &state)
		for _, s := range state.StageStates {
			for _, a := range s.ActionStates {
				if a.ActionName == action && a.LatestExecution != nil && s.LatestExecution != nil && s.LatestExecution.PipelineExecutionID == id {
					token = a.LatestExecution.Token
				}
			}
		}
		for _, d := range h.details(name, id) {
			if r := d.Output.ExecutionResult; token == "" && d.ActionName == action && d.Status == pipeline.InProgress && r != nil {
				token = r.ExternalExecutionID
			}
		}
		return token != ""
	})
	return token
}

// answer answers an approval.
func (h *home) answer(name, stage, action, token, status string) {
	h.t.Helper()
	h.do("PutApprovalResult", approvalOf(name, stage, action, token, status), nil)
}

package differential

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// randomPipeline returns a lawful definition made from seed.
func randomPipeline(seed uint64) pipeline.Declaration {
	r := chance(seed, "pipeline")
	d := pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		ExecutionMode: oneOf(r, pipeline.Superseded, pipeline.Queued, pipeline.Parallel),
	}
	for i := range 2 + r.IntN(5) {
		s := pipeline.Stage{Name: freshName(r, func(n string) bool {
			return slices.ContainsFunc(d.Stages, func(s pipeline.Stage) bool { return s.Name == n })
		})}
		for range 1 + r.IntN(5) {
			s.Actions = append(s.Actions, randomAction(r, s, i == 0))
		}
		if i > 0 || r.IntN(4) == 0 {
			conditions(r, &s, d.ExecutionMode)
		}
		d.Stages = append(d.Stages, s)
	}
	return d
}

// names are tried on stages and actions: words of the machine's own, odd ones,
// and some so long that names of states are cut.
var names = []string{
	"Build", "Test", "Deploy", "a", "B", "7", "-", "_", ".", "@", "Enter", "Finish", "failed", "States.ALL", "Sluice.Skip", "x.y@z-1_2", "after", "null",
	strings.Repeat("long", 25), strings.Repeat("long", 24) + "tail", strings.Repeat("n", 74), strings.Repeat("n", 66),
}

// freshName returns a name that is not taken.
func freshName(r *rand.Rand, taken func(string) bool) string {
	for {
		name := oneOf(r, names...)
		if r.IntN(3) == 0 {
			name = fmt.Sprintf("%s%d", name[:min(len(name), 98)], r.IntN(10))
		}
		if !taken(name) {
			return name
		}
	}
}

func randomAction(r *rand.Rand, s pipeline.Stage, source bool) pipeline.Action {
	a := pipeline.Action{
		Name: freshName(r, func(n string) bool {
			return slices.ContainsFunc(s.Actions, func(a pipeline.Action) bool { return a.Name == n })
		}),
		RunOrder: oneOf(r, 0, 1, 1, 2, 3, 7, 999),
	}
	kind := func(c pipeline.Category, provider string) {
		a.TypeID = pipeline.ActionTypeID{Category: c, Owner: pipeline.AWS, Provider: provider, Version: "1"}
	}
	if source {
		kind(pipeline.Source, "S3")
		a.Configuration = map[string]string{"S3Bucket": "b", "S3ObjectKey": "k.zip"}
		name := fmt.Sprint("out", len(s.Actions))
		a.OutputArtifacts = []pipeline.OutputArtifact{{Name: name}}
		return a
	}
	read := []pipeline.InputArtifact{{Name: "out0"}} // of the first source, which is always there
	switch r.IntN(6) {
	case 0:
		kind(pipeline.Build, "CodeBuild")
		a.Configuration, a.InputArtifacts = map[string]string{"ProjectName": "p"}, read
	case 1:
		kind(pipeline.Test, "CodeBuild")
		a.Configuration, a.InputArtifacts = map[string]string{"ProjectName": "p"}, read
	case 2:
		kind(pipeline.Deploy, "S3")
		a.Configuration, a.InputArtifacts = map[string]string{"BucketName": "b", "Extract": "true"}, read
	case 3:
		kind(pipeline.Invoke, "Lambda")
		a.Configuration = map[string]string{"FunctionName": "f"}
	case 4:
		kind(pipeline.Approval, "Manual")
		a.TimeoutInMinutes = oneOf(r, 0, 5, 60)
	case 5:
		kind(pipeline.Compute, "Commands")
		a.Commands, a.InputArtifacts = []string{"true"}, read
	}
	return a
}

// conditions gives a stage what leads a machine elsewhere.
func conditions(r *rand.Rand, s *pipeline.Stage, mode pipeline.Mode) {
	check := func(result string) pipeline.Condition {
		return pipeline.Condition{Result: result, Rules: []pipeline.Rule{{
			Name: "check", TypeID: pipeline.RuleTypeID{Category: "Rule", Owner: "AWS", Provider: "VariableCheck", Version: "1"},
			Configuration: map[string]string{"Variable": "a", "Value": "b", "Operator": "EQ"},
		}}}
	}
	if r.IntN(3) == 0 {
		s.BeforeEntry = &pipeline.Gate{Conditions: []pipeline.Condition{check(oneOf(r, "SKIP", "SKIP", "FAIL"))}}
	}
	if r.IntN(5) == 0 {
		s.OnSuccess = &pipeline.Gate{Conditions: []pipeline.Condition{check("FAIL")}}
	}
	switch r.IntN(4) {
	case 0:
		s.OnFailure = &pipeline.OnFailure{Result: "RETRY", Retry: &pipeline.RetryConfiguration{Mode: oneOf(r, pipeline.FailedActions, pipeline.AllActions)}}
	case 1:
		if mode != pipeline.Parallel {
			s.OnFailure = &pipeline.OnFailure{Result: "ROLLBACK"}
		}
	}
}

// Case implements Specimen.
func (p pipelineSpecimen) Case() (Case, error) {
	d, seed := p.d, p.seed
	s := pipelineScript{
		seed: seed, trouble: oneOf(chance(seed, "trouble"), 0, 1, 3, 5),
		errors: []string{"Sluice.Skip", "Sluice.Retry", "Sluice.Retry", "Sluice.Failed", "Sluice.Stopped", "Sluice.Superseded", "Sluice.Cancelled", "Test.Unknown"},
	}
	for _, stage := range d.Stages {
		s.errors = append(s.errors, compile.ErrorAt(stage.Name))
	}
	m := compile.Machine(d, compile.Local)
	hurry(m, s)
	text, err := json.Marshal(m)
	if err != nil {
		return Case{}, err
	}
	origin, err := json.MarshalIndent(outline(d), "", "  ")
	return Case{
		Name: fmt.Sprintf("p%d", seed), Origin: string(origin), Text: text, Seed: seed,
		Input: `{"execution":"e1"}`, Answer: s.answer,
	}, err
}

// outline is what of d its machine depends on.
func outline(d pipeline.Declaration) any {
	type action struct {
		Name     string
		Category pipeline.Category
		RunOrder int
	}
	type stage struct {
		Name, BeforeEntry, OnFailure string `json:",omitempty"`
		Actions                      []action
	}
	var all []stage
	for _, s := range d.Stages {
		out := stage{Name: s.Name}
		if s.BeforeEntry != nil {
			out.BeforeEntry = s.BeforeEntry.Conditions[0].Result
		}
		if s.OnFailure != nil {
			out.OnFailure = s.OnFailure.Result
		}
		for _, a := range s.Actions {
			out.Actions = append(out.Actions, action{a.Name, a.TypeID.Category, a.Order()})
		}
		all = append(all, out)
	}
	return all
}

// hurry makes the seconds of m few, because the emulator waits for real: a
// retry comes after at most one, and a task that gets no answer ends after two.
func hurry(m asl.Machine, s pipelineScript) {
	for _, name := range slices.Sorted(maps.Keys(m.States)) {
		switch state := m.States[name].(type) {
		case asl.Task:
			for i := range state.Retry {
				state.Retry[i].MaxDelaySeconds = 1
			}
			if state.TimeoutSeconds > 0 && s.silent(name) {
				state.TimeoutSeconds = 2
			}
			m.States[name] = state
		case asl.Parallel:
			for _, b := range state.Branches {
				hurry(b, s)
			}
		}
	}
}

// A pipelineScript answers the calls of a compiled machine.
type pipelineScript struct {
	seed    uint64
	trouble int      // of ten calls so many do not just succeed
	errors  []string // that a stage function may lead on with
}

// silent reports whether the tasks of a state never get an answer.
func (s pipelineScript) silent(state string) bool {
	return s.trouble > 0 && chance(s.seed, "silent", state).IntN(25) == 0
}

func (s pipelineScript) answer(c Call) Answer {
	r := chance(s.seed, "answer", c.State, c.Visit, c.Try)
	stage := strings.HasPrefix(c.State, "Enter ") || c.State == "Finish"
	switch {
	case !stage && s.silent(c.State):
		return Answer{Kind: Silence}
	case s.trouble > 0 && chance(s.seed, "broken", c.State, c.Visit).IntN(60) == 0: // for more tries than there are
		return Answer{Kind: Refuse, Early: true, Error: "TooManyRequestsException"}
	case r.IntN(10) >= s.trouble || stage && c.Visit > 2:
		return Answer{Kind: Succeed, Early: r.IntN(8) == 0, Output: randomJSON(r, 2)}
	}
	switch r.IntN(20) {
	case 0:
		return Answer{Kind: Stop, Error: "Sluice.Stopped", Cause: "somebody stopped it"}
	case 1, 2, 3, 4:
		return Answer{Kind: Refuse, Early: true, Error: oneOf(r, "ServiceException", "AWSLambdaException", "SdkClientException", "Unknown", "ResourceNotFoundException")}
	case 5, 6:
		return Answer{Kind: Fail, Error: oneOf(r, "Lambda.ServiceException", "Lambda.Unknown", "Lambda.Timeout"), Cause: "of the function's own"}
	case 7:
		return Answer{Kind: Fail, Error: oneOf(r, "States.Timeout", "States.TaskFailed", "States.ALL", "States.HeartbeatTimeout"), Cause: "named as if by the machine"}
	}
	a := Answer{Kind: Fail, Error: "Sluice.ActionFailed", Cause: "it failed", Early: r.IntN(8) == 0}
	if stage {
		a.Error, a.Cause = oneOf(r, s.errors...), "led on"
	}
	return a
}

// randomJSON returns some value, nested at most so deep.
func randomJSON(r *rand.Rand, deep int) string {
	switch n := r.IntN(9); {
	case n < 2 && deep > 0:
		return fmt.Sprintf(`{"a":%s,"failed":%s}`, randomJSON(r, deep-1), randomJSON(r, deep-1))
	case n == 2 && deep > 0:
		return fmt.Sprintf(`[%s,%s]`, randomJSON(r, deep-1), randomJSON(r, deep-1))
	default:
		return oneOf(r, `null`, `true`, `0`, `-1.5`, `1e3`, `""`, `"\u00fc \"q\" <&>"`, `{}`, `[]`)
	}
}

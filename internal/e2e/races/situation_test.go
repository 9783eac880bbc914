package races

import (
	"cmp"
	"testing"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// A place is a world in which two verbs are to meet, and what they are about.
type place struct {
	t     *testing.T
	world *orchestratortest.World

	declaration pipeline.Declaration
	target      string // the execution
	stage       string // where it is
	running     string // the execution that is to be stopped, if it is another one
	gated       string // the execution whose condition is to be overridden, if it is another one
	gatedIn     string
	passed      string // an execution that the stage may be rolled back to
	token       string // of the approval that waits, or the last that did
	gate        string // BEFORE_ENTRY, ON_SUCCESS
	job         string // that a function was invoked for
}

// A situation is how a place comes to be. Before begin, one execution has gone
// through; then it brings the target to where it is to be.
type situation struct {
	name   string
	mode   pipeline.Mode
	stage  string
	change func(*pipeline.Declaration)
	begin  func(p *place)
}

var situations = []situation{
	{name: "an approval is pending and another execution waits", stage: "Release", begin: pending},
	{name: "the same in a queue of two", mode: pipeline.Queued, stage: "Release", begin: func(p *place) { pending(p); p.start() }},
	{name: "the same side by side", mode: pipeline.Parallel, stage: "Release", begin: pending},
	{name: "an approval is pending and a sibling has failed", stage: "Release", begin: func(p *place) {
		p.world.Failing["Lint"] = true
		p.target = p.start()
		clear(p.world.Failing)
	}},
	{name: "a stop waits for the approval", stage: "Release", begin: func(p *place) {
		pending(p)
		p.must(p.world.StopExecution(p.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: p.target}))
		p.settle()
	}},
	{name: "the stage has failed", stage: "Build", begin: failed},
	{name: "the stage has failed side by side", mode: pipeline.Parallel, stage: "Build", begin: failed},
	{name: "the stage has failed, and executions wait at a closed transition", stage: "Build", begin: closed},
	{name: "the same in a queue", mode: pipeline.Queued, stage: "Build", begin: closed},
	{name: "the stage was stopped", stage: "Release", begin: func(p *place) {
		p.target = p.start()
		p.must(p.world.StopExecution(p.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: p.target, Abandon: true}))
		p.settle()
	}},
	{name: "the entry condition is being evaluated, and another execution waits", stage: "Build", change: condition(1, record.BeforeEntry), begin: gated},
	{name: "the condition of success is being evaluated, and another execution waits", stage: "Build", change: condition(1, record.OnSuccess), begin: func(p *place) {
		p.gate = "ON_SUCCESS"
		gated(p)
	}},
	{name: "a build runs, and another execution waits", stage: "Build", begin: func(p *place) {
		p.world.Waiting["Compile"] = true
		p.target = p.start()
		p.start()
		clear(p.world.Waiting)
	}},
	{name: "a function works, and another execution waits", stage: "Build", change: func(d *pipeline.Declaration) {
		d.Stages[1].Actions[0] = action("Compile", pipeline.Invoke, "Lambda", 1, "Code", "Bin", map[string]string{"FunctionName": "fn"})
	}, begin: func(p *place) {
		p.world.Waiting["Compile"] = true
		p.target = p.start()
		p.job = p.world.Latest(record.ActionID{Execution: p.target, Attempt: 1, Stage: "Build", Name: "Compile", Try: 1}).ID
		p.start()
		clear(p.world.Waiting)
	}},
	{name: "a build has ended, and nobody has heard", stage: "Build", begin: func(p *place) {
		p.world.Waiting["Compile"] = true
		p.target = p.start()
		p.start()
		clear(p.world.Waiting)
		for id, j := range p.world.Jobs {
			if j.Result.Status == pipeline.InProgress {
				p.must(p.world.End(p.t.Context(), id, pipeline.Succeeded))
			}
		}
	}},
	{name: "the stage was granted to one who has not heard", stage: "Release", begin: func(p *place) {
		before := p.start()
		p.target = p.start()
		p.must(p.world.StopExecution(p.t.Context(), orchestrator.Stop{Pipeline: "app", Execution: before, Abandon: true}))
	}},
	{name: "a stage has failed, and behind it an approval is pending", stage: "Build", begin: func(p *place) {
		p.running = p.start()
		failed(p)
	}},
	{name: "a stage has failed, and behind it a condition is being evaluated", stage: "Build", change: condition(2, record.BeforeEntry), begin: func(p *place) {
		p.world.Waiting["Window"] = true
		p.running = p.start()
		p.gated, p.gatedIn = p.running, "Release"
		failed(p)
	}},
	{name: "a condition is being evaluated, and behind it an approval is pending", stage: "Release", change: condition(1, record.BeforeEntry), begin: func(p *place) {
		p.target = p.start()
		p.world.Waiting["Window"] = true
		p.gated, p.gatedIn = p.start(), "Build"
		clear(p.world.Waiting)
	}},
	{name: "the run has died", stage: "Release", begin: func(p *place) {
		pending(p)
		p.kill()
	}},
}

// kill ends the run of the target from outside.
func (p *place) kill() {
	p.t.Helper()
	e, err := p.world.Records.Execution(p.t.Context(), "app", p.target)
	p.must(err)
	p.must(p.world.Step(e.Value.Run, engine.Stopped{Error: "Killed"}))
}

func pending(p *place) {
	p.target = p.start()
	p.start()
}

func failed(p *place) {
	p.world.Failing["Compile"] = true
	p.target = p.start()
	clear(p.world.Failing)
}

func closed(p *place) {
	failed(p)
	p.must(p.world.SetTransition(p.t.Context(), orchestrator.Transition{Pipeline: "app", Stage: "Build", Reason: "freeze"}))
	p.start()
	p.start()
}

func gated(p *place) {
	p.world.Waiting["Window"] = true
	p.target = p.start()
	p.start()
	clear(p.world.Waiting)
}

// condition gives a stage a condition at a gate.
func condition(i int, kind record.GateKind) func(*pipeline.Declaration) {
	c := []pipeline.Condition{{Result: "FAIL", Rules: []pipeline.Rule{{
		Name: "Window", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "DeploymentWindow"},
		Configuration: map[string]string{"Cron": "* * * * * *"},
	}}}}
	return func(d *pipeline.Declaration) {
		if kind == record.BeforeEntry {
			d.Stages[i].BeforeEntry = &pipeline.Gate{Conditions: c}
		} else {
			d.Stages[i].OnSuccess = &pipeline.Gate{Conditions: c}
		}
	}
}

// prepare plays a situation.
func (s situation) prepare(t *testing.T) *place {
	p := &place{t: t, world: orchestratortest.New(orchestratortest.Options{}), declaration: app(), stage: s.stage, gate: "BEFORE_ENTRY", job: "ffffffff-0000-4000-8000-000000000000"}
	p.declaration.ExecutionMode = s.mode
	if s.mode == "" {
		p.declaration.ExecutionMode = pipeline.Superseded
	}
	if s.change != nil {
		s.change(&p.declaration)
	}
	_, err := p.world.CreatePipeline(t.Context(), orchestrator.Create{Declaration: p.declaration})
	p.must(err)
	p.passed = p.start()
	p.answer(p.passed)
	s.begin(p)
	if len(p.world.Broken) > 0 {
		t.Fatalf("%s: %q", s.name, p.world.Broken)
	}
	p.world.State() // of which its copies need not tell again what stays
	p.running, p.gated, p.gatedIn = cmp.Or(p.running, p.target), cmp.Or(p.gated, p.target), cmp.Or(p.gatedIn, p.stage)
	for _, id := range []string{p.target, p.running, p.passed} {
		p.token = cmp.Or(p.token, p.approval(id))
	}
	return p
}

func (p *place) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) settle() {
	p.t.Helper()
	p.must(p.world.Settle(p.t.Context()))
}

func (p *place) start() string {
	p.t.Helper()
	id, err := p.world.StartExecution(p.t.Context(), orchestrator.Start{Pipeline: "app"})
	p.must(err)
	p.settle()
	return id
}

// approval returns the token of an execution's latest approval.
func (p *place) approval(execution string) (token string) {
	p.t.Helper()
	all, err := p.world.Records.Actions(p.t.Context(), execution)
	p.must(err)
	for _, a := range all {
		if a.Name == "Gate" {
			token = a.Result.Token
		}
	}
	return token
}

// answer approves what an execution waits for.
func (p *place) answer(execution string) {
	p.t.Helper()
	_, err := p.world.PutApproval(p.t.Context(), orchestrator.Approval{
		Pipeline: "app", Stage: "Release", Action: "Gate", Token: p.approval(execution), Approved: true,
	})
	p.must(err)
	p.settle()
}

func action(name string, category pipeline.Category, provider string, order int, in, out string, configuration map[string]string) pipeline.Action {
	a := pipeline.Action{
		Name: name, RunOrder: order, Configuration: configuration,
		TypeID: pipeline.ActionTypeID{Category: category, Owner: pipeline.AWS, Provider: provider, Version: "1"},
	}
	if in != "" {
		a.InputArtifacts = []pipeline.InputArtifact{{Name: in}}
	}
	if out != "" {
		a.OutputArtifacts = []pipeline.OutputArtifact{{Name: out}}
	}
	return a
}

// app is a pipeline with an approval beside a check.
func app() pipeline.Declaration {
	return pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Stages: []pipeline.Stage{
			{Name: "Source", Actions: []pipeline.Action{
				action("Checkout", pipeline.Source, "CodeCommit", 1, "", "Code", map[string]string{"RepositoryName": "app", "BranchName": "main"})}},
			{Name: "Build", Actions: []pipeline.Action{
				action("Compile", pipeline.Build, "CodeBuild", 1, "Code", "Bin", map[string]string{"ProjectName": "app"})}},
			{Name: "Release", Actions: []pipeline.Action{
				action("Gate", pipeline.Approval, "Manual", 1, "", "", nil),
				action("Lint", pipeline.Test, "CodeBuild", 1, "Code", "", map[string]string{"ProjectName": "lint"}),
				action("Copy", pipeline.Deploy, "S3", 2, "Bin", "", map[string]string{"BucketName": "web", "Extract": "true"})}},
		},
	}
}

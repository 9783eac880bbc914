package orders

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/orchestrator/orchestratortest"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// permutations returns every order of all events.
func permutations() [][]event {
	all := [][]event{nil}
	for e := range event(len(events)) {
		var longer [][]event
		for _, order := range all {
			for i := range len(order) + 1 {
				next := append(append(append([]event{}, order[:i]...), e), order[i:]...)
				longer = append(longer, next)
			}
		}
		all = longer
	}
	return all
}

func orderName(order []event) string {
	var names []string
	for _, e := range order {
		names = append(names, events[e])
	}
	return strings.Join(names, ", ")
}

// forms returns all ways to play an order.
func forms() []form {
	var all []form
	for i := range kinds {
		for _, c := range []calling{same, anew, late} {
			for n := range 4 {
				all = append(all, form{&kinds[i], c, n&1 > 0, n&2 > 0})
			}
		}
	}
	return all
}

// TestOrders plays every order of each kind in two of its twelve forms; the
// short form, some orders.
func TestOrders(t *testing.T) {
	orders, share := permutations(), 120
	if bartest.Proving() {
		share = 6
	}
	began := time.Now()
	var mu sync.Mutex
	played := map[string]int{}
	t.Run("forms", func(t *testing.T) {
		for i, f := range forms() {
			t.Run(f.String(), func(t *testing.T) {
				t.Parallel()
				b, n := prepare(t, f.kind), 0
				for at, order := range orders {
					if (at+i)%share != 0 {
						continue
					}
					n++
					if problems := playOrder(f, b, order, nil); len(problems) > 0 {
						t.Errorf("%s: %s", orderName(order), strings.Join(problems, "; "))
					}
				}
				mu.Lock()
				defer mu.Unlock()
				played[f.kind.name] += n
			})
		}
	})
	sum := 0
	for _, n := range played {
		sum += n
	}
	t.Logf("%d orders: %v", sum, played)
	bartest.Report(t, "B11", "kinds=%d forms=%d orders=%d plays=%d seconds=%.0f seed=none",
		len(kinds), len(forms()), len(orders), sum, time.Since(began).Seconds())
}

// playOrder plays one order and returns what is wrong.
func playOrder(f form, b *base, order []event, mutant func(store.Store) store.Store) []string {
	p := begin(f, b, mutant)
	for _, e := range order {
		p.step(e)
	}
	p.finish()
	return p.problems
}

// prepare brings an execution to where its action is called for.
func prepare(t *testing.T, k *kind) *base {
	w := orchestratortest.New(orchestratortest.Options{})
	d := k.declaration()
	if _, err := w.CreatePipeline(t.Context(), orchestrator.Create{Declaration: d}); err != nil {
		t.Fatal(err)
	}
	id, err := w.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app"})
	if err != nil {
		t.Fatal(err)
	}
	for len(w.Todo) > 0 && (w.Todo[0].Call == nil || !k.begins(*w.Todo[0].Call)) {
		if err := w.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.Todo) != 1 || len(w.Broken) > 0 {
		t.Fatalf("%s: %d things wait, not one; %q", k.name, len(w.Todo), w.Broken)
	}
	b := &base{world: w, execution: id, run: w.Execution(id).Run, call: *w.Todo[0].Call}
	b.ref = record.ActionID{Execution: id, Attempt: 1, Stage: "Work", Name: "Act", Try: 1}
	if k.rule {
		b.ref.Gate = record.BeforeEntry
	}
	if k.category == pipeline.Source {
		b.ref.Stage = "Source"
	}
	w.Todo = nil
	return b
}

// declaration is a pipeline that has the action, something before it unless it
// is a source, and something behind it.
func (k *kind) declaration() pipeline.Declaration {
	fetch := declare("Fetch", pipeline.Source, "CodeCommit", map[string]string{"RepositoryName": "app", "BranchName": "main"})
	fetch.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Code"}}
	work := pipeline.Stage{Name: "Work"}
	switch {
	case k.category == pipeline.Source:
		fetch.Name = "Act"
		work.Actions = []pipeline.Action{declare("Ship", pipeline.Invoke, "StepFunctions", map[string]string{"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:m"})}
	case k.rule:
		work.Actions = []pipeline.Action{declare("Ship", pipeline.Invoke, "StepFunctions", map[string]string{"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:m"})}
		work.BeforeEntry = &pipeline.Gate{Conditions: []pipeline.Condition{{Result: "FAIL", Rules: []pipeline.Rule{{
			Name: "Act", TypeID: pipeline.RuleTypeID{Category: "Rule", Provider: "DeploymentWindow"}, Configuration: map[string]string{"Cron": "* * * * * *"},
		}}}}}
	default:
		work.Actions = []pipeline.Action{declare("Act", k.category, k.provider, configurations[k.provider])}
		if k.category != pipeline.Approval {
			work.Actions[0].InputArtifacts = []pipeline.InputArtifact{{Name: "Code"}}
		}
	}
	last := declare("Last", pipeline.Invoke, "StepFunctions", map[string]string{"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:m"})
	return pipeline.Declaration{
		Name: "app", RoleARN: "arn:aws:iam::123456789012:role/pipe", Type: pipeline.V2, ExecutionMode: pipeline.Superseded,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Stages:        []pipeline.Stage{{Name: "Source", Actions: []pipeline.Action{fetch}}, work, {Name: "End", Actions: []pipeline.Action{last}}},
	}
}

var configurations = map[string]map[string]string{
	"S3":        {"BucketName": "web", "Extract": "true"},
	"CodeBuild": {"ProjectName": "app"},
	"Lambda":    {"FunctionName": "fn"},
}

func declare(name string, category pipeline.Category, provider string, configuration map[string]string) pipeline.Action {
	return pipeline.Action{
		Name: name, RunOrder: 1, Configuration: configuration,
		TypeID: pipeline.ActionTypeID{Category: category, Owner: pipeline.AWS, Provider: provider, Version: "1"},
	}
}

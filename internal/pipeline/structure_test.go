package pipeline_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// another returns an approval, the action with the fewest needs.
func another(name string) pipeline.Action {
	return pipeline.Action{Name: name, TypeID: typeID(pipeline.Approval, pipeline.AWS, "Manual")}
}

// stages appends n stages of one approval each.
func stages(d *decl, n int) {
	for i := range n {
		d.Stages = append(d.Stages, stage{Name: fmt.Sprint("more", i), Actions: []pipeline.Action{another("a")}})
	}
}

// crowd appends stages of approvals until there are n actions.
func crowd(d *decl, n int) {
	for _, s := range d.Stages {
		n -= len(s.Actions)
	}
	for i := 0; n > 0; i++ {
		more := stage{Name: fmt.Sprint("crowd", i)}
		for range min(n, 50) {
			more.Actions = append(more.Actions, another(fmt.Sprint("a", len(more.Actions))))
		}
		n -= len(more.Actions)
		d.Stages = append(d.Stages, more)
	}
}

func TestStructure(t *testing.T) {
	v2only := "can only be used with V2 pipelines"
	s := pipeline.InvalidStructure
	runRules(t, []ruleTest{
		{"51 stages", func(d *decl) { stages(d, 49) }, s, "stages", "Pipeline has too many stages. There can only be up to 50 stages in a pipeline"},
		{"50 stages", func(d *decl) { stages(d, 48) }, "", "", ""},
		{"51 actions", func(d *decl) {
			for i := range 49 {
				d.Stages[1].Actions = append(d.Stages[1].Actions, another(fmt.Sprint("a", i)))
			}
		}, pipeline.Validation, "stages[1].actions", "Member must have length less than or equal to 50"},
		{"1001 actions", func(d *decl) { crowd(d, 1001) }, s, "stages", "Pipeline has too many actions. There can only be up to 1000 actions in a pipeline"},
		{"1000 actions", func(d *decl) { crowd(d, 1000) }, "", "", ""},
		{"build among sources", func(d *decl) { d.Stages[0].Actions = append(d.Stages[0].Actions, another("a")) },
			s, "stages[0].actions[1].actionTypeId.category", "Pipeline should start with a stage that only contains source actions"},
		{"late source", func(d *decl) {
			late := *source(d)
			late.OutputArtifacts, late.Namespace = []pipeline.OutputArtifact{{Name: "Late"}}, ""
			d.Stages[1].Actions = append(d.Stages[1].Actions, late)
		}, s, "stages[1].actions[2].actionTypeId.category", "Source actions can only be included in the first stage of the pipeline"},
		{"QUEUED in V1", func(d *decl) { toV1(d); d.ExecutionMode = pipeline.Queued }, s, "executionMode", "QUEUED or PARALLEL mode " + v2only},
		{"QUEUED by default", func(d *decl) { toV1(d); d.Type, d.ExecutionMode = "", pipeline.Queued }, s, "executionMode", "QUEUED or PARALLEL mode " + v2only},
		{"SUPERSEDED in V1", func(d *decl) { toV1(d); d.ExecutionMode = pipeline.Superseded }, "", "", ""},
		{"PARALLEL in V2", func(d *decl) { d.ExecutionMode = pipeline.Parallel }, "", "", ""},
		{"variables in V1", func(d *decl) { d.Type = pipeline.V1 }, s, "variables", "Pipeline variable " + v2only},
		{"triggers in V1", func(d *decl) { toV1(d); trigger(d, "Fetch") }, s, "triggers", "Triggers on tag " + v2only},
		{"same variable", func(d *decl) { d.Variables = append(d.Variables, d.Variables[0]) },
			s, "variables[1].name", "Variable names must be unique. The following variable name is already in use: Level"},
		{"other case", func(d *decl) { d.Variables = append(d.Variables, pipeline.Variable{Name: "level"}) }, "", "", ""},
		{"no store", func(d *decl) { d.ArtifactStore = nil }, s, "artifactStore", "Pipeline should declare 'pipeline.artifactStore' or 'pipeline.artifactStores'"},
		{"both stores", func(d *decl) { d.ArtifactStores = map[string]pipeline.ArtifactStore{"us-east-1": *d.ArtifactStore} },
			s, "artifactStores", "Pipeline should declare 'pipeline.artifactStore' or 'pipeline.artifactStores', but not both"},
		{"two Regions", func(d *decl) { build(d).Region, approval(d).Region = "us-east-1", "eu-west-1" },
			s, "stages[1].actions[1].region", "Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action."},
		{"one Region", func(d *decl) { build(d).Region, approval(d).Region = "eu-west-1", "eu-west-1" }, "", "", ""},
		{"Region without store", func(d *decl) {
			d.ArtifactStores, d.ArtifactStore = map[string]pipeline.ArtifactStore{"us-east-1": *d.ArtifactStore}, nil
			build(d).Region, approval(d).Region = "eu-west-1", "eu-west-1"
		}, s, "stages[1].actions[0].region", "Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': eu-west-1."},
		{"same output", func(d *decl) { build(d).OutputArtifacts[0].Name = "Code" },
			s, "stages[1].actions[0].outputArtifacts[0].name", "Output Artifact Bundle name must be unique within the pipeline. Code has been used more than once."},
	})
}

// TestFewStages pins rules that cannot be broken one at a time.
func TestFewStages(t *testing.T) {
	few := "Pipeline has only %d stage(s). There should be a minimum of 2 stages in a pipeline"
	tests := []struct {
		name string
		edit func(*decl)
		want []string
	}{
		{"none", func(d *decl) { d.Stages = []stage{} }, []string{fmt.Sprintf(few, 0)}},
		{"sources", func(d *decl) { d.Stages = d.Stages[:1] }, []string{fmt.Sprintf(few, 1), "Pipeline should contain at least 1 action whose category is not Source"}},
		{"empty first", func(d *decl) {
			d.Stages = []stage{{Name: "A", Actions: []pipeline.Action{}}, {Name: "B", Actions: []pipeline.Action{another("a")}}}
		},
			[]string{"Pipeline should start with a stage that only contains source actions", "Stage 'A' should contain at least 1 action"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := lawful()
			tt.edit(&d)
			var got []string
			for _, p := range pipeline.Validate(d) {
				got = append(got, p.Message)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("messages %q; want %q", got, tt.want)
			}
		})
	}
}

// trigger adds a trigger on the source action called name.
func trigger(d *decl, name string) *pipeline.GitConfiguration {
	d.Triggers = append(d.Triggers, pipeline.Trigger{ProviderType: "CodeStarSourceConnection", Git: pipeline.GitConfiguration{SourceActionName: name}})
	return &d.Triggers[len(d.Triggers)-1].Git
}

func TestTriggers(t *testing.T) {
	main := &pipeline.Patterns{Includes: []string{"main"}}
	s := pipeline.InvalidStructure
	runRules(t, []ruleTest{
		{"no filter", func(d *decl) { trigger(d, "Fetch") }, "", "", ""},
		{"unknown action", func(d *decl) { trigger(d, "Fetches") }, s, "triggers[0].gitConfiguration.sourceActionName", "Triggers for connections must reference a CodeStarSourceConnection action."},
		{"no source", func(d *decl) { trigger(d, "Compile") }, s, "triggers[0].gitConfiguration.sourceActionName", "Triggers for connections must reference a CodeStarSourceConnection action."},
		{"twice", func(d *decl) { trigger(d, "Fetch"); trigger(d, "Fetch") }, s, "triggers[1].gitConfiguration.sourceActionName",
			"Triggers must reference different source actions. The following source action is referenced more than once: Fetch"},
		{"branches and paths", func(d *decl) { trigger(d, "Fetch").Push = []pipeline.PushFilter{{Branches: main, FilePaths: main}} }, "", "", ""},
		{"tags alone", func(d *decl) { trigger(d, "Fetch").Push = []pipeline.PushFilter{{Tags: main}, {Branches: main}} }, "", "", ""},
		{"tags and branches", func(d *decl) { trigger(d, "Fetch").Push = []pipeline.PushFilter{{Tags: main, Branches: main}} },
			s, "triggers[0].gitConfiguration.push[0]", "A push filter on tags cannot be combined with branches or filePaths."},
		{"push and pull request", func(d *decl) {
			g := trigger(d, "Fetch")
			g.Push, g.PullRequest = []pipeline.PushFilter{{Branches: main}}, []pipeline.PullRequestFilter{{Events: []string{"OPEN", "CLOSED"}, Branches: main}}
		}, "", "", ""},
		{"same event", func(d *decl) {
			trigger(d, "Fetch").PullRequest = []pipeline.PullRequestFilter{{Events: []string{"OPEN", "UPDATED", "OPEN"}}}
		}, s, "triggers[0].gitConfiguration.pullRequest[0].events[2]", "Pull request events must be unique. The following event is used more than once: OPEN"},
	})
}

package pipeline_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

type (
	decl  = pipeline.Declaration
	stage = pipeline.Stage
)

const role = "arn:aws:iam::111122223333:role/service"

// typeID spells the id of an action type.
func typeID(category pipeline.Category, owner pipeline.Owner, provider string) pipeline.ActionTypeID {
	return pipeline.ActionTypeID{Category: category, Owner: owner, Provider: provider, Version: "1"}
}

// lawful returns a pipeline nothing is wrong with: V2, a source and a build
// with a namespace each, an approval. Every rule is tested by one change.
func lawful() decl {
	return decl{
		Name:          "web",
		RoleARN:       role,
		ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
		Type:          pipeline.V2,
		Variables:     []pipeline.Variable{{Name: "Level", Default: "low"}},
		Stages: []stage{
			{Name: "Source", Actions: []pipeline.Action{{
				Name: "Fetch", TypeID: typeID(pipeline.Source, pipeline.AWS, "CodeStarSourceConnection"),
				Configuration:   map[string]string{"ConnectionArn": "arn:c", "FullRepositoryId": "o/r", "BranchName": "main"},
				OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}}, Namespace: "Fetched",
			}}},
			{Name: "Build", Actions: []pipeline.Action{{
				Name: "Compile", TypeID: typeID(pipeline.Build, pipeline.AWS, "CodeBuild"),
				Configuration:   map[string]string{"ProjectName": "web"},
				InputArtifacts:  []pipeline.InputArtifact{{Name: "Code"}},
				OutputArtifacts: []pipeline.OutputArtifact{{Name: "Binary"}}, Namespace: "Compiled",
			}, {
				Name: "Approve", TypeID: typeID(pipeline.Approval, pipeline.AWS, "Manual"), RunOrder: 2,
			}}},
		},
	}
}

// A ruleTest changes the lawful pipeline and says what is wrong then. An
// empty code means nothing is.
type ruleTest struct {
	name    string
	edit    func(*decl)
	code    pipeline.Code
	path    string
	message string
}

// runRules expects exactly the one problem of each test.
func runRules(t *testing.T, tests []ruleTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := lawful()
			tt.edit(&d)
			var want []string
			if tt.code != "" {
				want = []string{string(tt.code) + " at " + tt.path + ": " + tt.message}
			}
			if diff := cmp.Diff(want, lines(t, pipeline.Validate(d))); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// lines prints problems, and insists that each says how to mend it.
func lines(t *testing.T, problems []pipeline.Problem) []string {
	t.Helper()
	var list []string
	for _, p := range problems {
		list = append(list, string(p.Code)+" at "+p.Path+": "+p.Message)
		if p.Fix == "" || p.Path == "" {
			t.Errorf("%+v lacks a fix or a path", p)
		}
	}
	return list
}

// source and build are the two actions most tests change; approval is the third.
func source(d *decl) *pipeline.Action   { return &d.Stages[0].Actions[0] }
func build(d *decl) *pipeline.Action    { return &d.Stages[1].Actions[0] }
func approval(d *decl) *pipeline.Action { return &d.Stages[1].Actions[1] }

// toV1 takes from d what needs V2.
func toV1(d *decl) { d.Type, d.Variables = pipeline.V1, nil }

func TestLawful(t *testing.T) {
	if got := pipeline.Validate(lawful()); len(got) > 0 {
		t.Errorf("the lawful pipeline has problems: %+v", got)
	}
}

// TestOrder pins that problems come in the service's order and all at once.
func TestOrder(t *testing.T) {
	d := lawful()
	d.RoleARN = "role"
	d.Stages[1].Name = "Source"
	build(&d).Configuration = nil
	d.ExecutionMode, d.Type, d.Variables = pipeline.Queued, "", nil

	var got []pipeline.Code
	for _, p := range pipeline.Validate(d) {
		got = append(got, p.Code)
	}

	want := []pipeline.Code{pipeline.Validation, pipeline.InvalidStructure, pipeline.InvalidStageDeclaration, pipeline.InvalidActionDeclaration}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

func TestRegionRules(t *testing.T) {
	abroad := func(d *decl) { build(d).Region = "eu-west-1" }
	stores := func(regions ...string) func(*decl) {
		return func(d *decl) {
			d.ArtifactStores = map[string]pipeline.ArtifactStore{}
			for _, r := range regions {
				d.ArtifactStores[r] = *d.ArtifactStore
			}
			d.ArtifactStore = nil
		}
	}
	topic := func(d *decl) {
		approval(d).Configuration = map[string]string{"NotificationArn": "arn:aws:sns:eu-west-1:111122223333:t"}
	}
	tests := []struct {
		name   string
		edits  []func(*decl)
		region string
		want   string // path of the only problem
	}{
		{"home is unknown", []func(*decl){abroad}, "", ""},
		{"action at home", []func(*decl){abroad}, "eu-west-1", ""},
		{"action abroad", []func(*decl){abroad}, "us-east-1", "stages[1].actions[0].region"},
		{"both stores", []func(*decl){abroad, stores("us-east-1", "eu-west-1")}, "us-east-1", ""},
		{"no store at home", []func(*decl){abroad, stores("eu-west-1")}, "us-east-1", "artifactStores"},
		{"source abroad", []func(*decl){func(d *decl) { source(d).Region = "eu-west-1" }, stores("us-east-1", "eu-west-1")}, "us-east-1", "stages[0].actions[0].region"},
		{"topic abroad", []func(*decl){topic}, "us-east-1", "stages[1].actions[1].configuration.NotificationArn"},
		{"topic at home", []func(*decl){topic}, "eu-west-1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := lawful()
			for _, edit := range tt.edits {
				edit(&d)
			}
			got := pipeline.ValidateIn(d, tt.region)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) != 1 || got[0].Path != tt.want) {
				t.Errorf("problems %+v; want one at %q", got, tt.want)
			}
		})
	}
}

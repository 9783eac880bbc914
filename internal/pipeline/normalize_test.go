package pipeline_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestNormalize(t *testing.T) {
	d := lawful()
	d.Type, d.Variables = "", nil
	before := lawful()
	before.Type, before.Variables = "", nil

	got := pipeline.Normalize(d)

	if diff := cmp.Diff(before, d); diff != "" {
		t.Errorf("Normalize changed its argument:\n%s", diff)
	}
	if got.Version != 1 || got.Type != pipeline.V1 || got.ExecutionMode != pipeline.Superseded {
		t.Errorf("version %d, type %s, mode %s; want 1, V1, SUPERSEDED", got.Version, got.Type, got.ExecutionMode)
	}
	text, err := json.Marshal(*approval(&got))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"name":"Approve","actionTypeId":{"category":"Approval","owner":"AWS","provider":"Manual","version":"1"},"runOrder":2,"configuration":{},"outputArtifacts":[],"inputArtifacts":[]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("approval (-want +got):\n%s", diff)
	}
	if source(&got).RunOrder != 1 {
		t.Errorf("runOrder %d; want 1", source(&got).RunOrder)
	}
}

// TestNormalizeChangesNoVerdict normalizes pipelines broken at random: twice
// is once, and the problems stay what they are.
func TestNormalizeChangesNoVerdict(t *testing.T) {
	edits := []func(*decl){
		toV1, parallel, gated("onSuccess", "ROLLBACK", alarm), onFailure(pipeline.OnFailure{Result: "RETRY"}),
		func(d *decl) { d.Stages = d.Stages[:1] },
		func(d *decl) { build(d).Configuration = nil },
		func(d *decl) { build(d).InputArtifacts, build(d).OutputArtifacts = nil, nil },
		func(d *decl) { approval(d).RunOrder = 0 },
		func(d *decl) { approval(d).Namespace = "Fetched" },
		func(d *decl) { d.Stages[1].Actions = []pipeline.Action{} },
		func(d *decl) { d.Stages[1].Actions = nil },
	}
	rapid.Check(t, func(t *rapid.T) {
		d := lawful()
		for _, i := range rapid.SliceOf(rapid.IntRange(0, len(edits)-1)).Draw(t, "edits") {
			if len(d.Stages) > 1 && len(d.Stages[1].Actions) > 1 {
				edits[i](&d)
			}
		}
		once := pipeline.Normalize(d)
		if diff := cmp.Diff(once, pipeline.Normalize(once)); diff != "" {
			t.Fatalf("twice is not once:\n%s", diff)
		}
		if diff := cmp.Diff(pipeline.Validate(d), pipeline.Validate(once)); diff != "" {
			t.Fatalf("other problems:\n%s", diff)
		}
	})
}

func TestMask(t *testing.T) {
	a := pipeline.Action{
		Name:          "Skill",
		TypeID:        typeID(pipeline.Deploy, pipeline.ThirdParty, "AlexaSkillsKit"),
		Configuration: map[string]string{"ClientId": "id", "ClientSecret": "s1", "RefreshToken": "s2", "SkillId": "skill"},
	}
	got := pipeline.Mask(a)
	want := map[string]string{"ClientId": "id", "ClientSecret": "****", "RefreshToken": "****", "SkillId": "skill"}
	if diff := cmp.Diff(want, got.Configuration); diff != "" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
	if a.Configuration["ClientSecret"] != "s1" {
		t.Error("Mask changed its argument")
	}
	custom := pipeline.Action{TypeID: typeID(pipeline.Build, pipeline.Custom, "Ours"), Configuration: map[string]string{"Password": "p", "User": "u"}}
	if got := pipeline.Mask(custom, "Password").Configuration; got["Password"] != "****" || got["User"] != "u" {
		t.Errorf("custom action: %v", got)
	}
	if got := pipeline.Mask(pipeline.Action{}); got.Configuration != nil {
		t.Errorf("no configuration became %v", got.Configuration)
	}
}

func TestUnmask(t *testing.T) {
	stored := lawful()
	source(&stored).TypeID = typeID(pipeline.Source, pipeline.ThirdParty, "GitHub")
	source(&stored).Configuration = map[string]string{"Owner": "o", "Repo": "r", "Branch": "b", "OAuthToken": "secret"}
	tests := []struct {
		name string
		edit func(*decl)
		want string
	}{
		{"same action", func(*decl) {}, "secret"},
		{"new secret", func(d *decl) { source(d).Configuration["OAuthToken"] = "new" }, "new"},
		{"renamed action", func(d *decl) { source(d).Name = "Other" }, "****"},
		{"renamed stage", func(d *decl) { d.Stages[0].Name = "Other" }, "****"},
		{"other provider", func(d *decl) { source(d).TypeID.Provider = "Other" }, "****"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := stored
			d.Stages = []stage{{Name: "Source", Actions: []pipeline.Action{pipeline.Mask(*source(&stored))}}, stored.Stages[1]}
			tt.edit(&d)
			got := pipeline.Unmask(d, stored)
			if token := source(&got).Configuration["OAuthToken"]; token != tt.want {
				t.Errorf("token %q; want %q", token, tt.want)
			}
		})
	}
	if source(&stored).Configuration["OAuthToken"] != "secret" {
		t.Error("the stored declaration changed")
	}
}

func TestProducer(t *testing.T) {
	d := lawful()
	if i, j, ok := d.Producer("Binary"); i != 1 || j != 0 || !ok {
		t.Errorf("Producer(Binary) = %d, %d, %v; want 1, 0, true", i, j, ok)
	}
	if _, _, ok := d.Producer(strings.ToLower("Binary")); ok {
		t.Error("artifact names are case sensitive")
	}
}

package pipeline_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestVariableRules(t *testing.T) {
	a, s, g := pipeline.InvalidActionDeclaration, pipeline.InvalidStructure, pipeline.InvalidStageDeclaration
	const nowhere = "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist.\n"
	const detail = "StageName=[Build], ActionName=[Compile], ActionConfigurationKey=[PrimarySource], VariableReferenceText="
	uses := func(text string) func(*decl) {
		return func(d *decl) { build(d).Configuration["PrimarySource"] = text }
	}
	sourceUses := func(text string) func(*decl) {
		return func(d *decl) { source(d).Configuration["BranchName"] = text }
	}
	const key, sourceKey = first + ".configuration.PrimarySource", "stages[0].actions[0].configuration.BranchName"
	runRules(t, []ruleTest{
		{"global", uses("#{codepipeline.PipelineExecutionId}"), "", "", ""},
		{"global in a source", sourceUses("#{codepipeline.PipelineExecutionId}"), "", "", ""},
		{"pipeline level", uses("a-#{variables.Level}-b"), "", "", ""},
		{"undeclared", uses("#{variables.level}"), s, key, "The referenced variables haven't been declared.\n" + detail + "[variables.level]"},
		{"pipeline level in a source", sourceUses("#{variables.Level}"), s, sourceKey,
			"Variables at the pipeline level cannot be used in source actions.\nStageName=[Source], ActionName=[Fetch], ActionConfigurationKey=[BranchName], VariableReferenceText=[variables.Level]"},
		{"earlier stage", uses("#{Fetched.CommitId}"), "", "", ""},
		{"keys are not known before the run", uses("#{Fetched.Anything}"), "", "", ""},
		{"unknown namespace", uses("#{fetched.CommitId}"), a, key, nowhere + detail + "[fetched.CommitId]"},
		{"own namespace", uses("#{Compiled.X}"), a, key, nowhere + detail + "[Compiled.X]"},
		{"earlier in the stage", func(d *decl) { approval(d).Configuration = map[string]string{"CustomData": "#{Compiled.X}"} }, "", "", ""},
		{"same run order", func(d *decl) {
			approval(d).RunOrder, approval(d).Configuration = 1, map[string]string{"CustomData": "#{Compiled.X}"}
		}, a, "stages[1].actions[1].configuration.CustomData",
			nowhere + "StageName=[Build], ActionName=[Approve], ActionConfigurationKey=[CustomData], VariableReferenceText=[Compiled.X]"},
		{"no reference", uses("#{Level} ${a.b} #{a b.c} #{a.}"), "", "", ""},
		{"command", func(d *decl) {
			as(typeID(pipeline.Compute, pipeline.AWS, "Commands"), nil)(d)
			build(d).Commands = []string{"true", "echo #{gone.X}"}
		}, a, first + ".commands[1]", nowhere + "StageName=[Build], ActionName=[Compile], ActionConfigurationKey=[commands], VariableReferenceText=[gone.X]"},

		{"rule at entry", gated("beforeEntry", "FAIL", rule("LambdaInvoke", map[string]string{"FunctionName": "#{Compiled.X}"})), g,
			"stages[1].beforeEntry.conditions[0].rules[0].configuration.FunctionName",
			nowhere + "StageName=[Build], ActionName=[check], ActionConfigurationKey=[FunctionName], VariableReferenceText=[Compiled.X]"},
		{"rule at exit", gated("onSuccess", "FAIL", rule("LambdaInvoke", map[string]string{"FunctionName": "#{Compiled.X}"})), "", "", ""},
		{"rule, undeclared", gated("onSuccess", "FAIL", rule("LambdaInvoke", map[string]string{"FunctionName": "#{variables.X}"})), s,
			"stages[1].onSuccess.conditions[0].rules[0].configuration.FunctionName",
			"The referenced variables haven't been declared.\nStageName=[Build], ActionName=[check], ActionConfigurationKey=[FunctionName], VariableReferenceText=[variables.X]"},

		{"same namespace", func(d *decl) { build(d).Namespace = "Fetched" }, a, first + ".namespace",
			"Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline.\nStageName=[Build], ActionName=[Compile], Namespace=[Fetched]"},
		{"reserved namespace", func(d *decl) { build(d).Namespace = "variables" }, a, first + ".namespace",
			"Namespaces must not be reserved names. The following are reserved.\nStageName=[Build], ActionName=[Compile], Namespace=[variables]"},
		{"namespace of an artifact", func(d *decl) { build(d).Namespace = "Code" }, a, first + ".namespace",
			"Namespaces must be different from the names of artifacts. The following are also names of artifacts.\nStageName=[Build], ActionName=[Compile], Namespace=[Code]"},
	})
}

// table returns a lookup in m, whose keys are written namespace.key.
func table(m map[string]string) pipeline.Lookup {
	return func(namespace, key string) (string, bool) {
		v, ok := m[namespace+"."+key]
		return v, ok
	}
}

func TestResolve(t *testing.T) {
	values := table(map[string]string{"a.b": "1", "a.nested": "#{a.b}", "a.empty": "", "a-@_.x^[0]*$": "odd"})
	tests := []struct{ name, text, want, err string }{
		{"plain", "no variables", "no variables", ""},
		{"one", "#{a.b}", "1", ""},
		{"several", "x#{a.b}y#{a.b}z", "x1y1z", ""},
		{"values are not scanned again", "#{a.nested}", "#{a.b}", ""},
		{"empty", "[#{a.empty}]", "[]", ""},
		{"all characters", "#{a-@_.x^[0]*$}", "odd", ""},
		{"inside another", "#{a.#{a.b}}", "#{a.1}", ""},
		{"not exactly a reference", "#{a} #{a.b ${a.b} # {a.b} #{ a.b}", "#{a} #{a.b ${a.b} # {a.b} #{ a.b}", ""},
		{"unknown", "#{a.b} #{a.c} #{d.e} #{a.c}", "", "unresolved variables: #{a.c}, #{d.e}"},
		{"case", "#{A.b}", "", "unresolved variables: #{A.b}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := pipeline.Resolve(tt.text, values)
			if got != tt.want {
				t.Errorf("Resolve = %q; want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
				t.Errorf("error %v; want %q", err, tt.err)
			}
		})
	}
}

func TestReferences(t *testing.T) {
	got := pipeline.References("#{a.b} #{c} #{a.b}#{d.e}")
	want := []pipeline.Reference{{Namespace: "a", Key: "b"}, {Namespace: "a", Key: "b"}, {Namespace: "d", Key: "e"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("references (-want +got):\n%s", diff)
	}
}

// TestResolveKeepsText pins that resolution is a replacement and nothing more.
func TestResolveKeepsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringMatching(`[^#]*`), 1, 8).Draw(t, "parts")
		value := rapid.String().Draw(t, "value")
		got, err := pipeline.Resolve(strings.Join(parts, "#{n.k}"), table(map[string]string{"n.k": value}))
		if want := strings.Join(parts, value); err != nil || got != want {
			t.Fatalf("Resolve = %q, %v; want %q", got, err, want)
		}
	})
}

func FuzzResolve(f *testing.F) {
	f.Add("x#{a.b}y", "#{a.b}")
	f.Add(`[{"name":"A","value":"#{a.b}"}]`, `"},{`)
	f.Fuzz(func(t *testing.T, text, value string) {
		refs := pipeline.References(text)
		got, err := pipeline.Resolve(text, func(string, string) (string, bool) { return value, true })
		if err != nil || len(refs) == 0 && got != text {
			t.Errorf("Resolve(%q) = %q, %v", text, got, err)
		}
		_, err = pipeline.Resolve(text, func(string, string) (string, bool) { return "", false })
		missing, _ := errors.AsType[pipeline.Unresolved](err)
		if !slices.Equal(missing, refs) {
			t.Errorf("unresolved %v; want %v", missing, refs)
		}
	})
}

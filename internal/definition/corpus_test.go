package definition_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/definition/corpustest"
)

// refused lists the published definitions that CodePipeline refuses as well,
// and the exceptions it has for them.
var refused = map[string][]string{
	// The service wants two stages; these show the first one only.
	"tf/JamesWoolfenden__terraform-aws-codepipeline__aws_pipeline.pipe.tf#pipe":                                          {"InvalidStructureException"},
	"cfn/awsdocs__aws-codepipeline-user-guide__doc_source__update-change-detection.md.b01.yaml#AppPipeline":              {"InvalidStructureException"},
	"cfn/awsdocs__aws-codepipeline-user-guide__doc_source__update-change-detection.md.b05.yaml#AppPipeline":              {"InvalidStructureException"},
	"cfn/awsdocs__aws-codepipeline-user-guide__doc_source__update-change-detection.md.b13.yaml#AppPipeline":              {"InvalidStructureException"},
	"cfn/awsdocs__aws-codepipeline-user-guide__doc_source__update-change-detection.md.b19.yaml#AppPipeline":              {"InvalidStructureException"},
	"cfn/awslabs__aws-cloudformation-templates__codestar__python-webservice-lambda__github-template.yml#ProjectPipeline": {"InvalidStructureException"},

	// One stage only, and a token whose braces nobody quoted.
	"cfn/awsdocs__aws-codepipeline-user-guide__doc_source__appendix-github-oauth.md.b13.yaml#AppPipeline": {"InvalidStructureException", "ValidationException"},

	// Wrong on purpose: no account in the role, a source in the second stage.
	"cfn/aws-cloudformation__cfn-lint__test__fixtures__templates__bad__resources__codepipeline__stages_second_stage.yaml#TestPipeline": {"InvalidStructureException", "ValidationException"},

	// The account in the ARN of a role does not have twelve digits.
	"cfn/aws__aws-cdk__packages___aws-cdk__pipelines__test__integ.pipeline.expected.json#Pipeline9850B417":                    {"ValidationException"},
	"cfn/aws__aws-cdk__packages___aws-cdk__pipelines__test__integ.pipeline-with-assets.expected.json#Pipeline9850B417":        {"ValidationException"},
	"cfn/aws__copilot-cli__internal__pkg__deploy__cloudformation__stack__testdata__pipeline__bb_template.yaml#Pipeline":       {"ValidationException"},
	"cfn/aws__copilot-cli__internal__pkg__deploy__cloudformation__stack__testdata__pipeline__cc_template.yaml#Pipeline":       {"ValidationException"},
	"cfn/aws__copilot-cli__internal__pkg__deploy__cloudformation__stack__testdata__pipeline__gh_template.yaml#Pipeline":       {"ValidationException"},
	"cfn/aws__copilot-cli__internal__pkg__deploy__cloudformation__stack__testdata__pipeline__ghv1_template.yml#Pipeline":      {"ValidationException"},
	"cfn/aws__copilot-cli__internal__pkg__deploy__cloudformation__stack__testdata__pipeline__dd_stack_template.yaml#Pipeline": {"ValidationException"},
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__pipelines-create.md.b01.json#":                                    {"ValidationException"},
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__pipelines-create.md.b01.json#file":                                {"ValidationException"},

	// The role is the word ARN.
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__actions-create-cross-region.md.b02.json#":        {"ValidationException"},
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__actions-create-cross-region.md.b02.json#file":    {"ValidationException"},
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__actions-create-cross-region.md.b02.v2.json#":     {"ValidationException"},
	"json/awsdocs__aws-codepipeline-user-guide__doc_source__actions-create-cross-region.md.b02.v2.json#file": {"ValidationException"},

	// Fields are indented into the object before them.
	"cfn/awsdocs__aws-cloudformation-user-guide__doc_source__aws-resource-codepipeline-pipeline.md.b03.json#AppPipeline": {"ValidationException"},

	// Repo stands outside of the configuration that requires it.
	"cfn/awslabs__aws-cloudformation-templates__community__codestar__python-webservice-lambda__template.yml#ProjectPipeline": {"InvalidActionDeclarationException", "ValidationException"},

	// Artifacts have an unknown function in place of a name.
	"cfn/awslabs__aws-cloudformation-templates__codestar__python-webservice-lambda__github-template.json#ProjectPipeline": {"ValidationException"},

	// A stage that is repeated by the template has a fixed name.
	"tf/cloudposse__terraform-aws-cicd__main.tf#default": {"InvalidStageDeclarationException"},
}

// TestCorpus reads published pipeline definitions. Each of them is lawful or
// is listed above: a rule stricter than the service fails here.
func TestCorpus(t *testing.T) {
	folder := os.Getenv(corpustest.Env)
	if folder == "" {
		t.Skipf("%s names no folder of published definitions; left out", corpustest.Env)
	}
	cases, err := corpustest.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	opts := definition.Options{RoleARN: "arn:aws:iam::123456789012:role/pipeline", ArtifactBucket: "artifacts"}
	accepted, seen := 0, map[string]bool{}
	for _, c := range cases {
		if seen[c.ID] {
			t.Errorf("two cases are called %s", c.ID)
		}
		seen[c.ID] = true
		def, err := definition.Read(c.File+".json", c.JSON, opts)
		if err == nil {
			accepted++
			// JSON is YAML, so both parsers must see the same pipeline.
			again, err := definition.Read(c.File+".yaml", c.JSON, opts)
			again.Declaration.Name = def.Declaration.Name // made from the name of the file where there is none
			if diff := cmp.Diff(def.Declaration, again.Declaration); err != nil || diff != "" {
				t.Errorf("%s: read as YAML: %v\n%s", c.ID, err, diff)
			}
		}
		if got, want := codes(t, err), refused[c.ID]; !slices.Equal(got, want) {
			t.Errorf("%s: refused for %v; want %v\n%v", c.ID, got, want, err)
		}
	}
	for id := range refused {
		if !seen[id] {
			t.Errorf("%s is not in the corpus; remove it from the table", id)
		}
	}
	t.Logf("%d cases: %d accepted, %d refused as the service does", len(cases), accepted, len(cases)-accepted)
}

// codes returns the exceptions of err, each once, sorted.
func codes(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	bad, ok := errors.AsType[definition.Errors](err)
	if !ok {
		t.Fatalf("error is a %T; want definition.Errors", err)
	}
	var list []string
	for _, e := range bad {
		list = append(list, string(e.Code))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

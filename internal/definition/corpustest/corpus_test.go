package corpustest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/definition/corpustest"
)

// row is a pipeline as templates write it: everything that can be an
// expression is one.
const row = `{"file": "tf/a.tf", "id": "p", "pipeline": {
  "roleArn": "arn:${AWS::Partition}:iam::${var.account}:role/${Role}",
  "artifactStores": {"${AWS::Region}": {"type": "S3", "location": "${Bucket.Name}"}, "eu-west-1": {"type": "${t}", "location": "b-${X}"}},
  "executionMode": "${var.mode}", "pipelineType": "V2", "tags": "${merge({}, {})}",
  "stages": [
    {"name": "Source", "actions": [{"name": "${action.value.name}", "actionTypeId": {"category": "Source", "owner": "AWS",
      "provider": "${var.c == null ? \"CodeCommit\" : \"CodeStarSourceConnection\"}", "version": 1},
      "configuration": {"BranchName": "${b}", "ConnectionArn": "${var.c}", "RepositoryName": "${var.c == null ? var.r : null}"},
      "outputArtifacts": [{"name": "${AWS::StackName}-code"}]}]},
    {"name": "${stage.value.name}", "actions": [{"name": "Build", "actionTypeId": {"category": "${try(x, \"Test\")}", "owner": "${o}",
      "provider": "${p}", "version": "${v}"}, "configuration": {}, "configurationExpression": "${c}",
      "inputArtifacts": "${try(i, [])}", "outputArtifacts": "${o}", "runOrder": "${r}", "region": "${Fn::FindInMap:[\"M\"]}"}],
      "onFailure": {"result": "${try(r, \"ROLLBACK\")}"}}]}}`

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	for file, data := range map[string]string{
		"extracted/pipelines.jsonl": strings.ReplaceAll(row, "\n", " ") + "\n",
		"json/b.json":               `{"pipeline": {}}`,
	} {
		file = filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	cases, err := corpustest.Load(dir)
	if err != nil || len(cases) != 2 {
		t.Fatalf("%d cases, %v; want 2", len(cases), err)
	}
	if c := cases[1]; c.ID != "json/b.json#file" || c.File != "json/b.json" || string(c.JSON) != `{"pipeline": {}}` {
		t.Errorf("file: %s %s %s", c.ID, c.File, c.JSON)
	}
	if cases[0].ID != "tf/a.tf#p" || strings.Contains(string(cases[0].JSON), "${") {
		t.Errorf("%s still has placeholders:\n%s", cases[0].ID, cases[0].JSON)
	}
	def, err := definition.Read("p.json", cases[0].JSON, definition.Options{})
	if err != nil {
		t.Fatalf("the filled pipeline is refused:\n%v\n%s", err, cases[0].JSON)
	}
	d := def.Declaration
	got := []string{d.Name, d.RoleARN, d.Stages[0].Actions[0].TypeID.Provider, d.Stages[1].Actions[0].Region, d.Stages[1].Actions[0].InputArtifacts[0].Name}
	want := []string{"tf-a-tf-p", "arn:aws:iam::123456789012:role/Role", "CodeCommit", "eu-west-1", "AWS-StackName-code"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("filled (-want +got):\n%s", diff)
	}
	if again, _ := corpustest.Load(dir); !cmp.Equal(cases, again) {
		t.Error("a second load differs")
	}
}

func TestLoadMissing(t *testing.T) {
	if _, err := corpustest.Load(t.TempDir()); err == nil {
		t.Error("a folder without a corpus loads")
	}
}

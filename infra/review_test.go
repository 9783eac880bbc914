package infra_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ci/sluice/infra"
)

// findings returns what was noted down at the constructs: errors and warnings
// of cdk-nag and of ours. The CDK keeps them beside the template.
func (s synthesis) findings(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "*.metadata.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no metadata in %s: %v", s.dir, err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var paths map[string][]struct {
			Type string
			Data any
		}
		if err := json.Unmarshal(text, &paths); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for path, entries := range paths {
			for _, e := range entries {
				if e.Type == "aws:cdk:error" || e.Type == "aws:cdk:warning" {
					data, _ := e.Data.(string)
					all = append(all, path+": "+data)
				}
			}
		}
	}
	return all
}

// cdk-nag finds nothing in any stack that is not accepted with a reason, and
// not much is accepted.
func TestNag(t *testing.T) {
	s := synth(t)
	for _, finding := range s.findings(t) {
		t.Error(finding)
	}
	accepted := map[string]bool{} // rule and reason
	for _, f := range s.all() {
		for _, rule := range list(at(f.Metadata, "cdk_nag", "rules_to_suppress")) {
			if len(text(at(rule, "reason"))) < 40 {
				t.Errorf("%s: %s is accepted without a reason", f, text(at(rule, "id")))
			}
			accepted[text(at(rule, "id"))+" "+text(at(rule, "reason"))] = true
		}
	}
	if n := len(accepted); n == 0 || n > 10 {
		t.Errorf("%d kinds of findings are accepted; want 1 to 10", n)
	}
}

// TestFindingsAreSeen adds a bucket that has nothing of what it should have. A
// TestNag that overlooked it would say nothing.
func TestFindingsAreSeen(t *testing.T) {
	app, out := newApp(t, context(definitions(t), nil))
	if err := infra.Build(app, root(t)); err != nil {
		t.Fatal(err)
	}
	awss3.NewBucket(awscdk.NewStack(app, jsii.String("bad"), nil), jsii.String("bucket"), nil)
	app.Synth(nil)
	found := strings.Join(read(t, out).findings(t), "\n")
	if want := "/bad/bucket/Resource: AwsSolutions-S1"; !strings.Contains(found, want) {
		t.Errorf("findings are %q; want %q among them", found, want)
	}
}

// A third party's opinion about every template.
func TestLint(t *testing.T) {
	linter, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Skip("left out: cfn-lint is not here; pip install cfn-lint==1.51.0 brings it")
	}
	s := synth(t)
	files, err := filepath.Glob(filepath.Join(s.dir, "*.template.json"))
	if err != nil || len(files) < 6 {
		t.Fatalf("templates %v: %v", files, err)
	}
	out, err := exec.CommandContext(t.Context(), linter, append([]string{"--template"}, files...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// It does find things: a property that is not there.
	bad := regexp.MustCompile(`"StateMachineType"`).ReplaceAll(s.raw["sluice-pipeline-hello"], []byte(`"StateMachineKind"`))
	file := filepath.Join(t.TempDir(), "bad.template.json")
	write(t, file, string(bad))
	if out, err := exec.CommandContext(t.Context(), linter, "--template", file).CombinedOutput(); err == nil {
		t.Errorf("a template with StateMachineKind is found well: %s", out)
	}
}

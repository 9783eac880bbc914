package infra_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/definition"
)

// crowd is a definition with many actions, which build so many projects.
func crowd(name string, stages, actions, projects int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pipeline:\n  name: %s\n  pipelineType: V2\n  stages:\n    - name: Source\n      actions:\n", name)
	fmt.Fprintf(&b, "        - name: Code\n          actionTypeId: {category: Source, owner: AWS, provider: CodeCommit, version: \"1\"}\n"+
		"          configuration: {RepositoryName: %s, BranchName: main}\n          outputArtifacts: [{name: Code}]\n", name)
	for s := range stages {
		fmt.Fprintf(&b, "    - name: Stage%02d\n      actions:\n", s)
		for a := range actions {
			fmt.Fprintf(&b, "        - name: Build%02d\n          actionTypeId: {category: Build, owner: AWS, provider: CodeBuild, version: \"1\"}\n"+
				"          configuration: {ProjectName: a-project-with-a-long-name-%04d}\n          inputArtifacts: [{name: Code}]\n", a, (s*actions+a)%projects)
		}
	}
	return b.String()
}

// A machine that is too long for a template lies in a file, whole; permissions
// that are too long for a role lie beside it.
func TestLargePipeline(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "large.yaml"), crowd("large", 18, 45, 300))
	s, err := build(t, root(t), context(dir, object{"sluice:schedules": object{}}))
	if err != nil {
		t.Fatal(err)
	}
	machine := s.named(t, "AWS::StepFunctions::StateMachine", "StateMachineName", "sluice-large")
	key := text(at(machine.Properties, "DefinitionS3Location", "Key"))
	if machine.Properties["DefinitionString"] != nil || key == "" {
		t.Fatal("the text of the machine is in the template; want it in a file")
	}
	got, err := os.ReadFile(filepath.Join(s.dir, "asset."+key))
	if err != nil {
		t.Fatal(err)
	}
	d, err := definition.ReadFile(filepath.Join(dir, "large.yaml"), definition.Options{RoleARN: "arn:aws:iam::111122223333:role/r", ArtifactBucket: "bucket"})
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(compile.Machine(d.Declaration, compile.Targets{
		Stage: "${Stage}", Source: "${Source}", Build: "${Build}", Deploy: "${Deploy}", Invoke: "${Invoke}", Approval: "${Approval}",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes; want the %d of the machine", len(got), len(want))
	}
	role, projects := s.named(t, "AWS::IAM::Role", "RoleName", "sluice-pipeline-large-eu-west-1"), map[string]bool{}
	for _, f := range s.all("AWS::IAM::ManagedPolicy") {
		policy := text(f.Properties["PolicyDocument"])
		if len(policy) > 6144 {
			t.Errorf("%s has %d characters; IAM takes 6144", f, len(policy))
		}
		for _, word := range strings.Split(policy, `"`) {
			if strings.Contains(word, ":project/") {
				projects[word] = true
			}
		}
	}
	if n := len(list(role.Properties["ManagedPolicyArns"])); n == 0 || n > 10 || len(projects) != 300 {
		t.Errorf("the role has %d policies for %d projects; want up to 10 for 300", n, len(projects))
	}
	write(t, filepath.Join(dir, "large.yaml"), crowd("large", 18, 45, 18*45))
	_, err = build(t, root(t), context(dir, object{"sluice:schedules": object{}}))
	if want := "pipeline large: its actions need more permissions than one role holds; declare a roleArn"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v; want %q", err, want)
	}
	for name, raw := range s.raw {
		if len(raw) > 1_000_000 {
			t.Errorf("%s has %d bytes; CloudFormation takes 1,000,000", name, len(raw))
		}
	}
}

// pipelines is a folder of n definitions.
func pipelines(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		name := fmt.Sprintf("pipeline-%02d", i)
		if i == 0 {
			name = strings.Repeat("longest_", 12) + "name" // 100 characters, as many as there may be
		}
		write(t, filepath.Join(dir, name+".yaml"), crowd(name, 5, 4, 20))
	}
	return dir
}

// Fifty pipelines stay within CloudFormation's limits (user guide, Quotas) and
// within those of what they share: one function's policy, one bus's rules.
func TestFiftyPipelines(t *testing.T) {
	s, err := build(t, root(t), context(pipelines(t, 50), object{"sluice:schedules": object{}}))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.templates) != 53 {
		t.Errorf("%d stacks; want 50 and three", len(s.templates))
	}
	for name, tpl := range s.templates {
		if len(tpl.Resources) > 500 || len(tpl.Outputs) > 200 || len(tpl.Parameters) > 200 || len(s.raw[name]) > 1_000_000 {
			t.Errorf("%s: %d resources, %d outputs, %d parameters, %d bytes", name, len(tpl.Resources), len(tpl.Outputs), len(tpl.Parameters), len(s.raw[name]))
		}
	}
	for property, limit := range map[string]int{"StateMachineName": 80, "RoleName": 64, "Name": 64, "LogGroupName": 512} {
		for _, f := range s.all() {
			if name := text(f.Properties[property]); len(name) > limit {
				t.Errorf("%s: %s has %d characters; want at most %d", f, property, len(name), limit)
			}
		}
	}
	if n := len(s.all("AWS::Lambda::Permission")); n > 10 {
		t.Errorf("%d permissions to call functions; they must not grow with the pipelines", n)
	}
	if n := len(s.all("AWS::Events::Rule")); n > 300 {
		t.Errorf("%d rules; the default bus takes 300", n)
	}
}

// BenchmarkFiftyPipelines is how long the synthesis of 50 pipelines takes; the
// bar is 30 s.
func BenchmarkFiftyPipelines(b *testing.B) {
	dir, definitions := root(b), pipelines(b, 50)
	for b.Loop() {
		begun := time.Now()
		if _, err := build(b, dir, context(definitions, object{"sluice:schedules": object{}})); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(begun).Seconds(), "s/synth")
	}
}

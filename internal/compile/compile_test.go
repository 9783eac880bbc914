package compile_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var update = flag.Bool("update", false, "write the golden files anew")

// act returns an action; kind is Category:Provider.
func act(name, kind string, order int) pipeline.Action {
	category, provider, _ := strings.Cut(kind, ":")
	return pipeline.Action{Name: name, RunOrder: order, TypeID: pipeline.ActionTypeID{
		Category: pipeline.Category(category), Owner: pipeline.AWS, Provider: provider, Version: "1",
	}}
}

func stages(s ...pipeline.Stage) pipeline.Declaration {
	return pipeline.Declaration{Name: "app", Type: pipeline.V2, ExecutionMode: pipeline.Superseded, Stages: s}
}

func st(name string, actions ...pipeline.Action) pipeline.Stage {
	return pipeline.Stage{Name: name, Actions: actions}
}

var (
	source = st("Source", act("Checkout", "Source:CodeCommit", 1))
	build  = st("Build", act("Compile", "Build:CodeBuild", 1))
	deploy = st("Deploy", act("Copy", "Deploy:S3", 1))
)

// shapes are the declarations whose machines are pinned.
var shapes = map[string]pipeline.Declaration{
	"two-stages":     stages(source, build),
	"three-stages":   stages(source, build, deploy),
	"two-sources":    stages(st("Source", act("App", "Source:CodeCommit", 1), act("Config", "Source:S3", 1)), build),
	"parallel-tests": stages(source, st("Test", act("Unit", "Test:CodeBuild", 1), act("Lint", "Test:CodeBuild", 1))),
	"sequence":       stages(source, st("Build", act("Compile", "Build:CodeBuild", 1), act("Pack", "Compute:Commands", 2))),
	"gap-in-orders":  stages(source, st("Build", act("Pack", "Compute:Commands", 30), act("Compile", "Build:CodeBuild", 7))),
	"fan-then-join": stages(source, st("Test", act("Unit", "Test:CodeBuild", 1), act("Lint", "Test:CodeBuild", 1),
		act("Report", "Invoke:Lambda", 2))),
	"two-fans": stages(source, st("Test", act("A", "Test:CodeBuild", 1), act("B", "Test:CodeBuild", 1),
		act("C", "Test:CodeBuild", 2), act("D", "Test:CodeBuild", 2)), deploy),
	"approval":   stages(source, st("Release", act("Gate", "Approval:Manual", 1), act("Copy", "Deploy:S3", 2))),
	"auto-retry": stages(source, pipeline.Stage{Name: "Build", Actions: build.Actions, OnFailure: &pipeline.OnFailure{Result: "RETRY"}}, deploy),
	"skippable": stages(source, pipeline.Stage{Name: "Build", Actions: build.Actions, BeforeEntry: &pipeline.Gate{
		Conditions: []pipeline.Condition{{Result: "SKIP"}}}}, deploy),
	"long-names": stages(st(strings.Repeat("s", 100), act(strings.Repeat("a", 100), "Source:S3", 1)),
		st(strings.Repeat("s", 99)+"t", act(strings.Repeat("a", 100), "Deploy:S3", 1), act(strings.Repeat("a", 99)+"b", "Deploy:S3", 1))),
}

func text(t *testing.T, d pipeline.Declaration) []byte {
	t.Helper()
	b, err := json.MarshalIndent(compile.Machine(d, compile.Local), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

// TestGolden pins the exact text, because Step Functions and the embedded
// engine see exactly that.
func TestGolden(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		t.Run(name, func(t *testing.T) {
			got, file := text(t, shapes[name]), filepath.Join("testdata", name+".asl.json")
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got); `go test ./internal/compile -update` accepts it:\n%s", file, diff)
			}
		})
	}
}

// TestRoundTrip reads each text back: the interpreter sees what was compiled.
func TestRoundTrip(t *testing.T) {
	for name, d := range shapes {
		var m asl.Machine
		if err := json.Unmarshal(text(t, d), &m); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := json.MarshalIndent(m, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(append(again, '\n'), text(t, d)) {
			t.Errorf("%s: the text changes when it is read and written", name)
		}
	}
}

// transitions counts the states a run enters when everything succeeds.
func transitions(m asl.Machine) int {
	n := 0
	for at := m.StartAt; at != ""; n++ {
		switch s := m.States[at].(type) {
		case asl.Task:
			at = s.Next
		case asl.Choice:
			at = s.Default
		case asl.Parallel:
			for _, b := range s.Branches {
				n += transitions(b)
			}
			at = s.Next
		default:
			panic(fmt.Sprintf("%s: %T", at, s))
		}
	}
	return n
}

// TestTransitions pins what a run costs: at most two transitions a stage of
// one action, plus two; and the bytes of the text.
func TestTransitions(t *testing.T) {
	for n := 2; n <= 50; n++ {
		d := stages(source)
		for i := 1; i < n; i++ {
			d.Stages = append(d.Stages, st(fmt.Sprintf("Stage%d", i), act("Run", "Build:CodeBuild", 1)))
		}
		if got, want := transitions(compile.Machine(d, compile.Local)), 2*n+1; got != want {
			t.Errorf("%d stages: %d transitions; want %d", n, got, want)
		}
		deployed, err := json.Marshal(compile.Machine(d, compile.Local))
		if err != nil {
			t.Fatal(err)
		}
		if limit := 1000 + 1450*n; len(deployed) > limit {
			t.Errorf("%d stages: %d bytes of text; want at most %d", n, len(deployed), limit)
		}
	}
}

// TestNames checks what Step Functions asks of names: at most 80 characters,
// and unique over the whole machine.
func TestNames(t *testing.T) {
	for name, d := range shapes {
		seen := map[string]bool{}
		var walk func(asl.Machine)
		walk = func(m asl.Machine) {
			for state, s := range m.States {
				if len(state) > 80 || seen[state] {
					t.Errorf("%s: state name %q is too long or used twice", name, state)
				}
				seen[state] = true
				if p, ok := s.(asl.Parallel); ok {
					for _, b := range p.Branches {
						walk(b)
					}
				}
			}
		}
		walk(compile.Machine(d, compile.Local))
	}
}

// TestPayloadsCarryIDsOnly: nothing of an action but its name is in the text.
func TestPayloadsCarryIDsOnly(t *testing.T) {
	d := shapes["approval"]
	d.Stages[1].Actions[0].Configuration = map[string]string{"CustomData": "canary-value"}
	d.Stages[1].Actions[1].RoleARN = "canary-role"
	if got := text(t, d); bytes.Contains(got, []byte("canary")) {
		t.Errorf("the text holds more than ids:\n%s", got)
	}
}

// TestCrowd: a task that may have to wait for others of its group, because an
// execution runs five at a time, is waited for as long as all of them may take.
func TestCrowd(t *testing.T) {
	group := func(n int, kind string, minutes ...int) pipeline.Stage {
		s := st("Test")
		for i := range n {
			a := act(fmt.Sprint("T", i), kind, 1)
			for _, m := range minutes {
				a.TimeoutInMinutes = m
			}
			s.Actions = append(s.Actions, a)
		}
		return s
	}
	const test, week = 8 * 3600, 7 * 24 * 3600
	for _, tt := range []struct {
		name  string
		mode  pipeline.Mode
		stage pipeline.Stage
		want  int // seconds
	}{
		{"as many as may run", pipeline.Parallel, group(5, "Test:CodeBuild"), test},
		{"one more", pipeline.Parallel, group(6, "Test:CodeBuild"), 6 * test},
		{"approvals", pipeline.Parallel, group(10, "Approval:Manual"), 10 * week},
		{"more than the language has", pipeline.Parallel, group(50, "Approval:Manual", 86_400), 99_999_999},
		{"in turn", pipeline.Queued, group(6, "Test:CodeBuild"), test},
	} {
		d := stages(source, tt.stage)
		d.ExecutionMode = tt.mode
		for _, branch := range compile.Machine(d, compile.Local).States[fmt.Sprintf("Test / %d actions of run order 1", len(tt.stage.Actions))].(asl.Parallel).Branches {
			for _, s := range branch.States {
				if task, ok := s.(asl.Task); ok && task.TimeoutSeconds != tt.want {
					t.Errorf("%s: a task is waited for for %d s; want %d", tt.name, task.TimeoutSeconds, tt.want)
				}
			}
		}
	}
}

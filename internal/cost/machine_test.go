package cost_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A path is what a successful run enters, retries aside.
type path struct {
	states int            // each is a transition
	calls  map[string]int // of tasks, by function
}

// walk follows a machine from its start when everything succeeds.
func walk(t *testing.T, m asl.Machine) path {
	t.Helper()
	p := path{calls: map[string]int{}}
	for at := m.StartAt; at != ""; p.states++ {
		switch s := m.States[at].(type) {
		case asl.Task:
			p.calls[functionOf(t, s)]++
			at = s.Next
		case asl.Choice: // every rule of ours asks for a failure
			at = s.Default
		case asl.Parallel:
			for _, b := range s.Branches {
				inner := walk(t, b)
				p.states += inner.states
				for f, n := range inner.calls {
					p.calls[f] += n
				}
			}
			at = s.Next
		default:
			t.Fatalf("state %s is a %T; the walk does not know it", at, s)
		}
	}
	return p
}

// TestTwoTransitionsAStage pins the bar: a pipeline of one action a stage takes
// at most two transitions a stage, and two.
func TestTwoTransitionsAStage(t *testing.T) {
	for stages := 2; stages <= 50; stages++ {
		text := "name: p\npipelineType: V2\nstages:\n" + stageText("Source", "Source, owner: AWS, provider: ECR", "configuration: {RepositoryName: r}\n          outputArtifacts: [{name: Code}]")
		for i := 1; i < stages; i++ {
			text += stageText(fmt.Sprintf("S%d", i), "Build, owner: AWS, provider: CodeBuild", "configuration: {ProjectName: b}\n          inputArtifacts: [{name: Code}]")
		}
		p := walk(t, compile.Machine(read(t, "p.yaml", text), compile.Local))
		if most := 2*stages + 2; p.states > most {
			t.Errorf("%d stages: %d transitions; want at most %d", stages, p.states, most)
		}
	}
}

func stageText(name, provider, more string) string {
	return fmt.Sprintf("  - name: %s\n    actions:\n      - name: Do\n        actionTypeId: {category: %s, version: 1}\n        %s\n", name, provider, strings.ReplaceAll(more, "\n          ", "\n        "))
}

func read(t *testing.T, name, text string) pipeline.Declaration {
	t.Helper()
	d, err := definition.Read(name, []byte(text), definition.Options{RoleARN: "arn:aws:iam::111122223333:role/sluice", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	return d.Declaration
}

package e2e_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
)

// steps returns a pipeline of one simulated source and n Commands actions, one
// after the other, each of which runs true.
func steps(t testing.TB, n int) definition.Definition {
	t.Helper()
	def, err := definition.Read("steps.yaml", []byte(stepsText(n)), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		t.Fatal(err)
	}
	return def
}

func stepsText(n int) string {
	var b strings.Builder
	b.WriteString(`
name: steps
pipelineType: V2
executionMode: PARALLEL
stages:
  - name: Source
    actions:
      - name: Image
        actionTypeId: {category: Source, owner: AWS, provider: ECR, version: 1}
        configuration: {RepositoryName: app}
        outputArtifacts: [{name: Code}]
  - name: Steps
    actions:
`)
	for i := range n {
		fmt.Fprintf(&b, `
      - name: Step%d
        runOrder: %d
        actionTypeId: {category: Compute, owner: AWS, provider: Commands, version: 1}
        commands: ["true"]
        inputArtifacts: [{name: Code}]
`, i, i+1)
	}
	return b.String()
}

// BenchmarkLocalStep compares an action that runs one local command, durable
// start and end included, with one fork and exec, interleaved in one run.
func BenchmarkLocalStep(b *testing.B) {
	const n = 10
	s, err := local.Open(b.Context(), local.Options{Data: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, _, err := s.Register(b.Context(), []definition.Definition{steps(b, n)}); err != nil {
		b.Fatal(err)
	}
	var forks, runs time.Duration
	for b.Loop() {
		begin := time.Now()
		for range n {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
		forks += time.Since(begin)
		runs += runToEnd(b, s, "steps")
	}
	b.ReportMetric(float64(runs.Microseconds())/float64(b.N*n), "µs/step")
	b.ReportMetric(float64(forks.Microseconds())/float64(b.N*n), "µs/fork+exec")
	b.ReportMetric(float64(runs)/float64(forks), "fork+exec/step")
}

package e2e_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// program is what make build builds.
var program, _ = filepath.Abs("../../bin/sluice")

// forkExec returns how long a fork and exec of a program takes that does nothing.
func forkExec(b *testing.B) time.Duration {
	const n = 40
	return clock(func() {
		for range n {
			must(b, exec.Command("/bin/true"))
		}
	}) / n
}

func must(b *testing.B, c *exec.Cmd) {
	b.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		b.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
}

// openBench opens a system with the pipelines defs.
func openBench(b *testing.B, simulate bool, defs ...definition.Definition) *local.System {
	b.Helper()
	s, err := local.Open(b.Context(), local.Options{Data: b.TempDir(), Simulate: simulate})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if _, _, err := s.Register(b.Context(), defs); err != nil {
		b.Fatal(err)
	}
	return s
}

// runToEnd runs a pipeline once and returns how long it took.
func runToEnd(b *testing.B, s *local.System, name string) time.Duration {
	b.Helper()
	start := time.Now()
	id, err := s.Service.StartExecution(b.Context(), orchestrator.Start{Pipeline: name})
	if err != nil {
		b.Fatal(err)
	}
	ended := s.Ended(id)
	for {
		e, err := s.Records.Execution(b.Context(), name, id)
		if err != nil {
			b.Fatal(err)
		}
		if e.Value.Status.Final() {
			succeeded(b, e.Value.Status, e.Value.StatusSummary)
			return time.Since(start)
		}
		<-ended
	}
}

// localStep: an action that runs one command, from its record to that of its
// end; the whole run, its source included, divided by the number of actions.
func localStep(b *testing.B) []bar {
	const n = 40
	s := openBench(b, false, steps(b, n))
	runToEnd(b, s, "steps")
	f, l, ratio := inTurns(barRounds, func() time.Duration { return runToEnd(b, s, "steps") / n }, func() time.Duration { return forkExec(b) })
	return []bar{{what: "local step: an action of one command", measured: short(f), limit: short(l) + " a fork+exec", ratio: ratio, most: 2.2}}
}

// buildCommand: one more command in the buildspec of a CodeBuild action.
func buildCommand(b *testing.B) []bar {
	const n = 100
	builds := func(name string, commands int) definition.Definition {
		spec := "version: 0.2\nphases:\n  build:\n    commands:\n" + strings.Repeat("      - /bin/true\n", commands)
		def, err := definition.Read(name+".yaml", fmt.Appendf(nil, `
name: %s
pipelineType: V2
stages:
  - name: Source
    actions:
      - name: Image
        actionTypeId: {category: Source, owner: AWS, provider: ECR, version: 1}
        configuration: {RepositoryName: app}
        outputArtifacts: [{name: Code}]
  - name: Build
    actions:
      - name: Build
        actionTypeId: {category: Build, owner: AWS, provider: CodeBuild, version: 1}
        configuration: {ProjectName: app, BuildspecOverride: %q}
        inputArtifacts: [{name: Code}]
`, name, spec), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
		if err != nil {
			b.Fatal(err)
		}
		return def
	}
	s := openBench(b, false, builds("one", 1), builds("many", n+1))
	runToEnd(b, s, "one")
	f, l, ratio := inTurns(barRounds, func() time.Duration {
		return (runToEnd(b, s, "many") - runToEnd(b, s, "one")) / n
	}, func() time.Duration { return forkExec(b) })
	return []bar{{what: "a command more in a build", measured: short(f), limit: short(l) + " a fork+exec", ratio: ratio, most: 2.2}}
}

// fromCold: a definition of a git source and ten commands, run by a new
// process on a new folder, against make.
func fromCold(b *testing.B) []bar {
	dir := b.TempDir()
	text := strings.NewReplacer("provider: ECR", "provider: CodeCommit", "{RepositoryName: app}", "{RepositoryName: app, BranchName: main}").Replace(stepsText(10))
	makefile := "all:" + strings.Repeat(" %d", 10) + "\n"
	numbers := make([]any, 10)
	for i := range numbers {
		numbers[i] = i
	}
	makefile = fmt.Sprintf(makefile, numbers...)
	for i := range 10 {
		makefile += fmt.Sprintf("%d:\n\t/bin/true\n", i)
	}
	for name, content := range map[string]string{"pipeline.yaml": text, "Makefile": makefile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	in := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Dir = dir
		return c
	}
	must(b, in("git", "init", "-q", "-b", "main"))
	must(b, in("git", "add", "."))
	must(b, in("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"))
	round := 0
	f, l, ratio := inTurns(barRounds, func() time.Duration {
		round++
		return clock(func() {
			must(b, in(program, "run", "pipeline.yaml", "--source", "Image=.", "--data", "data"+strconv.Itoa(round)))
		})
	}, func() time.Duration { return clock(func() { must(b, in("make", "-s")) }) })
	return []bar{{what: "10 steps from cold, git source and state included", measured: short(f), limit: short(l) + " make", ratio: ratio, most: 2.2}}
}

// version: what starting the program costs.
func version(b *testing.B) []bar {
	f, l, _ := inTurns(3*barRounds, func() time.Duration { return clock(func() { must(b, exec.Command(program, "version")) }) }, func() time.Duration { return forkExec(b) })
	return []bar{{what: "sluice version, ms", measured: short(f), limit: short(l) + " a fork+exec", ratio: float64(f) / float64(time.Millisecond), most: 10}}
}

// idle: a server with five pipelines, two seconds after it has come up.
func idle(b *testing.B) []bar {
	dir := b.TempDir()
	for i := range 5 {
		name := "steps" + strconv.Itoa(i)
		text := strings.Replace(stepsText(10), "name: steps", "name: "+name, 1)
		if err := os.WriteFile(filepath.Join(dir, name+".yaml"), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	c := exec.Command(program, "up", dir, "--data", filepath.Join(b.TempDir(), "data"), "--listen", "127.0.0.1:0")
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid))
	c.Process.Signal(os.Interrupt)
	if waited := c.Wait(); err != nil {
		b.Fatal(err, waited)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return []bar{{what: "idle server with 5 pipelines, MB resident", measured: fmt.Sprintf("%.1f MB", kb/1000), ratio: kb / 1000, most: 30}}
}

// runsPerSecond: runs of ten simulated actions, everything but the work done.
// Two pipelines, because one may have 50 runs at once.
func runsPerSecond(b *testing.B) []bar {
	other := steps(b, 9)
	other.Declaration.Name = "others"
	var bars []bar
	for _, at := range []int{1, 64} {
		s := openBench(b, true, steps(b, 9), other)
		runToEnd(b, s, "steps")
		n := max(30, 4*at)
		spent := clock(func() {
			var all sync.WaitGroup
			for i := range at {
				all.Go(func() {
					for range n / at {
						runToEnd(b, s, []string{"steps", "others"}[i%2])
					}
				})
			}
			all.Wait()
		})
		bars = append(bars, bar{
			what:     fmt.Sprintf("runs of 10 simulated actions, %d at once", at),
			measured: fmt.Sprintf("%.0f a second", float64(n)/spent.Seconds()),
		})
	}
	return bars
}

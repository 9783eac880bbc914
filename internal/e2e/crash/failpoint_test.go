package crash_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/bartest"
	"github.com/sluice-ci/sluice/internal/failpoint"
)

var rounds = flag.Int("rounds", 0, "how often TestFailpoints makes every step fail in every mode")

// steps has every step that can fail: see TestEveryStepIsKnown for what it is
// compared with. The name of a write is that of the function that wants it.
var steps = []string{
	"store CreatePipeline", "store DeletePipeline", "store settleDeletion", "store Deploy", "store UpdatePipeline", "store settleUpdate", "store cancelActive",
	"store StartExecution", "store StopExecution", "store RetryStage", "store RollbackStage", "store SetTransition", "store OverrideCondition",
	"store Enter", "store admitted", "store RunAction", "store report", "store PutApproval", "store Decide", "store mint",
	"store decide", "store Save", "store Ended", "store Delivered",

	"machine Start", "machine Stop", "machine Succeed", "machine Fail", "bus Publish",

	"Source/CodeCommit Start", "Source/S3 Start", "Deploy/S3 Start", "Approval/Manual Start",
	"Compute/Commands Start", "Compute/Commands Poll", "Compute/Commands Stop", "Build/CodeBuild Start", "Build/CodeBuild Poll", "Build/CodeBuild Stop",
	"Rule/VariableCheck Start", "Rule/DeploymentWindow Start", "Rule/DeploymentWindow Poll",

	"sqlite commit", "sqlite mark", "sqlite mark sync", "sqlite mark reset",
	"engine begin", "engine answer", "engine failure", "engine stop", "engine timer", "engine checkpoint", "engine text",
	"blob sync", "blob link", "blob folder", "job start", "job end", "process start", "deploy rename",
}

// A failure is to happen to a step.
type failure struct {
	step string
	mode failpoint.Mode
	n    int // at which time of being reached
}

// deadly reports whether the process may die of f.
func (f failure) deadly() bool {
	return f.mode != failpoint.ErrorBefore && f.mode != failpoint.ErrorAfter
}

// rare are steps that a process reaches once, or seldom.
var rare = []string{"store CreatePipeline", "store DeletePipeline", "store settleDeletion", "sqlite mark reset", "engine checkpoint", "engine timer", "engine stop", "store RollbackStage", "Build/CodeBuild Stop", "Compute/Commands Stop"}

// busy are steps that are reached all the time, also while a process starts.
var busy = []string{"sqlite commit", "sqlite mark", "sqlite mark sync", "engine answer", "store Enter", "store report", "store RunAction", "machine Succeed", "bus Publish"}

// tinder has the machine call a function again after a while, for the timers.
const tinder = "store Enter\terror-before\t5\nstore Enter\terror-before\t20\nstore Enter\terror-before\t80\n"

// matrix returns the failures of these modes, each at a random one of its
// first times.
func matrix(rng *rand.Rand, modes ...failpoint.Mode) []failure {
	var all []failure
	for _, step := range steps {
		for _, mode := range modes {
			f := failure{step, mode, 1 + rng.IntN(3)}
			switch {
			case slices.Contains(rare, step):
				f.n = 1
			case slices.Contains(busy, step):
				f.n = 1 + rng.IntN(40)
			}
			all = append(all, f)
		}
	}
	return all
}

// TestFailpoints makes every step fail, and looks at what is left. Steps that
// end the process come first; the child that comes after the last of them has
// to put everything right. Then come those that the process survives, and it
// has to put everything right itself, without a restart.
func TestFailpoints(t *testing.T) {
	seed, began := uint64(time.Now().UnixNano()), time.Now()
	rng := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	bin := tagged(t)
	n := *rounds
	if n == 0 && bartest.Proving() {
		n = 1
	}
	lives, failures := 0, 0
	play := func(l *load, todo []failure) {
		t.Helper()
		c, born := l.suffer(bin, todo, rng)
		lives, failures = lives+born, failures+len(todo)
		found := l.settle(c, rng)
		t.Logf("%d failures in %d processes, %s: %d executions %v, %d tries of commands, %d lost",
			len(todo), born, time.Since(began).Round(time.Second), found.executions, found.statuses, found.tries, found.lost)
	}
	if n == 0 { // every step once
		all := matrix(rng, failpoint.Modes...)
		var deadly, others []failure
		for i := range steps {
			f := all[i*len(failpoint.Modes)+rng.IntN(len(failpoint.Modes))]
			if f.deadly() {
				deadly = append(deadly, f)
			} else {
				others = append(others, f)
			}
		}
		l := newLoad(t)
		play(l, deadly)
		play(l, others)
		return
	}
	for range n {
		l := newLoad(t)
		play(l, matrix(rng, failpoint.KillBefore, failpoint.KillAfter, failpoint.PanicBefore, failpoint.PanicAfter))
		play(l, matrix(rng, failpoint.ErrorBefore, failpoint.ErrorAfter))
		if t.Failed() {
			return
		}
	}
	bartest.Report(t, "B2", "points=%d modes=%d runs=%d failures=%d reached=%d processes=%d seconds=%.0f seed=%d",
		len(steps), len(failpoint.Modes), n, failures, failures, lives, time.Since(began).Seconds(), seed)
}

// tagged builds this test with its failpoints.
func tagged(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "crash.test")
	out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "failpoint", "-o", bin, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	return bin
}

// suffer lives with failures until all have happened. It returns the child that
// has to put things right, and how many there were: the same one if it survives
// all of them.
func (l *load) suffer(bin string, todo []failure, rng *rand.Rand) (*child, int) {
	l.t.Helper()
	plan := filepath.Join(l.folder, "plan")
	deadly := slices.ContainsFunc(todo, failure.deadly)
	for lives := 1; ; lives++ {
		var b strings.Builder
		for _, f := range todo {
			fmt.Fprintf(&b, "%s\t%s\t%d\n", f.step, f.mode, f.n)
		}
		write(l.t, plan, b.String()+tinder)
		os.Remove(plan + failpoint.FiredSuffix)
		c, err := begin(l.t, bin, l.folder, failpoint.Env+"="+plan)
		if err == nil {
			l.endure(c, todo, rng)
		}
		before := len(todo)
		todo = l.remaining(todo)
		switch {
		case err == nil && len(todo) == 0 && !deadly:
			return c, lives
		case len(todo) == before:
			l.t.Fatalf("after %d lives none of these was reached in %s, or the process died without one: %v", lives, 3*patience, todo)
		}
		if err == nil {
			c.kill()
		}
		if len(todo) == 0 {
			return start(l.t, l.folder), lives + 1
		}
	}
}

// endure uses c until it is dead, or all of todo has happened, or patience is
// over.
func (l *load) endure(c *child, todo []failure, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 3*patience)
	defer cancel()
	over := make(chan struct{})
	go func() {
		l.run(ctx, c, rng)
		close(over)
	}()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(l.remaining(todo)) > 0 {
		select {
		case <-over:
			return
		case <-tick.C:
		}
	}
	cancel()
	<-over
}

// remaining returns what of todo has not happened.
func (l *load) remaining(todo []failure) []failure {
	text, _ := os.ReadFile(filepath.Join(l.folder, "plan"+failpoint.FiredSuffix))
	fired := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		fired[strings.TrimSpace(line)] = true
	}
	return slices.DeleteFunc(slices.Clone(todo), func(f failure) bool { return fired[f.step+"\t"+string(f.mode)] })
}

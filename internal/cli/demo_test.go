package cli_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/cli"
)

// pushed finds the commit that the demo says it pushed.
var pushed = regexp.MustCompile(`git push of ([0-9a-f]{7}) `)

// TestDemo takes the whole way: a push starts the run, it is built and tested,
// the three commands that the program names work, and what was deployed says
// which commit it is.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a Go program")
	}
	for _, tool := range []string{"git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	t.Setenv("GOFLAGS", "-mod=mod")
	t.Setenv("GOTOOLCHAIN", "local")
	data := filepath.Join(t.TempDir(), "a demo")
	got := sluice(t, "demo", "--data", data)
	if got.exit != cli.ExitWaiting {
		t.Fatalf("exit code %d; want %d:\n%s%s", got.exit, cli.ExitWaiting, got.stdout, got.stderr)
	}
	if strings.Contains(got.stdout, "imulated") {
		t.Errorf("something of the demo is simulated:\n%s", got.stdout)
	}

	commands := regexp.MustCompile(`(?m)^  sluice (\w+) (.*) --data '(.*)' +#`).FindAllStringSubmatch(got.stderr, -1)
	if len(commands) != 3 {
		t.Fatalf("%d commands to go on with; want 3:\n%s", len(commands), got.stderr)
	}
	for _, c := range commands {
		args := append([]string{c[1]}, strings.Fields(c[2])...)
		if next := sluice(t, append(args, "--data", c[3])...); next.exit != 0 || next.stdout == "" {
			t.Errorf("sluice %s: exit code %d:\n%s%s", strings.Join(args, " "), next.exit, next.stdout, next.stderr)
		}
	}
	deployed(t, data, got)

	got = sluice(t, "demo", "--approve", "--data", data)
	if got.exit != cli.ExitOK || !strings.Contains(got.stdout, "deployed to "+filepath.Join(data, "deploy")) {
		t.Fatalf("again: exit code %d; want 0:\n%s%s", got.exit, got.stdout, got.stderr)
	}
	deployed(t, data, got)

	why := sluice(t, "decisions", "demo", "--data", data)
	if n := strings.Count(why.stdout, "branch main is the configured branch"); why.exit != cli.ExitOK || n != 2 {
		t.Errorf("%d decisions to start; want 2, one a push:\n%s%s", n, why.stdout, why.stderr)
	}
	closeThenOpen(t, data)
	what := sluice(t, "events", "--limit", "1000", "--data", data)
	if n := strings.Count(what.stdout, "SUCCEEDED"); what.exit != cli.ExitOK || !regexp.MustCompile(`SUCCEEDED +demo +\w+ +pipeline`).MatchString(what.stdout) || n != 3*(1+5+6) {
		t.Errorf("%d things have succeeded; want 36: three times a pipeline, 5 stages, 6 actions:\n%s%s", n, what.stdout, what.stderr)
	}
}

// closeThenOpen closes the way into the last stage, sees a run wait in front of
// it, opens the way, and sees the run go on.
func closeThenOpen(t *testing.T, data string) {
	t.Helper()
	if got := sluice(t, "disable", "demo", "Deploy", "--reason", "freeze", "--data", data); got.exit != cli.ExitOK {
		t.Fatalf("disable: exit code %d:\n%s", got.exit, got.stderr)
	}
	got := sluice(t, "demo", "--approve", "--data", data)
	if got.exit != cli.ExitWaiting || !strings.Contains(got.stderr, "enable demo Deploy") {
		t.Fatalf("in front of a closed stage: exit code %d; want %d, and how to open it:\n%s", got.exit, cli.ExitWaiting, got.stderr)
	}
	if got := sluice(t, "enable", "demo", "Deploy", "--data", data); got.exit != cli.ExitOK {
		t.Fatalf("enable: exit code %d:\n%s", got.exit, got.stderr)
	}
	if got := sluice(t, "watch", "demo", "--data", data); got.exit != cli.ExitOK {
		t.Errorf("after enable: exit code %d; want 0:\n%s%s", got.exit, got.stdout, got.stderr)
	}
}

// deployed runs the program that was deployed: it names the commit pushed.
func deployed(t *testing.T, data string, got result) {
	t.Helper()
	commit := pushed.FindStringSubmatch(got.stderr)
	if commit == nil {
		t.Fatalf("no commit was pushed:\n%s", got.stderr)
	}
	out, err := exec.Command(filepath.Join(data, "deploy", "hello")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "built from commit "+commit[1]) {
		t.Errorf("the program says %q (%v); want commit %s", out, err, commit[1])
	}
}

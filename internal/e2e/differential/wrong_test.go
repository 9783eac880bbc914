package differential

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/bartest"
)

// wrongTexts change states of a text that is then given to the engine alone.
var wrongTexts = map[string]func(state map[string]any){
	"catches lead elsewhere":     func(s map[string]any) { reverseTargets(s["Catch"]) },
	"one more attempt":           func(s map[string]any) { attempts(s, 1) },
	"one attempt less":           func(s map[string]any) { attempts(s, -1) },
	"results replace the input":  func(s map[string]any) { delete(s, "ResultPath") },
	"all output is kept":         func(s map[string]any) { delete(s, "OutputPath") },
	"rules in reverse":           func(s map[string]any) { reverse(s["Choices"]) },
	"branches in reverse":        func(s map[string]any) { reverse(s["Branches"]) },
	"nothing is caught":          func(s map[string]any) { delete(s, "Catch") },
	"nobody asks for the result": func(s map[string]any) { delete(s, "ResultSelector") },
}

func reverse(list any) {
	if l, ok := list.([]any); ok {
		slices.Reverse(l)
	}
}

// reverseTargets lets each rule lead where the one opposite leads.
func reverseTargets(rules any) {
	l, _ := rules.([]any)
	for i, k := 0, len(l)-1; i < k; i, k = i+1, k-1 {
		a, b := l[i].(map[string]any), l[k].(map[string]any)
		a["Next"], b["Next"] = b["Next"], a["Next"]
	}
}

func attempts(state map[string]any, more float64) {
	retries, _ := state["Retry"].([]any)
	for _, r := range retries {
		if r := r.(map[string]any); r["MaxAttempts"] != nil {
			r["MaxAttempts"] = max(0, r["MaxAttempts"].(float64)+more)
		}
	}
}

// testWrongTexts: each wrong text is told in some case, by what the emulator did
// with the right one.
func testWrongTexts(t *testing.T, specimens []Specimen, found map[string]finding) {
	for _, name := range slices.Sorted(maps.Keys(wrongTexts)) {
		n := 0
		for _, s := range specimens {
			c, err := s.Case()
			if err != nil {
				t.Fatal(err)
			}
			var machine map[string]any
			if err := json.Unmarshal(c.Text, &machine); err != nil {
				t.Fatal(err)
			}
			edit(machine, wrongTexts[name])
			wrong := c
			wrong.Text = text(machine)
			trace, _, err := wrong.Embedded()
			if err == nil && !slices.Equal(trace.Lines(), found[c.Name].lines) { // many texts are no lawful machine any more
				n++
			}
		}
		if t.Logf("%s: %d of %d cases notice", name, n, len(specimens)); n == 0 {
			t.Errorf("%s: no case notices", name)
		}
	}
}

func edit(machine map[string]any, change func(map[string]any)) {
	for _, s := range machine["States"].(map[string]any) {
		state := s.(map[string]any)
		change(state)
		branches, _ := state["Branches"].([]any)
		for _, b := range branches {
			edit(b.(map[string]any), change)
		}
	}
}

// wrongEngines are changes of package engine: text of a file, and what takes
// its place.
var wrongEngines = []struct{ name, file, from, to string }{
	{"the last Catch that matches", "fail.go", `i := slices.IndexFunc(st.catch, func(c catcher) bool { return matches(c.equals, name) })`,
		`i := -1
	for k, c := range st.catch {
		if matches(c.equals, name) {
			i = k
		}
	}`},
	{"one attempt too many", "fail.go", "spent[i] >= st.retry[i].maxAttempts", "spent[i] > st.retry[i].maxAttempts"},
	{"one counter for all Retries", "fail.go", "spent[i]++", "for k := range spent {\n\t\tspent[k]++\n\t}"},
	{"a failed Parallel lets its branches run", "fail.go", "s.drop(id, false)", "_ = id"},
	{"a Catch forgets the cause", "fail.go", "result = append(expr.AppendString(result, cause), '}')", `result = append(expr.AppendString(result, ""), '}')`},
	{"retries are not told", "fail.go", "f.retries++", ""},
	{"States.TaskFailed is for timeouts too", "fail.go", ` && name != timedOut`, ``},
	{"States.ALL is not for timeouts", "fail.go", `case e == "States.ALL", e == name:`, `case e == "States.ALL" && name != timedOut, e == name:`},
	{"ResultPath is ignored", "load.go", "return p.path.Set(input, result)", "return result, nil"},
	{"no input is null", "load.go", `return []byte("{}"), nil`, `return []byte("null"), nil`},
	{"a retry keeps its token", "step.go", "s.run.serial++\n\tf.serial = s.run.serial", "if f.retries == 0 {\n\t\ts.run.serial++\n\t\tf.serial = s.run.serial\n\t}"},
	{"a try is a visit", "step.go", "f.phase, f.deadline, f.beat = ready, 0, 0\n\ts.run.serial++", "f.phase, f.deadline, f.beat, f.entered = ready, 0, 0, s.now\n\ts.run.serial++"},
	{"the last rule that holds", "states.go", "next = st.rules[i].next\n\t\t\tbreak", "next = st.rules[i].next"},
	{"Succeed has no OutputPath", "step.go", "case pass, succeed:\n\t\terr = s.doPass(f, st)", "case pass:\n\t\terr = s.doPass(f, st)\n\tcase succeed:\n\t\ts.leave(f, f.input)"},
	{"outputs in the order of the ends", "states.go", "p.outputs[branch] = output", "p.outputs[len(p.outputs)-p.left+0*branch] = output"},
	{"ResultSelector is ignored", "states.go", "if st.selector != nil {", "if false {"},
	{"a stop is a failure", "step.go", "s.end(machine.Aborted,", "s.end(machine.Failed,"},
	{"And is Or", "choice.go", "if ok, err := r.and[i].holds(env); !ok || err != nil {\n\t\t\t\treturn false, err\n\t\t\t}\n\t\t}\n\t\treturn true, nil",
		"if ok, err := r.and[i].holds(env); ok || err != nil {\n\t\t\t\treturn ok, err\n\t\t\t}\n\t\t}\n\t\treturn false, nil"},
}

// testWrongEngines builds the engine with each change and plays the cases on
// it: some trace has to be another than the emulator's.
func testWrongEngines(t *testing.T, found map[string]finding, pipelines, machines uint64) {
	sources := make([]string, len(wrongEngines))
	for i, w := range wrongEngines {
		sources[i] = wrongSource(t, w.file, w.from, w.to)
	}
	if !bartest.Proving() {
		t.Skip("left out: to build an engine for each of them takes seconds; SLUICE_PROVE=1 does")
	}
	told := 0
	for i, w := range wrongEngines {
		traces := playWrong(t, w.file, sources[i], pipelines, machines)
		n := 0
		for name, f := range found {
			if !slices.Equal(traces[name], f.lines) {
				n++
			}
		}
		if t.Logf("%s: %d of %d cases notice", w.name, n, len(found)); n == 0 {
			t.Errorf("%s: no case notices", w.name)
		} else {
			told++
		}
	}
	bartest.Report(t, "differential-bites", "engines=%d told=%d cases=%d seed=0..%d", len(wrongEngines), told, len(found), pipelines-1)
}

// engineFile returns the path of a file of the engine.
func engineFile(t *testing.T, file string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "engine", file))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wrongSource returns a file of the engine in which a text is another.
func wrongSource(t *testing.T, file, from, to string) string {
	t.Helper()
	source, err := os.ReadFile(engineFile(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), from); n != 1 {
		t.Errorf("%s has %d times %q; want once: change the mutant as the engine was changed", file, n, from)
	}
	return strings.Replace(string(source), from, to, 1)
}

// playWrong returns the traces of an engine with another source of a file. They
// are empty if it does not end.
func playWrong(t *testing.T, file, source string, pipelines, machines uint64) map[string][]string {
	t.Helper()
	dir := t.TempDir()
	changed, overlay, program := filepath.Join(dir, file), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "player")
	write := func(file string, data []byte) {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(changed, []byte(source))
	write(overlay, text(map[string]any{"Replace": map[string]string{engineFile(t, file): changed}}))
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", program, "./testdata/player").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, strconv.FormatUint(pipelines, 10), strconv.FormatUint(machines, 10)).Output()
	if err != nil {
		t.Logf("the engine breaks: %v", err)
		return nil
	}
	var traces map[string][]string
	if err := json.Unmarshal(out, &traces); err != nil {
		t.Fatal(err)
	}
	return traces
}

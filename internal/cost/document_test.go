package cost_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var update = flag.Bool("update", false, "write docs/cost.md anew")

const document = "../../docs/cost.md"

// TestDocument holds that docs/cost.md is what the machines and the prices
// come to.
func TestDocument(t *testing.T) {
	got := write(t, measureAll(t), prices(t))
	if *update {
		if err := os.WriteFile(document, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/cost.md is not what a run costs; write it anew with go test ./internal/cost -update (-want +got):\n%s", diff)
	}
}

// A measured pipeline.
type measured struct {
	d       pipeline.Declaration
	file    string
	used    usage
	waiting usage // in an hour more that its approvals wait
}

type measurements struct {
	pipelines []measured
	idle      [2]int // read units of a sweep with one pipeline and with ten
}

func measureAll(t *testing.T) measurements {
	t.Helper()
	var m measurements
	for _, file := range samples(t) {
		d := sample(t, file)
		used := measure(t, d, approvalWait*time.Minute)
		m.pipelines = append(m.pipelines, measured{d, file, used, minus(measure(t, d, (approvalWait+60)*time.Minute), used)})
	}
	linear := m.pipelines[0].d
	m.idle[0] = deploy(t, linear).idle()
	var ten []pipeline.Declaration
	for i := range 10 {
		d := linear
		d.Name = fmt.Sprintf("linear%d", i)
		ten = append(ten, d)
	}
	m.idle[1] = deploy(t, ten...).idle()
	return m
}

// measure runs d once, as the second run of its deployment: the first has a
// shorter history to read.
func measure(t *testing.T, d pipeline.Declaration, person time.Duration) usage {
	t.Helper()
	w := deploy(t, d)
	w.person = person
	w.run(d)
	u := w.run(d)
	u.states = walk(t, compile.Machine(d, compile.Local)).states
	return u
}

// minus returns what a took more than b.
func minus(a, b usage) usage {
	u := usage{
		states: a.states - b.states, calls: map[string]int{}, reads: a.reads - b.reads, writes: a.writes - b.writes,
		events: a.events - b.events, notices: a.notices - b.notices, errands: a.errands - b.errands, puts: a.puts - b.puts, gets: a.gets - b.gets,
	}
	for f, n := range a.calls {
		u.calls[f] = n - b.calls[f]
	}
	return u
}

// samples are the pipelines of the document: the linear one, and those that
// come with Sluice.
func samples(t *testing.T) []string {
	t.Helper()
	shipped, err := filepath.Glob("../../infra/pipelines/*.yaml")
	if err != nil || len(shipped) == 0 {
		t.Fatalf("infra/pipelines has %v, %v; want pipelines", shipped, err)
	}
	return append([]string{"testdata/linear.yaml"}, shipped...)
}

func sample(t *testing.T, file string) pipeline.Declaration {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, file, string(text))
}

// TestRun holds that a run calls the functions that the walk says: what is
// counted in one and what is counted in the other are the same run.
func TestRun(t *testing.T) {
	for _, file := range samples(t) {
		d := sample(t, file)
		u, p := measure(t, d, time.Minute), walk(t, compile.Machine(d, compile.Local))
		for f, n := range p.calls {
			if u.calls[f] != n {
				t.Errorf("%s: %d calls of %s; the machine has %d on its way", file, u.calls[f], f, n)
			}
		}
		if u.writes == 0 || u.reads == 0 || u.events == 0 || u.notices == 0 {
			t.Errorf("%s: %+v; want that a run is recorded and told", file, u)
		}
	}
}

// A page is the document while it is written.
type page struct{ bytes.Buffer }

func (p *page) say(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// table writes a table of Markdown; columns behind the first are numbers.
func (p *page) table(head []string, rows [][]string) {
	p.say("| %s |", strings.Join(head, " | "))
	p.say("|---|%s", strings.Repeat("---:|", len(head)-1))
	for _, row := range rows {
		p.say("| %s |", strings.Join(row, " | "))
	}
	p.say("")
}

// dollars writes small sums to three digits, others to the cent.
func dollars(d float64) string {
	switch {
	case d == 0:
		return "$0"
	case d >= 0.1:
		return fmt.Sprintf("$%.2f", d)
	}
	digits := 2 - int(math.Floor(math.Log10(d)))
	return fmt.Sprintf("$%.*f", digits, d)
}

// count writes a number of units: whole ones whole. A sum of fractions is whole
// to a billionth only, and which way depends on the order of adding.
func count(n float64) string {
	n = math.Round(n*1e9) / 1e9
	switch {
	case n == math.Trunc(n):
		return fmt.Sprintf("%.0f", n)
	case n >= 0.01:
		return fmt.Sprintf("%.2f", n)
	}
	return fmt.Sprintf("%.6f", n)
}

func sum(calls map[string]int) (n int) {
	for _, c := range calls {
		n += c
	}
	return n
}

// callsText lists calls by function, most first.
func callsText(calls map[string]int) string {
	names := slices.SortedFunc(maps.Keys(calls), func(a, b string) int {
		if calls[a] != calls[b] {
			return calls[b] - calls[a]
		}
		return strings.Compare(a, b)
	})
	var all []string
	for _, f := range names {
		all = append(all, fmt.Sprintf("%s %d", f, calls[f]))
	}
	return strings.Join(all, ", ")
}

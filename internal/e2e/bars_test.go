package e2e_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A bar is one line of the table of BenchmarkBars: a figure, the limit of this
// machine that was measured in turns with it, and how far they may be apart.
type bar struct {
	what     string
	measured string
	limit    string
	ratio    float64 // to be compared with most or least; 0 is none
	most     float64
	least    float64
}

func (b bar) verdict() string {
	switch {
	case b.most == 0 && b.least == 0:
		return "-"
	case b.most != 0 && b.ratio <= b.most, b.least != 0 && b.ratio >= b.least:
		return "met"
	}
	return "missed"
}

func (b bar) row() string {
	ratio, wanted := "", ""
	if b.ratio != 0 {
		ratio = fmt.Sprintf("%.2f", b.ratio)
	}
	switch {
	case b.most != 0:
		wanted = fmt.Sprintf("at most %g", b.most)
	case b.least != 0:
		wanted = fmt.Sprintf("at least %g", b.least)
	}
	return strings.Join([]string{b.what, b.measured, b.limit, ratio, wanted, b.verdict()}, "\t")
}

// BenchmarkBars measures all that Sluice promises about speed, each figure in
// turns with its limit, and prints one table of medians. A disk or a processor
// that others use moves the absolute figures, hardly the ratios.
//
//	make bench
func BenchmarkBars(b *testing.B) {
	if b.N > 1 {
		b.Skip("it is one measurement: use -benchtime 1x")
	}
	for _, name := range []string{program, "git", "make"} {
		if _, err := exec.LookPath(name); err != nil {
			b.Fatalf("%v: run make bench where git is", err)
		}
	}
	var bars []bar
	for _, measure := range []func(*testing.B) []bar{
		transitionAlone, transitions64, interpreter, localStep, buildCommand, fromCold, version, idle, waitingRuns, runsPerSecond,
	} {
		bars = append(bars, measure(b)...)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nwhat\tmeasured\tlimit, same run\tratio\tbar\tverdict")
	for _, x := range bars {
		fmt.Fprintln(w, x.row())
	}
	w.Flush()
}

// clock returns how long f takes.
func clock(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

// inTurns takes figure and limit in turns and returns their medians and the
// median of their ratio.
func inTurns(rounds int, figure, limit func() time.Duration) (f, l time.Duration, ratio float64) {
	var fs, ls []time.Duration
	var ratios []float64
	for range rounds {
		fs, ls = append(fs, figure()), append(ls, limit())
		ratios = append(ratios, float64(fs[len(fs)-1])/float64(ls[len(ls)-1]))
	}
	return median(fs), median(ls), median(ratios)
}

func median[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

// short rounds d for a table.
func short(d time.Duration) string {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d >= 100*time.Microsecond:
		return d.Round(time.Microsecond).String()
	}
	return d.Round(10 * time.Nanosecond).String()
}

func succeeded(b *testing.B, status pipeline.Status, summary string) {
	b.Helper()
	if status != pipeline.Succeeded {
		b.Fatalf("%s: %s", status, summary)
	}
}

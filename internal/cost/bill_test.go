package cost_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// What neither a machine nor a run tells. The document names all of it.
const (
	defaultMemory = 256             // MB of a function whose policy.json does not say
	logged        = 1000            // bytes in the log for a call, Lambda's own lines included
	traced        = 3000            // bytes in the log of a machine for a state
	requests      = 3               // of SQS for an errand: sent, received, deleted
	minutes       = 730 * 60        // of a month
	polls         = 5 * 3 * minutes // of an empty queue: five pollers, three times a minute
	keyCalls      = minutes / 5     // of KMS by DynamoDB: it asks anew after five minutes
	dashboards    = 1               //
	approvalWait  = 60              // minutes in the runs of the document
)

// billed is for how many milliseconds a call of a function is billed; other
// functions take 200.
var billed = map[string]float64{"source": 5000, "deploy": 1000, "build": 500, "invoke": 500}

// watched is how many metrics have an alarm, for which each is billed: nine of
// the whole, and one of each function.
func watched(t *testing.T) float64 {
	t.Helper()
	mains, err := filepath.Glob("../../functions/*/main.go")
	if err != nil || len(mains) == 0 {
		t.Fatalf("there are no functions: %v", err)
	}
	return float64(9 + len(mains))
}

// A line of a bill.
type line struct {
	key   string // of the price
	what  string
	units float64
}

type bill []line

// in returns what a bill comes to in a region, beyond the free units of a month
// if free.
func (b bill) in(t *testing.T, s sheet, region string, free bool) (dollars float64) {
	t.Helper()
	for key, units := range b.units() {
		p := s.of(t, key)
		if free {
			units = max(0, units-p.Free)
		}
		dollars += units * p.in(region)
	}
	return dollars
}

// units adds up the lines of each price: free units are counted once.
func (b bill) units() map[string]float64 {
	all := map[string]float64{}
	for _, l := range b {
		all[l.key] += l.units
	}
	return all
}

// times returns a bill n times.
func (b bill) times(n float64) bill {
	var all bill
	for _, l := range b {
		all = append(all, line{l.key, l.what, l.units * n})
	}
	return all
}

// billOf returns the bill of what was used.
func billOf(t *testing.T, u usage) bill {
	t.Helper()
	calls, seconds := 0, 0.0
	for f, n := range u.calls {
		calls += n
		seconds += float64(n) * gigabyteSeconds(t, f)
	}
	return bill{
		{"transition", "state transitions", float64(u.states)},
		{"call", "calls of functions", float64(calls)},
		{"second", "GB-seconds of functions", seconds},
		{"write", "write units of the table", float64(u.writes)},
		{"read", "read units of the table", float64(u.reads)},
		{"event", "events on the bus", float64(u.events)},
		{"notice", "messages to topics", float64(u.notices)},
		{"mail", "mails", float64(u.notices)},
		{"message", "requests to the queue", float64(requests * u.errands)},
		{"put", "objects written", float64(u.puts)},
		{"get", "objects read", float64(u.gets)},
		{"decrypt", "requests to the key", float64(u.puts + u.gets + u.notices)},
		{"log", "GB of log", float64(calls*logged+u.states*traced) / 1e9},
	}
}

// gigabyteSeconds is what a call of a function is billed for.
func gigabyteSeconds(t *testing.T, function string) float64 {
	t.Helper()
	ms, ok := billed[function]
	if !ok {
		ms = 200
	}
	return float64(memory(t, function)) / 1024 * ms / 1000
}

// memory is that of a function, as its policy says.
func memory(t *testing.T, function string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../functions", function, "policy.json"))
	if os.IsNotExist(err) {
		return defaultMemory
	}
	if err != nil {
		t.Fatal(err)
	}
	var policy struct{ Memory int }
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatalf("function %s: %v", function, err)
	}
	if policy.Memory == 0 {
		return defaultMemory
	}
	return policy.Memory
}

// idleBill is that of a month of a deployment in which nothing runs; reads are
// those of one sweep.
func idleBill(t *testing.T, reads int) bill {
	t.Helper()
	return bill{
		{"key", "the key of KMS", 1},
		{"dashboard", "the dashboard", dashboards},
		{"alarm", "metrics with an alarm", watched(t)},
		{"call", "sweeps, one a minute", minutes},
		{"second", "GB-seconds of sweeps", minutes * gigabyteSeconds(t, "outbox")},
		{"read", "read units of sweeps", float64(minutes * reads)},
		{"message", "looks into the empty queue", polls},
		{"decrypt", "requests to the key, by the table", keyCalls},
		{"log", "GB of log of sweeps", minutes * logged / 1e9},
	}
}

// actionMinutes is what V2 counts of a run: each action by itself, each begun
// minute, approvals and custom actions not at all.
func actionMinutes(d pipeline.Declaration) (n float64) {
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.TypeID.Category != pipeline.Approval && a.TypeID.Owner != pipeline.Custom {
				n += takes[a.TypeID.Category].Minutes()
			}
		}
	}
	return n
}

// buildMinutes is what CodeBuild counts of a run, under either.
func buildMinutes(d pipeline.Declaration) (n float64) {
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if told[a.TypeID.Provider] {
				n += takes[a.TypeID.Category].Minutes()
			}
		}
	}
	return n
}

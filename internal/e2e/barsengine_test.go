package e2e_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// chain is a machine of n tasks, one after the other, as package compile
// writes them.
func chain(n int) string {
	var s strings.Builder
	s.WriteString(`{"StartAt":"S0","States":{`)
	for i := range n {
		then := fmt.Sprintf(`"Next":"S%d"`, i+1)
		if i == n-1 {
			then = `"End":true`
		}
		fmt.Fprintf(&s, `"S%d":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken",`+
			`"Parameters":{"FunctionName":"build","Payload":{"token.$":"$$.Task.Token","run.$":"$$.Execution.Name","execution.$":"$.execution","stage":"Steps","action":"S%d"}},`+
			`"ResultPath":null,"TimeoutSeconds":3600,"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":null,"Next":"E%d"}],%s},"E%d":{"Type":"Fail"},`, i, i, i, then, i)
	}
	return strings.TrimSuffix(s.String(), ",") + `}}`
}

const (
	chainInput  = `{"execution":"6f1c1d0e-7c1e-4f6b-9d1f-2f4f8f6a1b2c"}`
	chainOutput = `{}`
)

// An enginePlace is an engine on SQLite that hands the tokens of its tasks to
// the benchmark, beside a bare SQLite that commits a row at synchronous=FULL.
type enginePlace struct {
	*engine.Engine
	b      *testing.B
	tokens chan string
	bare   *sql.DB
}

// Invoke implements engine.Invoker.
func (p *enginePlace) Invoke(_ context.Context, _ string, payload []byte) error {
	_, after, _ := strings.Cut(string(payload), `"token":"`)
	token, _, _ := strings.Cut(after, `"`)
	p.tokens <- token
	return nil
}

func newEnginePlace(b *testing.B, text string) *enginePlace {
	b.Helper()
	db, err := sqlite.Open(b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	journal, err := engine.NewJournal(b.Context(), db)
	if err != nil {
		b.Fatal(err)
	}
	p := &enginePlace{b: b, tokens: make(chan string, 20000)}
	definition := func(context.Context, string, int) ([]byte, error) { return []byte(text), nil }
	if p.Engine, err = engine.Open(b.Context(), journal, p, definition, engine.Options{}); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- p.Serve(ctx) }()
	p.bare, err = sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	p.bare.SetMaxOpenConns(1)
	if _, err := p.bare.Exec("CREATE TABLE t (seq INTEGER PRIMARY KEY, v BLOB)"); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stop()
		<-served
		db.Close()
		p.bare.Close()
	})
	return p
}

func (p *enginePlace) begin(name string) {
	err := p.Start(context.Background(), machine.Start{Name: name, Pipeline: "web", Version: 1, Input: []byte(chainInput)})
	if err != nil {
		p.b.Error(err)
	}
}

func (p *enginePlace) answer(token string) {
	if err := p.Succeed(context.Background(), token, []byte(chainOutput)); err != nil {
		p.b.Error(err)
	}
}

// commit returns how long one of n bare commits takes.
func (p *enginePlace) commit(n int) time.Duration {
	row := make([]byte, 700)
	return clock(func() {
		for range n {
			if _, err := p.bare.Exec("INSERT INTO t (v) VALUES (?)", row); err != nil {
				p.b.Fatal(err)
			}
		}
	}) / time.Duration(n)
}

const barRounds = 9

// transitionAlone: from the answer of a task to the call of the next.
func transitionAlone(b *testing.B) []bar {
	const n = 200
	p := newEnginePlace(b, chain(n*barRounds+1))
	p.begin("run")
	token := <-p.tokens
	f, l, ratio := inTurns(barRounds, func() time.Duration {
		return clock(func() {
			for range n {
				p.answer(token)
				token = <-p.tokens
			}
		}) / n
	}, func() time.Duration { return p.commit(n) })
	return []bar{{what: "transition, one run", measured: short(f), limit: short(l) + " a FULL commit", ratio: ratio, most: 1.4}}
}

// transitions64: what 64 runs do in the time of one commit.
func transitions64(b *testing.B) []bar {
	const runs, turns = 64, 100
	p := newEnginePlace(b, chain(2*turns*(barRounds+1)))
	for i := range runs {
		p.begin(fmt.Sprint("run", i))
	}
	round := func() time.Duration {
		var left atomic.Int64 // shared, so that all are there to the end
		left.Store(runs * turns)
		return clock(func() {
			var all sync.WaitGroup
			for range runs {
				all.Go(func() {
					for left.Add(-1) >= 0 {
						p.answer(<-p.tokens)
					}
				})
			}
			all.Wait()
		}) / (runs * turns)
	}
	round() // the journal has its size after that
	f, l, ratio := inTurns(barRounds, round, func() time.Duration { return p.commit(200) })
	return []bar{{what: "transition, 64 runs: how many in a commit", measured: short(f), limit: short(l) + " a FULL commit", ratio: 1 / ratio, least: 20}}
}

// interpreter: a state without the shell.
func interpreter(b *testing.B) []bar {
	m, err := engine.Load([]byte(chain(100)))
	if err != nil {
		b.Fatal(err)
	}
	now, states := time.Now(), 0
	var all []time.Duration
	for range barRounds {
		states = 0
		all = append(all, clock(func() {
			for range 50 {
				run, effects := engine.Start(m, engine.Begin{Name: "run", Pipeline: "web", Input: []byte(chainInput)}, now)
				for run.Status == machine.Running {
					token := effects[len(effects)-1].(engine.Invoke).Token
					run, effects, _ = engine.Step(m, run, engine.TaskSucceeded{Token: token, Output: []byte(chainOutput)}, now)
					states++
				}
			}
		})/time.Duration(states))
	}
	d := median(all)
	return []bar{{what: "interpreter, µs a state", measured: short(d), ratio: float64(d) / float64(time.Microsecond), most: 20}}
}

// waitingRuns: what runs cost that wait for a task.
func waitingRuns(b *testing.B) []bar {
	const n = 10000
	p := newEnginePlace(b, chain(10))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	spent := clock(func() {
		names := make(chan int)
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				for i := range names {
					p.begin(fmt.Sprint("run", i))
				}
			})
		}
		for i := range n {
			names <- i
		}
		close(names)
		all.Wait()
		for range n {
			<-p.tokens
		}
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	return []bar{{
		what:     "10,000 runs that wait for a task",
		measured: fmt.Sprintf("%.1f MB, %.0f started a second", float64(after.HeapAlloc-before.HeapAlloc)/1e6, n/spent.Seconds()),
	}}
}

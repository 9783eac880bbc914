package engine

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

	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// The benchmarks compare with a bare SQLite connection at synchronous=FULL
// that commits a row of about the size of a record, in turns within one run:
// only the ratios mean something.
//
//	go test -run '^$' -bench . -benchtime 5000x ./internal/engine

// tasks is a chain of n tasks with a payload as package compile writes it.
func tasks(n int) string {
	var b strings.Builder
	b.WriteString(`{"StartAt":"S0","States":{`)
	for i := range n {
		then := fmt.Sprintf(`"Next":"S%d"`, i+1)
		if i == n-1 {
			then = `"End":true`
		}
		fmt.Fprintf(&b, `"S%d":{%s,"Parameters":{"FunctionName":"stage","Payload":{"token.$":"$$.Task.Token","executionId.$":"$$.Execution.Input.executionId","pipeline.$":"$$.Execution.Input.pipeline","stage":"S%d","entry.$":"$.entry"}},"ResultPath":"$.last","TimeoutSeconds":3600,"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.error","Next":"E%d"}],%s},"E%d":{"Type":"Fail"}`, i, lambda, i, i, then, i)
		if i < n-1 {
			b.WriteByte(',')
		}
	}
	b.WriteString(`}}`)
	return b.String()
}

const benchInput = `{"executionId":"6f1c1d0e-7c1e-4f6b-9d1f-2f4f8f6a1b2c","pipeline":"web-frontend","version":3,"entry":1,"stages":["Source","Build","Deploy"]}`

var benchOutput = []byte(`{"status":"Succeeded","fence":17,"entry":2}`)

// a rig is an engine on SQLite whose tasks are answered by whoever reads calls.
type rig struct {
	*Engine
	calls   chan string // tokens
	ended   chan string
	bare    *sql.DB
	journal *counting
}

func (r *rig) Invoke(_ context.Context, _ string, payload []byte) error {
	s := string(payload[len(`{"token":"`):])
	r.calls <- s[:strings.IndexByte(s, '"')]
	return nil
}

// counting counts commits and their bytes.
type counting struct {
	Journal
	commits, bytes int
	spent          time.Duration
}

func (c *counting) Append(ctx context.Context, names string, batch []byte) error {
	start := time.Now()
	defer func() { c.spent += time.Since(start) }()
	c.commits++
	c.bytes += len(batch)
	return c.Journal.Append(ctx, names, batch)
}

func newRig(b *testing.B, text string) *rig {
	b.Helper()
	ctx := b.Context()
	db, err := sqlite.Open(b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	j, err := NewJournal(ctx, db)
	if err != nil {
		b.Fatal(err)
	}
	counted := &counting{Journal: j}
	r := &rig{journal: counted, calls: make(chan string, 20000), ended: make(chan string, 20000)}
	definition := func(context.Context, string, int) ([]byte, error) { return []byte(text), nil }
	r.Engine, err = Open(ctx, counted, r, definition, Options{
		Ended: func(name string, _ machine.Status, _, _ string) { r.ended <- name },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- r.Serve(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Error(err)
		}
		db.Close()
	})
	r.bare, err = sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		b.Fatal(err)
	}
	r.bare.SetMaxOpenConns(1)
	b.Cleanup(func() { r.bare.Close() })
	if _, err := r.bare.Exec("CREATE TABLE t (seq INTEGER PRIMARY KEY, v BLOB)"); err != nil {
		b.Fatal(err)
	}
	return r
}

var row = make([]byte, 700)

func (r *rig) commits(b *testing.B, n int) time.Duration {
	b.Helper()
	start := time.Now()
	for range n {
		if _, err := r.bare.Exec("INSERT INTO t (v) VALUES (?)", row); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

func (r *rig) begin(b *testing.B, name string) {
	b.Helper()
	if err := r.Start(context.Background(), machine.Start{Name: name, Pipeline: "web", Version: 1, Input: []byte(benchInput)}); err != nil {
		b.Error(err)
	}
}

// BenchmarkTransition1: one run at a time, from the answer of a task to the
// Invoke of the next one.
func BenchmarkTransition1(b *testing.B) {
	r := newRig(b, tasks(100))
	var spent, bare time.Duration
	token, left, runs := "", 0, 0
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if left == 0 {
			runs++
			r.begin(b, fmt.Sprint("run", runs))
			token, left = <-r.calls, 99
		}
		start := time.Now()
		if err := r.Succeed(context.Background(), token, benchOutput); err != nil {
			b.Fatal(err)
		}
		token = <-r.calls
		spent += time.Since(start)
		if left--; left == 0 {
			r.Stop(context.Background(), fmt.Sprint("run", runs), "", "")
		}
		if i%50 == 49 {
			bare += r.commits(b, 50)
		}
	}
	n := float64(b.N)
	bare = max(bare, 1) * time.Duration(b.N) / time.Duration(max(1, b.N/50*50))
	b.ReportMetric(float64(spent.Microseconds())/n, "µs/transition")
	b.ReportMetric(float64(bare.Microseconds())/n, "µs/commit")
	b.ReportMetric(float64(spent)/float64(bare), "commits/transition")
	b.ReportMetric(float64(r.journal.spent.Microseconds())/float64(r.journal.commits), "µs/append")
}

// BenchmarkTransition64: 64 runs at once; transitions in the time of a commit.
func BenchmarkTransition64(b *testing.B) {
	const n = 64
	r := newRig(b, tasks(2000))
	for i := range n {
		r.begin(b, fmt.Sprint("run", i))
	}
	const turn = 25 // of every run
	var spent, bare time.Duration
	done := 0
	for b.Loop() {
		if done++; done*turn > 1900 {
			b.Fatal("use a smaller -benchtime: the machine has 2000 states")
		}
		start := time.Now()
		var all sync.WaitGroup
		var left atomic.Int64 // shared, so that all 64 are there to the end
		left.Store(n * turn)
		for range n {
			all.Go(func() {
				for left.Add(-1) >= 0 {
					if err := r.Succeed(context.Background(), <-r.calls, benchOutput); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		spent += time.Since(start)
		bare += r.commits(b, 64)
	}
	done *= n * turn
	perCommit := float64(bare) / float64(b.N*64)
	b.ReportMetric(float64(spent.Microseconds())/float64(done), "µs/transition")
	b.ReportMetric(perCommit/1000, "µs/commit")
	b.ReportMetric(float64(done)/float64(r.journal.commits), "transitions/group")
	b.ReportMetric(float64(r.journal.bytes)/float64(done), "B/transition")
	b.ReportMetric(float64(r.journal.spent.Microseconds())/float64(r.journal.commits), "µs/group")
	b.ReportMetric(float64(done)*perCommit/float64(spent), "transitions/commit")
}

// BenchmarkInterpreter: a state without the shell.
func BenchmarkInterpreter(b *testing.B) {
	m := mustLoad(b, tasks(100))
	b.ReportAllocs()
	b.ResetTimer()
	states := 0
	for b.Loop() {
		run, effects := Start(m, Begin{Name: "run", Pipeline: "web", Input: []byte(benchInput)}, epoch)
		for run.Status == machine.Running {
			states++
			token := effects[len(effects)-1].(Invoke).Token
			run, effects, _ = Step(m, run, TaskSucceeded{token, benchOutput}, epoch)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(states), "ns/state")
}

// BenchmarkWaiting10000: the memory of runs that wait for a task.
func BenchmarkWaiting10000(b *testing.B) {
	const n = 10000
	for b.Loop() {
		r := newRig(b, tasks(10))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		work := make(chan int)
		done := make(chan bool)
		for range 64 {
			go func() {
				for i := range work {
					r.begin(b, fmt.Sprint("run", i))
				}
				done <- true
			}()
		}
		start := time.Now()
		for i := range n {
			work <- i
			<-r.calls
		}
		close(work)
		for range 64 {
			<-done
		}
		b.ReportMetric(n/time.Since(start).Seconds(), "starts/s")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/run")
		b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
		start = time.Now()
		if err := r.Succeed(context.Background(), "run5000.1", benchOutput); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(start).Microseconds()), "µs/answer")
	}
}

// BenchmarkRuns10: runs of ten tasks from the start to the Ended hook, 1 and 64
// at once.
func BenchmarkRuns10(b *testing.B) {
	for _, n := range []int{1, 64} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRig(b, tasks(10))
			for range n {
				go func() {
					for token := range r.calls {
						if err := r.Succeed(context.Background(), token, benchOutput); err != nil {
							b.Error(err)
						}
					}
				}()
			}
			defer close(r.calls)
			started, over := 0, 0
			for b.Loop() {
				for started-over < n {
					go r.begin(b, fmt.Sprint("run", started))
					started++
				}
				<-r.ended
				over++
			}
			for ; over < started; over++ {
				<-r.ended
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}

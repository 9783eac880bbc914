package cost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// A usage is what AWS would bill for.
type usage struct {
	states  int            // that the machine entered
	calls   map[string]int // of functions, by name
	reads   int            // DynamoDB, read units
	writes  int            // and write units
	events  int            // put on the event bus
	notices int            // published to topics; each is one mail
	errands int            // through the queue
	puts    int            // of objects, and reads of them
	gets    int
}

// A world is a deployment with pipelines, in one thread and in a time of its
// own. Every call of a function begins a process, so nothing is in a cache.
type world struct {
	t      *testing.T
	now    time.Time
	ids    int
	meter  *meter
	store  store.Store
	agenda []due
	runs   map[string]*run
	jobs   map[string]*job
	person time.Duration // how long an approval waits
	used   usage
}

// due is something that will happen.
type due struct {
	at time.Time
	f  func()
}

const home = "arn:aws:states:us-east-1:111122223333:stateMachine:sluice-web:1"

// deploy returns a world with pipelines.
func deploy(t *testing.T, pipelines ...pipeline.Declaration) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 10, 0, time.UTC), runs: map[string]*run{}, jobs: map[string]*job{}}
	w.meter = newMeter(dynamotest.New(1, dynamotest.Faults{}))
	table, err := dynamo.New(w.meter, "table")
	if err != nil {
		t.Fatal(err)
	}
	w.store = store.Observe(table, w.stream)
	for _, d := range pipelines {
		_, err := w.service().Deploy(t.Context(), orchestrator.Deployment{Declaration: d, Home: record.Home{Machine: home, Role: "arn:aws:iam::111122223333:role/sluice-pipeline-web"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.until(func() bool { return len(w.agenda) == 0 })
	w.reset()
	return w
}

// reset forgets what was used so far.
func (w *world) reset() {
	w.meter.reads, w.meter.writes = 0, 0
	w.used = usage{calls: map[string]int{}}
}

// taken returns what was used since the last reset.
func (w *world) taken() usage {
	w.used.reads, w.used.writes = w.meter.reads, w.meter.writes
	return w.used
}

func (w *world) service() *orchestrator.Service {
	ports := orchestrator.Ports{Store: w.store, Machine: machines{w}, Catalog: catalog{w}, Bus: topics{w}}
	s, err := orchestrator.New(ports, orchestrator.Home{Account: "111122223333", Region: "us-east-1"}, orchestrator.Options{
		Now:   func() time.Time { return w.now },
		NewID: func() string { w.ids++; return fmt.Sprintf("00000000-0000-4000-8000-%012d", w.ids) },
		Send:  w.send,
		Mail: orchestrator.Mail{
			Alerts: "arn:aws:sns:us-east-1:111122223333:sluice-alerts", Approvals: "arn:aws:sns:us-east-1:111122223333:sluice-approvals",
			Pages: "https://abcdefghijklmnopqrstuvwxyz012345.lambda-url.us-east-1.on.aws",
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// call calls a function once.
func (w *world) call(function string, f func(context.Context, *orchestrator.Service) error) {
	w.t.Helper()
	w.used.calls[function]++
	w.do(f)
}

func (w *world) do(f func(context.Context, *orchestrator.Service) error) {
	w.t.Helper()
	if err := f(w.t.Context(), w.service()); err != nil {
		w.t.Fatal(err)
	}
}

// in lets f happen later.
func (w *world) in(d time.Duration, f func()) {
	w.agenda = append(w.agenda, due{w.now.Add(d), f})
	slices.SortStableFunc(w.agenda, func(a, b due) int { return a.at.Compare(b.at) })
}

// until lets what is due happen, in order, until done.
func (w *world) until(done func() bool) {
	w.t.Helper()
	for steps := 0; !done(); steps++ {
		if len(w.agenda) == 0 || steps > 100_000 {
			w.t.Fatalf("nothing happens any more after %d steps", steps)
		}
		next := w.agenda[0]
		w.agenda = w.agenda[1:]
		if next.at.After(w.now) {
			w.now = next.at
		}
		next.f()
	}
}

// stream calls the function outbox with every row that is written, one at a
// time: rows of an idle system come one at a time.
func (w *world) stream(ops []store.Op) {
	for _, row := range orchestrator.RowsOf(ops) {
		w.in(0, func() {
			w.call("outbox", func(ctx context.Context, s *orchestrator.Service) error {
				if err := s.Act(ctx, row.Outbox); err != nil {
					return err
				}
				if err := s.Announce(ctx, row.Outbox); err != nil {
					return err
				}
				return s.Delivered(ctx, []store.Key{row.Key})
			})
		})
	}
}

// send puts an errand on the queue, which calls the function resume.
func (w *world) send(_ context.Context, e orchestrator.Errand) error {
	w.used.errands++
	w.in(max(0, e.Due.Sub(w.now)), func() {
		w.call("resume", func(ctx context.Context, s *orchestrator.Service) error { return s.Run(ctx, e) })
	})
	return nil
}

// sweep is what the function outbox does each minute. The call is the idle
// deployment's, whether a run is under way or not.
func (w *world) sweep() {
	w.do(func(ctx context.Context, s *orchestrator.Service) error {
		if err := s.Sweep(ctx); err != nil {
			return err
		}
		rows, err := s.Outbox(ctx)
		if len(rows) > 0 {
			w.t.Fatalf("%d rows wait at the time of a sweep; the stream should have delivered them", len(rows))
		}
		return err
	})
}

// idle returns what sweeps of a deployment read in which nothing goes on.
func (w *world) idle() int {
	w.reset()
	w.sweep()
	if w.meter.writes > 0 {
		w.t.Fatalf("an idle sweep writes %d units; want none", w.meter.writes)
	}
	return w.meter.reads
}

// run runs a pipeline from its start to its end, with a sweep each minute, and
// returns what it takes above what the idle deployment takes anyway.
func (w *world) run(d pipeline.Declaration) usage {
	w.t.Helper()
	idle := w.idle()
	w.reset()
	w.now = w.now.Truncate(time.Minute).Add(70 * time.Second) // nothing falls together with a sweep
	execution := w.start(d)
	sweeps := 0
	var each func()
	ended := false
	each = func() {
		if ended {
			return
		}
		sweeps++
		w.sweep()
		w.in(time.Minute, each)
	}
	w.in(w.now.Truncate(time.Minute).Add(time.Minute).Sub(w.now), each)
	w.until(func() bool {
		if !ended {
			e, err := record.Reader{Store: unmetered(w), Account: "111122223333"}.Execution(w.t.Context(), d.Name, *execution)
			if err == nil && e.Value.Status.Final() {
				if e.Value.Status != pipeline.Succeeded {
					w.t.Fatalf("the run ended as %s: %s", e.Value.Status, e.Value.StatusSummary)
				}
				ended = true
			}
		}
		return ended && len(w.agenda) == 0
	})
	u := w.taken()
	u.reads -= sweeps * idle
	return u
}

// start starts d: by an event of its CodeCommit repository, or by a request.
// The id of the execution is known when the start has happened.
func (w *world) start(d pipeline.Declaration) *string {
	id := new(string)
	source := d.Stages[0].Actions[0]
	if source.TypeID.Provider == "CodeCommit" {
		w.in(0, func() {
			w.call("trigger", func(ctx context.Context, s *orchestrator.Service) error {
				made, err := s.Notice(ctx, fmt.Sprintf("53dc4d37-cffa-4f76-80c9-%012d", w.ids), trigger.Push{
					Repository: source.Configuration["RepositoryName"], RefType: trigger.Branch, Ref: source.Configuration["BranchName"],
					Commit: "0123456789abcdef0123456789abcdef01234567", OldCommit: "89abcdef0123456789abcdef0123456789abcdef",
				})
				if err == nil && (len(made) != 1 || made[0].Execution == "") {
					w.t.Fatalf("the push started nothing: %+v", made)
				}
				if err == nil {
					*id = made[0].Execution
				}
				return err
			})
		})
		return id
	}
	w.in(0, func() {
		w.call("api", func(ctx context.Context, s *orchestrator.Service) (err error) {
			*id, err = s.StartExecution(ctx, orchestrator.Start{Pipeline: d.Name, Trigger: record.Trigger{Type: "StartPipelineExecution", Detail: "arn:aws:iam::111122223333:user/mary"}})
			return err
		})
	})
	return id
}

// unmetered reads the table of w without anybody counting.
func unmetered(w *world) store.Store {
	table, err := dynamo.New(w.meter.Client, "table")
	if err != nil {
		w.t.Fatal(err)
	}
	return table
}

// topics is the bus and the topics.
type topics struct{ w *world }

func (b topics) Publish(_ context.Context, e bus.Event) error {
	if e.DetailType == "Notification" {
		b.w.used.notices++
	} else {
		b.w.used.events++
	}
	return nil
}

// functionOf returns which function a task calls.
func functionOf(t *testing.T, task asl.Task) string {
	t.Helper()
	var parameters struct{ FunctionName string }
	if err := json.Unmarshal(task.Parameters, &parameters); err != nil || parameters.FunctionName == "" {
		t.Fatalf("a task calls no function: %s, %v", task.Parameters, err)
	}
	return parameters.FunctionName
}

// run is a run of a machine.
type run struct {
	machine *engine.Machine
	state   engine.Run
}

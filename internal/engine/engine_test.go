package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/machine"
)

// A lab is one process: an engine on a journal, and functions that answer as
// outcome says. It notes what it sees.
type lab struct {
	*Engine
	mu      sync.Mutex
	path    []string // entered states, in order
	calls   []string // payloads
	ended   []string
	outcome func(l *lab, function, token string) error // nil: succeed with the function's name
	stop    func()
}

func (l *lab) Invoke(_ context.Context, function string, payload []byte) error {
	l.mu.Lock()
	l.calls = append(l.calls, string(payload))
	l.mu.Unlock()
	token := strings.Trim(string(payload), `"`)
	if l.outcome != nil {
		return l.outcome(l, function, token)
	}
	err := l.Succeed(context.Background(), token, []byte(`"`+function+`"`))
	if errors.Is(err, machine.ErrTaskGone) || errors.Is(err, ErrClosed) {
		return nil
	}
	return err
}

// calledWithToken is a Task whose payload is its token.
func calledWithToken(function string) string {
	return lambda + `,"Parameters":{"FunctionName":"` + function + `","Payload.$":"$$.Task.Token"}`
}

func open(t testing.TB, j Journal, text string, set func(*lab, *Options)) *lab {
	t.Helper()
	l := &lab{}
	opts := Options{
		Entered: func(_, state string) { l.path = append(l.path, state) },
		Ended: func(name string, status machine.Status, errorName, _ string) {
			l.mu.Lock()
			l.ended = append(l.ended, strings.TrimSpace(name+" "+string(status)+" "+errorName))
			l.mu.Unlock()
		},
	}
	if set != nil {
		set(l, &opts)
	}
	definition := func(context.Context, string, int) ([]byte, error) { return []byte(text), nil }
	e, err := Open(context.Background(), j, l, definition, opts)
	if err != nil {
		t.Fatal(err)
	}
	l.Engine = e
	return l
}

func (l *lab) serve(t testing.TB) *lab {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- l.Serve(ctx) }()
	l.stop = sync.OnceFunc(func() { cancel(); l.check(t, <-done) })
	return l
}

func (l *lab) check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

func (l *lab) start(t testing.TB, name string) {
	t.Helper()
	l.check(t, l.Start(context.Background(), machine.Start{Name: name, Pipeline: "web", Version: 1, Input: []byte(`{}`)}))
}

func (l *lab) wantStatus(t testing.TB, name string, want machine.Status) {
	t.Helper()
	if got, err := l.Describe(context.Background(), name); got != want || err != nil {
		t.Errorf("run %s is %s, %v; want %s", name, got, err, want)
	}
}

func silent(*lab, string, string) error { return nil }

// bubble runs f in fake time.
func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

var chain = `{"StartAt":"A","States":{"A":{` + calledWithToken("a") + `,"Next":"W"},"W":{"Type":"Wait","Seconds":30,"Next":"P"},
	"P":{"Type":"Parallel","Branches":[
		{"StartAt":"B","States":{"B":{` + calledWithToken("b") + `,"Retry":[{"ErrorEquals":["Boom"],"IntervalSeconds":3}],"End":true}}},
		{"StartAt":"C","States":{"C":{` + calledWithToken("c") + `,"TimeoutSeconds":9,"Catch":[{"ErrorEquals":["States.Timeout"],"Next":"D"}],"End":true},"D":{` + calledWithToken("d") + `,"End":true}}}],
	"Next":"Z"},"Z":{` + calledWithToken("z") + `,"End":true}}}`

// mixed lets b fail once and c never answer.
func mixed() func(l *lab, function, token string) error {
	var once sync.Once
	return func(l *lab, function, token string) error {
		ctx, err := context.Background(), error(nil)
		switch function {
		case "c":
			return nil
		case "b":
			fail := false
			once.Do(func() { fail = true })
			if fail {
				err = l.Fail(ctx, token, "Boom", "")
				break
			}
			fallthrough
		default:
			err = l.Succeed(ctx, token, []byte(`"`+function+`"`))
		}
		if errors.Is(err, machine.ErrTaskGone) || errors.Is(err, ErrClosed) {
			return nil
		}
		return err
	}
}

func TestEngine(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := open(t, newMemory(), chain, func(l *lab, _ *Options) { l.outcome = mixed() }).serve(t)
		l.wantStatus(t, "r1", machine.Unknown)
		l.start(t, "r1")
		l.start(t, "r1")
		l.wantStatus(t, "r1", machine.Running)
		time.Sleep(time.Minute)
		synctest.Wait()
		l.wantStatus(t, "r1", machine.Succeeded)
		if got, want := strings.Join(l.path, " "), "A W P B C D Z"; got != want {
			t.Errorf("path %q; want %q", got, want)
		}
		if !slices.Equal(l.ended, []string{"r1 SUCCEEDED"}) {
			t.Errorf("ended %q", l.ended)
		}
		l.stop()
		if err := l.Succeed(context.Background(), "r1.1", []byte("1")); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestCrowd: of many callers that come back at once, none is forgotten.
func TestCrowd(t *testing.T) {
	const n = 64
	ended := make(chan machine.Status, n)
	l := open(t, newMemory(), tasks(40), func(l *lab, o *Options) {
		o.Ended = func(_ string, status machine.Status, _, _ string) { ended <- status }
		l.outcome = func(l *lab, _, payload string) error {
			_, token, _ := strings.Cut(payload, `token":"`)
			token, _, _ = strings.Cut(token, `"`)
			return l.Succeed(context.Background(), token, benchOutput)
		}
	}).serve(t)
	defer l.stop()
	for i := range n {
		go func() {
			l.check(t, l.Start(context.Background(), machine.Start{Name: fmt.Sprint("run", i), Pipeline: "web", Version: 1, Input: []byte(benchInput)}))
		}()
	}
	late := time.After(time.Minute) // a bound for a broken engine, not a measure
	for range n {
		select {
		case status := <-ended:
			if status != machine.Succeeded {
				t.Errorf("a run is %s", status)
			}
		case <-late:
			t.Fatal("runs that were answered have not ended")
		}
	}
}

func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newMemory()
		l := open(t, j, chain, func(l *lab, _ *Options) { l.outcome = silent }).serve(t)
		ctx := context.Background()
		l.check(t, l.Stop(ctx, "never", "", ""))
		l.start(t, "r1")
		l.check(t, l.Stop(ctx, "r1", "Stop", "by hand"))
		l.check(t, l.Stop(ctx, "r1", "Stop", "by hand"))
		l.wantStatus(t, "r1", machine.Aborted)
		if err := l.Succeed(ctx, "r1.1", []byte("1")); !errors.Is(err, machine.ErrTaskGone) {
			t.Errorf("a task of a stopped run: %v", err)
		}
		l.start(t, "r1")
		l.wantStatus(t, "r1", machine.Aborted)
		l.stop()
		l = open(t, j, chain, nil).serve(t)
		defer l.stop()
		l.start(t, "r1")
		l.wantStatus(t, "r1", machine.Aborted)
	})
}

func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := open(t, newMemory(), chain, func(l *lab, _ *Options) { l.outcome = silent }).serve(t)
		defer l.stop()
		ctx := context.Background()
		for _, s := range []machine.Start{
			{Name: "", Pipeline: "p"}, {Name: "a.b", Pipeline: "p", Input: []byte("{}")}, {Name: "a", Pipeline: `"`, Input: []byte("{}")},
			{Name: "a", Pipeline: "p", Input: []byte("{")}, {Name: strings.Repeat("a", 81), Pipeline: "p", Input: []byte("{}")},
		} {
			if err := l.Start(ctx, s); err == nil {
				t.Errorf("%+v was started", s)
			}
		}
		l.start(t, "r1")
		big := []byte(`"` + strings.Repeat("x", 262143) + `"`)
		for _, output := range [][]byte{[]byte("{"), nil, big} {
			if err := l.Succeed(ctx, "r1.1", output); err == nil || errors.Is(err, machine.ErrTaskGone) {
				t.Errorf("output of %d bytes: %v", len(output), err)
			}
		}
		l.check(t, l.Succeed(ctx, "r1.1", []byte(" { } ")))
	})
}

type named struct{ error }

func (named) ErrorName() string { return "Named" }

// TestInvokeFails: what Invoke returns is the error of the task.
func TestInvokeFails(t *testing.T) {
	for want, err := range map[string]error{
		"r1 FAILED Named":          fmt.Errorf("call: %w", named{errors.New("x")}),
		"r1 FAILED Lambda.Unknown": errors.New("x"),
	} {
		bubble(t, func(t *testing.T) {
			l := open(t, newMemory(), chain, func(l *lab, _ *Options) {
				l.outcome = func(*lab, string, string) error { return err }
			}).serve(t)
			l.start(t, "r1")
			synctest.Wait()
			l.stop()
			if !slices.Equal(l.ended, []string{want}) {
				t.Errorf("ended %q; want %s", l.ended, want)
			}
		})
	}
	bubble(t, func(t *testing.T) {
		l := open(t, newMemory(), chain, func(l *lab, _ *Options) {
			l.outcome = func(*lab, string, string) error { panic("boom") }
		}).serve(t)
		l.start(t, "r1")
		synctest.Wait()
		l.stop()
		if !slices.Equal(l.ended, []string{"r1 FAILED Lambda.Unknown"}) {
			t.Errorf("ended %q", l.ended)
		}
	})
}

// TestCommitBeforeEffect: at the moment of each commit, nothing that follows
// from it has been seen. A journal that fails lets nothing be seen at all.
func TestCommitBeforeEffect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newMemory()
		l := open(t, j, chain, func(l *lab, _ *Options) { l.outcome = mixed() })
		answered := 0
		j.before = func() {
			time.Sleep(time.Second) // long enough for whoever does not wait
			l.mu.Lock()
			defer l.mu.Unlock()
			if len(j.batches) == 0 && (len(l.path)+len(l.calls)+answered > 0) {
				t.Errorf("before the first commit: entered %v, called %v, answered %d", l.path, l.calls, answered)
			}
			if status, _ := l.shelf.status("r1"); len(j.batches) == 0 && status != "" {
				t.Errorf("before the first commit: status %s", status)
			}
		}
		l.serve(t)
		l.start(t, "r1")
		answered++
		time.Sleep(time.Hour)
		l.wantStatus(t, "r1", machine.Succeeded)

		l.mu.Lock()
		path, calls := len(l.path), len(l.calls)
		l.mu.Unlock()
		j.fail(syscall.ENOSPC)
		err := l.Start(context.Background(), machine.Start{Name: "r2", Pipeline: "web", Input: []byte("{}")})
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("on a full disk: %v", err)
		}
		time.Sleep(time.Hour)
		if len(l.path) != path || len(l.calls) != calls {
			t.Errorf("an effect without a commit: %v %v", l.path[path:], l.calls[calls:])
		}
		l.wantStatus(t, "r2", machine.Unknown)
		j.fail(nil)
		l.start(t, "r2")
		time.Sleep(time.Hour)
		l.wantStatus(t, "r2", machine.Succeeded)
		l.stop()
	})
}

// TestFailedCommit: after any commit that fails, callers can do what they asked
// for again, and what nobody asked for is done by itself: timers, and tasks
// whose Invoke failed.
func TestFailedCommit(t *testing.T) {
	for n := range 12 {
		bubble(t, func(t *testing.T) {
			j := newMemory()
			writes := 0
			j.before = func() {
				if writes++; writes == n+2 { // the first one stores the text
					j.failing = syscall.ENOSPC
				} else {
					j.failing = nil
				}
			}
			l := open(t, j, chain, func(l *lab, _ *Options) {
				answer := mixed()
				l.outcome = func(l *lab, function, token string) error {
					for {
						if err := answer(l, function, token); !errors.Is(err, syscall.ENOSPC) {
							return err
						}
						time.Sleep(time.Second)
					}
				}
			}).serve(t)
			s := machine.Start{Name: "r1", Pipeline: "web", Input: []byte(`{}`)}
			if err := l.Start(context.Background(), s); err != nil {
				l.check(t, l.Start(context.Background(), s))
			}
			time.Sleep(time.Hour)
			l.wantStatus(t, "r1", machine.Succeeded)
			j.before = nil
			l.stop()
			if got := strings.Join(l.path, " "); got != "A W P B C D Z" {
				t.Errorf("commit %d fails: path %q", n, got)
			}
		})
	}
}

// TestRestartEverywhere: the process dies after any commit, with nothing of
// what follows done. The next one comes to the same end on the same path.
func TestRestartEverywhere(t *testing.T) {
	for _, bytes := range []int{1, 600, 1 << 20} { // with checkpoints all the time, sometimes, never
		var history []*memory
		bubble(t, func(t *testing.T) {
			j := newMemory()
			j.keep = true
			l := open(t, j, chain, func(l *lab, o *Options) { l.outcome = mixed(); o.CheckpointBytes = bytes }).serve(t)
			l.start(t, "r1")
			time.Sleep(time.Hour)
			l.stop()
			history = j.history
		})
		if len(history) < 8 {
			t.Fatalf("%d commits", len(history))
		}
		for n, j := range history {
			bubble(t, func(t *testing.T) {
				time.Sleep(time.Minute) // the time of the bubble that wrote the journal is over
				l := open(t, j, chain, func(l *lab, o *Options) { l.outcome = mixed(); o.CheckpointBytes = bytes })
				known := len(l.shelf.runs) > 0
				l.serve(t)
				l.start(t, "r1")
				time.Sleep(time.Hour)
				l.wantStatus(t, "r1", machine.Succeeded)
				l.stop()
				if len(l.ended) > 1 || known && len(l.ended) == 0 {
					t.Errorf("after commit %d: ended %q", n, l.ended)
				}
				if whole := []string{"A", "W", "P", "B", "C", "D", "Z"}; !slices.Equal(l.path, whole[len(whole)-len(l.path):]) {
					t.Errorf("after commit %d: path %q is no end of %q", n, l.path, whole)
				}
			})
		}
	}
}

// TestSameTextToTheEnd: a run ends on the text it began with.
func TestSameTextToTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newMemory()
		l := open(t, j, chain, func(l *lab, _ *Options) { l.outcome = silent }).serve(t)
		l.start(t, "r1")
		l.stop()
		l = open(t, j, one(`"Type":"Pass"`), nil).serve(t)
		defer l.stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := strings.Join(l.path, " "); got != "W P B C D Z" && got != "W P B C Z" {
			t.Errorf("path %q", got)
		}
	})
}

// TestQuarantine: one run whose row is damaged ends, the others go on.
func TestQuarantine(t *testing.T) {
	damage := map[string]func(j *memory){
		"a record of a batch": func(j *memory) { b := j.batches[0].Record; b[len(b)-6] ^= 1 },
		"a whole batch":       func(j *memory) { j.batches[0].Record = []byte("x") },
		"the names":           func(j *memory) { j.batches[0].Name = "\x00" },
		"nothing of a batch":  func(j *memory) { j.batches[0].Record = nil },
		"a checkpoint":        func(j *memory) { j.runs["bad"] = []byte{1} },
		"the text":            func(j *memory) { clear(j.texts) },
	}
	for name, f := range damage {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newMemory()
				l := open(t, j, chain, func(l *lab, _ *Options) { l.outcome = silent }).serve(t)
				l.start(t, "bad")
				if name == "a checkpoint" {
					l.stop()
				} else {
					j = j.copy() // as the process dies
				}
				defer l.stop()
				f(j)
				var again *lab
				for range 2 { // and the next process sees the same
					again = open(t, j, chain, nil).serve(t)
					again.start(t, "good")
					time.Sleep(time.Hour)
					again.wantStatus(t, "good", machine.Succeeded)
					if name != "the names" {
						again.wantStatus(t, "bad", machine.Failed)
					} else {
						again.wantStatus(t, "bad", machine.Succeeded)
					}
					again.stop()
				}
				if len(again.ended) > 0 {
					t.Errorf("ended again: %q", again.ended)
				}
			})
		})
	}
	j := newMemory()
	j.batches = []Row{{"", []byte("x")}}
	if _, err := Open(context.Background(), j, &lab{}, nil, Options{}); err == nil {
		t.Error("a batch of which nothing is known was passed over")
	}
}

// TestReplayIsLive drives random machines with random outcomes and compares,
// after every commit, what the journal says with what is in memory.
func TestReplayIsLive(t *testing.T) {
	for seed := range uint64(60) {
		bubble(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rng.IntN(n) }
			j := newMemory()
			var l *lab
			text := randomMachine(rng)
			j.after = func() {
				again := open(t, j.copy(), text, nil)
				for name, live := range again.shelf.runs {
					want := l.shelf.runs[name].current()
					if got, want := fmt.Sprintf("%+v", live.run), fmt.Sprintf("%+v", *want); got != want {
						t.Fatalf("seed %d: read back %s\nlive %s", seed, got, want)
					}
				}
			}
			l = open(t, j, text, func(l *lab, o *Options) {
				o.CheckpointBytes = 2000
				l.outcome = func(l *lab, function, token string) error {
					time.Sleep(time.Duration(roll(20)) * time.Second)
					var err error
					switch roll(5) {
					case 0:
						err = l.Fail(context.Background(), token, "Boom", "why")
					case 1:
						return nil // never
					case 2:
						return errors.New("invoke")
					default:
						err = l.Succeed(context.Background(), token, []byte(`{"by":"`+function+`"}`))
					}
					if errors.Is(err, machine.ErrTaskGone) || errors.Is(err, ErrClosed) {
						err = nil
					}
					return err
				}
			}).serve(t)
			for i := range 3 {
				l.start(t, fmt.Sprint("r", i))
			}
			time.Sleep(24 * time.Hour)
			for i := range 3 {
				if status, _ := l.Describe(context.Background(), fmt.Sprint("r", i)); status == machine.Running {
					t.Errorf("seed %d: run %d hangs", seed, i)
				}
			}
			l.stop()
		})
	}
}

// randomMachine returns a machine that ends, whatever its tasks do.
func randomMachine(rng *rand.Rand) string {
	n := 0
	var make func(depth int) string
	make = func(depth int) string {
		var states []string
		length := 1 + rng.IntN(4)
		first := n
		names := func(i int) string { return fmt.Sprintf("S%d_%d_%d", depth, first, i) }
		n += 100
		for i := range length {
			then := `"End":true`
			if i < length-1 {
				then = `"Next":"` + names(i+1) + `"`
			}
			rules := fmt.Sprintf(`"Retry":[{"ErrorEquals":["Boom"],"MaxAttempts":%d,"JitterStrategy":"FULL"}],`, rng.IntN(3))
			if i < length-1 {
				rules += `"Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.err","Next":"` + names(i+1) + `"}],`
			}
			s := ""
			switch k := rng.IntN(6); {
			case k == 0:
				s = `"Type":"Pass","Parameters":{"in.$":"$","u.$":"States.UUID()"},`
			case k == 1:
				s = fmt.Sprintf(`"Type":"Wait","Seconds":%d,`, 1+rng.IntN(50))
			case k == 2 && depth < 3:
				s = `"Type":"Parallel","ResultPath":"$.p","Branches":[` + make(depth+1) + `,` + make(depth+1) + `],` + rules
			default:
				s = calledWithToken("f") + fmt.Sprintf(`,"TimeoutSeconds":%d,"ResultPath":"$.r",`, 5+rng.IntN(20)) + rules
			}
			states = append(states, `"`+names(i)+`":{`+s+then+`}`)
		}
		return `{"StartAt":"` + names(0) + `","States":{` + strings.Join(states, ",") + `}}`
	}
	return make(0)
}

package stage_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/stage"
)

// A beat is an event and the effects it must have.
type beat struct {
	ev   stage.Event
	want string
}

// play lets beats happen to an empty stage and returns what becomes of it.
// Execution "a" has the sequence number 1, "b" 2, and so on.
func play(t *testing.T, mode pipeline.Mode, beats ...beat) stage.State {
	t.Helper()
	return playOn(t, stage.State{Mode: mode}, beats...)
}

func playOn(t *testing.T, s stage.State, beats ...beat) stage.State {
	t.Helper()
	for i, b := range beats {
		var effects []stage.Effect
		s, effects = stage.Step(s, b.ev)
		if got := text(effects); got != b.want {
			t.Fatalf("%s: beat %d, %T%v: effects %q; want %q", s.Mode, i, b.ev, b.ev, got, b.want)
		}
	}
	return s
}

func text(effects []stage.Effect) string {
	var words []string
	for _, e := range effects {
		switch e := e.(type) {
		case stage.Grant:
			words = append(words, fmt.Sprintf("grant %s %d", e.Execution, e.Fence))
		case stage.Supersede:
			words = append(words, "supersede "+e.Execution)
		}
	}
	return strings.Join(words, ", ")
}

func waiter(execution string, entry int) stage.Waiter {
	return stage.Waiter{Execution: execution, Seq: int64(execution[0]-'a') + 1, Entry: entry}
}

func arrive(execution string) stage.Enqueue { return stage.Enqueue{Waiter: waiter(execution, 1)} }
func leave(execution string, fence int64) stage.Release {
	return stage.Release{Execution: execution, Fence: fence}
}
func retry(execution string) stage.Reenter { return stage.Reenter{Waiter: waiter(execution, 2)} }
func gone(execution string) stage.Remove   { return stage.Remove{Execution: execution} }

var (
	closed = stage.SetEnabled{Enabled: false}
	opened = stage.SetEnabled{Enabled: true}
)

func to(mode pipeline.Mode) stage.SetMode { return stage.SetMode{Mode: mode} }

func TestMutualExclusion(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued, ""} {
		s := play(t, mode, beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{retry("a"), ""})
		if s.Owner != "a" || s.OwnerSeq != 1 || len(s.Waiting) != 1 {
			t.Errorf("%s: %+v; want a inside and b waiting", mode, s)
		}
		// Coming again while inside is no wait: nobody waits for himself.
		s = playOn(t, s, beat{stage.Enqueue{Waiter: waiter("a", 2)}, ""}, beat{leave("a", 1), "grant b 2"})
		if s.Owner != "b" || s.Waiting != nil {
			t.Errorf("%s: %+v; want b inside and nobody waiting", mode, s)
		}
	}
}

func TestNoFreeStageWaits(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		play(t, mode, beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{leave("a", 1), "grant b 2"})
		play(t, mode, beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{gone("a"), "grant b 2"})
		play(t, mode, beat{closed, ""}, beat{arrive("a"), ""}, beat{opened, "grant a 1"})
		play(t, mode, beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{gone("b"), ""}, beat{leave("a", 1), ""})
	}
}

func TestNewestWaitingWins(t *testing.T) {
	play(t, pipeline.Superseded,
		beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{arrive("c"), "supersede b"},
		beat{leave("a", 1), "grant c 2"})
	play(t, pipeline.Superseded, // in front of a disabled transition, too
		beat{closed, ""}, beat{arrive("a"), ""}, beat{arrive("b"), "supersede a"}, beat{opened, "grant b 1"})
	play(t, pipeline.Superseded, // and when the newer one was first
		beat{arrive("a"), "grant a 1"}, beat{arrive("c"), ""}, beat{arrive("b"), "supersede b"})
	play(t, pipeline.Queued, // a change of mode keeps the newest
		beat{arrive("a"), "grant a 1"}, beat{arrive("c"), ""}, beat{arrive("b"), ""}, beat{arrive("d"), ""},
		beat{to(pipeline.Superseded), "supersede c, supersede b"}, beat{leave("a", 1), "grant d 2"})
	play(t, pipeline.Parallel, // and lets it in when it finds the stage free
		beat{closed, ""}, beat{arrive("a"), ""}, beat{arrive("b"), ""},
		beat{to(pipeline.Superseded), "supersede a"}, beat{opened, "grant b 1"})
}

func TestNewestSurvives(t *testing.T) {
	play(t, pipeline.Superseded,
		beat{arrive("a"), "grant a 1"}, beat{arrive("c"), ""}, beat{arrive("b"), "supersede b"},
		beat{arrive("c"), ""}, beat{leave("a", 1), "grant c 2"})
	play(t, pipeline.Superseded, // the last that entered is not older than itself
		beat{arrive("a"), "grant a 1"}, beat{leave("a", 1), ""}, beat{closed, ""},
		beat{stage.Enqueue{Waiter: waiter("a", 2)}, ""}, beat{opened, "grant a 2"})
}

func TestFIFO(t *testing.T) {
	s := play(t, pipeline.Queued,
		beat{arrive("a"), "grant a 1"}, beat{arrive("c"), ""}, beat{arrive("b"), ""}, beat{arrive("d"), ""},
		beat{leave("a", 1), "grant b 2"}, beat{leave("b", 2), "grant c 3"}, beat{closed, ""},
		beat{leave("c", 3), ""}, beat{arrive("e"), ""}, beat{opened, "grant d 4"}, beat{leave("d", 4), "grant e 5"})
	if s.LastSeq != 5 || s.LastExec != "e" {
		t.Errorf("%+v; want e as the last that entered", s)
	}
}

func TestMonotoneEntry(t *testing.T) {
	play(t, pipeline.Superseded,
		beat{arrive("b"), "grant b 1"}, beat{leave("b", 1), ""}, beat{arrive("a"), "supersede a"})
	play(t, pipeline.Superseded, // while the newer one is inside
		beat{arrive("b"), "grant b 1"}, beat{arrive("a"), "supersede a"})
	play(t, pipeline.Queued, // and across a change of mode
		beat{arrive("b"), "grant b 1"}, beat{arrive("a"), ""}, beat{to(pipeline.Superseded), "supersede a"})
	s := play(t, pipeline.Queued, // an older entry does not set the mark back
		beat{arrive("b"), "grant b 1"}, beat{arrive("a"), ""}, beat{leave("b", 1), "grant a 2"})
	if s.LastSeq != 2 || s.LastExec != "a" {
		t.Errorf("%+v; want 2 as the highest that entered", s)
	}
}

func TestParallelAdmitsAll(t *testing.T) {
	s := play(t, pipeline.Parallel,
		beat{arrive("a"), "grant a 1"}, beat{arrive("b"), "grant b 2"}, beat{leave("a", 1), ""}, beat{gone("b"), ""},
		beat{retry("a"), "grant a 3"}, beat{closed, ""}, beat{arrive("d"), ""}, beat{arrive("c"), ""},
		beat{arrive("e"), ""}, beat{gone("e"), ""}, beat{opened, "grant d 4, grant c 5"})
	if s.Owner != "" || s.LastExec != "c" || s.LastSeq != 4 {
		t.Errorf("%+v; want no owner, c as the last, 4 as the highest", s)
	}
	s = play(t, pipeline.Queued, // a change of mode admits who waits and forgets the owner
		beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{arrive("c"), ""},
		beat{to(pipeline.Parallel), "grant b 2, grant c 3"}, beat{leave("a", 1), ""})
	if s.Owner != "" || s.OwnerSeq != 0 {
		t.Errorf("%+v; want no owner", s)
	}
	// After a change back nobody waits for those who are still inside.
	playOn(t, s, beat{to(pipeline.Queued), ""}, beat{arrive("d"), "grant d 4"}, beat{leave("c", 3), ""}, beat{arrive("e"), ""})
}

func TestFreeMeetsNobody(t *testing.T) {
	free := func(execution string, entry int) stage.Waiter {
		w := waiter(execution, entry)
		w.Free = true
		return w
	}
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		s := play(t, mode, // past the owner, and the newer one does not supersede the older
			beat{arrive("b"), "grant b 1"}, beat{arrive("c"), ""},
			beat{stage.Enqueue{Waiter: free("a", 1)}, "grant a 1"}, beat{stage.Enqueue{Waiter: free("d", 1)}, "grant d 1"},
			beat{leave("d", 1), ""}, beat{gone("a"), ""}, beat{stage.Reenter{Waiter: free("a", 2)}, "grant a 1"})
		if s.Owner != "b" || s.LastExec != "b" || s.LastSeq != 2 || len(s.Waiting) != 1 {
			t.Errorf("%s: %+v; want b inside as the last, and c waiting", mode, s)
		}
		playOn(t, s, beat{leave("b", 1), "grant c 2"})
		s = play(t, pipeline.Parallel, // those who waited when the mode changed
			beat{closed, ""}, beat{stage.Enqueue{Waiter: free("a", 1)}, ""}, beat{stage.Enqueue{Waiter: free("b", 1)}, ""},
			beat{to(mode), ""}, beat{arrive("c"), ""}, beat{stage.Enqueue{Waiter: free("a", 1)}, ""},
			beat{opened, "grant a 0, grant b 0, grant c 1"})
		if s.Owner != "c" || s.LastExec != "c" {
			t.Errorf("%s: %+v; want c inside", mode, s)
		}
	}
}

func TestClosedTransitionHolds(t *testing.T) {
	for _, mode := range modes {
		s := play(t, mode, beat{arrive("a"), "grant a 1"}, beat{closed, ""}, beat{arrive("b"), ""}, beat{leave("a", 1), ""})
		playOn(t, s, beat{opened, "grant b 2"})
		s = playOn(t, s, beat{retry("a"), "grant a 2"})
		if len(s.Waiting) != 1 || s.Waiting[0].Execution != "b" {
			t.Errorf("%s: %+v; want b waiting behind the transition", mode, s)
		}
	}
}

func TestRetryOfLast(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		left := play(t, mode, beat{arrive("a"), "grant a 1"}, beat{leave("a", 1), ""})
		playOn(t, left, beat{retry("a"), "grant a 2"}, beat{retry("a"), ""}, beat{leave("a", 2), ""}, beat{retry("a"), ""})
		playOn(t, left, beat{retry("b"), ""})
		playOn(t, left, beat{arrive("b"), "grant b 2"}, beat{retry("a"), ""}, beat{leave("b", 2), ""}, beat{retry("a"), ""})
		playOn(t, left, beat{closed, ""}, beat{arrive("b"), ""}, beat{retry("a"), "grant a 2"}, beat{opened, ""},
			beat{leave("a", 2), "grant b 3"})
		// Whoever waits and is let in by a retry waits no more.
		playOn(t, left, beat{closed, ""}, beat{stage.Enqueue{Waiter: waiter("a", 2)}, ""}, beat{retry("a"), "grant a 2"},
			beat{leave("a", 2), ""}, beat{opened, ""})
	}
}

// TestRestore: a rollback enters a free stage past a closed transition and past
// those who wait, holds the place of who entered last, and ends his retries.
func TestRestore(t *testing.T) {
	back := func(execution string) stage.Restore { return stage.Restore{Waiter: waiter(execution, 1)} }
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		left := play(t, mode, beat{arrive("a"), "grant a 1"}, beat{back("d"), ""}, beat{leave("a", 1), ""})
		s := playOn(t, left, beat{closed, ""}, beat{arrive("b"), ""}, beat{back("d"), "grant d 2"}, beat{back("d"), ""},
			beat{arrive("b"), ""}, beat{leave("d", 2), ""}, beat{back("d"), ""}, beat{retry("a"), ""})
		if s.LastSeq != 1 || s.LastExec != "d" {
			t.Errorf("%s: %+v; want d as the last, in the place of a", mode, s)
		}
		playOn(t, s, beat{opened, "grant b 3"})
	}
	play(t, pipeline.Parallel, beat{back("d"), ""})
}

func TestFence(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		s := play(t, mode,
			beat{arrive("a"), "grant a 1"}, beat{leave("a", 1), ""}, beat{retry("a"), "grant a 2"}, beat{arrive("b"), ""},
			beat{leave("a", 1), ""}, beat{leave("a", 3), ""}, beat{leave("b", 2), ""})
		playOn(t, s, beat{leave("a", 2), "grant b 3"})
	}
}

func TestArriveOnce(t *testing.T) {
	for _, mode := range modes {
		inside := play(t, mode, beat{arrive("a"), "grant a 1"}, beat{arrive("a"), ""})
		left := playOn(t, inside, beat{leave("a", 1), ""}, beat{arrive("a"), ""})
		waits := playOn(t, left, beat{closed, ""}, beat{stage.Enqueue{Waiter: waiter("b", 2)}, ""},
			beat{stage.Enqueue{Waiter: waiter("b", 2)}, ""}, beat{arrive("b"), ""})
		// A newer wait of one execution takes the place of its older one.
		waits = playOn(t, waits, beat{stage.Enqueue{Waiter: waiter("b", 3)}, ""})
		if want := []stage.Waiter{waiter("b", 3)}; !slices.Equal(waits.Waiting, want) {
			t.Errorf("%s: waiting %v; want %v", mode, waits.Waiting, want)
		}
	}
}

func TestReleaseOnce(t *testing.T) {
	for _, mode := range []pipeline.Mode{pipeline.Superseded, pipeline.Queued} {
		s := play(t, mode,
			beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{leave("a", 1), "grant b 2"}, beat{leave("a", 1), ""},
			beat{leave("a", 2), ""})
		if s.Owner != "b" {
			t.Errorf("%s: owner %q; want b", mode, s.Owner)
		}
	}
}

// TestStateTells pins the stored form: the store keeps it for years.
func TestStateTells(t *testing.T) {
	s := play(t, pipeline.Queued, beat{arrive("a"), "grant a 1"}, beat{closed, ""}, beat{arrive("b"), ""}, beat{arrive("c"), ""})
	got, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mode":"QUEUED","disabled":true,"owner":"a","ownerSeq":1,"fence":1,"lastSeq":1,"lastExec":"a","lastEntry":1,` +
		`"waiting":[{"execution":"b","seq":2,"entry":1},{"execution":"c","seq":3,"entry":1}]}`
	if string(got) != want {
		t.Errorf("stored as %s; want %s", got, want)
	}
}

func TestArgumentUntouched(t *testing.T) {
	s := play(t, pipeline.Queued, beat{arrive("a"), "grant a 1"}, beat{arrive("b"), ""}, beat{arrive("c"), ""})
	events := []stage.Event{
		arrive("d"), stage.Enqueue{Waiter: waiter("b", 2)}, leave("a", 1), gone("b"), gone("a"),
		closed, to(pipeline.Superseded), to(pipeline.Parallel),
	}
	for _, ev := range events {
		arg := s
		arg.Waiting = append(make([]stage.Waiter, 0, 8), s.Waiting...)
		stage.Step(arg, ev)
		if !same(arg, s) || arg.Waiting[:8][2] != (stage.Waiter{}) {
			t.Errorf("%T%v changed its argument to %+v", ev, ev, arg)
		}
	}
}

// TestInvariantsAreTested reads the package comment: what it promises has a
// test of that name.
func TestInvariantsAreTested(t *testing.T) {
	comment, err := os.ReadFile("stage.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range []string{"step_test.go", "search_test.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(src)
	}
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) `).FindAllSubmatch(comment, -1) {
		if !strings.Contains(tests.String(), fmt.Sprintf("func Test%s(t *testing.T)", m[1])) {
			t.Errorf("no test holds %s", m[1])
		}
	}
}

package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// repertoire is how calls of each kind may end, beside well.
var repertoire = map[port][]fate{
	reads:      {refused},
	writes:     {refused, unanswered, unheard, conflict},
	journal:    {refused, unanswered},
	machines:   {refused, unanswered, again},
	providers:  {refused, unanswered, again},
	asks:       {refused},
	buses:      {refused, unanswered, again},
	functions:  {refused, unanswered, again, givenUp, givenUp},
	deliveries: {refused, unanswered, again, again},
	endings:    {lost, again},
	sweeps:     {refused},
	deletions:  {refused, unanswered, again},
	others:     {refused},
}

// ofStore lists the kinds whose rate is plan.storeBad; that of others is
// plan.worldBad.
var ofStore = map[port]bool{reads: true, writes: true, journal: true, deletions: true, others: true}

// step lets one thing happen.
func (w *world) step() {
	w.steps++
	w.look()
	w.weather()
	p := w.plan
	switch {
	case w.rng.IntN(1000) < p.crash:
		w.crash()
		return
	case w.rng.IntN(1000) < p.nap:
		w.nap()
		return
	case w.rng.IntN(100) < p.users && w.sys != nil && w.busy < 4:
		w.act()
		return
	case w.rng.IntN(10) == 0 && w.elsewhere():
		return
	}
	calls := w.gate.waiting()
	if len(calls) == 0 {
		w.idle()
		return
	}
	c := calls[w.rng.IntN(len(calls))]
	w.let(c, w.fate(c))
}

// let lets a call through.
func (w *world) let(c *call, f fate) {
	w.log.line("%s%s", c.name, f)
	w.events++
	if f != done {
		w.faults++
	}
	w.gate.let(c, f)
	time.Sleep(time.Millisecond) // visits of a state are told apart by when they began
}

// fate draws how a call ends.
func (w *world) fate(c *call) fate {
	if w.full && (c.port == writes || c.port == journal || c.port == deletions) {
		w.cover("F50")
		return refused
	}
	rate := w.plan.worldBad
	if ofStore[c.port] {
		rate = w.plan.storeBad
	}
	if w.plan.readable && c.port == reads || w.rng.IntN(100) >= rate {
		return done
	}
	all := repertoire[c.port]
	f := all[w.rng.IntN(len(all))]
	switch {
	case c.port == writes && (f == unanswered || f == unheard):
		w.cover("F21")
	case ofStore[c.port]:
		w.cover("F22")
	}
	return f
}

// weather lets long trouble begin and end.
func (w *world) weather() {
	if w.plan.storeBad > 0 {
		w.full = w.full && w.rng.IntN(25) > 0 || !w.full && w.rng.IntN(800) == 0
	}
	if w.plan.worldBad > 0 {
		w.outage = w.outage && w.rng.IntN(100) > 0 || !w.outage && w.rng.IntN(300) == 0
	}
	if w.plan.skewed && w.rng.IntN(150) == 0 {
		jumps := []time.Duration{-24 * time.Hour, -time.Hour, -time.Second, 0, time.Second, time.Hour, 24 * time.Hour}
		w.skew = jumps[w.rng.IntN(len(jumps))]
		w.cover("F66")
		w.log.line("SKEW %v", w.skew)
	}
}

// nap lets time pass while calls wait: they take long.
func (w *world) nap() {
	naps := []time.Duration{time.Millisecond, 50 * time.Millisecond, time.Second, 5 * time.Second, 70 * time.Second, 20 * time.Minute, 90 * time.Minute, 26 * time.Hour}
	d := naps[w.rng.IntN(len(naps)-w.rng.IntN(4))]
	if d > time.Hour {
		w.cover("F66")
	}
	w.log.line("NAP %v", d)
	time.Sleep(d)
}

// pass lets time pass until somebody calls, or d is over.
func (w *world) pass(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-w.gate.came:
	case <-timer.C:
	case o := <-w.opened: // it opened, and nobody waits
		w.opened <- o
	}
}

// idle is a step in which nobody calls.
func (w *world) idle() {
	if w.elsewhere() {
		return
	}
	if w.sys != nil && w.busy == 0 && w.rng.IntN(3) == 0 {
		w.act()
		return
	}
	w.pass(time.Duration(1+w.rng.IntN(90)) * time.Second)
}

// elsewhere lets something happen outside: work ends, or somebody tells of it.
func (w *world) elsewhere() bool {
	if w.sys == nil {
		return false
	}
	jobs := w.works.underWay()
	if w.settled { // what was abandoned has to be stopped by the system
		jobs = slices.DeleteFunc(jobs, func(j *job) bool { return w.audit.over(j.job.ID) })
	}
	n := len(jobs) + len(w.pending)
	if n == 0 {
		return false
	}
	if i := w.rng.IntN(n); i < len(jobs) {
		if jobs[i].silent && !w.settled { // it ends when somebody asks
			return false
		}
		w.finish(jobs[i])
	} else {
		w.run(i - len(jobs))
	}
	return true
}

// finish ends work that is under way, and has somebody tell of it or not.
func (w *world) finish(j *job) {
	j.result, j.ended = w.works.end(j.job), time.Now()
	w.log.line("END job %s %s", j.job.ID, j.result.Status)
	r := w.audit.actions[w.audit.jobs[j.job.ID]]
	if r != nil && r.Result.ExternalID == "" {
		w.cover("F24") // it ends before anybody knows that it began
	}
	if w.rng.IntN(100) < w.plan.unnoticed {
		w.cover("F25")
		w.log.line("LOST end of job %s", j.job.ID)
		return
	}
	for range 1 + w.rng.IntN(8)/7 {
		w.notify(j.job)
	}
}

// notify adds the errand of telling that work has ended.
func (w *world) notify(in action.Job) {
	w.pending = append(w.pending, errand{"resume " + in.ID, false, func(ctx context.Context) error { return w.sys.Service.Resume(ctx, in.ID) }})
}

// run begins an errand.
func (w *world) run(i int) {
	e := w.pending[i]
	w.pending = append(w.pending[:i:i], w.pending[i+1:]...)
	w.people++
	name := e.name
	w.log.line("ERRAND %s", name)
	w.busy++
	gate := w.gate
	w.spawn(name+" #"+itoa(w.people), func(ctx context.Context) {
		_ = e.f(ctx) // whoever tells does not listen
		if !gate.killed() {
			w.busy--
		}
	})
}

// patience is how long nothing may happen in the end before something is stuck:
// work is asked for every 15 minutes at last, and windows open each hour.
const patience = 65 * time.Minute

// endless is how many calls are too many for things to come to rest.
const endless = 200_000

// settle lets faults cease and people answer, until everything is at rest.
func (w *world) settle() {
	w.settled, w.full, w.outage = true, false, false
	p := &w.plan
	p.storeBad, p.worldBad, p.crash, p.nap, p.users, p.failures, p.oversized = 0, 0, 0, 0, 0, 0, false
	if !p.deafForEver {
		p.unnoticed = 0
	}
	w.log.line("SETTLE")
	since, rest, from := time.Now(), 0, w.events
	for commits := w.audit.commits; !w.over(); w.look() {
		w.look()
		if w.audit.commits > commits {
			commits, since = w.audit.commits, time.Now()
		}
		if w.events-from > endless {
			w.violated("I3", "it never comes to rest:\n%s", w.audit.describe())
		}
		if calls := w.gate.waiting(); len(calls) > 0 {
			w.let(calls[w.rng.IntN(len(calls))], done)
			continue
		}
		if w.sys != nil && (w.help() || w.elsewhere()) {
			continue
		}
		switch {
		case w.sys == nil || !w.atRest():
			rest = 0
		case rest == 3: // runs that wait before they call again have come by then
			return
		default:
			rest++
		}
		if time.Since(since) > patience && rest == 0 {
			w.violated("I3", "nothing has happened for %v, and something is left to do:\n%s", patience, w.audit.describe())
		}
		w.pass(time.Minute)
	}
}

func (w *world) atRest() bool {
	if w.busy > 0 || len(w.pending) > 0 || len(w.audit.outbox) > 0 {
		return false
	}
	for _, is := range w.audit.active {
		if is {
			return false
		}
	}
	return true
}

// help does what people have to do, and reports whether there was anything.
func (w *world) help() bool {
	if w.busy > 0 {
		return false
	}
	for _, p := range w.audit.pipelineNames() {
		for _, k := range w.audit.stagesOf(p) {
			l := w.audit.stages[k].Lock
			switch {
			case !l.Disabled || len(l.Waiting) == 0:
			case !w.audit.declared(p, stageName(k)): // an update took the closed stage away: who began in PARALLEL waits for it, and nobody can open it
				w.stop(w.audit.executions[l.Waiting[0].Execution], false)
				return true
			case w.toggle(p, stageName(k), true):
				return true
			}
		}
	}
	for _, k := range w.audit.actionKeys {
		r := w.audit.actions[k]
		if r.Status == pipeline.InProgress && r.Result.Token != "" && !w.asked[r.ID] && r.Job.Deadline.After(time.Now().Add(w.skew)) {
			w.asked[r.ID] = true
			w.answer(r, true, "approve")
			return true
		}
	}
	return false
}

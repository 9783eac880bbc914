package stage

import (
	"cmp"
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Step returns what becomes of s when ev happens, and what follows from it, in
// the order in which it is to be carried out. It does not change s.
func Step(s State, ev Event) (State, []Effect) {
	s.Waiting = slices.Clone(s.Waiting)
	var effects []Effect
	switch ev := ev.(type) {
	case Enqueue:
		s.enqueue(ev.Waiter)
	case Release:
		if s.Owner == ev.Execution && s.Fence == ev.Fence {
			s.vacate()
		}
	case Remove:
		s.drop(ev.Execution)
		if s.Owner == ev.Execution {
			s.vacate()
		}
	case Reenter:
		if s.retryable(ev.Waiter) {
			effects = append(effects, s.grant(ev.Waiter))
		}
	case Restore:
		if s.Mode != pipeline.Parallel && s.Owner == "" && !s.entered(ev.Waiter) {
			ev.Seq = s.LastSeq
			effects = append(effects, s.grant(ev.Waiter))
		}
	case SetEnabled:
		s.Disabled = !ev.Enabled
	case SetMode:
		s.Mode = ev.Mode
		if s.Mode == pipeline.Parallel {
			s.vacate()
		}
	}
	effects = append(effects, s.settle()...)
	if len(s.Waiting) == 0 {
		s.Waiting = nil // one state, one value
	}
	return s, effects
}

// settle brings s to rest: it supersedes those who lost their place and admits
// those who may enter. It runs after every event, so no event has to know whom
// it might have woken.
func (s *State) settle() []Effect {
	effects := s.supersede()
	for !s.Disabled {
		w, ok := s.next()
		if !ok {
			break
		}
		effects = append(effects, s.grant(w))
	}
	return effects
}

// supersede takes out, in SUPERSEDED, all who wait but the newest, and the
// newest too if a newer one has entered.
func (s *State) supersede() []Effect {
	if s.Mode == pipeline.Queued || s.Mode == pipeline.Parallel {
		return nil
	}
	newest := s.LastSeq
	for _, w := range s.Waiting {
		if !w.Free {
			newest = max(newest, w.Seq)
		}
	}
	var effects []Effect
	s.Waiting = slices.DeleteFunc(s.Waiting, func(w Waiter) bool {
		older := !w.Free && w.Seq < newest
		if older {
			effects = append(effects, Supersede{w})
		}
		return older
	})
	return effects
}

// next returns who may enter now, if anybody: whoever is free, in order of
// arrival; then, if nobody is inside, the oldest. In SUPERSEDED there is only
// one of those to choose.
func (s *State) next() (Waiter, bool) {
	if i := slices.IndexFunc(s.Waiting, s.free); i >= 0 {
		return s.Waiting[i], true
	}
	if s.Owner != "" || len(s.Waiting) == 0 {
		return Waiter{}, false
	}
	return slices.MinFunc(s.Waiting, func(a, b Waiter) int { return cmp.Compare(a.Seq, b.Seq) }), true
}

// free reports whether w needs no lock.
func (s *State) free(w Waiter) bool { return w.Free || s.Mode == pipeline.Parallel }

// grant lets w in. One that is free among others who are not leaves no trace:
// the fence stays that of the owner.
func (s *State) grant(w Waiter) Effect {
	s.drop(w.Execution)
	if w.Free && s.Mode != pipeline.Parallel {
		return Grant{Waiter: w, Fence: s.Fence}
	}
	s.Fence++
	s.LastSeq = max(s.LastSeq, w.Seq)
	s.LastExec, s.LastEntry = w.Execution, w.Entry
	if !s.free(w) {
		s.Owner, s.OwnerSeq = w.Execution, w.Seq
	}
	return Grant{Waiter: w, Fence: s.Fence}
}

// enqueue puts w behind the others. If its execution waits with an older
// entry, w takes that place: two waits of one execution would be granted, or
// superseded, apart from each other.
func (s *State) enqueue(w Waiter) {
	if s.Owner == w.Execution || s.entered(w) {
		return
	}
	i := slices.IndexFunc(s.Waiting, func(o Waiter) bool { return o.Execution == w.Execution })
	switch {
	case i < 0:
		s.Waiting = append(s.Waiting, w)
	case s.Waiting[i].Entry < w.Entry:
		s.Waiting[i] = w
	}
}

// retryable reports whether w may come back.
func (s *State) retryable(w Waiter) bool {
	if s.entered(w) {
		return false
	}
	return s.free(w) || s.Owner == "" && s.LastExec == w.Execution
}

// entered reports whether w is the latest that entered, or older news of it.
func (s *State) entered(w Waiter) bool {
	return s.LastExec == w.Execution && w.Entry <= s.LastEntry
}

func (s *State) vacate() { s.Owner, s.OwnerSeq = "", 0 }

func (s *State) drop(execution string) {
	s.Waiting = slices.DeleteFunc(s.Waiting, func(w Waiter) bool { return w.Execution == execution })
}

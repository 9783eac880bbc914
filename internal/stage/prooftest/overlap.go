package prooftest

// overlap adds, for a protocol without version checks, what becomes of w when
// two changes decide on it at the same time and both write.
func (s *search) overlap(w *world, moves []move, add func(*change, [2]move, bool) bool) {
	for i, a := range moves {
		for _, b := range moves[i+1:] {
			if !transacts(a.kind) || !transacts(b.kind) || a.kind == arrive && b.kind == arrive {
				continue
			}
			x, y := &change{model: s.model}, &change{model: s.model}
			if !x.play(w, a) || !y.play(w, b) {
				continue
			}
			x.w = merge(w, &x.w, &y.w)
			x.stepped, x.decided = nil, nil
			if !add(x, [2]move{a, b}, false) {
				return
			}
		}
	}
}

// transacts reports whether moves of k are transactions.
func transacts(k kind) bool {
	switch k {
	case arrive, callTask, workEnds, deliverAdmit, sweep, enable, disable, stopAndWait, stopNow, workFails, retry, retryBeside, comeLate, ruleHolds, ruleFails, override, update, settle, settleFormer:
		return true
	}
	return false
}

// merge returns w after x and y have both been written, y last: of a record
// the last that changed it stays, of the outbox everything.
func merge(w, x, y *world) world {
	all := *x
	for i := range w.executions {
		old, a, b := &w.executions[i], &all.executions[i], &y.executions[i]
		if stored(*b) != stored(*old) {
			runs := a.runs
			*a = *b
			a.runs = runs
		}
		for r := range old.runs {
			if p, q := &a.runs[r], &b.runs[r]; *q != old.runs[r] {
				p.answers |= q.answers
				p.stop = p.stop || q.stop
				p.called = p.called && q.called
				if q.at != old.runs[r].at {
					p.at = q.at
				}
			}
		}
	}
	for i := range w.locks {
		if y.locks[i] != w.locks[i] {
			all.locks[i] = y.locks[i]
		}
	}
	for _, a := range y.admits[:y.admitted] {
		if all.admitted < maxAdmits {
			all.add(a)
		}
	}
	return all
}

// stored is e without what is under way.
func stored(e execution) execution { e.runs = [maxRuns]run{}; return e }

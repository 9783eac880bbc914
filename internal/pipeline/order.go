package pipeline

import "slices"

// MaxParallelActions is how many actions of one PARALLEL execution run at a
// time (user guide, Quotas).
const MaxParallelActions = 5

// Groups returns the actions of s by run order, lowest first; in a group they
// keep the order of the declaration. One group runs at a time.
func (s Stage) Groups() [][]Action {
	byOrder := slices.Clone(s.Actions)
	slices.SortStableFunc(byOrder, func(a, b Action) int { return a.Order() - b.Order() })
	var all [][]Action
	for i, a := range byOrder {
		if i == 0 || byOrder[i-1].Order() != a.Order() {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], a)
	}
	return all
}

// Crowded reports whether a group of actions of d is larger than an execution
// may run at a time, so that some of them wait for others to end.
func (d Declaration) Crowded(group []Action) bool {
	return d.ExecutionMode == Parallel && len(group) > MaxParallelActions
}

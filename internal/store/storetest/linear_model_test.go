package storetest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sluice-ci/sluice/internal/store"
)

// A cell is what a key holds; version 0 is nothing.
type cell struct {
	version int64
	value   string
}

// input is an operation on a group of keys: a transaction, or the read of key.
type input struct {
	group int
	ops   []store.Op
	key   int
}

// output is what the client heard: of a read the cell; of a transaction that
// it was done, that it was refused, or nothing.
type output struct {
	found    cell
	conflict *store.ConflictError
	unknown  bool
}

// cells is the state of a group.
type cells [keys]cell

// sequential is a store as one client alone would see it. After an unknown
// outcome the transaction was done or was not.
var sequential = (&porcupine.NondeterministicModel{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, groups())
		for _, op := range all {
			g := op.Input.(input).group
			parts[g] = append(parts[g], op)
		}
		return parts
	},
	Init: func() []any { return []any{cells{}} },
	Step: func(state, in, out any) []any { return next(state.(cells), in.(input), out.(output)) },
	Equal: func(a, b any) bool {
		return a == b
	},
	DescribeOperation: func(in, out any) string { return describe(in.(input), out.(output)) },
}).ToModel()

// next returns what s may be after an operation that was heard to end so.
func next(s cells, in input, out output) []any {
	if in.ops == nil {
		if s[in.key] == out.found {
			return []any{s}
		}
		return nil
	}
	after, done := apply(s, in.ops)
	switch {
	case out.unknown && done:
		return []any{s, after}
	case out.unknown:
		return []any{s}
	case out.conflict != nil:
		k, _ := strconv.Atoi(out.conflict.Key.SK)
		if out.conflict.Got == s[k].version && out.conflict.Got != out.conflict.Want {
			return []any{s}
		}
		return nil
	case done:
		return []any{after}
	}
	return nil
}

// apply does a transaction if its conditions hold.
func apply(s cells, ops []store.Op) (cells, bool) {
	after := s
	for _, op := range ops {
		k, _ := strconv.Atoi(op.SK)
		if op.If != store.Any && op.If != s[k].version {
			return s, false
		}
		switch op.Kind {
		case store.Put:
			after[k] = cell{s[k].version + 1, string(op.Value)}
		case store.Delete:
			after[k] = cell{}
		}
	}
	return after, true
}

func describe(in input, out output) string {
	var b strings.Builder
	for _, op := range in.ops {
		fmt.Fprintf(&b, "%s %s if %d %s; ", [...]string{"put", "delete", "check"}[op.Kind], op.SK, op.If, op.Value)
	}
	if in.ops == nil {
		fmt.Fprintf(&b, "get %d: %d %s", in.key, out.found.version, out.found.value)
	} else if out.conflict != nil {
		fmt.Fprintf(&b, "refused: %s is at %d", out.conflict.Key.SK, out.conflict.Got)
	} else {
		fmt.Fprintf(&b, "%s", map[bool]string{false: "done", true: "unknown"}[out.unknown])
	}
	return b.String()
}

// A history is what all clients saw.
type history struct{ ops []porcupine.Operation }

// patience is how long one history may be thought about.
const patience = time.Minute

// check says whether h is linearizable.
func (h *history) check() porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(sequential, h.ops, patience)
}

// blame lists the operations of the first group that cannot be explained.
func (h *history) blame() string {
	for g := range groups() {
		part := &history{}
		for _, op := range h.ops {
			if op.Input.(input).group == g {
				part.ops = append(part.ops, op)
			}
		}
		if part.check() == porcupine.Ok {
			continue
		}
		var b strings.Builder
		for _, op := range part.ops {
			fmt.Fprintf(&b, "\n\t%6d to %6d client %d: %s", op.Call, op.Return, op.ClientId, describe(op.Input.(input), op.Output.(output)))
		}
		return b.String()
	}
	return ""
}

// A tally counts what histories were made of.
type tally struct{ histories, operations, writes, refused, unknown int }

func (y *tally) add(h *history) {
	y.histories++
	y.operations += len(h.ops)
	for _, op := range h.ops {
		out := op.Output.(output)
		if op.Input.(input).ops != nil {
			y.writes++
		}
		if out.unknown {
			y.unknown++
		}
		if out.conflict != nil {
			y.refused++
		}
	}
}

func (y *tally) String() string {
	return fmt.Sprintf("histories=%d operations=%d writes=%d refused=%d unknown=%d", y.histories, y.operations, y.writes, y.refused, y.unknown)
}

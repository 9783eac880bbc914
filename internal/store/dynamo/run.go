package dynamo

import (
	"strings"

	"github.com/sluice-ci/sluice/internal/store"
)

// A run is what a query selects, as a key condition.
type run struct {
	empty     bool // nothing can match, and DynamoDB would refuse to look
	condition string
	values    attributes
}

// runOf returns the run of q. A key condition takes one comparison of the sort
// key, so a prefix and a bound together become BETWEEN, which includes both
// ends: the item at After is left out later.
func runOf(q store.Query) run {
	inside := strings.HasPrefix(q.After, q.Prefix)
	before := q.After == "" || !inside && (q.After < q.Prefix) != q.Reverse // of all that has the prefix
	values := attributes{":pk": text(q.PK)}
	switch {
	case q.PK == "" || len(q.PK) > store.MaxKey || len(q.Prefix) > store.MaxKey:
		return run{empty: true}
	case before && q.Prefix == "":
		return run{condition: "pk = :pk", values: values}
	case before:
		values[":p"] = text(q.Prefix)
		return run{condition: "pk = :pk AND begins_with(sk, :p)", values: values}
	case !inside:
		return run{empty: true}
	case q.Prefix == "":
		values[":a"] = text(q.After)
		if q.Reverse {
			return run{condition: "pk = :pk AND sk < :a", values: values}
		}
		return run{condition: "pk = :pk AND sk > :a", values: values}
	}
	values[":lo"], values[":hi"] = text(q.After), text(last(q.Prefix))
	if q.Reverse {
		values[":lo"], values[":hi"] = text(q.Prefix), text(q.After)
	}
	return run{condition: "pk = :pk AND sk BETWEEN :lo AND :hi", values: values}
}

// last returns the last sort key that begins with prefix: filled up to the
// length that a key may have with the characters that UTF-8 sorts last.
func last(prefix string) string {
	room := store.MaxKey - len(prefix)
	rest := [...]string{"", "\x7f", "\u07ff", "\uffff"}
	return prefix + strings.Repeat("\U0010ffff", room/4) + rest[room%4]
}

package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/sluice-ci/sluice/internal/asl"
	"github.com/sluice-ci/sluice/internal/asl/expr"
)

// A rule is one test of a Choice: and, or, not, or a comparison of variable.
type rule struct {
	next     int
	and, or  []rule
	not      *rule
	variable expr.Path
	compare  func(value []byte) bool // of a value that is there
	present  *bool                   // IsPresent
}

// parseRule reads r, which has a Next only if it is outermost.
func parseRule(r asl.Rule, outermost bool) (rule, error) {
	var out rule
	if !outermost && r.Next != "" {
		return out, fault("Next", "only the outermost rule has one")
	}
	comparisons := comparisonsOf(r)
	kinds := len(comparisons)
	for _, there := range []bool{len(r.And) > 0, len(r.Or) > 0, r.Not != nil} {
		if there {
			kinds++
		}
	}
	if kinds != 1 {
		return out, errors.New("exactly one comparison, or And, Or or Not, must be there")
	}
	if len(comparisons) == 0 {
		if r.Variable != "" {
			return out, fault("Variable", "there without a comparison")
		}
		return out, out.parseInner(r)
	}
	out.compare, out.present = comparisons[0], r.IsPresent
	var err error
	if out.variable, err = expr.ParsePath(r.Variable); err != nil {
		return out, in("Variable", err)
	}
	return out, nil
}

func (out *rule) parseInner(r asl.Rule) error {
	for i, inner := range r.And {
		read, err := parseRule(inner, false)
		if err != nil {
			return in(at("And", i), err)
		}
		out.and = append(out.and, read)
	}
	for i, inner := range r.Or {
		read, err := parseRule(inner, false)
		if err != nil {
			return in(at("Or", i), err)
		}
		out.or = append(out.or, read)
	}
	if r.Not != nil {
		read, err := parseRule(*r.Not, false)
		if err != nil {
			return in("Not", err)
		}
		out.not = &read
	}
	return nil
}

func comparisonsOf(r asl.Rule) []func([]byte) bool {
	var all []func([]byte) bool
	if r.IsPresent != nil {
		all = append(all, func([]byte) bool { return *r.IsPresent })
	}
	if want := r.IsNull; want != nil {
		all = append(all, func(v []byte) bool { return (string(v) == "null") == *want })
	}
	if want := r.BooleanEquals; want != nil {
		all = append(all, func(v []byte) bool { return string(v) == strconv.FormatBool(*want) })
	}
	if want := r.StringEquals; want != nil {
		all = append(all, func(v []byte) bool { return v[0] == '"' && expr.Unquote(v) == *want })
	}
	if pattern := r.StringMatches; pattern != nil {
		parts := globParts(*pattern)
		all = append(all, func(v []byte) bool { return v[0] == '"' && glob(parts, expr.Unquote(v)) })
	}
	if want := r.NumericEquals; want != nil {
		all = append(all, func(v []byte) bool {
			f, err := strconv.ParseFloat(string(v), 64)
			return err == nil && f == *want
		})
	}
	return all
}

// globParts splits a pattern at its stars; \* and \\ stand for themselves.
func globParts(pattern string) []string {
	var parts []string
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			i++
			b.WriteByte(pattern[i])
		case c == '*':
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	return append(parts, b.String())
}

func glob(parts []string, s string) bool {
	s, ok := strings.CutPrefix(s, parts[0])
	if len(parts) == 1 || !ok {
		return ok && s == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, s, ok = strings.Cut(s, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(s, parts[last])
}

// holds reports whether r holds in env.
func (r *rule) holds(env *expr.Env) (bool, error) {
	switch {
	case r.not != nil:
		ok, err := r.not.holds(env)
		return !ok, err
	case r.and != nil:
		for i := range r.and {
			if ok, err := r.and[i].holds(env); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	case r.or != nil:
		for i := range r.or {
			if ok, err := r.or[i].holds(env); ok || err != nil {
				return ok, err
			}
		}
		return false, nil
	}
	v, ok, err := r.variable.Get(env)
	if r.present != nil || err != nil {
		return ok == (r.present != nil && *r.present), err
	}
	if !ok {
		return false, &expr.Error{
			Name:  expr.Runtime,
			Cause: fmt.Sprintf("Invalid path '%s': the choice state's condition path references an invalid value", r.variable),
		}
	}
	return r.compare(v), nil
}

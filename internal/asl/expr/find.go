package expr

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// Get returns what p finds, which is a part of env and must not be changed; ok is false if that is nothing. A path that could
// find several values gives a list of them, and an empty list is something.
func (p Path) Get(env *Env) (value []byte, ok bool, err error) {
	doc, steps := env.Input, p.steps
	if p.context && !p.indefinite && len(steps) > 1 {
		if doc, ok = env.Scope.Field(steps[0].name, steps[1].name); !ok {
			return nil, false, nil
		}
		steps = steps[2:]
	} else if p.context {
		doc = env.Scope.Context()
	}
	if p.indefinite {
		f := finder{out: []byte{'['}}
		if err := f.find(doc, p.steps); err != nil {
			return nil, false, err
		}
		return append(f.out, ']'), true, nil
	}
	for i := range steps {
		s := &steps[i]
		if s.kind == child {
			doc, ok = member(doc, s.name)
		} else {
			doc, ok = element(doc, s.from)
		}
		if !ok {
			return nil, false, nil
		}
	}
	return doc, true, nil
}

// Must is Get for a place that has to be there. Field names what p is the
// value of.
func (p Path) Must(env *Env, field string) ([]byte, error) {
	v, ok, err := p.Get(env)
	if err == nil && !ok {
		err = fail(Runtime, "The JSONPath '%s' specified for the field '%s' could not be found in the input", p, field)
	}
	return v, err
}

// budget is how many bytes one indefinite path may look at. Descents inside
// descents over deep documents would otherwise take minutes.
const budget = 64 << 20

// A finder collects what an indefinite path finds, in the order of the text.
type finder struct {
	out  []byte
	seen int
}

func (f *finder) find(doc []byte, steps []step) error {
	if f.seen += len(doc); f.seen > budget {
		return fail(Runtime, "a path visits too many values")
	}
	if len(steps) == 0 {
		if len(f.out) > 1 {
			f.out = append(f.out, ',')
		}
		if f.out = append(f.out, doc...); len(f.out) > Limit {
			return tooLarge()
		}
		return nil
	}
	s, rest := steps[0], steps[1:]
	if err := f.pick(doc, s, rest); err != nil || !s.deep {
		return err
	}
	for _, v := range members(doc) {
		if err := f.find(v, steps); err != nil {
			return err
		}
	}
	for v := range elements(doc) {
		if err := f.find(v, steps); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) pick(doc []byte, s step, rest []step) error {
	switch s.kind {
	case child:
		if v, ok := member(doc, s.name); ok {
			return f.find(v, rest)
		}
	case index:
		if v, ok := element(doc, s.from); ok {
			return f.find(v, rest)
		}
	case wildcard:
		for _, v := range members(doc) {
			if err := f.find(v, rest); err != nil {
				return err
			}
		}
		for v := range elements(doc) {
			if err := f.find(v, rest); err != nil {
				return err
			}
		}
	case slice:
		n := count(doc)
		from, to := fromEnd(s.from, n), fromEnd(s.to, n)
		i := 0
		for v := range elements(doc) {
			if i >= from && (s.open || i < to) {
				if err := f.find(v, rest); err != nil {
					return err
				}
			}
			i++
		}
	}
	return nil
}

func fromEnd(i, n int) int {
	if i < 0 {
		return max(0, i+n)
	}
	return i
}

// Set returns doc with value at the place p names. Objects on the way are made
// if they are missing; p must come from [ParseReference].
func (p Path) Set(doc, value []byte) ([]byte, error) {
	if len(p.steps) == 0 {
		return value, nil
	}
	out, err := set(make([]byte, 0, len(doc)+len(value)+32), doc, p.steps, value)
	if err != nil {
		return nil, fail(ResultPathFailure, "unable to apply ResultPath '%s': %s", p, err)
	}
	if len(out) > Limit {
		return nil, tooLarge()
	}
	return out, nil
}

// set appends doc, with value at the end of steps. A nil doc is a missing one.
func set(dst, doc []byte, steps []step, value []byte) ([]byte, error) {
	if len(steps) == 0 {
		return append(dst, value...), nil
	}
	if s := steps[0]; s.kind == index {
		old, ok := []byte(nil), false
		if doc != nil {
			old, ok = element(doc, s.from)
		}
		if !ok {
			return nil, fmt.Errorf("there is no element [%d]", s.from)
		}
		return replace(dst, doc, old, steps[1:], value)
	}
	name := steps[0].name
	if doc == nil {
		doc = []byte("{}")
	}
	if doc[0] != '{' {
		return nil, fmt.Errorf("%q would be a member of something that is no object", name)
	}
	if old, ok := member(doc, name); ok {
		return replace(dst, doc, old, steps[1:], value)
	}
	dst = append(dst, doc[:len(doc)-1]...)
	if len(doc) > 2 {
		dst = append(dst, ',')
	}
	dst = append(AppendString(dst, name), ':')
	dst, err := set(dst, nil, steps[1:], value)
	return append(dst, '}'), err
}

// replace appends doc, in which the rest of the way is gone inside its part old.
func replace(dst, doc, old []byte, steps []step, value []byte) ([]byte, error) {
	at := cap(doc) - cap(old) // old is a part of doc
	dst, err := set(append(dst, doc[:at]...), old, steps, value)
	return append(dst, doc[at+len(old):]...), err
}

// isString, isNumber tell the type of a value from its first character.
func isString(v []byte) bool { return v[0] == '"' }
func isNumber(v []byte) bool { return v[0] == '-' || '0' <= v[0] && v[0] <= '9' }

// validUTF8 replaces what is not UTF-8, so that every document is.
func validUTF8(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\uFFFD"))
}

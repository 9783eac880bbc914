package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A Template is a parsed payload template: JSON in which every member whose
// name ends in ".$" takes its value from a path or an intrinsic function.
type Template struct{ parts []part }

// A part is text to copy, or an expression and the field it is the value of.
type part struct {
	text  []byte
	expr  expression
	field string
}

// An expression appends its value to dst.
type expression interface {
	append(dst []byte, env *Env, field string) ([]byte, error)
}

func (p Path) append(dst []byte, env *Env, field string) ([]byte, error) {
	v, err := p.Must(env, field)
	return append(dst, v...), err
}

// ParseTemplate parses a payload template.
func ParseTemplate(text []byte) (Template, error) {
	var buf bytes.Buffer
	if err := json.Compact(&buf, validUTF8(text)); err != nil {
		return Template{}, err
	}
	var t Template
	err := t.parse(buf.Bytes())
	return t, err
}

func (t *Template) parse(doc []byte) error {
	switch doc[0] {
	case '{':
		return t.parseObject(doc)
	case '[':
		t.literal("[")
		comma := ""
		for v := range elements(doc) {
			t.literal(comma)
			if err := t.parse(v); err != nil {
				return err
			}
			comma = ","
		}
		t.literal("]")
		return nil
	}
	t.literal(string(doc))
	return nil
}

func (t *Template) parseObject(doc []byte) error {
	t.literal("{")
	seen := map[string]bool{}
	for key, v := range members(doc) {
		name := Unquote(key)
		plain, dynamic := strings.CutSuffix(name, ".$")
		if seen[plain] {
			return fmt.Errorf("%s: there twice", name)
		}
		if len(seen) > 0 {
			t.literal(",")
		}
		seen[plain] = true
		t.literal(string(AppendString(nil, plain)) + ":")
		if !dynamic {
			if err := t.parse(v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			continue
		}
		if !isString(v) {
			return fmt.Errorf("%s: not a string", name)
		}
		e, err := parseExpression(Unquote(v))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		t.parts = append(t.parts, part{expr: e, field: name})
	}
	t.literal("}")
	return nil
}

func (t *Template) literal(s string) {
	if n := len(t.parts); n > 0 && t.parts[n-1].expr == nil {
		t.parts[n-1].text = append(t.parts[n-1].text, s...)
		return
	}
	t.parts = append(t.parts, part{text: []byte(s)})
}

// Append appends the value of t in env to dst.
func (t Template) Append(dst []byte, env *Env) ([]byte, error) {
	from := len(dst)
	for i := range t.parts {
		p := &t.parts[i]
		if p.expr == nil {
			dst = append(dst, p.text...)
		} else {
			var err error
			if dst, err = p.expr.append(dst, env, p.field); err != nil {
				return dst, err
			}
		}
		if len(dst)-from > Limit {
			return dst, tooLarge()
		}
	}
	return dst, nil
}

package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sort"
	"unicode/utf8"
)

// parseJSON returns the value in data. It reads tokens instead of decoding, to
// know where each value stands and to see duplicate keys.
func parseJSON(file string, data []byte) (*node, Errors) {
	p := &jsonParser{file: file, data: data, dec: json.NewDecoder(bytes.NewReader(data)), lines: lineStarts(data)}
	p.dec.UseNumber()
	root, ok := p.value(0)
	if ok {
		if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
			p.fail(p.skip(p.dec.InputOffset()), "text after the end of the JSON value")
		}
	}
	return root, p.errs
}

type jsonParser struct {
	file  string
	data  []byte
	dec   *json.Decoder
	lines []int // offsets at which lines start
	errs  Errors
}

// value reads one value. It returns false after an error that ends reading.
func (p *jsonParser) value(depth int) (*node, bool) {
	token, pos, ok := p.token()
	if !ok {
		return nil, false
	}
	switch t := token.(type) {
	case json.Delim:
		if depth >= maxDepth {
			p.errs = append(p.errs, tooDeep(p.file, pos))
			return nil, false
		}
		if t == '{' {
			return p.object(pos, depth)
		}
		return p.list(pos, depth)
	case string:
		return &node{kind: text, text: t, pos: pos}, true
	case json.Number:
		return &node{kind: number, text: t.String(), pos: pos}, true
	case bool:
		return &node{kind: boolean, text: map[bool]string{true: "true", false: "false"}[t], pos: pos}, true
	}
	return &node{kind: null, pos: pos}, true
}

func (p *jsonParser) object(pos position, depth int) (*node, bool) {
	n := &node{kind: object, pos: pos}
	seen := map[string]position{}
	for p.dec.More() {
		token, at, ok := p.token()
		if !ok {
			return nil, false
		}
		key, _ := token.(string) // the decoder allows nothing else here
		value, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		if first, twice := seen[key]; twice {
			p.errs = append(p.errs, duplicate(p.file, key, first, at))
			continue
		}
		seen[key] = at
		n.fields = append(n.fields, field{key, at, value})
	}
	_, _, ok := p.token()
	return n, ok
}

func (p *jsonParser) list(pos position, depth int) (*node, bool) {
	n := &node{kind: list, pos: pos}
	for p.dec.More() {
		value, ok := p.value(depth + 1)
		if !ok {
			return nil, false
		}
		n.items = append(n.items, value)
	}
	_, _, ok := p.token()
	return n, ok
}

// token reads one token and says where it starts.
func (p *jsonParser) token() (json.Token, position, bool) {
	start := p.skip(p.dec.InputOffset())
	token, err := p.dec.Token()
	if err == nil {
		return token, p.position(start), true
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		p.fail(int(syntax.Offset)-1, "JSON: "+syntax.Error())
	} else {
		p.fail(len(p.data), "JSON: the file ends in the middle of a value")
	}
	return nil, position{}, false
}

// skip returns the offset of the next token at or after offset.
func (p *jsonParser) skip(offset int64) int {
	i := int(offset)
	for i < len(p.data) && slices.Contains([]byte(" \t\r\n,:"), p.data[i]) {
		i++
	}
	return i
}

func (p *jsonParser) fail(offset int, message string) {
	at := p.position(offset)
	p.errs = append(p.errs, Error{File: p.file, Line: at.line, Column: at.column, Message: message, Fix: "correct the syntax"})
}

func (p *jsonParser) position(offset int) position {
	offset = max(0, min(offset, len(p.data)))
	line := sort.SearchInts(p.lines, offset+1) - 1
	return position{line + 1, utf8.RuneCount(p.data[p.lines[line]:offset]) + 1}
}

// lineStarts returns the offset of the first byte of each line.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	return starts
}

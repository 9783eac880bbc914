package expr

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// The functions of this file read compact, valid JSON.

// skip returns the index behind the value that begins at doc[i].
func skip(doc []byte, i int) int {
	switch doc[i] {
	case '"':
		return skipString(doc, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch doc[i] {
			case '"':
				i = skipString(doc, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(doc) && doc[i] != ',' && doc[i] != '}' && doc[i] != ']' {
		i++
	}
	return i
}

func skipString(doc []byte, i int) int {
	end := i + 1 + bytes.IndexByte(doc[i+1:], '"')
	if bytes.IndexByte(doc[i+1:end], '\\') < 0 {
		return end + 1
	}
	for i++; ; i++ {
		switch doc[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// members yields the quoted keys and the values of an object, and nothing of
// any other value.
func members(doc []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		if doc[0] != '{' {
			return
		}
		for i := 1; doc[i] != '}'; {
			if doc[i] == ',' {
				i++
			}
			colon := skipString(doc, i)
			end := skip(doc, colon+1)
			if !yield(doc[i:colon], doc[colon+1:end]) {
				return
			}
			i = end
		}
	}
}

// elements yields the values of an array, and nothing of any other value.
func elements(doc []byte) iter.Seq[[]byte] {
	return func(yield func(value []byte) bool) {
		if doc[0] != '[' {
			return
		}
		for i := 1; doc[i] != ']'; {
			if doc[i] == ',' {
				i++
			}
			end := skip(doc, i)
			if !yield(doc[i:end]) {
				return
			}
			i = end
		}
	}
}

func count(array []byte) int {
	n := 0
	for range elements(array) {
		n++
	}
	return n
}

// member returns the value of an object's member name; the last one if it is
// there twice, as decoders do.
func member(doc []byte, name string) (value []byte, ok bool) {
	for key, v := range members(doc) {
		if keyIs(key, name) {
			value, ok = v, true
		}
	}
	return value, ok
}

func keyIs(quoted []byte, name string) bool {
	raw := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw) == name
	}
	return Unquote(quoted) == name
}

// element returns an array's element i, counted from the end if i is negative.
func element(doc []byte, i int) ([]byte, bool) {
	if doc[0] != '[' {
		return nil, false
	}
	if i < 0 {
		i += count(doc)
	}
	for v := range elements(doc) {
		if i == 0 {
			return v, true
		}
		i--
	}
	return nil, false
}

// Unquote returns the text of a JSON string.
func Unquote(quoted []byte) string {
	raw := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return string(raw) // not reached: documents are valid
	}
	return s
}

const hex = "0123456789abcdef"

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

package process

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// MinSecret is the length in bytes from which a secret is masked. Shorter ones
// would blank out text that has nothing to do with them.
const MinSecret = 6

// mask stands where a secret stood.
const mask = "***"

// A Masker replaces secrets in text: as they are, line by line, and in base64
// (whatever precedes them), URL, JSON and hexadecimal form. Where secrets
// overlap all of them is covered. It is best effort: a command that wants to
// show a secret can. A nil Masker replaces nothing. It is immutable and safe
// for concurrent use.
type Masker struct {
	first   [256]bool            // bytes that some pattern begins with
	byStart map[[2]byte][][]byte // patterns by their first two bytes, longest first
}

// NewMasker returns a Masker for secrets, or nil if none is long enough.
func NewMasker(secrets []string) *Masker {
	m := &Masker{byStart: map[[2]byte][][]byte{}}
	seen := map[string]bool{}
	for _, s := range secrets {
		for _, form := range forms(s) {
			if len(form) < MinSecret || seen[form] {
				continue
			}
			seen[form] = true
			m.first[form[0]] = true
			start := [2]byte{form[0], form[1]}
			m.byStart[start] = append(m.byStart[start], []byte(form))
		}
	}
	if len(seen) == 0 {
		return nil
	}
	for _, patterns := range m.byStart {
		slices.SortFunc(patterns, func(a, b []byte) int { return len(b) - len(a) })
	}
	return m
}

// forms returns s in every form that is masked, if s is long enough.
func forms(s string) []string {
	s = strings.TrimRight(s, "\r\n")
	if len(s) < MinSecret {
		return nil
	}
	all := encodings(s)
	if strings.Contains(s, "\n") {
		for line := range strings.Lines(s) {
			if line = strings.TrimSpace(line); len(line) >= MinSecret {
				all = append(all, encodings(line)...)
			}
		}
	}
	return all
}

func encodings(s string) []string {
	all := []string{s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	escaped := url.QueryEscape(s)
	all = append(all, escaped, lowerEscapes(escaped), url.PathEscape(s), lowerEscapes(url.PathEscape(s)),
		strings.ReplaceAll(escaped, "+", "%20"))
	for _, html := range []bool{false, true} {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(s) == nil {
			all = append(all, strings.Trim(strings.TrimSuffix(b.String(), "\n"), `"`))
		}
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		all = append(all, enc.EncodeToString([]byte(s)))
		for offset := range 3 {
			all = append(all, inside(enc.WithPadding(base64.NoPadding), s, offset))
		}
	}
	return all
}

// inside returns the base64 digits that depend on s alone when offset bytes,
// modulo 3, stand before it and more text may follow.
func inside(enc *base64.Encoding, s string, offset int) string {
	digits := enc.EncodeToString(append(make([]byte, offset), s...))
	from := (offset*8 + 5) / 6
	to := (offset + len(s)) * 8 / 6
	return digits[from:to]
}

// lowerEscapes spells the hexadecimal digits of %-escapes in lower case.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], bytes.ToLower(b[i+1:i+3]))
			i += 2
		}
	}
	return string(b)
}

// String returns s with its secrets replaced.
func (m *Masker) String(s string) string {
	if m == nil {
		return s
	}
	st := stream{m: m}
	return string(append(st.write(nil, []byte(s)), st.flush(nil)...))
}

// longest returns the length of the longest pattern at the beginning of b.
// more says that b ends inside a longer one.
func (m *Masker) longest(b []byte) (n int, more bool) {
	if len(b) < 2 {
		return 0, len(b) == 1 && m.first[b[0]]
	}
	for _, p := range m.byStart[[2]byte{b[0], b[1]}] {
		if len(p) > len(b) {
			more = more || bytes.HasPrefix(p, b)
		} else if bytes.HasPrefix(b, p) {
			return len(p), more
		}
	}
	return 0, more
}

// A stream masks text that arrives in pieces. However it is cut, the output
// is the same (TestSecretsNeverOnDisk).
type stream struct {
	m       *Masker
	held    []byte // the end of the text so far, in which a secret may begin
	covered int    // how much of held belongs to a secret already replaced
}

// write appends to dst what can be told of the text now that p has arrived.
func (s *stream) write(dst, p []byte) []byte { return s.scan(dst, p, false) }

// flush appends to dst what was held back. The text is over.
func (s *stream) flush(dst []byte) []byte { return s.scan(dst, nil, true) }

func (s *stream) scan(dst, p []byte, last bool) []byte {
	b := p
	if len(s.held) > 0 {
		b = append(s.held, p...)
	}
	i, plain := 0, 0 // b[plain:i] is text to hand on
	end := s.covered // of the secret that i is inside of
	if end > 0 {
		plain = min(end, len(b))
	}
	for ; i < len(b); i++ {
		if !s.m.first[b[i]] {
			continue
		}
		n, more := s.m.longest(b[i:])
		if more && !last {
			break
		}
		if n == 0 {
			continue
		}
		if i >= end {
			dst = append(append(dst, b[plain:i]...), mask...)
		}
		end = max(end, i+n)
		plain = end
	}
	if i > plain {
		dst = append(dst, b[plain:i]...)
	}
	s.covered = max(end-i, 0)
	s.held = append(s.held[:0], b[i:]...)
	return dst
}

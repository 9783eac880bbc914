package trigger

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// A Glob is a compiled pattern for names of branches and tags, and for paths.
//
//   - any characters but '/'
//     **     any characters; standing alone between slashes, any number of folders
//     ?      one character but '/'
//     [a-z]  one character of a set, [!a-z] one outside it, never '/'
//     {a,b}  either; groups do not nest
//     \      the next character stands for itself
//
// A pattern matches a name as a whole, and case matters. Matching takes time
// linear in the name, whatever the pattern.
type Glob struct{ re *regexp.Regexp }

// Match reports whether name is one g describes.
func (g Glob) Match(name string) bool { return g.re.MatchString(name) }

// Compile reads a pattern.
func Compile(pattern string) (Glob, error) {
	if !utf8.ValidString(pattern) {
		return Glob{}, fmt.Errorf("pattern %q is not UTF-8", pattern)
	}
	p := parser{rest: []rune(pattern), folder: true}
	if err := p.parse(); err != nil {
		return Glob{}, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	re, err := regexp.Compile(`(?s)\A` + p.out.String() + `\z`)
	if err != nil {
		return Glob{}, fmt.Errorf("pattern %s: %w", pattern, err)
	}
	return Glob{re}, nil
}

// A parser turns a glob into a regular expression, whose matcher in the
// standard library does not backtrack.
type parser struct {
	rest   []rune
	out    strings.Builder
	folder bool // a folder's name may begin here
	group  bool // inside {}
	before bool // folder, as it was in front of the group
}

func (p *parser) parse() error {
	for len(p.rest) > 0 {
		c := p.rest[0]
		p.rest = p.rest[1:]
		if err := p.char(c); err != nil {
			return err
		}
	}
	if p.group {
		return errors.New("'{' is not closed")
	}
	return nil
}

func (p *parser) char(c rune) error {
	folder := p.folder
	p.folder = false
	switch {
	case c == '*':
		p.stars(folder)
	case c == '?':
		p.out.WriteString("[^/]")
	case c == '[':
		return p.set()
	case c == '{' && p.group:
		return errors.New("groups do not nest")
	case c == '{':
		p.group, p.before, p.folder = true, folder, folder
		p.out.WriteString("(?:")
	case c == ',' && p.group:
		p.folder = p.before
		p.out.WriteByte('|')
	case c == '}' && p.group:
		p.group = false
		p.out.WriteByte(')')
	case c == '\\':
		if len(p.rest) == 0 {
			return errors.New(`'\' is last`)
		}
		c, p.rest = p.rest[0], p.rest[1:]
		p.literal(c)
	default:
		p.literal(c)
	}
	return nil
}

func (p *parser) literal(c rune) {
	p.folder = c == '/'
	p.out.WriteString(regexp.QuoteMeta(string(c)))
}

// stars reads the stars behind a first one.
func (p *parser) stars(folder bool) {
	n := 1
	for len(p.rest) > 0 && p.rest[0] == '*' {
		n, p.rest = n+1, p.rest[1:]
	}
	switch {
	case n == 1:
		p.out.WriteString("[^/]*")
	case folder && len(p.rest) > 0 && p.rest[0] == '/':
		p.rest, p.folder = p.rest[1:], true
		p.out.WriteString("(?:.*/)?")
	default:
		p.out.WriteString(".*")
	}
}

// set reads a set behind its '['.
func (p *parser) set() error {
	negated := len(p.rest) > 0 && p.rest[0] == '!'
	if negated {
		p.rest = p.rest[1:]
	}
	var members strings.Builder
	for n := 0; ; n++ {
		lo, err := p.member()
		if err != nil {
			return err
		}
		if lo == closing {
			if n == 0 {
				return errors.New("a set is empty")
			}
			break
		}
		hi := lo
		if len(p.rest) > 1 && p.rest[0] == '-' && p.rest[1] != ']' {
			p.rest = p.rest[1:]
			if hi, err = p.member(); err != nil {
				return err
			}
		}
		if hi < lo {
			return fmt.Errorf("range %c-%c is backwards", lo, hi)
		}
		span(&members, lo, hi, negated)
	}
	switch {
	case negated:
		fmt.Fprintf(&p.out, "[^/%s]", &members)
	case members.Len() == 0: // only '/', which no set matches
		p.out.WriteString(`[^\x{0}-\x{10FFFF}]`)
	default:
		fmt.Fprintf(&p.out, "[%s]", &members)
	}
	return nil
}

// closing is what member returns for the end of a set.
const closing = -1

// member reads one character of a set.
func (p *parser) member() (rune, error) {
	if len(p.rest) > 1 && p.rest[0] == '\\' {
		c := p.rest[1]
		p.rest = p.rest[2:]
		return c, nil
	}
	if len(p.rest) == 0 {
		return 0, errors.New("'[' is not closed")
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	if c == ']' {
		return closing, nil
	}
	return c, nil
}

// span writes the characters from lo to hi as part of a set; a set that is not
// negated leaves '/' out.
func span(b *strings.Builder, lo, hi rune, negated bool) {
	write := func(lo, hi rune) {
		if lo <= hi {
			fmt.Fprintf(b, `\x{%X}-\x{%X}`, lo, hi)
		}
	}
	if negated || hi < '/' || lo > '/' {
		write(lo, hi)
		return
	}
	write(lo, '/'-1)
	write('/'+1, hi)
}

package githttp

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// open returns the content of an object and its size. One that stands on
// another is held in memory; one that is whole is not.
func (p *Pack) open(o *object) (io.Reader, int64, error) {
	if o.base != nil {
		content, err := p.content(o)
		return bytes.NewReader(content), int64(len(content)), err
	}
	z, err := p.inflate(o)
	return z, o.size, err
}

// inflate returns what is compressed of o, exactly o.size bytes.
func (p *Pack) inflate(o *object) (io.Reader, error) {
	z, err := zlib.NewReader(bufio.NewReader(io.NewSectionReader(p.file, o.at, 1<<62)))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return io.LimitReader(z, o.size), nil
}

// content returns the content of an object, which must not be changed.
func (p *Pack) content(o *object) ([]byte, error) {
	// The bases that have to be read are found first, and not by recursion: a
	// chain may be long.
	var chain []*object
	content, ok := p.cache.get(o)
	for ; !ok && o != nil; content, ok = p.cache.get(o) {
		chain = append(chain, o)
		o = o.base
	}
	for i := len(chain) - 1; i >= 0; i-- {
		o := chain[i]
		own, err := p.compressed(o)
		if err != nil {
			return nil, err
		}
		if o.base != nil {
			own, err = patch(content, own, p.limits.Object)
		}
		if err != nil {
			return nil, err
		}
		content = own
		p.cache.put(o, content)
	}
	return content, nil
}

// compressed returns all that is compressed of o.
func (p *Pack) compressed(o *object) ([]byte, error) {
	if o.size > p.limits.Object {
		return nil, fmt.Errorf("%w: an object of %d bytes has to be held in memory, where at most %d are", ErrLimit, o.size, p.limits.Object)
	}
	z, err := p.inflate(o)
	if err != nil {
		return nil, err
	}
	own := make([]byte, o.size)
	if _, err := io.ReadFull(z, own); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return own, nil
}

var errDelta = errors.New("a difference that does not fit its base")

// patch returns the object of at most limit bytes that differs from base by
// delta: after the sizes of both come instructions, to copy a part of base or
// to insert what follows.
func patch(base, delta []byte, limit int64) ([]byte, error) {
	from, delta := length(delta)
	size, delta := length(delta)
	if from != int64(len(base)) || size < 0 {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, errDelta)
	}
	if size > limit {
		return nil, fmt.Errorf("%w: an object of %d bytes has to be held in memory, where at most %d are", ErrLimit, size, limit)
	}
	out := make([]byte, 0, size)
	for len(delta) > 0 {
		op := delta[0]
		var part []byte
		if op&0x80 != 0 {
			var at, n int
			var ok bool
			if at, n, delta, ok = span(delta); !ok || at > len(base) || n > len(base)-at {
				return nil, fmt.Errorf("%w: %w", ErrDamaged, errDelta)
			}
			part = base[at : at+n]
		} else {
			if op == 0 || int(op) > len(delta)-1 {
				return nil, fmt.Errorf("%w: %w", ErrDamaged, errDelta)
			}
			part, delta = delta[1:1+int(op)], delta[1+int(op):]
		}
		if int64(len(out)+len(part)) > size {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, errDelta)
		}
		out = append(out, part...)
	}
	if int64(len(out)) != size {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, errDelta)
	}
	return out, nil
}

// length reads a size, seven bits in a byte, and returns what follows. It is
// negative if there is none.
func length(b []byte) (n int64, rest []byte) {
	for i, c := range b {
		if i > 7 {
			break
		}
		n |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return n, b[i+1:]
		}
	}
	return -1, nil
}

// span reads an instruction to copy. The bits of its first byte say which
// bytes of the place (four) and of the length (three) follow; others are 0.
func span(b []byte) (at, n int, rest []byte, ok bool) {
	op, rest := b[0], b[1:]
	for i := range 7 {
		if op&(1<<i) == 0 {
			continue
		}
		if len(rest) == 0 {
			return 0, 0, nil, false
		}
		if i < 4 {
			at |= int(rest[0]) << (8 * i)
		} else {
			n |= int(rest[0]) << (8 * (i - 4))
		}
		rest = rest[1:]
	}
	if n == 0 {
		n = 0x10000
	}
	return at, n, rest, true
}

// A cache keeps contents of up to limit bytes together, the newest.
type cache struct {
	limit    int64
	used     int64
	contents map[*object][]byte
	order    []*object // oldest first
}

func (c *cache) get(o *object) ([]byte, bool) {
	content, ok := c.contents[o]
	return content, ok
}

func (c *cache) put(o *object, content []byte) {
	if c.contents == nil {
		c.contents = make(map[*object][]byte)
	}
	c.contents[o] = content
	c.order = append(c.order, o)
	for c.used += int64(len(content)); c.used > c.limit && len(c.order) > 1; c.order = c.order[1:] {
		c.used -= int64(len(c.contents[c.order[0]]))
		delete(c.contents, c.order[0])
	}
}

package githttp

import (
	"bufio"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// A Pack is the objects that came with a commit. It reads them from the file
// they were written to, which has to outlive it.
type Pack struct {
	file    *os.File
	limits  Limits
	objects map[ID]*object
	cache   cache
	opened  int64 // bytes that Open was asked for
}

// An object is one of a pack. It is whole, or the difference to a base.
type object struct {
	begin int64 // where it begins in the pack
	at    int64 // where its compressed content does
	size  int64 // of that, unpacked; for a difference, of the difference
	kind  kind
	depth int // how many bases it stands on
	base  *object
}

// A kind is what an object is, as a pack numbers it.
type kind byte

const (
	commitKind  kind = 1
	treeKind    kind = 2
	blobKind    kind = 3
	tagKind     kind = 4
	offsetDelta kind = 6
	idDelta     kind = 7
	maxDepth         = 4096 // git itself makes chains of at most 4095
)

func (k kind) String() string {
	return map[kind]string{commitKind: "commit", treeKind: "tree", blobKind: "blob", tagKind: "tag"}[k]
}

// readPack finds the objects in the first size bytes of file.
func readPack(ctx context.Context, file *os.File, size int64, limits Limits) (*Pack, error) {
	p := &Pack{file: file, limits: limits, objects: make(map[ID]*object), cache: cache{limit: limits.Object}}
	s := &scan{pack: p, in: &counter{r: bufio.NewReaderSize(io.NewSectionReader(file, 0, size), 1<<16)},
		onOffset: make(map[int64][]*object), onID: make(map[ID][]*object)}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return p, s.resolve(ctx)
}

// A scan reads a pack from front to back.
type scan struct {
	pack     *Pack
	in       *counter
	onOffset map[int64][]*object // objects that stand on the one that begins there
	onID     map[ID][]*object    // objects that stand on the one of that id
	known    []named
	bytes    int64 // unpacked so far
	z        io.ReadCloser
}

// A named is an object whose id is known.
type named struct {
	*object
	id ID
}

func (s *scan) run(ctx context.Context) error {
	var head [12]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil || string(head[:4]) != "PACK" {
		return fmt.Errorf("%w: the answer holds no pack", ErrDamaged)
	}
	version, n := binary.BigEndian.Uint32(head[4:]), binary.BigEndian.Uint32(head[8:])
	switch {
	case version != 2 && version != 3:
		return fmt.Errorf("%w: a pack of version %d", ErrUnsupported, version)
	case int64(n) > int64(s.pack.limits.Objects):
		return fmt.Errorf("%w: it has %d objects, more than %d", ErrLimit, n, s.pack.limits.Objects)
	}
	for range n {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.object(); err != nil {
			return err
		}
	}
	return nil
}

// object reads the next object.
func (s *scan) object() error {
	begin := s.in.n
	k, size, err := s.head()
	if err != nil {
		return err
	}
	if err := s.count(size); err != nil {
		return err
	}
	o := &object{begin: begin, size: size, kind: k}
	switch k {
	case commitKind, treeKind, blobKind, tagKind:
		o.at = s.in.n
		id, err := s.inflate(o)
		s.known = append(s.known, named{o, id})
		return err
	case offsetDelta:
		back, err := s.offset()
		if err != nil || back <= 0 || back > begin {
			return fmt.Errorf("%w: an object stands on none before it (%v)", ErrDamaged, err)
		}
		s.onOffset[begin-back] = append(s.onOffset[begin-back], o)
	case idDelta:
		var base ID
		if _, err := io.ReadFull(s.in, base[:]); err != nil {
			return fmt.Errorf("%w: %v", ErrDamaged, err)
		}
		s.onID[base] = append(s.onID[base], o)
	default:
		return fmt.Errorf("%w: an object of kind %d", ErrDamaged, k)
	}
	o.at = s.in.n
	_, err = s.inflate(o)
	return err
}

// head reads kind and size: three bits of the one, and of the other four and
// then seven in a byte, lowest first, as long as the highest bit is set.
func (s *scan) head() (kind, int64, error) {
	b, err := s.in.ReadByte()
	k, size := kind(b>>4&7), int64(b&15)
	for shift := 4; err == nil && b&0x80 != 0; shift += 7 {
		if shift > 53 {
			return 0, 0, fmt.Errorf("%w: an object of impossible size", ErrDamaged)
		}
		b, err = s.in.ReadByte()
		size |= int64(b&0x7f) << shift
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%w: the pack ends early: %v", ErrDamaged, err)
	}
	return k, size, nil
}

// offset reads how far back the base of an object begins.
func (s *scan) offset() (int64, error) {
	b, err := s.in.ReadByte()
	n := int64(b & 0x7f)
	for err == nil && b&0x80 != 0 {
		if n > 1<<55 {
			return 0, errors.New("too far back")
		}
		b, err = s.in.ReadByte()
		n = (n+1)<<7 | int64(b&0x7f)
	}
	return n, err
}

// count bounds what is unpacked, whether it is of use or not.
func (s *scan) count(n int64) error {
	limit := s.pack.limits.Bytes + s.pack.limits.Pack
	if s.bytes += n; n > limit || s.bytes > limit {
		return fmt.Errorf("%w: it unpacks to more than %d bytes", ErrLimit, limit)
	}
	return nil
}

// inflate reads the content of o, whose place in the pack is next, and returns
// the id that it gives if it is whole. Nothing of it is kept.
func (s *scan) inflate(o *object) (id ID, err error) {
	h := header(o.kind, o.size)
	if s.z == nil {
		s.z, err = zlib.NewReader(s.in)
	} else {
		err = s.z.(zlib.Resetter).Reset(s.in, nil)
	}
	if err != nil {
		return id, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	n, err := io.Copy(h, io.LimitReader(s.z, o.size+1))
	if err != nil || n != o.size {
		return id, fmt.Errorf("%w: an object of %d bytes has another size (%v)", ErrDamaged, o.size, err)
	}
	return ID(h.Sum(nil)), nil
}

// header returns the hash of what stands in front of an object's content when
// its id is made.
func header(k kind, size int64) hash.Hash {
	h := sha1.New()
	fmt.Fprintf(h, "%s %d\x00", k, size)
	return h
}

// resolve gives ids to the objects that stand on others, bases first.
func (s *scan) resolve(ctx context.Context) error {
	for len(s.known) > 0 {
		base := s.known[len(s.known)-1]
		s.known = s.known[:len(s.known)-1]
		s.pack.objects[base.id] = base.object
		above := append(s.onOffset[base.begin], s.onID[base.id]...)
		delete(s.onOffset, base.begin)
		delete(s.onID, base.id)
		for _, o := range above {
			if err := ctx.Err(); err != nil {
				return err
			}
			id, err := s.stand(o, base.object)
			if err != nil {
				return err
			}
			s.known = append(s.known, named{o, id})
		}
	}
	return nil
}

// stand puts o on its base and returns the id that it gives.
func (s *scan) stand(o, base *object) (ID, error) {
	o.base, o.kind, o.depth = base, base.kind, base.depth+1
	if o.depth > maxDepth {
		return ID{}, fmt.Errorf("%w: an object stands on more than %d others", ErrLimit, maxDepth)
	}
	content, err := s.pack.content(o)
	if err != nil {
		return ID{}, err
	}
	h := header(o.kind, int64(len(content)))
	h.Write(content)
	return ID(h.Sum(nil)), s.count(int64(len(content)))
}

// A counter knows how many bytes were read from it. Being an io.ByteReader, it
// is not read beyond the end of what is compressed.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}

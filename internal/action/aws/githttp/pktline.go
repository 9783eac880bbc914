package githttp

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Everything but a pack is said in lines that begin with their length, four
// hexadecimal digits. A length of 0 is a pause, called flush.

// pktMax is the longest line, its length included.
const pktMax = 65520

// pkt returns text as a line.
func pkt(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	return fmt.Sprintf("%04x%s", len(text)+4, text)
}

const flush = "0000"

// readPkt returns the next line, and whether it is a flush. The line is valid
// until the next call with the same buffer.
func readPkt(r *bufio.Reader, buf []byte) (line []byte, flushed bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, false, fmt.Errorf("answer ends early: %w", noEOF(err))
	}
	var n [2]byte
	if _, err := hex.Decode(n[:], head[:]); err != nil {
		return nil, false, fmt.Errorf("%w: a line begins with %q, which is no length", ErrUnsupported, head[:])
	}
	size := int(n[0])<<8 | int(n[1])
	switch {
	case size == 0:
		return nil, true, nil
	case size < 4 || size > pktMax:
		return nil, false, fmt.Errorf("%w: a line of length %d", ErrUnsupported, size)
	}
	line = buf[:size-4]
	if _, err := io.ReadFull(r, line); err != nil {
		return nil, false, fmt.Errorf("answer ends early: %w", noEOF(err))
	}
	return line, false, nil
}

// noEOF makes an end that came too early an error that no caller takes for one
// that was due.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// said returns the error that a server's own words are.
func said(text string) error {
	text = strings.TrimSpace(strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > 500 {
		text = text[:500] + "..."
	}
	if strings.Contains(text, "not our ref") || strings.Contains(text, "unadvertised object") {
		return fmt.Errorf("%w; the server says: %q", ErrUnknown, text)
	}
	return fmt.Errorf("the server says: %q", text)
}

// A bands reader yields the first of the three bands into which an answer is
// divided: data. The second, progress, is dropped; the third is an error.
type bands struct {
	r    *bufio.Reader
	buf  [pktMax]byte
	left []byte
	end  error
}

// Read implements io.Reader.
func (b *bands) Read(p []byte) (int, error) {
	for len(b.left) == 0 {
		if b.end == nil {
			b.end = b.next()
		}
		if b.end != nil {
			return 0, b.end
		}
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	return n, nil
}

func (b *bands) next() error {
	line, flushed, err := readPkt(b.r, b.buf[:])
	switch {
	case err != nil:
		return err
	case flushed:
		return io.EOF
	case len(line) == 0:
		return nil
	case line[0] == 1:
		b.left = line[1:]
		return nil
	case line[0] == 2:
		return nil
	case line[0] == 3:
		return said(string(line[1:]))
	}
	return fmt.Errorf("%w: a line in band %d", ErrUnsupported, line[0])
}

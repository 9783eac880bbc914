package cli

import (
	"fmt"
	"io"
	"strings"
)

// A screen keeps a block of lines at the bottom of a terminal and repaints it
// in place. What is printed above it scrolls away as usual.
type screen struct {
	out     io.Writer
	talk    *gate // comes out between two paintings
	size    func() (width, height int, ok bool)
	painted []int // cells of each line of the block as it stands
}

// paint prints above for good, and below it block in the place of the last
// one. Everything goes out in one write, so nothing flickers.
func (s *screen) paint(above []string, block []row) {
	width, height, ok := s.size()
	if !ok || width < 1 || height < 1 {
		width, height = 80, 24
	}
	var b strings.Builder
	b.WriteString(s.erase(width))
	if s.talk.waits() {
		io.WriteString(s.out, b.String())
		b.Reset()
		s.talk.empty()
	}
	for _, line := range above {
		b.WriteString(line + "\n")
	}
	s.painted = s.painted[:0]
	for _, line := range fit(block, height-1) {
		line = cut(line, width-1) // a full line would wrap on some terminals
		s.painted = append(s.painted, cells(line))
		b.WriteString(line + "\n")
	}
	io.WriteString(s.out, b.String()) // a terminal that is gone ends the program by signal
}

// erase returns what takes the block away. A window that became narrower has
// wrapped its lines, so they take more rows than were painted.
func (s *screen) erase(width int) string {
	rows := 0
	for _, n := range s.painted {
		rows += max((n+width-1)/width, 1)
	}
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r\x1b[J", rows)
}

package cli

import (
	"bytes"
	"io"
	"sync"
)

// A gate stands in front of stderr. While a picture is on the terminal it
// holds back what is said, so that the picture can be taken away first.
type gate struct {
	mu      sync.Mutex
	out     io.Writer
	holding bool
	held    bytes.Buffer
}

// Write implements io.Writer.
func (g *gate) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holding {
		return g.held.Write(b)
	}
	return g.out.Write(b)
}

// hold begins or ends holding back. What was held comes out at the end.
func (g *gate) hold(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding = on
	if !on {
		g.release()
	}
}

// empty lets out what was held so far.
func (g *gate) empty() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.release()
}

func (g *gate) release() {
	g.out.Write(g.held.Bytes()) // nobody is left to tell that stderr is gone
	g.held.Reset()
}

// waits reports whether something is held.
func (g *gate) waits() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held.Len() > 0
}

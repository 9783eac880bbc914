package process

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

// Limits of a log.
const (
	DefaultCap = 64 << 20 // bytes kept of one log
	maxLine    = 64 << 10 // bytes after which a line is broken
)

// A Log is a file of output: secrets are masked before they reach the disk,
// lines of more than 64 KB are broken, and when it is full it says so and
// keeps no more. Bytes are otherwise kept as they come, whatever they are.
// It is safe for concurrent use.
type Log struct {
	path string

	mu      sync.Mutex
	file    *os.File // nil until there is something to write
	early   []byte   // lines of our own from before that
	text    *stream  // nil if nothing is masked
	max     int64
	size    int64 // bytes written
	line    int   // bytes written since the last newline
	dropped int64 // bytes not written for lack of room
	buf     []byte
	now     func() time.Time
}

// LogOptions has what a Log can do without.
type LogOptions struct {
	Masker *Masker          // default: nothing is masked
	Cap    int64            // default DefaultCap
	Now    func() time.Time // default time.Now; for Printf

	// Later leaves it to the first output, to Flush or to Close to create the
	// file. Creating one takes long enough to be worth doing while a command
	// starts.
	Later bool
}

// CreateLog creates a log, or adds to it. Only its owner can read it.
func CreateLog(path string, opts LogOptions) (*Log, error) {
	l := &Log{path: path, max: opts.Cap, now: opts.Now}
	if l.max == 0 {
		l.max = DefaultCap
	}
	if l.now == nil {
		l.now = time.Now
	}
	if opts.Masker != nil {
		l.text = &stream{m: opts.Masker}
	}
	if !opts.Later {
		return l, l.Flush()
	}
	return l, nil
}

// Flush creates the file if it is not there yet.
func (l *Log) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open()
}

func (l *Log) open() error {
	if l.file != nil {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.file = f
	early := l.early
	l.early = nil
	return l.add(early)
}

// Mask makes the log mask the secrets m knows from now on.
func (l *Log) Mask(m *Masker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m != nil {
		l.text = &stream{m: m}
	}
}

// Write adds output. It reports len(p) unless the disk fails.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return 0, err
	}
	return len(p), l.add(p)
}

// add masks p and writes it.
func (l *Log) add(p []byte) error {
	if l.text != nil {
		l.buf = l.text.write(l.buf[:0], p)
		p = l.buf
	}
	return l.put(p)
}

// Close writes what was held back and closes the file.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.open(); err != nil {
		return err
	}
	var err error
	if l.text != nil {
		err = l.put(l.text.flush(nil))
	}
	if l.dropped > 0 {
		_, err = fmt.Fprintf(l.file, "[Sluice] %d more bytes were not kept\n", l.dropped)
	}
	if closeErr := l.file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// put writes p, line by line where a line is too long.
func (l *Log) put(p []byte) error {
	for len(p) > 0 {
		room := maxLine - l.line
		piece, broken := p[:min(len(p), room)], false
		if i := bytes.LastIndexByte(piece, '\n'); i >= 0 {
			piece = piece[:i+1]
		} else if len(p) > room {
			broken = true
		}
		if err := l.keep(piece); err != nil {
			return err
		}
		switch {
		case broken:
			if err := l.keep([]byte("\n")); err != nil {
				return err
			}
			l.line = 0
		case piece[len(piece)-1] == '\n':
			l.line = 0
		default:
			l.line += len(piece)
		}
		p = p[len(piece):]
	}
	return nil
}

// keep writes p if there is room, and says so once when there is none.
func (l *Log) keep(p []byte) error {
	if l.dropped > 0 {
		l.dropped += int64(len(p))
		return nil
	}
	fits := p
	if left := l.max - l.size; int64(len(p)) > left {
		fits = p[:left]
	}
	n, err := l.file.Write(fits)
	l.size += int64(n)
	if err == nil && len(fits) < len(p) {
		l.dropped = int64(len(p) - len(fits))
		_, err = fmt.Fprintf(l.file, "\n[Sluice] the log is full: no more than %d bytes are kept\n", l.max)
	}
	return err
}

// Printf adds a line of its own, as CodeBuild writes them.
func (l *Log) Printf(format string, args ...any) {
	l.say(container(l.now(), format, args...))
}

// say adds lines of our own. An error shows at the next write of output.
func (l *Log) say(lines string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		l.early = append(l.early, lines...)
		return
	}
	l.add([]byte(lines))
}

// container returns a line that is not output but about it.
func container(now time.Time, format string, args ...any) string {
	return "[Container] " + now.UTC().Format("2006/01/02 15:04:05.000000") + " " + fmt.Sprintf(format, args...) + "\n"
}

package background

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
)

// A journal is a file with a line for each start of a job, "<id> started", and
// one for each end, "<id> <result>". One file for all jobs, because to create
// a file costs a quarter of what it costs to run a command, and to add a line
// next to nothing. It only grows, by some hundred bytes a job.
type journal struct {
	file *os.File

	mu    sync.Mutex
	read  int64            // guarded by mu; how much of the file is in lines
	lines map[string]place // guarded by mu; the last line of each job
}

// A place is where in the file a text is.
type place struct {
	at     int64
	length int
}

// started stands where the result will be.
const started = "started"

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, lines: map[string]place{}}
	if err := j.mend(); err != nil {
		f.Close()
		return nil, err
	}
	return j, nil
}

// mend ends the last line, if a crash of the machine cut it short.
func (j *journal) mend() error {
	info, err := j.file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := j.file.ReadAt(last, info.Size()-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = j.file.WriteString("\n")
	}
	return err
}

// add adds a line. With flush it is on the disk when add returns.
func (j *journal) add(id string, text []byte, flush bool) error {
	line := make([]byte, 0, len(id)+len(text)+2)
	line = append(append(append(append(line, id...), ' '), text...), '\n')
	if _, err := j.file.Write(line); err != nil || !flush {
		return err
	}
	return j.file.Sync()
}

// last returns the text of the last line of a job; ok is false if it has none.
func (j *journal) last(id string) (text []byte, ok bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.catchUp(); err != nil {
		return nil, false, err
	}
	p, ok := j.lines[id]
	if !ok {
		return nil, false, nil
	}
	text = make([]byte, p.length)
	_, err = j.file.ReadAt(text, p.at)
	return text, true, err
}

// catchUp reads the lines that were added since it was last called.
func (j *journal) catchUp() error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	size := min(info.Size()-j.read, 1<<20)
	for buf := []byte(nil); info.Size() > j.read; {
		if int64(cap(buf)) < size {
			buf = make([]byte, size)
		}
		n, err := j.file.ReadAt(buf[:size], j.read)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		end := bytes.LastIndexByte(buf[:n], '\n') + 1
		if end == 0 {
			if int64(n) < size || j.read+size >= info.Size() {
				return nil // a line that is being written
			}
			size *= 2 // a line longer than that
			continue
		}
		for rest, at := buf[:end], j.read; len(rest) > 0; {
			line, after, _ := bytes.Cut(rest, []byte("\n"))
			if id, text, ok := bytes.Cut(line, []byte(" ")); ok {
				j.lines[string(id)] = place{at + int64(len(id)) + 1, len(text)}
			}
			at += int64(len(line)) + 1
			rest = after
		}
		j.read += int64(end)
		size = min(max(info.Size()-j.read, 1), 1<<20)
	}
	return nil
}

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// procfs is a made-up /proc. Handles are process ids.
type procfs struct {
	dir    string
	reuse  map[int]string // what the id's environment is once it was opened
	gone   []int
	killed []int
}

func (p *procfs) put(pid int, environ string) {
	dir := filepath.Join(p.dir, strconv.Itoa(pid))
	os.MkdirAll(dir, 0o700)
	os.WriteFile(filepath.Join(dir, "environ"), []byte(environ), 0o600)
}

func (p *procfs) open(pid int) (int, error) {
	if slices.Contains(p.gone, pid) {
		os.RemoveAll(filepath.Join(p.dir, strconv.Itoa(pid)))
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	if environ, ok := p.reuse[pid]; ok {
		p.put(pid, environ)
	}
	return pid, nil
}

func (p *procfs) kill(h int) error {
	p.killed = append(p.killed, h)
	return os.RemoveAll(filepath.Join(p.dir, strconv.Itoa(h)))
}

func (p *procfs) awaitDeath(int) {}
func (p *procfs) close(int)      {}

// An id that was given to another process while we looked is not killed.
func TestSweepSparesTheInnocent(t *testing.T) {
	p := &procfs{dir: t.TempDir(), reuse: map[int]string{104: "A=1\x00"}, gone: []int{105}}
	p.put(100, "A=1\x00SLUICE_ACTION=data:job1\x00B=2\x00")
	p.put(101, "SLUICE_ACTION=data:job2")
	p.put(102, "X=SLUICE_ACTION=data:job1\x00")
	p.put(103, "SLUICE_ACTION=other:job1\x00")
	p.put(104, "SLUICE_ACTION=data:job1\x00")
	p.put(105, "SLUICE_ACTION=data:job1\x00")
	p.put(106, "")
	os.Mkdir(filepath.Join(p.dir, "self"), 0o700)
	os.Mkdir(filepath.Join(p.dir, "107"), 0o700) // no environ: it ended

	n, err := sweep(p.dir, []byte(MarkName+"=data:"), p)
	slices.Sort(p.killed)
	if err != nil || n != 2 || !slices.Equal(p.killed, []int{100, 101}) {
		t.Errorf("killed %v (%d), %v; want 100 and 101", p.killed, n, err)
	}
}

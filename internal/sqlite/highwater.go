package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/sluice-ci/sluice/internal/failpoint"
)

// slots is how many copies highwater has. They are written in turn, so a torn
// write leaves the one before it. Each lies in a disk sector of its own.
const (
	slots      = 2
	slotSize   = 12 // number, checksum
	slotStride = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// syncPause is the time between two syncs of the mark. Beside a commit, a sync
// of another file makes that commit 40 % slower; at this pace it costs 1 %.
const syncPause = 10 * time.Millisecond

// A highwater is the file with the number of the last acknowledged commit.
//
// raise puts the number where it survives the death of the process. That it
// survives the machine is taken care of afterwards, so acknowledging costs one
// sync and not two: on disk the number is behind by syncPause at most. The
// commits themselves are on disk before that, so only a disk that both loses
// power and breaks its word about them could hide the loss of those last few.
type highwater struct {
	file  *os.File
	value int64
	slot  int64
	dirty chan struct{}
	stop  chan struct{} // closed by close
	done  chan struct{} // the syncing goroutine has ended
	err   atomic.Pointer[error]
}

// openHighwater opens the file, and creates it if there is no database yet. On
// an error it returns, if it can, a mark of zero beside it.
func openHighwater(path string, database bool) (*highwater, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	h := &highwater{file: file, dirty: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	go h.sync()
	buf := make([]byte, slots*slotStride)
	n, err := file.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return h, err
	}
	if n == 0 && !database {
		return h, syncFolder(filepath.Dir(path))
	}
	found := false
	for i := range slots {
		if v, ok := decodeSlot(buf[i*slotStride:]); ok && (!found || v > h.value) {
			h.value, h.slot, found = v, int64(i), true
		}
	}
	if !found {
		return h, fmt.Errorf("%s is missing or damaged: it cannot be told whether commits are lost", path)
	}
	return h, nil
}

func decodeSlot(b []byte) (int64, bool) {
	n := binary.BigEndian.Uint64(b)
	return int64(n), binary.BigEndian.Uint32(b[8:]) == crc32.Checksum(b[:8], castagnoli)^^uint32(0)
}

func (h *highwater) put(slot, n int64) error {
	var b [slotSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	binary.BigEndian.PutUint32(b[8:], crc32.Checksum(b[:8], castagnoli)^^uint32(0)) // so that zeros are not valid
	_, err := h.file.WriteAt(b[:], slot*slotStride)
	return err
}

// raise sets the mark to n. It fails too when an earlier mark could not be
// synced.
func (h *highwater) raise(n int64) error {
	next := (h.slot + 1) % slots
	if err := h.put(next, n); err != nil {
		return err
	}
	h.value, h.slot = n, next
	select {
	case h.dirty <- struct{}{}:
	default: // the next sync is due already
	}
	if err := h.err.Swap(nil); err != nil {
		return *err
	}
	return nil
}

func (h *highwater) sync() {
	defer close(h.done)
	for {
		select {
		case <-h.dirty:
		case <-h.stop:
			return
		}
		if err := failpoint.Step("sqlite mark sync", func() error { return syncData(h.file) }); err != nil {
			h.err.Store(&err)
		}
		select {
		case <-time.After(syncPause):
		case <-h.stop:
			return
		}
	}
}

// reset sets the mark to n, which may be lower than before.
func (h *highwater) reset(n int64) error {
	for i := range int64(slots) {
		if err := h.put(i, n); err != nil {
			return err
		}
	}
	h.value = n
	return h.file.Sync()
}

func (h *highwater) close() error {
	close(h.stop)
	<-h.done
	return errors.Join(h.file.Sync(), h.file.Close())
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package watch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/trigger"
)

// objectKey is the one key of an object's State.
const objectKey = "object"

// An object is the source of new versions of one file.
type object struct {
	target Target
	settle time.Duration
	stamp  stamp
	sure   bool // stamp was old enough to be trusted when the file was read
	last   State
}

// look reads the file when its time or size changed. One that was written just
// now may be half copied, so it waits for a later look.
func (o *object) look(ctx context.Context, now time.Time) (State, bool, error) {
	info, err := os.Stat(o.target.File)
	if errors.Is(err, fs.ErrNotExist) {
		same := o.last != nil && len(o.last) == 0
		o.last, o.sure = State{}, false
		return o.last, same, nil
	}
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() { // a FIFO would block
		return nil, false, fmt.Errorf("%s is not a file", o.target.File)
	}
	is := stamp{info.ModTime(), info.Size()}
	if o.last != nil && o.sure && is == o.stamp {
		return o.last, true, nil
	}
	if age := now.Sub(is.modified); age >= 0 && age < o.settle {
		if o.last == nil {
			return nil, true, errUnsettled
		}
		return o.last, true, nil
	}
	digest, err := sum(ctx, o.target.File)
	if err != nil {
		return nil, false, err
	}
	after, err := os.Stat(o.target.File)
	if err != nil || (stamp{after.ModTime(), after.Size()}) != is {
		return o.last, true, errUnsettled // written while it was read
	}
	same := o.last != nil && o.last[objectKey] == digest
	o.last, o.stamp, o.sure = State{objectKey: digest}, is, now.Sub(is.modified) >= young
	return o.last, same, nil
}

// errUnsettled says that there is nothing to say yet.
var errUnsettled = errors.New("the file is being written")

func (o *object) event(_ context.Context, _, _, digest string) (trigger.Event, error) {
	return trigger.ObjectCreated{Bucket: o.target.Bucket, Key: o.target.Key, VersionID: mapping.VersionID(digest)}, nil
}

// sum returns the digest of a file.
func sum(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	for {
		if _, err := io.CopyN(hash, f, 16<<20); errors.Is(err, io.EOF) {
			return "sha256:" + hex.EncodeToString(hash.Sum(nil)), nil
		} else if err != nil {
			return "", err
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
}

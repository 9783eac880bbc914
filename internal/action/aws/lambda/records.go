package lambda

import (
	"context"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// Recorded returns the Calls that are kept as records of s, where the receiver
// of answers finds them (package orchestrator, PutJobSuccess).
func Recorded(s store.Store) Calls { return recorded{s, record.Reader{Store: s}} }

type recorded struct {
	store store.Store
	read  record.Reader
}

// Call implements Calls.
func (r recorded) Call(ctx context.Context, id string) (Call, error) {
	c, err := r.read.Call(ctx, id)
	return Call{c.At, c.Value}, err
}

// PutCall implements Calls.
func (r recorded) PutCall(ctx context.Context, id string, c Call) error {
	err := r.store.Write(ctx, store.Op{Key: record.CallKey(id), Kind: store.Put, If: c.Version, Value: record.Encode(c.Call)})
	if store.IsConflict(err) {
		return ErrChanged
	}
	return err
}

// Adopted returns the port Uploaded over the store that the functions upload
// to.
func Adopted(blobs blob.Adopter) func(context.Context, action.Job, action.Artifact) (action.Artifact, error) {
	return func(ctx context.Context, _ action.Job, out action.Artifact) (action.Artifact, error) {
		ref, err := blobs.Adopt(ctx, out.Ref.Bucket, out.Ref.Key)
		if err != nil {
			return action.Artifact{}, err
		}
		out.Ref = ref
		return out, nil
	}
}

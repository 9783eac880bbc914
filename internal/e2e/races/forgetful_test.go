package races

import (
	"context"

	"github.com/sluice-ci/sluice/internal/store"
)

// forgetful writes whatever the version is that was read.
type forgetful struct{ store.Store }

// Write implements store.Store.
func (f forgetful) Write(ctx context.Context, ops ...store.Op) error {
	var blind []store.Op
	for _, op := range ops {
		if op.Kind != store.Check {
			op.If = store.Any
			blind = append(blind, op)
		}
	}
	return f.Store.Write(ctx, blind...)
}

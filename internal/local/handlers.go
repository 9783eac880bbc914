package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/sqlite"
)

// handlers are the functions that the machines call. Each decodes its payload
// and calls one use case, as the Lambda handlers do.
type handlers struct {
	work Work // set before the engine serves
	log  *slog.Logger
}

// Invoke implements engine.Invoker. A panic is the failure of one call, as it
// is for a Lambda function: the machine calls again, and at last gives up.
func (h *handlers) Invoke(ctx context.Context, function string, payload []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			h.log.Error("function panicked", "function", function, "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("function %s panicked: %v", function, p)
		}
	}()
	switch function {
	case compile.Local.Stage:
		return call(ctx, payload, h.work.Enter)
	case compile.Local.Source, compile.Local.Build, compile.Local.Deploy, compile.Local.Invoke, compile.Local.Approval:
		return call(ctx, payload, h.work.RunAction)
	}
	return fmt.Errorf("function %q does not exist", function)
}

func call[In any](ctx context.Context, payload []byte, use func(context.Context, In) error) error {
	var in In
	if err := json.Unmarshal(payload, &in); err != nil {
		return fmt.Errorf("payload %.200q: %w", payload, err)
	}
	return use(ctx, in)
}

// ended hears that a machine run has ended. Usually there is nothing to do.
func (h *handlers) ended(name string, status machine.Status, errorName, cause string) {
	if status == machine.Succeeded {
		return
	}
	if err := h.work.Ended(context.Background(), name, errorName+" "+cause); err != nil && !errors.Is(err, sqlite.ErrClosed) {
		h.log.Warn("the end of a machine run is not recorded; the sweep will", "run", name, "err", err)
	}
}

// resume hears that the work of a job has ended.
func (h *handlers) resume(jobID string) {
	if err := h.work.Resume(context.Background(), jobID); err != nil && !errors.Is(err, sqlite.ErrClosed) {
		h.log.Warn("the end of an action is not recorded; the sweep will", "action", jobID, "err", err)
	}
}

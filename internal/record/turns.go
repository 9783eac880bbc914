package record

import (
	"context"
	"fmt"

	"github.com/sluice-ci/sluice/internal/store"
)

// Turns say which actions of a stage run and which wait for one of them to
// end, in one attempt of a PARALLEL execution. A stage has none if all of its
// actions may run at a time.
type Turns struct {
	Running []string `json:"running,omitempty"` // action execution ids
	Waiting []Turn   `json:"waiting,omitempty"` // in order of arrival
}

// A Turn is the machine task that waits until its action may begin. There is
// no Action before.
type Turn struct {
	Action string `json:"action"`
	Waiter
}

// TurnsKey is the key of the Turns of a stage.
func TurnsKey(execution string, attempt int, stage string) store.Key {
	return store.Key{PK: "EXEC#" + execution, SK: fmt.Sprintf("TURN#%04d#%s", attempt, stage)}
}

// Turns returns the turns of a stage; zero when nobody has asked for one.
func (r Reader) Turns(ctx context.Context, execution string, attempt int, stage string) (Versioned[Turns], error) {
	return load[Turns](ctx, r, TurnsKey(execution, attempt, stage), func() error { return nil })
}

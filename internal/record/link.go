package record

import (
	"context"
	"errors"
	"time"

	"github.com/sluice-ci/sluice/internal/store"
)

// ErrNoLink says that nothing is known of a link.
var ErrNoLink = errors.New("no such link")

// A Link lets whoever has its secret answer one approval, once. Only the hash
// of the secret is known here, as part of the key.
type Link struct {
	Action  ActionID  `json:"action"`
	Expires time.Time `json:"expires"`         // deadline of the action, after which it is of no use
	Wrong   int       `json:"wrong,omitempty"` // answers that named another pipeline
	Used    time.Time `json:"used,omitzero"`   // when it was answered with
}

// LinkKey is the key of a Link. hash is the SHA-256 of its secret, in hex.
func LinkKey(hash string) store.Key { return store.Key{PK: "LINK#" + hash, SK: "LINK"} }

// Link returns the link whose secret has the hash, or ErrNoLink.
func (r Reader) Link(ctx context.Context, hash string) (Versioned[Link], error) {
	return load[Link](ctx, r, LinkKey(hash), func() error { return ErrNoLink })
}

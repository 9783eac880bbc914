package simulation

import (
	"context"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

func (w *world) mutateRead(k key, item *store.Item, err error) error { return err }
func (w *world) mutateWrite(ops []store.Op) []store.Op               { return ops }
func (w *world) mutateToken(token string) string                     { return token }
func (w *world) mutateEnter(in orchestrator.EnterRequest) orchestrator.EnterRequest {
	return in
}
func (w *world) mutateAct(ctx context.Context, gate *turnstile, row record.Outbox) bool {
	return false
}

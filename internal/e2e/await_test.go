package e2e_test

import (
	"context"
	"testing"
	"time"
)

// patience is how long a scenario waits for something that has to come. It is
// a bound for broken code, not a measure.
const patience = time.Minute

// await polls until what holds.
func await(t testing.TB, missing string, what func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !what() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited %s for %s", patience, missing)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

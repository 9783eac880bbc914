package store

import "context"

// Observe returns a Store that is s and calls f with the ops of every
// successful Write, after they were committed and before Write returns. It is
// what a DynamoDB stream is in the cloud, without the delay: a crash between
// the commit and f loses the call, so f may hasten what would happen anyway,
// and no more. Calls of concurrent writes may overlap and come in any order.
// f must not change the ops.
func Observe(s Store, f func([]Op)) Store { return observed{s, f} }

type observed struct {
	Store
	f func([]Op)
}

// Write implements Store.
func (s observed) Write(ctx context.Context, ops ...Op) error {
	err := s.Store.Write(ctx, ops...)
	if err == nil {
		s.f(ops)
	}
	return err
}

package store

import (
	"errors"
	"fmt"
)

// NotFoundError says that no item has the key.
type NotFoundError struct{ Key Key }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("item %s %s does not exist", e.Key.PK, e.Key.SK)
}

// ConflictError says which condition of a transaction did not hold.
type ConflictError struct {
	Key       Key
	Want, Got int64 // versions; Got 0 means that no item exists
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("item %s %s is at version %d, not %d", e.Key.PK, e.Key.SK, e.Got, e.Want)
}

// IsNotFound reports whether err says that an item does not exist.
func IsNotFound(err error) bool {
	_, ok := errors.AsType[*NotFoundError](err)
	return ok
}

// IsConflict reports whether err says that a condition did not hold.
func IsConflict(err error) bool {
	_, ok := errors.AsType[*ConflictError](err)
	return ok
}

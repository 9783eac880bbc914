package dynamo

import "time"

// Exported for tests.
var (
	Classify = classify
	RunOf    = runOf
	Last     = last
)

// Attempts is how often a Write is tried.
const Attempts = attempts

// The verdicts.
const (
	Unknown = unknown
	Applied = applied
	Refused = refused
	Busy    = busy
	Final   = final
)

// Hasten makes the pauses of s short.
func Hasten(s *Store) *Store {
	s.pause = time.Microsecond
	return s
}

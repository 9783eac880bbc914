package awsfake

import (
	"errors"
	"sync"
)

// ErrLost is the answer to a call whose real answer was lost on the way.
var ErrLost = errors.New("connection reset by peer")

// A Service does the calls of a fake AWS service one at a time between its
// knobs, and counts them. The zero value fails none.
type Service struct {
	mu     sync.Mutex
	knobs  Knobs          // guarded by mu
	counts map[string]int // guarded by mu
}

// Refuse lets every call of op fail, without doing anything, until err is nil.
func (s *Service) Refuse(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.knobs.Before = func(call string) error {
		if call != op {
			return nil
		}
		return err
	}
}

// Lose lets the answer of the next call of op get lost after it was done,
// beside whatever else is to be lost.
func (s *Service) Lose(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	others, lost := s.knobs.After, false
	s.knobs.After = func(call string) error {
		if call == op && !lost {
			lost = true
			return ErrLost
		}
		if others == nil {
			return nil
		}
		return others(call)
	}
}

// Do does a call of op. No two run at the same time.
func (s *Service) Do(op string, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[string]int)
	}
	s.counts[op]++
	_, err := Around(s.knobs, op, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// Look reads or changes the service as a call would, without being one.
func (s *Service) Look(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do()
}

// Calls returns how often op was called.
func (s *Service) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[op]
}

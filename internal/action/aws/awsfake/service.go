package awsfake

import (
	"errors"
	"sync"
)

// ErrLost is the answer to a call whose real answer was lost on the way.
var ErrLost = errors.New("connection reset by peer")

// A Service does the calls of a fake AWS service one at a time, and fails them
// on demand. The zero value fails none.
type Service struct {
	mu     sync.Mutex
	counts map[string]int
	refuse map[string]error
	lose   map[string]int
}

// Refuse lets every call of op fail, without doing anything, until err is nil.
func (s *Service) Refuse(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse == nil {
		s.refuse = make(map[string]error)
	}
	s.refuse[op] = err
}

// Lose lets the answer of the next call of op get lost after it was done.
func (s *Service) Lose(op string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lose == nil {
		s.lose = make(map[string]int)
	}
	s.lose[op]++
}

// Do does a call of op. No two run at the same time.
func (s *Service) Do(op string, do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[string]int)
	}
	s.counts[op]++
	if err := s.refuse[op]; err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	if s.lose[op] > 0 {
		s.lose[op]--
		return ErrLost
	}
	return nil
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

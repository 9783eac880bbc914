// Package orchestrator holds the use cases, one a file: what happens to
// pipelines and executions, whoever asks for it.
//
// Every use case is one [change]: records are read, decided upon and written in
// one transaction, on condition that nothing that was read has changed. What
// must happen outside, such as answering a task of the machine, is an outbox
// row of the same transaction; [Service.Act] does it afterwards, perhaps
// twice. So a handler that runs twice, stops half way or hears old news
// changes nothing that was not decided once.
package orchestrator

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/machine"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// Ports are what the use cases work on. A process that runs only some of them
// needs only some ports: Machine and Bus serve Act, Announce and Sweep; Catalog
// serves RunAction, Resume and Run.
type Ports struct {
	Store   store.Store // required
	Machine machine.Machine
	Catalog action.Catalog
	Bus     bus.Bus
}

// Home says where this system lives; ARNs are made from it.
type Home struct {
	Account string // 12 digits
	Region  string
}

// Options holds what has a sensible default. The zero value is valid.
type Options struct {
	Now   func() time.Time // default time.Now
	NewID func() string    // default random UUIDs, version 4
	Log   *slog.Logger     // default slog.DiscardHandler

	// Send hands an errand to who may run it, perhaps another process with
	// rights of its own, which calls [Service.Run]. Default: Run, at once.
	Send func(context.Context, Errand) error

	Mail Mail // default: people are told nothing
}

// Mail says where people are told things.
type Mail struct {
	Alerts    string // ARN of the topic of failures; empty: nobody is told
	Approvals string // ARN of the topic of approvals that are asked for; empty: nobody is told
	Pages     string // what links to the approval page begin with, such as https://host; empty: a mail has the command only
	Endpoint  string // URL of the API, for the commands in mails; empty: where "sluice connect" listens
}

// A Service carries out the use cases. It is safe for concurrent use; any
// number of services may share one store.
type Service struct {
	Ports
	Records record.Reader

	home  Home
	now   func() time.Time
	newID func() string
	log   *slog.Logger
	send  func(context.Context, Errand) error
	mail  Mail

	mu           sync.Mutex
	declarations map[store.Key]pipeline.Declaration // guarded by mu
}

// maxDeclarations is how many declarations are kept in memory.
const maxDeclarations = 256

// New returns a service over p.
func New(p Ports, home Home, opts Options) (*Service, error) {
	if p.Store == nil {
		return nil, errors.New("orchestrator.New: a store is required")
	}
	s := &Service{Ports: p, Records: record.Reader{Store: p.Store, Account: home.Account}, home: home, now: opts.Now, newID: opts.NewID, log: opts.Log, send: opts.Send, mail: opts.Mail, declarations: map[store.Key]pipeline.Declaration{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.newID == nil {
		s.newID = NewID
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.send == nil {
		s.send = s.Run
	}
	return s, nil
}

// NewID returns a random UUID, version 4, in lower-case hex.
func NewID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", h[:8], h[8:12], h[12:16], h[16:20], h[20:])
}

// declaration returns the declaration that e runs. Versions never change, so
// the latest ones that were asked for are kept.
func (s *Service) declaration(ctx context.Context, e *record.Execution) (pipeline.Declaration, error) {
	key := record.VersionKey(e.Pipeline, e.Version)
	s.mu.Lock()
	d, ok := s.declarations[key]
	s.mu.Unlock()
	if ok {
		return d, nil
	}
	v, err := s.Records.Version(ctx, e.Pipeline, e.Version)
	if err != nil {
		return d, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.declarations) >= maxDeclarations {
		clear(s.declarations)
	}
	s.declarations[key] = v.Declaration
	return v.Declaration, nil
}

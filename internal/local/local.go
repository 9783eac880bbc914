// Package local assembles Sluice on one machine: the same use cases and the
// same state machines as in an AWS account, over SQLite, a folder and the
// embedded engine.
package local

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sluice-ci/sluice/internal/blob/dir"
	"github.com/sluice-ci/sluice/internal/bus/mailbox"
	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/sqlite"
	"github.com/sluice-ci/sluice/internal/store"
	items "github.com/sluice-ci/sluice/internal/store/sqlite"
)

// Account and Region are what ARNs of a laptop are made of.
const (
	Account = "000000000000"
	Region  = "local"
)

// sweepEvery is how often the system looks for what nobody noticed.
const sweepEvery = time.Minute

// Options say how a system is opened. Data is required.
type Options struct {
	Data       string // folder of everything that is kept
	Mapping    mapping.Mapping
	Log        *slog.Logger
	AcceptLoss bool // open although acknowledged writes are missing
	Simulate   bool // simulate every action but approvals
	Paused     bool // open to look: nothing goes on, and what is written is carried out by the next Open

	// URL is where the handler is served for as long as people read mails, such
	// as http://127.0.0.1:4317. Mails link to it; empty: they have no links.
	URL string

	Seams Seams // for tests
}

// A System is an open data folder with everything that works on it. Exactly
// one process has a folder open.
type System struct {
	Service *orchestrator.Service
	Records record.Reader

	opts    Options
	work    Work
	store   store.Store
	db      *sqlite.DB // nil if Seams.Kept is used instead
	engine  *engine.Engine
	pump    *pump
	mail    *mailbox.Bus
	catalog *catalog
	ends    ends
	changed chan struct{} // some pipeline was created or updated
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

// Open opens or makes a data folder and goes on with whatever was under way.
func Open(ctx context.Context, o Options) (*System, error) {
	if o.Data == "" {
		return nil, errors.New("local.Open: Data is required")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return nil, err
	}
	o.Data = data
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(data, 0o700); err != nil { // it may have been there; tokens lie in it
		return nil, err
	}
	s := &System{opts: o, changed: make(chan struct{}, 1)}
	kept, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.assemble(ctx, kept); err != nil {
		return nil, errors.Join(err, s.closeDB())
	}
	return s, nil
}

// open returns what the system keeps.
func (s *System) open(ctx context.Context) (*Kept, error) {
	if s.opts.Seams.Kept != nil {
		return s.opts.Seams.Kept, nil
	}
	var err error
	s.db, err = sqlite.Open(s.opts.Data, sqlite.Options{Log: s.opts.Log, AcceptLoss: s.opts.AcceptLoss})
	if err != nil {
		return nil, err
	}
	table, err := items.New(s.db)
	if err != nil {
		return nil, errors.Join(err, s.closeDB())
	}
	journal, err := engine.NewJournal(ctx, s.db)
	if err != nil {
		return nil, errors.Join(err, s.closeDB())
	}
	return &Kept{Items: table, Journal: journal}, nil
}

func (s *System) closeDB() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// assemble puts the adapters together and starts what works by itself.
func (s *System) assemble(ctx context.Context, kept *Kept) error {
	s.pump = newPump(s.opts.Log, s.opts.Seams.Deliveries)
	s.store = store.Observe(store.Cache(kept.Items), s.observe)
	blobs, err := dir.New(filepath.Join(s.opts.Data, "artifacts"))
	if err != nil {
		return err
	}
	h := &handlers{log: s.opts.Log}
	s.engine, err = engine.Open(ctx, kept.Journal, h, s.machineText, engine.Options{Log: s.opts.Log, Ended: h.ended})
	if err != nil {
		return err
	}
	s.catalog, err = newCatalog(s.opts, blobs, h.resume)
	if err != nil {
		return err
	}
	if s.mail, err = mailbox.New(s.store); err != nil {
		return err
	}
	ports := orchestrator.Ports{Store: s.store, Machine: s.engine, Catalog: s.catalog, Bus: s.mail}
	if s.opts.Seams.Ports != nil {
		ports = s.opts.Seams.Ports(ports)
		s.store = ports.Store
	}
	options := orchestrator.Options{Log: s.opts.Log, Mail: orchestrator.Mail{
		Alerts: topic("alerts"), Approvals: topic("approvals"), Pages: s.opts.URL, Endpoint: s.opts.URL,
	}}
	if s.opts.Seams.Tune != nil {
		s.opts.Seams.Tune(&options)
	}
	s.Service, err = orchestrator.New(ports, orchestrator.Home{Account: Account, Region: Region}, options)
	if err != nil {
		return err
	}
	s.work = s.Service
	if s.opts.Seams.Work != nil {
		s.work = s.opts.Seams.Work(s.work)
	}
	s.Records, h.work = s.Service.Records, s.work
	if s.opts.Paused {
		return nil
	}
	// What a crash left is read before anything new can be written, and
	// delivered once the engine serves.
	if err := s.pump.start(s.work); err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.wg.Go(func() {
		if err := s.engine.Serve(background); err != nil {
			s.opts.Log.Error("engine stopped", "err", err)
		}
	})
	s.wg.Go(func() { s.sweep(background) })
	return nil
}

// topic names a topic whose messages stay in the mailbox. A link in one of them
// lies in the data folder, as the approval's token does, and opens a page that
// only this machine can reach, where nobody needs a secret to approve.
func topic(name string) string { return "arn:aws:sns:" + Region + ":" + Account + ":" + name }

// observe hears of every transaction that was committed.
func (s *System) observe(ops []store.Op) {
	if !s.opts.Paused {
		rows := orchestrator.RowsOf(ops)
		if s.opts.Seams.Hears != nil {
			rows = s.opts.Seams.Hears(rows)
		}
		s.pump.take(rows)
		s.ends.observe(ops)
	}
	for _, op := range ops {
		if op.PK == record.PipelinesKey || record.IsVersion(op.Key) {
			select {
			case s.changed <- struct{}{}:
			default:
			}
			return
		}
	}
}

// machineText compiles the machine of a version of a pipeline. The engine asks
// once for a run and keeps the text.
func (s *System) machineText(ctx context.Context, name string, version int) ([]byte, error) {
	v, err := s.Records.Version(ctx, name, version)
	if err != nil {
		return nil, err
	}
	return json.Marshal(compile.Machine(v.Declaration, compile.Local))
}

func (s *System) sweep(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(s.opts.Seams.SweepEvery, sweepEvery))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := errors.Join(s.pump.sweep(ctx), s.work.Sweep(ctx)); err != nil && ctx.Err() == nil {
				s.opts.Log.Warn("sweep", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// Close stops taking work and closes the folder. Builds under way are ended;
// the next Open finds them lost and goes on, as after a crash.
func (s *System) Close() error {
	s.pump.drain()
	s.pump.closing.Store(true) // what fails from here on is not news
	if s.stop != nil {
		s.stop()
	}
	s.wg.Wait()
	s.pump.close()
	return errors.Join(s.catalog.close(), s.closeDB())
}

// LogFile returns where the log of an action execution lies; it may not exist.
func (s *System) LogFile(actionExecutionID string) string {
	return filepath.Join(s.opts.Data, "logs", filepath.Base(actionExecutionID)+".log")
}

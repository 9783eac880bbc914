package simulation

import (
	"errors"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/sluice-ci/sluice/internal/engine"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/sqlite"
	lite "github.com/sluice-ci/sluice/internal/store/sqlite"
)

// open starts a process on what is kept.
func (w *world) open() {
	w.process++
	cryptotest.SetGlobalRandom(w.t, w.seed<<16|uint64(w.process))
	gate := newTurnstile()
	w.gate, w.opened = gate, make(chan opened, 1)
	kept := local.Kept{Items: w.kept.Items, Journal: diary{w.kept.Journal, gate, w}}
	o := local.Options{
		Data: w.folder, URL: "http://127.0.0.1:4317",
		Seams: local.Seams{
			Kept: &kept, Hears: w.hears, Ports: w.ports(gate),
			Deliveries: 10_000, // who gets one of few slots is for the scheduler to say, not for the seed
			Work:       func(x local.Work) local.Work { return work{x, gate, w} },
			Tune:       func(o *orchestrator.Options) { o.Now = func() time.Time { return time.Now().Add(w.skew) } },
		},
	}
	w.log.line("OPEN %d", w.process)
	tell := w.opened
	go func() {
		sys, err := local.Open(as(w.t.Context(), "system"), o)
		tell <- opened{sys, err}
	}()
}

// look waits until nothing moves, and takes note of a system that has opened.
func (w *world) look() {
	synctest.Wait()
	select {
	case o := <-w.opened:
		w.opened = nil
		if o.err != nil {
			w.log.line("OPEN failed: %v", o.err)
			if !errors.Is(o.err, errInjected) {
				w.violated("P8", "the system does not open: %v", o.err)
			}
			w.gate.kill()
			w.open()
			synctest.Wait()
			return
		}
		w.sys = o.sys
	default:
	}
}

// crash ends the process as kill -9 does and starts the next one.
func (w *world) crash() {
	w.log.line("CRASH")
	w.cover("F47")
	if w.sys == nil {
		w.cover("F47a")
	}
	for _, row := range w.audit.outbox {
		if len(row.Starts) > 0 {
			w.cover("F4")
		}
	}
	if len(w.works.underWay()) > 0 {
		w.cover("F54")
	}
	w.down()
	w.works.crash()
	w.audit.reread(w.t.Context(), w.kept.Items)
	w.open()
}

// down ends the process; nothing of it is left when it returns.
func (w *world) down() {
	w.gate.kill()
	if w.opened != nil {
		o := <-w.opened
		w.sys, w.opened = o.sys, nil
	}
	if w.sys != nil {
		_ = w.sys.Close() // what it says is not news: everything fails
		w.sys = nil
	}
	w.inside.Wait()
	w.busy = 0
	var outside []errand
	for _, e := range w.pending {
		if !e.here {
			outside = append(outside, e)
		}
	}
	w.pending = outside
	if w.db != nil {
		if err := w.db.Close(); err != nil {
			w.violated("P8", "close: %v", err)
		}
		w.openDB()
	}
}

// openDB opens the database that takes the place of maps.
func (w *world) openDB() {
	var err error
	if w.db, err = sqlite.Open(w.folder, sqlite.Options{}); err != nil {
		w.violated("P8", "%v", err)
		return
	}
	below, err := lite.New(w.db)
	if err != nil {
		w.violated("P8", "%v", err)
	}
	j, err := engine.NewJournal(w.t.Context(), w.db)
	if err != nil {
		w.violated("P8", "%v", err)
	}
	w.kept = local.Kept{Items: table{below, w}, Journal: j}
}

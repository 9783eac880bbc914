// Package watch notices pushes to repositories of this machine, and new
// objects in folders that stand for buckets, within a second.
//
// It looks at files every quarter of a second and starts a process only when
// something changed: refs are read from the repository's folder (package git
// is asked about reftables). Whatever tool pushed, committed or copied is
// noticed alike; no hook has to be installed.
//
// # Delivery
//
// What was seen last is in [Seen]. It is saved after the handler of an event
// returned nil, and before the next event. So what happened while nobody
// watched is noticed at the next start, and a crash, or an error of the
// handler, repeats the event: at least once. Of several pushes to one ref
// between two looks only the last is seen, as one event.
//
// The first look at a target records what is there without an event.
package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sluice-ci/sluice/internal/trigger"
)

// A Target is what is watched: a repository or an object.
type Target struct {
	Repository string // name in events, as source actions spell it
	Path       string // the repository's folder

	Bucket, Key string // of an object; Repository is empty
	File        string // that stands for it
}

// ID names a target in Seen.
func (t Target) ID() string {
	if t.Repository != "" {
		return "git:" + t.Repository
	}
	return "s3:" + t.Bucket + "/" + t.Key
}

// A State is what was seen of a target: object ids by ref (refs/heads/main),
// or the digest of a file under the key "object".
type State map[string]string

// Seen keeps the states of targets across processes.
type Seen interface {
	// Load returns all that was saved for a target. Known is false until Save
	// was called for it, even with nothing.
	Load(ctx context.Context, target string) (state State, known bool, err error)

	// Save merges changed into the state of a target; an empty value removes
	// its key. If it cannot do so at once, known becomes true at the end.
	Save(ctx context.Context, target string, changed State) error
}

// A Handler is told what happened: a trigger.Push, never of a deletion, or a
// trigger.ObjectCreated. After an error it is told again.
type Handler func(ctx context.Context, event trigger.Event) error

// Options change how a Watcher looks. Zero values are defaults.
type Options struct {
	Every  time.Duration // between two looks; 250 ms
	Settle time.Duration // how long a file must be unchanged to be an object; 300 ms, negative: 0
	First  bool          // whether the first look at a target makes events of all that is there

	// Report is told when a target cannot be watched, once per message, and
	// with nil when it can again.
	Report func(t Target, err error)
}

// A Watcher watches targets.
type Watcher struct {
	targets []*watched
	seen    Seen
	handle  Handler
	opts    Options
}

// A watched is a Target and what is remembered between two looks at it.
type watched struct {
	Target
	source source
	state  State // nil: to be loaded
	first  bool  // whether nothing was ever saved
	looked bool  // whether state agrees with the last look
	wait   time.Duration
	until  time.Time // after an error
	broken string    // the error reported last
}

// A source looks at one target.
type source interface {
	// look returns the present state. Same says that it is what the last look
	// returned.
	look(ctx context.Context, now time.Time) (state State, same bool, err error)

	// event describes a change. Nil means that nobody needs to be told.
	event(ctx context.Context, key, old, new string) (trigger.Event, error)
}

// New returns a Watcher of targets. Nothing is looked at yet.
func New(targets []Target, seen Seen, handle Handler, opts Options) *Watcher {
	if opts.Every <= 0 {
		opts.Every = 250 * time.Millisecond
	}
	if opts.Settle == 0 {
		opts.Settle = 300 * time.Millisecond
	}
	if opts.Report == nil {
		opts.Report = func(Target, error) {}
	}
	w := &Watcher{seen: seen, handle: handle, opts: opts}
	for _, t := range targets {
		var src source = &object{target: t, settle: opts.Settle}
		if t.Repository != "" {
			src = &repository{target: t}
		}
		w.targets = append(w.targets, &watched{Target: t, source: src})
	}
	return w
}

// Run looks until ctx ends and returns its error. A target that cannot be
// watched, or whose event cannot be handled, is tried again, after 10 seconds
// at the most, and does not keep the others waiting.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(w.opts.Every)
	defer tick.Stop()
	for {
		for _, t := range w.targets {
			if time.Now().Before(t.until) {
				continue
			}
			err := w.scan(ctx, t)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			w.note(t, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// note reports how the look at t went and says when to look again.
func (w *Watcher) note(t *watched, err error) {
	if err == nil {
		t.wait, t.until = 0, time.Time{}
		if t.broken != "" {
			t.broken = ""
			w.opts.Report(t.Target, nil)
		}
		return
	}
	t.wait = min(max(2*t.wait, w.opts.Every), 10*time.Second)
	t.until = time.Now().Add(t.wait)
	if err.Error() != t.broken {
		t.broken = err.Error()
		w.opts.Report(t.Target, err)
	}
}

// Scan looks at every target once. The errors of all targets are joined.
func (w *Watcher) Scan(ctx context.Context) error {
	var errs []error
	for _, t := range w.targets {
		if err := w.scan(ctx, t); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// scan looks at t and tells what is new.
func (w *Watcher) scan(ctx context.Context, t *watched) error {
	if err := w.step(ctx, t); err != nil {
		t.state, t.looked = nil, false // what was saved counts, and the next look is a first one
		return fmt.Errorf("watch %s: %w", t.ID(), err)
	}
	return nil
}

func (w *Watcher) step(ctx context.Context, t *watched) (err error) {
	loaded := t.looked
	if t.state == nil {
		state, known, err := w.seen.Load(ctx, t.ID())
		if err != nil {
			return err
		}
		t.state, t.first = State{}, !known
		maps.Copy(t.state, state)
	}
	now, same, err := t.source.look(ctx, time.Now())
	if errors.Is(err, errUnsettled) {
		return nil
	}
	if err != nil || same && loaded {
		return err
	}
	defer func() { t.looked = err == nil }()
	if t.first && !w.opts.First {
		if err := w.seen.Save(ctx, t.ID(), now); err != nil {
			return err
		}
		t.state, t.first = maps.Clone(now), false
		return nil
	}
	for _, key := range slices.Sorted(maps.Keys(now)) {
		if err := w.change(ctx, t, key, now[key]); err != nil {
			return err
		}
	}
	for _, key := range slices.Sorted(maps.Keys(t.state)) {
		if _, still := now[key]; !still {
			if err := w.change(ctx, t, key, ""); err != nil {
				return err
			}
		}
	}
	if t.first {
		t.first = false
		return w.seen.Save(ctx, t.ID(), nil)
	}
	return nil
}

// change tells of one difference and saves it.
func (w *Watcher) change(ctx context.Context, t *watched, key, value string) error {
	old := t.state[key]
	if old == value {
		return nil
	}
	if value != "" {
		event, err := t.source.event(ctx, key, old, value)
		if err != nil {
			return err
		}
		if event != nil {
			if err := w.handle(ctx, event); err != nil {
				return fmt.Errorf("%v: %w", event, err)
			}
		}
	}
	// The handler has done its work: save that even if ctx has ended since.
	if err := w.seen.Save(context.WithoutCancel(ctx), t.ID(), State{key: value}); err != nil {
		return err
	}
	if value == "" {
		delete(t.state, key)
	} else {
		t.state[key] = value
	}
	return nil
}

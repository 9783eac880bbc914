package local

import (
	"context"
	"fmt"

	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/trigger"
	"github.com/sluice-ci/sluice/internal/watch"
)

// Watch watches the mapped repositories, and the objects that sources read,
// until ctx ends, and starts what listens to them.
func (s *System) Watch(ctx context.Context) error {
	for {
		w, err := s.watcher(ctx)
		if err != nil {
			return err
		}
		round, again := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- w.Run(round) }()
		select {
		case <-s.changed: // other pipelines may look at other objects
			again()
			<-done
		case err := <-done:
			again()
			return err
		}
	}
}

// Look looks once at what is watched. What is there at the first look is known
// and starts nothing; what comes after Look is noticed.
func (s *System) Look(ctx context.Context) error {
	w, err := s.watcher(ctx)
	if err != nil {
		return err
	}
	if w.Scan(ctx) != nil { // Watch says what it cannot watch
		return ctx.Err()
	}
	return nil
}

// watcher returns a watcher of what there is to be watched now.
func (s *System) watcher(ctx context.Context) (*watch.Watcher, error) {
	targets, err := s.targets(ctx)
	if err != nil {
		return nil, err
	}
	seen := &seen{store: s.store}
	return watch.New(targets, seen, func(ctx context.Context, ev trigger.Event) error { return s.notice(ctx, seen, ev) }, watch.Options{
		Report: func(t watch.Target, err error) {
			if err != nil {
				s.opts.Log.Warn("cannot watch", "target", t.ID(), "err", err)
			}
		},
	}), nil
}

// targets are all mapped repositories, and the objects of S3 sources.
func (s *System) targets(ctx context.Context) ([]watch.Target, error) {
	var all []watch.Target
	for name, r := range s.opts.Mapping.Repositories {
		all = append(all, watch.Target{Repository: name, Path: r.Path})
	}
	pipelines, err := s.Records.Pipelines(ctx, "", 0)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, p := range pipelines {
		v, err := s.Records.Version(ctx, p.Name, p.Version)
		if err != nil {
			return nil, err
		}
		for _, a := range v.Declaration.Stages[0].Actions {
			bucket, key := a.Configuration["S3Bucket"], a.Configuration["S3ObjectKey"]
			if a.TypeID.Provider != "S3" || known[bucket+"/"+key] {
				continue
			}
			known[bucket+"/"+key] = true
			file, err := s.opts.Mapping.Object(a, key, s.opts.Data)
			if err != nil { // its action will say so, too; the others must be watched
				s.opts.Log.Warn("cannot watch", "pipeline", p.Name, "action", a.Name, "err", err)
				continue
			}
			all = append(all, watch.Target{Bucket: bucket, Key: key, File: file})
		}
	}
	return all, nil
}

// notice hands an event on under a name that stays the same when the watcher
// tells it again, and that no other event has.
func (s *System) notice(ctx context.Context, seen *seen, ev trigger.Event) error {
	var target, what string
	switch ev := ev.(type) {
	case trigger.Push:
		target, what = watch.Target{Repository: ev.Repository}.ID(), string(ev.RefType)+"/"+ev.Ref+"@"+ev.Commit
	case trigger.ObjectCreated:
		target, what = watch.Target{Bucket: ev.Bucket, Key: ev.Key}.ID(), ev.VersionID
	default:
		return fmt.Errorf("event %T is not one that a watcher tells", ev)
	}
	saves, err := seen.saves(ctx, target)
	if err != nil {
		return err
	}
	_, err = s.Service.Notice(ctx, fmt.Sprintf("%s#%d#%s", target, saves, what), ev)
	return err
}

// seen keeps what the watcher saw in the store. It implements watch.Seen.
type seen struct{ store store.Store }

// sighting is the item of one target.
type sighting struct {
	State watch.State `json:"state"`
	Saves int64       `json:"saves"` // grows with every save, so it numbers the events
}

func sightingKey(target string) store.Key { return store.Key{PK: "SEEN", SK: target} }

func (s *seen) load(ctx context.Context, target string) (sighting, int64, error) {
	it, err := s.store.Get(ctx, sightingKey(target))
	if store.IsNotFound(err) {
		return sighting{State: watch.State{}}, 0, nil
	}
	if err != nil {
		return sighting{}, 0, err
	}
	v, err := record.Decode[sighting](it)
	return v, it.Version, err
}

func (s *seen) saves(ctx context.Context, target string) (int64, error) {
	v, _, err := s.load(ctx, target)
	return v.Saves, err
}

// Load implements watch.Seen.
func (s *seen) Load(ctx context.Context, target string) (watch.State, bool, error) {
	v, version, err := s.load(ctx, target)
	return v.State, version > 0, err
}

// Save implements watch.Seen.
func (s *seen) Save(ctx context.Context, target string, changed watch.State) error {
	v, version, err := s.load(ctx, target)
	if err != nil {
		return err
	}
	for key, value := range changed {
		if value == "" {
			delete(v.State, key)
		} else {
			v.State[key] = value
		}
	}
	v.Saves++
	return s.store.Write(ctx, store.Op{Key: sightingKey(target), Kind: store.Put, If: version, Value: record.Encode(v)})
}

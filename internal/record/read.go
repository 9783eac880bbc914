package record

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Reader reads records. Every read sees all writes that have returned.
type Reader struct {
	Store   store.Store
	Account string // 12 digits; the API's not-found texts name it
}

// A Versioned record knows the version of its item, for the condition of the
// write that replaces it. Version 0 means that there is no item yet.
type Versioned[T any] struct {
	Value T
	At    int64
	Raw   []byte // Value as it is stored; nil when there is no item
}

// load reads one item; missing says what its absence means.
func load[T any](ctx context.Context, r Reader, key store.Key, missing func() error) (Versioned[T], error) {
	it, err := r.Store.Get(ctx, key)
	if store.IsNotFound(err) {
		return Versioned[T]{}, missing()
	}
	if err != nil {
		return Versioned[T]{}, err
	}
	v, err := Decode[T](it)
	return Versioned[T]{v, it.Version, it.Value}, err
}

// Pipeline returns the pipeline, or PipelineNotFoundException.
func (r Reader) Pipeline(ctx context.Context, name string) (Versioned[Pipeline], error) {
	missing := func() error {
		return pipeline.Errorf(pipeline.PipelineNotFound, "The account with AWS account ID '%s' does not include a pipeline named '%s'", r.Account, name)
	}
	p, err := load[Pipeline](ctx, r, PipelineKey(name), missing)
	if err == nil && p.Value.Deleted {
		return Versioned[Pipeline]{}, missing()
	}
	return p, err
}

// Version returns a declaration of a pipeline, or PipelineVersionNotFoundException.
func (r Reader) Version(ctx context.Context, name string, version int) (Version, error) {
	v, err := load[Version](ctx, r, VersionKey(name, version), func() error {
		return pipeline.Errorf(pipeline.PipelineVersionNotFound, "Pipeline '%s' does not have a version %d", name, version)
	})
	return v.Value, err
}

// Latest returns a pipeline and its newest declaration.
func (r Reader) Latest(ctx context.Context, name string) (Versioned[Pipeline], Version, error) {
	p, err := r.Pipeline(ctx, name)
	if err != nil {
		return p, Version{}, err
	}
	v, err := r.Version(ctx, name, p.Value.Version)
	return p, v, err
}

// Pipelines returns the pipelines whose names come after after, by name. At
// most limit, 0 for all.
func (r Reader) Pipelines(ctx context.Context, after string, limit int) ([]Pipeline, error) {
	names, err := r.Store.Query(ctx, store.Query{PK: PipelinesKey, After: after, Limit: limit})
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, len(names))
	for i, it := range names {
		keys[i] = PipelineKey(it.SK)
	}
	return many[Pipeline](ctx, r, keys)
}

// many reads the items that exist among keys, 100 at a time.
func many[T any](ctx context.Context, r Reader, keys []store.Key) ([]T, error) {
	var all []T
	for chunk := range slices.Chunk(keys, 100) {
		items, err := r.Store.GetMany(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			v, err := Decode[T](it)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
	}
	return all, nil
}

// Execution returns an execution of a pipeline, or
// PipelineExecutionNotFoundException.
func (r Reader) Execution(ctx context.Context, name, id string) (Versioned[Execution], error) {
	missing := func() error {
		return pipeline.Errorf(pipeline.PipelineExecutionNotFound, "The pipeline execution '%s' of pipeline '%s' was not found", id, name)
	}
	e, err := load[Execution](ctx, r, ExecutionKey(id), missing)
	if err == nil && name != "" && e.Value.Pipeline != name {
		return Versioned[Execution]{}, missing()
	}
	return e, err
}

// Executions returns executions of a pipeline, newest first, that were started
// before the one with sequence number before (0: from the newest). At most
// limit, 0 for all.
func (r Reader) Executions(ctx context.Context, name string, before int64, limit int) ([]Execution, error) {
	q := store.Query{PK: HistoryKey(name, 0).PK, Reverse: true, Limit: limit}
	if before > 0 {
		q.After = HistoryKey(name, before).SK
	}
	rows, err := r.Store.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, 0, len(rows))
	for _, it := range rows {
		id, err := Decode[string](it)
		if err != nil {
			return nil, err
		}
		keys = append(keys, ExecutionKey(id))
	}
	return many[Execution](ctx, r, keys)
}

// Active returns the executions of a pipeline that have not ended, at most
// limit of them, 0 for all.
func (r Reader) Active(ctx context.Context, name string, limit int) ([]Execution, error) {
	rows, err := r.Store.Query(ctx, store.Query{PK: ActiveKey(name, "").PK, Limit: limit})
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, len(rows))
	for i, it := range rows {
		keys[i] = ExecutionKey(it.SK)
	}
	return many[Execution](ctx, r, keys)
}

// Actions returns every try of every action of an execution, oldest first.
func (r Reader) Actions(ctx context.Context, execution string) ([]Action, error) {
	items, err := r.Store.Query(ctx, store.Query{PK: ExecutionKey(execution).PK, Prefix: "ACT#"})
	if err != nil {
		return nil, err
	}
	all, err := decodeAll[Action](items)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b Action) int { return a.Started.Compare(b.Started) })
	return all, nil
}

// Tries returns the tries of an action in one attempt of an execution, in
// order; those of all actions of the stage when name is empty.
func (r Reader) Tries(ctx context.Context, execution string, attempt int, stageName, name string) ([]Action, error) {
	prefix := fmt.Sprintf("ACT#%04d#%s#", attempt, stageName)
	if name != "" {
		prefix += name + "#"
	}
	items, err := r.Store.Query(ctx, store.Query{PK: ExecutionKey(execution).PK, Prefix: prefix})
	if err != nil {
		return nil, err
	}
	return decodeAll[Action](items)
}

// Action returns one try of an action, or ActionNotFoundException.
func (r Reader) Action(ctx context.Context, id ActionID) (Versioned[Action], error) {
	return load[Action](ctx, r, id.Key(), func() error {
		return pipeline.Errorf(pipeline.ActionNotFound, "action %s of stage %s has not run in execution %s", id.Name, id.Stage, id.Execution)
	})
}

// Rules returns the rules of all gates of an execution, in the order of their
// keys: attempt, stage, gate, name.
func (r Reader) Rules(ctx context.Context, execution string) ([]Action, error) {
	items, err := r.Store.Query(ctx, store.Query{PK: ExecutionKey(execution).PK, Prefix: "RULE#"})
	if err != nil {
		return nil, err
	}
	return decodeAll[Action](items)
}

// Gate returns an evaluation of a gate; zero when there was none.
func (r Reader) Gate(ctx context.Context, execution string, attempt int, stage string, kind GateKind) (Versioned[Gate], error) {
	return load[Gate](ctx, r, GateKey(execution, attempt, stage, kind), func() error { return nil })
}

// Job returns the action whose execution has the id, or
// ActionExecutionNotFoundException.
func (r Reader) Job(ctx context.Context, id string) (Action, error) {
	v, err := load[ActionID](ctx, r, JobKey(id), func() error {
		return pipeline.Errorf(pipeline.ActionExecutionNotFound, "The action execution '%s' was not found", id)
	})
	if err != nil {
		return Action{}, err
	}
	a, err := r.Action(ctx, v.Value)
	return a.Value, err
}

// External returns the action whose work a service knows by id, or
// ActionExecutionNotFoundException: then it is not recorded yet, or not ours.
func (r Reader) External(ctx context.Context, id string) (Action, error) {
	v, err := load[ActionID](ctx, r, ExternalKey(id), func() error {
		return pipeline.Errorf(pipeline.ActionExecutionNotFound, "No action execution is known whose work is called '%s'", id)
	})
	if err != nil {
		return Action{}, err
	}
	a, err := r.Action(ctx, v.Value)
	return a.Value, err
}

// Stage returns the lock of a stage; one that was never entered is free. The
// zero State has no mode: the caller knows the pipeline's.
func (r Reader) Stage(ctx context.Context, name, stageName string) (Versioned[Stage], error) {
	v, err := load[Stage](ctx, r, StageKey(name, stageName), func() error { return nil })
	return v, err
}

// Waiter returns the task of an execution that waits for a stage; zero when
// none has come to wait.
func (r Reader) Waiter(ctx context.Context, execution, stageName string) (Versioned[Waiter], error) {
	return load[Waiter](ctx, r, WaiterKey(execution, stageName), func() error { return nil })
}

// LatestActions returns the latest execution of each action of a stage, by the
// action's name.
func (r Reader) LatestActions(ctx context.Context, name, stageName string) (map[string]Action, error) {
	items, err := r.Store.Query(ctx, store.Query{PK: StageKey(name, stageName).PK, Prefix: "ACT#"})
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, 0, len(items))
	for _, it := range items {
		id, err := Decode[ActionID](it)
		if err != nil {
			return nil, err
		}
		keys = append(keys, id.Key())
	}
	actions, err := many[Action](ctx, r, keys)
	if err != nil {
		return nil, err
	}
	latest := make(map[string]Action, len(actions))
	for _, a := range actions {
		latest[a.Name] = a
	}
	return latest, nil
}

// Decisions returns the decisions about a pipeline, newest first.
func (r Reader) Decisions(ctx context.Context, name string, limit int) ([]Decision, error) {
	items, err := r.Store.Query(ctx, store.Query{PK: DecisionKey(name, "", "").PK, Reverse: true, Limit: limit})
	if err != nil {
		return nil, err
	}
	return decodeAll[Decision](items)
}

func decodeAll[T any](items []store.Item) ([]T, error) {
	all := make([]T, len(items))
	for i, it := range items {
		var err error
		if all[i], err = Decode[T](it); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// FindStage returns the declaration of a stage and its index, or
// StageNotFoundException.
func FindStage(d pipeline.Declaration, name string) (int, pipeline.Stage, error) {
	i := slices.IndexFunc(d.Stages, func(s pipeline.Stage) bool { return s.Name == name })
	if i < 0 {
		return 0, pipeline.Stage{}, pipeline.Errorf(pipeline.StageNotFound, "The pipeline '%s' does not have a stage named '%s'. Its stages: %s", d.Name, name, stageNames(d))
	}
	return i, d.Stages[i], nil
}

func stageNames(d pipeline.Declaration) string {
	var names []string
	for _, s := range d.Stages {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// String says which action it is, for people.
func (id ActionID) String() string {
	return fmt.Sprintf("%s/%s of execution %s (attempt %d, try %d)", id.Stage, id.Name, id.Execution, id.Attempt, id.Try)
}

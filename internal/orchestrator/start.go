package orchestrator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// maxConcurrent is how many executions a QUEUED or PARALLEL pipeline may have
// under way (user guide, Quotas).
const maxConcurrent = 50

// StartExecution starts an execution of the newest version and returns its id.
//
// The execution, its place in front of the first stage, the answer to a
// repeated request and the wish to start the machine are one transaction: a
// crash leaves all of them or none.
func (s *Service) StartExecution(ctx context.Context, in Start) (string, error) {
	var id string
	err := s.change(ctx, func(c *change) error {
		p, err := c.pipeline(in.Pipeline)
		if err != nil {
			return err
		}
		if in.ClientToken != "" {
			key := record.IdempotencyKey("start#"+in.Pipeline, in.ClientToken)
			switch it, err := s.Store.Get(ctx, key); {
			case err == nil:
				id, err = record.Decode[string](it)
				return err
			case !store.IsNotFound(err):
				return err
			}
			id = s.newID()
			c.once(key, id)
		} else {
			id = s.newID()
		}
		v, err := s.Records.Version(ctx, p.Name, p.Version)
		if err != nil {
			return err
		}
		return c.begin(p, v, in, id)
	})
	return id, err
}

// begin adds the execution id of p.
func (c *change) begin(p *record.Pipeline, v record.Version, in Start, id string) error {
	d := v.Declaration
	variables, missing, err := startVariables(d, in.Variables)
	if err != nil {
		return err
	}
	if err := checkOverrides(d, in); err != nil {
		return err
	}
	if err := c.roomFor(d); err != nil {
		return err
	}
	p.NextSeq++
	e := &record.Execution{
		ID: id, Pipeline: p.Name, Version: p.Version, Seq: p.NextSeq,
		Status: pipeline.InProgress, Mode: d.ExecutionMode, Type: record.Standard, Trigger: in.Trigger,
		Role: v.Role, Attempt: 1, Since: 1, Run: runName(id, 1),
		Variables: variables, Overrides: in.Overrides,
		Started: c.at, Updated: c.at,
	}
	c.begun[id] = d
	c.executions[id] = &tracked[record.Execution]{value: *e}
	e = &c.executions[id].value
	c.put(record.HistoryKey(p.Name, e.Seq), id)
	c.announcePipeline(e, events.Started)
	if len(missing) > 0 {
		e.Status = pipeline.Failed
		e.StatusSummary = "Values for required variables haven't been provided: " + strings.Join(missing, ",")
		c.announcePipeline(e, events.Failed)
		return nil
	}
	c.put(record.ActiveKey(p.Name, id), id)
	c.startRun(e)
	return c.enqueue(e, d, 0)
}

// startRun asks for the machine run of e's attempt.
func (c *change) startRun(e *record.Execution) {
	c.out.Starts = append(c.out.Starts, record.StartRun{Run: e.Run, Pipeline: e.Pipeline, Version: e.Version, Execution: e.ID})
}

// runName names the machine run of an attempt; the same attempt can then not
// be started twice.
func runName(execution string, attempt int) string { return fmt.Sprintf("%s-%d", execution, attempt) }

// executionOf is the inverse of runName.
func executionOf(run string) string {
	if i := strings.LastIndexByte(run, '-'); i > 0 {
		return run[:i]
	}
	return run
}

// roomFor refuses one execution too many (user guide, Pipeline execution modes).
func (c *change) roomFor(d pipeline.Declaration) error {
	if d.ExecutionMode != pipeline.Queued && d.ExecutionMode != pipeline.Parallel {
		return nil
	}
	active, err := c.Records.Active(c.ctx, d.Name, maxConcurrent)
	if err != nil {
		return err
	}
	if len(active) >= maxConcurrent {
		return pipeline.Errorf(pipeline.ConcurrentExecutionsLimit, "The pipeline '%s' has reached the limit of %d concurrent executions in %s mode", d.Name, maxConcurrent, d.ExecutionMode)
	}
	return nil
}

// startVariables returns the values of d's variables, and the names of those
// that have neither a default nor a given value (user guide, Variables reference).
func startVariables(d pipeline.Declaration, given []record.Variable) (values []record.Variable, missing []string, err error) {
	if len(given) > 0 && d.Type != pipeline.V2 {
		return nil, nil, pipeline.Errorf(pipeline.Validation, "Pipeline variable can only be used with V2 pipelines")
	}
	byName := map[string]string{}
	for _, v := range given {
		if _, twice := byName[v.Name]; twice {
			return nil, nil, pipeline.Errorf(pipeline.Validation, "Variable names must be unique. The following variable name is already in use: %s", v.Name)
		}
		byName[v.Name] = v.Value
	}
	for _, v := range d.Variables {
		value, ok := byName[v.Name]
		delete(byName, v.Name)
		switch {
		case ok:
		case v.Default != "":
			value = v.Default
		default:
			missing = append(missing, v.Name)
			continue
		}
		values = append(values, record.Variable{Name: v.Name, Value: value})
	}
	if len(byName) > 0 {
		unknown := strings.Join(slices.Sorted(maps.Keys(byName)), ", ")
		return nil, nil, pipeline.Errorf(pipeline.Validation, "The following variables are not declared in pipeline '%s': %s", d.Name, unknown)
	}
	return values, missing, nil
}

// revisionTypes says which sources take which override (API, SourceRevisionOverride).
var revisionTypes = map[string][]string{
	"COMMIT_ID":            {"CodeCommit", "CodeStarSourceConnection", "GitHub"},
	"IMAGE_DIGEST":         {"ECR"},
	"S3_OBJECT_VERSION_ID": {"S3"},
	"S3_OBJECT_KEY":        {"S3"},
}

// checkOverrides refuses a source revision for an action that is not a source
// or takes no revision of that type. A trigger may pin what was pushed in a V1
// pipeline too; a caller may not.
func checkOverrides(d pipeline.Declaration, in Start) error {
	if len(in.Overrides) > 0 && d.Type != pipeline.V2 && in.Trigger.Type == "StartPipelineExecution" {
		return pipeline.Errorf(pipeline.Validation, "Source revision overrides can only be used with V2 pipelines")
	}
	for _, name := range slices.Sorted(maps.Keys(in.Overrides)) {
		i := slices.IndexFunc(d.Stages[0].Actions, func(a pipeline.Action) bool { return a.Name == name })
		if i < 0 {
			return pipeline.Errorf(pipeline.Validation, "The source revision names the action '%s', but pipeline '%s' has no source action of that name", name, d.Name)
		}
		o, a := in.Overrides[name], d.Stages[0].Actions[i]
		switch {
		case !slices.Contains(revisionTypes[o.Type], a.TypeID.Provider):
			return pipeline.Errorf(pipeline.Validation, "The source action '%s' (%s) does not take revisions of type '%s'", name, a.TypeID.Provider, o.Type)
		case o.Type == "S3_OBJECT_KEY" && a.Configuration["AllowOverrideForS3ObjectKey"] != "true":
			return pipeline.Errorf(pipeline.Validation, "The source action '%s' does not permit another object key: AllowOverrideForS3ObjectKey is not true", name)
		}
	}
	return nil
}

package orchestrator_test

import (
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// sourced is app with a source of S3 beside that of CodeCommit, and two
// variables, one of them required.
func sourced(kind pipeline.Type, keys string) pipeline.Declaration {
	d := app(pipeline.Superseded)
	d.Type = kind
	object, image := act("Object", pipeline.Source, "S3", 1), act("Image", pipeline.Source, "ECR", 1)
	object.Configuration = map[string]string{"S3Bucket": "in", "S3ObjectKey": "a.zip", "PollForSourceChanges": "false"}
	if keys != "" {
		object.Configuration["AllowOverrideForS3ObjectKey"] = keys
	}
	object.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Object"}}
	image.Configuration = map[string]string{"RepositoryName": "app"}
	image.OutputArtifacts = []pipeline.OutputArtifact{{Name: "Image"}}
	d.Stages[0].Actions = append(d.Stages[0].Actions, object, image)
	if kind == pipeline.V2 {
		d.Variables = []pipeline.Variable{{Name: "Color", Default: "blue"}, {Name: "Where", Default: "here"}}
	}
	return d
}

// TestStartInputs has what StartPipelineExecution takes and what it refuses.
func TestStartInputs(t *testing.T) {
	pin := func(name, kind, value string) map[string]action.Override {
		return map[string]action.Override{name: {Type: kind, Value: value}}
	}
	both := map[string]action.Override{"Object": {Type: "S3_OBJECT_KEY", Value: "b.zip", ObjectVersion: "v1"}, "Image": {Type: "IMAGE_DIGEST", Value: "sha256:0"}}
	variable := func(name string) []record.Variable { return []record.Variable{{Name: name, Value: "red"}} }
	for _, tt := range []struct {
		name    string
		d       pipeline.Declaration
		in      orchestrator.Start
		refused string // with ValidationException
	}{
		{"nothing", sourced(pipeline.V2, ""), orchestrator.Start{}, ""},
		{"a variable", sourced(pipeline.V2, ""), orchestrator.Start{Variables: variable("Color")}, ""},
		{"an unknown variable", sourced(pipeline.V2, ""), orchestrator.Start{Variables: variable("color")}, "are not declared in pipeline 'app': color"},
		{"a variable twice", sourced(pipeline.V2, ""), orchestrator.Start{Variables: append(variable("Color"), variable("Color")...)}, "Variable names must be unique. The following variable name is already in use: Color"},
		{"a variable, V1", sourced(pipeline.V1, ""), orchestrator.Start{Variables: variable("Color")}, "Pipeline variable can only be used with V2 pipelines"},
		{"a commit", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: pin("Checkout", "COMMIT_ID", "abc")}, ""},
		{"a version", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: pin("Object", "S3_OBJECT_VERSION_ID", "v1")}, ""},
		{"a key and a version, and an image", sourced(pipeline.V2, "true"), orchestrator.Start{Overrides: both}, ""},
		{"a key that is not permitted", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: both}, "AllowOverrideForS3ObjectKey is not true"},
		{"a key that is forbidden", sourced(pipeline.V2, "false"), orchestrator.Start{Overrides: both}, "AllowOverrideForS3ObjectKey is not true"},
		{"a commit, V1", sourced(pipeline.V1, ""), orchestrator.Start{Overrides: pin("Checkout", "COMMIT_ID", "abc")}, "can only be used with V2 pipelines"},
		{"no such action", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: pin("Compile", "COMMIT_ID", "abc")}, "no source action of that name"},
		{"a commit of an object", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: pin("Object", "COMMIT_ID", "abc")}, "does not take revisions of type 'COMMIT_ID'"},
		{"a version of a commit", sourced(pipeline.V2, ""), orchestrator.Start{Overrides: pin("Checkout", "S3_OBJECT_VERSION_ID", "v1")}, "does not take revisions of type"},
		{"a digest of an object", sourced(pipeline.V2, "true"), orchestrator.Start{Overrides: pin("Object", "IMAGE_DIGEST", "sha256:0")}, "does not take revisions of type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, 111)
			w.create(tt.d)
			tt.in.Pipeline, tt.in.Trigger.Type = "app", "StartPipelineExecution"
			id, err := w.svc.StartExecution(t.Context(), tt.in)
			if tt.refused != "" {
				w.refused("the start", err, pipeline.Validation)
				if err == nil || !strings.Contains(err.Error(), tt.refused) {
					t.Errorf("it gave %v; want %q", err, tt.refused)
				}
				if all, err := w.svc.Records.Executions(t.Context(), "app", 0, 0); err != nil || len(all) > 0 || len(w.todo) > 0 {
					t.Errorf("what was refused has left %+v, %v", all, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			w.settle()
			for _, name := range []string{"Checkout", "Object", "Image"} { // a source without an override takes its newest
				if got := w.latest("Source", name); got.Job.Revision != tt.in.Overrides[name] || got.Execution != id {
					t.Errorf("%s was pinned to %+v; want %+v", name, got.Job.Revision, tt.in.Overrides[name])
				}
			}
		})
	}
}

// TestStartTwice: a client token gives the first execution again, whatever
// else is said, and also when no further one could begin.
func TestStartTwice(t *testing.T) {
	w := newWorld(t, 112)
	w.create(app(pipeline.Queued))
	first, err := w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", ClientToken: "one"})
	if err != nil {
		t.Fatal(err)
	}
	for range 49 {
		w.start()
	}
	again, err := w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", ClientToken: "one", Variables: []record.Variable{{Name: "Nothing", Value: "of the kind"}}})
	if err != nil || again != first {
		t.Errorf("the second start gave %s, %v; want %s", again, err, first)
	}
	_, err = w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "app", ClientToken: "two"})
	w.refused("another token", err, pipeline.ConcurrentExecutionsLimit)
	_, err = w.svc.StartExecution(t.Context(), orchestrator.Start{Pipeline: "none", ClientToken: "one"})
	w.refused("another pipeline", err, pipeline.PipelineNotFound)
}

// TestRequiredVariables: a start without them is accepted, and the execution
// has failed then, without a stage, and cannot be retried.
func TestRequiredVariables(t *testing.T) {
	w := newWorld(t, 113)
	d := app(pipeline.Superseded)
	d.Variables = []pipeline.Variable{{Name: "A"}, {Name: "B"}, {Name: "C", Default: "c"}}
	w.create(d)
	id := w.several(1)[0]
	w.want(id, pipeline.Failed)
	if got, want := w.execution(id).StatusSummary, "Values for required variables haven't been provided: A,B"; got != want {
		t.Errorf("it says %q; want %q", got, want)
	}
	if len(w.Runs) > 0 || len(w.jobs) > 0 || w.stage("Source").Latest != nil {
		t.Errorf("%d runs and %d jobs were started", len(w.Runs), len(w.jobs))
	}
	w.refused("the retry", w.retry(id, "Source", pipeline.AllActions), pipeline.StageNotRetryable)
}

// TestStartBesideNewer: whoever begins to start an execution and sees, half way,
// that newer ones have come meanwhile begins again. It is not told that
// something is wrong.
func TestStartBesideNewer(t *testing.T) {
	w := newWorld(t, 1)
	w.create(app(pipeline.Superseded))
	w.start()
	var newer string
	w.store.afterGet = func() { w.start(); newer = w.start() }
	id := w.start()
	if got, want := w.execution(id).Seq, w.execution(newer).Seq+1; got != want {
		t.Errorf("the start that came last has the number %d; want %d", got, want)
	}
	w.settle()
	if got := w.execution(id).Status; got != pipeline.Succeeded && got != pipeline.InProgress {
		t.Errorf("the newest execution is %s", got)
	}
}

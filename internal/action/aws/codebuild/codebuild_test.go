package codebuild_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/codebuild"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var update = flag.Bool("update", false, "write the golden files")

// polled is a provider whose jobs somebody asks after all the time, as the
// assembly does now and then.
type polled struct {
	action.Provider
	ended func(string)
	ctx   context.Context
	all   *sync.WaitGroup
}

func (p polled) Start(ctx context.Context, job action.Job) (action.Result, error) {
	r, err := p.Provider.Start(ctx, job)
	if err == nil && r.Status == pipeline.InProgress {
		p.all.Go(func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-p.ctx.Done():
					return
				case <-tick.C:
				}
				if r, err := p.Poll(p.ctx, job); err == nil && r.Status.Final() {
					p.ended(job.ID)
					return
				}
			}
		})
	}
	return r, err
}

// TestContract runs the suite twice for builds and for batches: with nothing
// recorded, so that builds have to be found, and with what Start returned.
func TestContract(t *testing.T) {
	for name, pairs := range map[string][]string{"builds": nil, "batches": {"BatchEnabled", "true", "CombineArtifacts", "true"}} {
		for _, recorded := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " recorded ", recorded), func(t *testing.T) {
				actiontest.Run(t, func(*testing.T) actiontest.Harness {
					w := newWorld()
					return actiontest.Harness{
						Open: func(t *testing.T, ended func(string)) action.Provider {
							ctx, cancel := context.WithCancel(context.Background())
							p := polled{w.open(t), ended, ctx, new(sync.WaitGroup)}
							t.Cleanup(func() { cancel(); p.all.Wait() })
							if recorded {
								return recording{p, w}
							}
							return p
						},
						Succeeds: func(*testing.T) action.Job { return w.job(pairs...) },
						Fails:    func(*testing.T) action.Job { return w.job(append(pairs, "BuildspecOverride", "fail")...) },
						Blocks: func(*testing.T) (action.Job, func()) {
							return w.job(append(pairs, "BuildspecOverride", "block")...), func() {}
						},
						Done:  func(_ *testing.T, job action.Job) int { return w.done(job) },
						Blobs: &w.s3,
					}
				})
			})
		}
	}
}

// recording records the external ids that Start returns.
type recording struct {
	action.Provider
	w *world
}

func (r recording) Start(ctx context.Context, job action.Job) (action.Result, error) {
	res, err := r.Provider.Start(ctx, job)
	if res.ExternalID != "" {
		r.w.known.Store(job.ID, res.ExternalID)
	}
	return res, err
}

// TestRequest pins what CodeBuild is asked, all of it.
func TestRequest(t *testing.T) {
	artifact := func(name string) action.Artifact {
		return action.Artifact{Name: name, Ref: blob.Ref{Bucket: "b", Key: "p/" + name + "/1", Digest: "sha256:x", Size: 1 << 20}}
	}
	tests := map[string]func(w *world, j *action.Job){
		"plain": func(*world, *action.Job) {},
		"full": func(w *world, j *action.Job) {
			w.opts.EncryptionKey = func(action.Job) string { return "arn:aws:kms:eu-west-1:1:key/k" }
			c := j.Action.Configuration
			c["PrimarySource"], c["BuildspecOverride"] = "Src", "ci/build.yml"
			c["EnvironmentVariables"] = `[{"name":"A","value":"1"},{"name":"B","value":"/p","type":"PARAMETER_STORE"},{"name":"C","value":"s:k","type":"SECRETS_MANAGER"}]`
			j.Inputs = []action.Artifact{artifact("Lib-A"), artifact("Src")}
			j.Outputs = []action.Artifact{artifact("App"), artifact("Map_1")}
		},
		"nothing in or out": func(_ *world, j *action.Job) { j.Inputs, j.Outputs = nil, nil },
		"clone": func(w *world, j *action.Job) {
			for i, name := range []string{"Src", "Other"} {
				pointer, err := sources.CloneRef{Type: "CODECOMMIT", URL: "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/" + name, Commit: fmt.Sprint("c", i), Branch: "main"}.Pack()
				if err != nil {
					t.Fatal(err)
				}
				ref, err := w.s3.Create(t.Context(), "b", "ref/"+name, strings.NewReader(string(pointer)))
				if err != nil {
					t.Fatal(err)
				}
				j.Inputs = append(j.Inputs[:i], action.Artifact{Name: name, Ref: ref})
			}
			j.Action.Configuration["PrimarySource"] = "Src"
		},
		"connection": func(w *world, j *action.Job) {
			for i, name := range []string{"Src", "Other"} {
				pointer, err := sources.CloneRef{Type: "GITHUB", URL: "https://github.com/acme/" + name + ".git", Commit: fmt.Sprint("c", i), Branch: "main", Connection: "arn:c"}.Pack()
				if err != nil {
					t.Fatal(err)
				}
				ref, err := w.s3.Create(t.Context(), "b", "ref/"+name, strings.NewReader(string(pointer)))
				if err != nil {
					t.Fatal(err)
				}
				j.Inputs = append(j.Inputs[:i], action.Artifact{Name: name, Ref: ref})
			}
			j.Action.Configuration["PrimarySource"], j.Action.Configuration["BatchEnabled"] = "Src", "true"
		},
		"batch": func(_ *world, j *action.Job) {
			j.Action.Configuration["BatchEnabled"], j.Action.Configuration["CombineArtifacts"] = "true", "true"
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			j := w.job()
			change(w, &j)
			if r, err := w.open(t).Start(t.Context(), j); err != nil || r.Status != pipeline.InProgress {
				t.Fatalf("%+v, %v", r, err)
			}
			golden(t, "testdata/"+strings.ReplaceAll(name, " ", "_")+".json", w.requests[0])
		})
	}
}

// golden compares the fields of a request that are set with those in a file.
func golden(t *testing.T, file string, request any) {
	t.Helper()
	text, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	var fields any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if text, err = json.MarshalIndent(set(fields), "", "  "); err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("%s (-update writes it): %s", file, diff)
	}
}

// set returns v without what is null or "".
func set(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if value = set(value); value == nil || value == "" {
				delete(v, key)
			} else {
				v[key] = value
			}
		}
	case []any:
		for i := range v {
			v[i] = set(v[i])
		}
	}
	return v
}

func end(t *testing.T, p action.Provider, job action.Job) action.Result {
	t.Helper()
	if _, err := p.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	r, err := p.Poll(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSucceeds(t *testing.T) {
	w := newWorld()
	j := w.job()
	j.Outputs = append(j.Outputs, action.Artifact{Name: "Map", Ref: blob.Ref{Bucket: "b", Key: "top"}})
	r := end(t, w.open(t), j)
	if r.Status != pipeline.Succeeded || r.ExternalID != "web:1" || r.ExternalURL != "https://eu-west-1.console.aws.amazon.com/codebuild/home?region=eu-west-1#/builds/web:1/view/new" {
		t.Errorf("%+v", r)
	}
	if diff := cmp.Diff(map[string]string{"TAG": "v1"}, r.Variables); diff != "" {
		t.Error(diff)
	}
	if len(r.Outputs) != 2 || r.Outputs[1].Ref.Key != "top" || r.Outputs[1].Ref.Size != int64(len("built top")) {
		t.Fatalf("outputs %+v", r.Outputs)
	}
	for _, out := range r.Outputs {
		if _, err := w.s3.Open(t.Context(), out.Ref); err != nil {
			t.Error(err)
		}
	}
}

func TestNoArtifact(t *testing.T) {
	for _, pairs := range [][]string{{"BuildspecOverride", "nothing"}, {"BatchEnabled", "true"}} {
		w := newWorld()
		if r := end(t, w.open(t), w.job(pairs...)); r.Status != pipeline.Succeeded || r.Outputs != nil {
			t.Errorf("%v: %+v", pairs, r)
		}
	}
}

// TestStatuses pins what each end of a build is to its action.
func TestStatuses(t *testing.T) {
	for _, status := range []types.StatusType{types.StatusTypeFailed, types.StatusTypeFault, types.StatusTypeTimedOut, types.StatusTypeStopped} {
		w := newWorld()
		j, p := w.job("BuildspecOverride", "block"), w.open(t)
		if r := end(t, p, j); r.Status != pipeline.InProgress {
			t.Fatalf("%+v", r)
		}
		w.builds[0].BuildStatus, w.builds[0].EndTime = status, aws.Time(time.Now())
		r, err := p.Poll(t.Context(), j)
		if want := "Build terminated with state: " + string(status); err != nil || r.Status != pipeline.Failed || r.Summary != want || r.Error.Code != action.JobFailed || r.Error.Message != want || r.ExternalID != "web:1" {
			t.Errorf("%s: %+v, %+v, %v", status, r, r.Error, err)
		}
	}
	w := newWorld()
	r := end(t, w.open(t), w.job("BuildspecOverride", "fail"))
	if want := "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: make. Reason: exit status 2"; r.Error.Message != want {
		t.Errorf("%q; want %q", r.Error.Message, want)
	}
}

func TestFailures(t *testing.T) {
	refusing := func(call, code string) func(*world, *action.Job) {
		return func(w *world, _ *action.Job) {
			w.Before = func(c string) error {
				if c == call {
					return awsfake.Error(code)
				}
				return nil
			}
		}
	}
	configured := func(pairs ...string) func(*world, *action.Job) {
		return func(_ *world, j *action.Job) {
			for i := 0; i < len(pairs); i += 2 {
				j.Action.Configuration[pairs[i]] = pairs[i+1]
			}
		}
	}
	tests := []struct {
		name    string
		change  func(*world, *action.Job)
		code    string
		message string // a part of it
	}{
		{"no project name", configured("ProjectName", ""), action.ConfigurationError, "ProjectName"},
		{"no project", configured("ProjectName", "none"), action.ConfigurationError, "project none"},
		{"odd variables", configured("EnvironmentVariables", "A=1"), action.ConfigurationError, "JSON list"},
		{"odd variable", configured("EnvironmentVariables", `[{"name":"A B"}]`), action.ConfigurationError, `"A B"`},
		{"odd type", configured("EnvironmentVariables", `[{"name":"A","type":"FILE"}]`), action.ConfigurationError, "PARAMETER_STORE"},
		{"odd primary source", configured("PrimarySource", "Other"), action.ConfigurationError, `"Other"`},
		{"no primary source", func(_ *world, j *action.Job) { j.Inputs = append(j.Inputs, j.Inputs[0]) }, action.ConfigurationError, "PrimarySource"},
		{"output with a dash", func(_ *world, j *action.Job) {
			j.Outputs = append(j.Outputs, action.Artifact{Name: "a-b", Ref: blob.Ref{Bucket: "b", Key: "k"}})
		}, action.ConfigurationError, "identifier must contain only alphanumeric characters and underscores"},
		{"denied", refusing("StartBuild", "AccessDeniedException"), action.PermissionError, "it says"},
		{"queue full", refusing("StartBuild", "AccountLimitExceededException"), action.SystemUnavailable, "it says"},
		{"invalid", refusing("StartBuild", "InvalidInputException"), action.ConfigurationError, "it says"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			j := w.job()
			tt.change(w, &j)
			r, err := w.open(t).Start(t.Context(), j)
			if err != nil || r.Status != pipeline.Failed || r.Error.Code != tt.code || !strings.Contains(r.Error.Message, tt.message) {
				t.Errorf("%+v, %+v, %v; want %s with %q", r, r.Error, err, tt.code, tt.message)
			}
			if len(w.builds) > 0 {
				t.Errorf("%d builds", len(w.builds))
			}
		})
	}
}

// TestAnswerLost loses the answer of StartBuild. The next Start finds the
// build by its token, or, when CodeBuild has forgotten that, among the builds
// of the project.
func TestAnswerLost(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		w := newWorld()
		w.page = 2
		j, p := w.job("BuildspecOverride", "block"), w.open(t)
		lost := &net.OpError{Op: "read", Err: errors.New("connection reset")}
		w.After = func(call string) error {
			if call == "StartBuild" {
				return lost
			}
			return nil
		}
		if r, err := p.Start(t.Context(), j); !errors.Is(err, lost) {
			t.Fatalf("%+v, %v", r, err)
		}
		w.After = nil
		for range 5 { // others come in between
			if _, err := p.Start(t.Context(), w.job()); err != nil {
				t.Fatal(err)
			}
		}
		if forgotten {
			w.forget()
		} else {
			w.Before = func(call string) error {
				if call == "ListBuildsForProject" {
					return awsfake.Error("AccessDeniedException")
				}
				return nil
			}
			if r, err := p.Poll(t.Context(), j); err == nil {
				t.Errorf("Poll without a right to look: %+v", r)
			}
		}
		if r, err := p.Start(t.Context(), j); err != nil || r.Status != pipeline.InProgress || r.ExternalID != "web:1" || w.done(j) != 1 {
			t.Errorf("forgotten %v: %+v, %v; %d builds", forgotten, r, err, w.done(j))
		}
	}
}

// TestCannotTell pins what is no end of a job, and that the next attempt tells.
func TestCannotTell(t *testing.T) {
	for _, call := range []string{"ListBuildsForProject", "BatchGetBuilds", "StartBuild", "GetObject"} {
		for _, code := range []string{"ThrottlingException", "ServiceUnavailable"} {
			w := newWorld()
			j, p := w.job(), w.open(t)
			fail := func(c string) error {
				if c == call {
					return awsfake.Error(code)
				}
				return nil
			}
			w.Before, w.s3.Before = fail, fail
			_, startErr := p.Start(t.Context(), j)
			r, pollErr := p.Poll(t.Context(), j)
			if startErr == nil && pollErr == nil || r.Status == pipeline.Succeeded || r.Status == pipeline.Failed {
				t.Errorf("%s, %s: %v; %+v, %v", call, code, startErr, r, pollErr)
			}
			w.Before, w.s3.Before = nil, nil
			if r := end(t, p, j); r.Status != pipeline.Succeeded || w.done(j) != 1 {
				t.Errorf("%s after %s: %+v, %d builds", call, code, r, w.done(j))
			}
		}
	}
}

// TestLate pins what is Timeout: a build that ends after the deadline, however
// it ends and whenever somebody looks, and one that cannot be stopped then.
func TestLate(t *testing.T) {
	deadline := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := []struct {
		name   string
		status types.StatusType
		end    time.Duration // after the deadline
		code   string
	}{
		{"in time", types.StatusTypeSucceeded, -time.Second, ""},
		{"succeeds late", types.StatusTypeSucceeded, time.Second, action.Timeout},
		{"fails late", types.StatusTypeFailed, time.Second, action.Timeout},
		{"stopped long before", types.StatusTypeStopped, -2 * time.Minute, action.JobFailed},
		{"stopped by another clock", types.StatusTypeStopped, -time.Second, action.Timeout},
		{"cannot be stopped", types.StatusTypeInProgress, 0, action.Timeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, now := newWorld(), deadline.Add(-time.Hour)
			w.opts.Now = func() time.Time { return now }
			j, p := w.job("BuildspecOverride", "block"), w.open(t)
			j.Deadline = deadline
			if r := end(t, p, j); r.Status != pipeline.InProgress {
				t.Fatalf("%+v", r)
			}
			now = deadline.Add(time.Hour)
			w.builds[0].BuildStatus, w.builds[0].EndTime = tt.status, aws.Time(deadline.Add(tt.end))
			w.Before = func(call string) error {
				if call == "StopBuild" {
					return awsfake.Error("AccessDeniedException")
				}
				return nil
			}
			r, err := p.Poll(t.Context(), j)
			code := ""
			if r.Error != nil {
				code = r.Error.Code
			}
			if err != nil || code != tt.code || r.ExternalID != "web:1" {
				t.Errorf("%+v, %+v, %v; want code %q", r, r.Error, err, tt.code)
			}
		})
	}
}

// TestInputIsGone pins that a job whose build has begun ends with the build,
// even when its input has been deleted since.
func TestInputIsGone(t *testing.T) {
	w := newWorld()
	j, p := w.job(), w.open(t)
	ref, err := w.s3.Create(t.Context(), "b", "small", strings.NewReader("zip"))
	if err != nil {
		t.Fatal(err)
	}
	j.Inputs[0].Ref = ref
	first := end(t, p, j)
	j.Inputs[0].Ref.Key = "gone"
	again, err := p.Start(t.Context(), j)
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	other := w.job()
	other.Inputs = j.Inputs
	if r, err := p.Start(t.Context(), other); err != nil || r.Error == nil || r.Error.Code != action.JobFailed {
		t.Errorf("a new job: %+v, %v; want %s", r, err, action.JobFailed)
	}
}

func TestOutputDenied(t *testing.T) {
	w := newWorld()
	w.s3.Before = func(string) error { return awsfake.Error("AccessDenied") }
	if r := end(t, w.open(t), w.job()); r.Status != pipeline.Failed || r.Error.Code != action.PermissionError || r.ExternalID == "" {
		t.Errorf("%+v, %+v", r, r.Error)
	}
}

// TestSeekEnds pins that a job that was never started does not make the
// provider read all builds there ever were.
func TestSeekEnds(t *testing.T) {
	w := newWorld()
	w.page = 2
	p := w.open(t)
	for range 10 {
		if _, err := p.Start(t.Context(), w.job()); err != nil {
			t.Fatal(err)
		}
	}
	for i, b := range w.builds {
		b.StartTime = aws.Time(time.Now().Add(time.Duration(i-9) * 24 * time.Hour))
	}
	lists := 0
	w.Before = func(call string) error {
		if call == "ListBuildsForProject" {
			lists++
		}
		return nil
	}
	if r, err := p.Poll(t.Context(), w.job()); err != nil || r.Status != action.Lost || lists != 1 {
		t.Errorf("%+v, %v after %d lists; want Lost after 1", r, err, lists)
	}
}

func TestConcerns(t *testing.T) {
	detail := func(build, project, status string) string {
		return fmt.Sprintf(`{"build-id":%q,"project-name":%q,"build-status":%q,"current-phase":"COMPLETED","additional-information":{"initiator":"x"},"version":"1"}`, build, project, status)
	}
	tests := []struct {
		detail string
		id     string
		ended  bool
		bad    bool
	}{
		{detail("arn:aws:codebuild:us-west-2:123456789012:build/web:8745a7a9", "web", "SUCCEEDED"), "web:8745a7a9", true, false},
		{detail("arn:aws:codebuild:us-west-2:123456789012:build/web:8745a7a9", "web", "STOPPED"), "web:8745a7a9", true, false},
		{detail("arn:aws:codebuild:us-west-2:123456789012:build/web:8745a7a9", "web", "IN_PROGRESS"), "web:8745a7a9", false, false},
		{detail("arn:aws:codebuild:us-west-2:123456789012:build/web:8745a7a9", "other", "FAILED"), "", false, true},
		{detail("web:8745a7a9", "web", "FAILED"), "", false, true},
		{`{}`, "", false, true},
		{`[`, "", false, true},
	}
	for _, tt := range tests {
		id, ended, err := codebuild.Concerns([]byte(tt.detail))
		if id != tt.id || ended != tt.ended || (err != nil) != tt.bad {
			t.Errorf("%s: %q, %v, %v", tt.detail, id, ended, err)
		}
	}
}

func FuzzConcerns(f *testing.F) {
	f.Add([]byte(`{"build-id":"arn:aws:codebuild:r:1:build/web:1","project-name":"web","build-status":"FAILED"}`))
	f.Fuzz(func(t *testing.T, detail []byte) {
		if id, _, err := codebuild.Concerns(detail); err == nil && id == "" {
			t.Error("no id and no error")
		}
	})
}

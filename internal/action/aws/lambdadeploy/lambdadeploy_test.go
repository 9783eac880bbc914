package lambdadeploy_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s := newSetup()
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider { return awsfake.Driven(t, s.open(t), ended) },
			Succeeds: func(t *testing.T) action.Job {
				return s.job(t, fmt.Appendf(nil, "code %d", s.jobs), "FunctionAlias=live")
			},
			Fails: func(t *testing.T) action.Job { return s.job(t, []byte("broken")) },
			Done: func(t *testing.T, job action.Job) (n int) {
				text := fmt.Sprintf("code %d", s.jobs-1)
				s.fake.Look(func() { n = s.fake.updates[digest([]byte(text))] + s.fake.updates[digest([]byte("broken"))] })
				return n
			},
			Blobs: s.blobs,
		}
	})
}

func TestFailures(t *testing.T) {
	awsfake.Failures(t, func(t *testing.T) awsfake.Bench {
		s := newSetup()
		job := s.job(t, []byte("new"), "FunctionAlias=live")
		return awsfake.Bench{Provider: s.open(t), Service: &s.fake.Service, Job: job, Done: func() (n int) {
			s.fake.Look(func() { n = s.fake.updates[digest([]byte("new"))] })
			return n
		}}
	}, "GetFunctionConfiguration", "UpdateFunctionCode")
}

// The version is published, told, and what the alias is moved to.
func TestDeploys(t *testing.T) {
	tests := []struct {
		name     string
		settings []string
		version  string
		moves    []string
	}{
		{"no alias", nil, "2", nil},
		{"alias", []string{"FunctionAlias=live"}, "2", []string{"2"}},
		{"at once, by name", []string{"FunctionAlias=live", "DeployStrategy=AllAtOnce", "Alarms=errors"}, "2", []string{"2"}},
		{"a version of before", []string{"FunctionAlias=live", "PublishedTargetVersion=7"}, "7", []string{"7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup()
			r := s.run(t, s.job(t, []byte("new"), tt.settings...))
			if r.Status != pipeline.Succeeded || r.Variables["FunctionVersion"] != tt.version || r.ExternalID != "web" || !slices.Equal(s.fake.moves, tt.moves) {
				t.Errorf("%+v %+v; moves %q; want version %s, moves %q", r, r.Error, s.fake.moves, tt.version, tt.moves)
			}
			if *s.fake.live.Description != "for customers" {
				t.Errorf("the alias is described %q", *s.fake.live.Description)
			}
		})
	}
}

// The same code is deployed again: nothing is uploaded, the version stays.
func TestSameCode(t *testing.T) {
	s := newSetup()
	s.run(t, s.job(t, []byte("new")))
	r := s.run(t, s.job(t, []byte("new"), "FunctionAlias=live"))
	if r.Variables["FunctionVersion"] != "2" || s.fake.updates[digest([]byte("new"))] != 1 {
		t.Errorf("%+v; put there %d times", r, s.fake.updates[digest([]byte("new"))])
	}
}

// Two processes decide on what they both saw; one of them is refused and looks
// again.
func TestMeeting(t *testing.T) {
	s := newSetup()
	job := s.job(t, []byte("new"))
	s.fake.afterRead = func() {
		if _, err := s.open(t).Start(t.Context(), job); err != nil {
			t.Error(err)
		}
	}
	if r := s.run(t, job); r.Status != pipeline.Succeeded || s.fake.updates[digest([]byte("new"))] != 1 || s.fake.Calls("UpdateFunctionCode") != 2 {
		t.Errorf("%+v; put there %d times, tried %d times", r, s.fake.updates[digest([]byte("new"))], s.fake.Calls("UpdateFunctionCode"))
	}
}

func TestImage(t *testing.T) {
	s := newSetup()
	s.fake.kind = types.PackageTypeImage
	var file bytes.Buffer
	z := zip.NewWriter(&file)
	w, _ := z.Create("imageDetail.json")
	w.Write([]byte(`{"ImageURI":"111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@sha256:abcd","ImageTags":["latest"]}`))
	z.Close()
	if r := s.run(t, s.job(t, file.Bytes())); r.Status != pipeline.Succeeded || s.fake.updates["abcd"] != 1 {
		t.Errorf("%+v %+v; updates %v", r, r.Error, s.fake.updates)
	}
}

// Time passes, and whoever asks brings the alias to where it is due, even when
// nobody has asked for a while. The note is gone in the end.
func TestShift(t *testing.T) {
	tests := []struct {
		strategy string
		at       []int // minutes at which somebody asks
		moves    []string
	}{
		{"Canary10Percent5Minutes", []int{1, 4, 5}, []string{"1+2 at 0.10", "2"}},
		{"Linear25PercentEvery2Minutes", []int{1, 2, 4, 6, 7}, []string{"1+2 at 0.25", "1+2 at 0.50", "1+2 at 0.75", "2"}[:4]},
		{"Linear25PercentEvery2Minutes", []int{5, 10}, []string{"1+2 at 0.25", "1+2 at 0.75", "2"}},
		{"Linear60PercentEvery1Minute", []int{1, 2}, []string{"1+2 at 0.60", "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.strategy, func(t *testing.T) {
			s := newSetup()
			job := s.job(t, []byte("new"), "FunctionAlias=live", "DeployStrategy="+tt.strategy)
			began := s.now
			r := s.run(t, job)
			for i, minute := range tt.at {
				if r.Status != pipeline.InProgress || !strings.HasPrefix(*s.fake.live.Description, "for customers [sluice job-1 ") {
					t.Fatalf("look %d: %+v, described %q", i, r, *s.fake.live.Description)
				}
				s.now = began.Add(time.Duration(minute)*time.Minute + time.Second)
				var err error
				if r, err = s.open(t).Poll(t.Context(), job); err != nil {
					t.Fatal(err)
				}
				if r.Status.Final() {
					break
				}
			}
			if r.Status != pipeline.Succeeded || !slices.Equal(s.fake.moves, tt.moves) || *s.fake.live.Description != "for customers" {
				t.Errorf("%+v %+v; moves %q, described %q; want %q", r, r.Error, s.fake.moves, *s.fake.live.Description, tt.moves)
			}
		})
	}
}

// An alarm moves the alias back, for good; the next deployment begins anew.
func TestAlarm(t *testing.T) {
	s := newSetup()
	job := s.job(t, []byte("new"), "FunctionAlias=live", "DeployStrategy=Canary10Percent5Minutes", "Alarms=errors, latency")
	if r := s.run(t, job); r.Status != pipeline.InProgress {
		t.Fatalf("%+v", r)
	}
	s.on = []string{"latency"}
	const want = "One of the alarms errors, latency was on when the alias live of the function web was to be moved to version 2; it is at version 1"
	for range 2 {
		r, err := s.open(t).Poll(t.Context(), job)
		if err != nil || r.Error == nil || r.Error.Code != action.JobFailed || r.Error.Message != want {
			t.Fatalf("%+v %+v, %v", r, r.Error, err)
		}
		s.on = nil // it recovers, and the job has failed all the same
		s.now = s.now.Add(10 * time.Minute)
	}
	if got := []string{"1+2 at 0.10", "1"}; !slices.Equal(s.fake.moves, got) {
		t.Errorf("moves %q; want %q", s.fake.moves, got)
	}
	if r := s.run(t, s.job(t, []byte("newer"), "FunctionAlias=live")); r.Status != pipeline.Succeeded || *s.fake.live.FunctionVersion != "3" || *s.fake.live.Description != "for customers" {
		t.Errorf("%+v; alias %+v", r, s.fake.live)
	}
}

// A failure of before the job is no verdict on it; one of its own is.
func TestFailedUpdate(t *testing.T) {
	s := newSetup()
	broken := s.job(t, []byte("broken"))
	r := s.run(t, broken)
	if r.Error == nil || r.Error.Message != "Lambda could not use the code for the function web. InvalidImage: it has no entry point" {
		t.Errorf("%+v", r.Error)
	}
	s.fake.modified = s.now.Add(-2 * time.Hour)
	again := s.job(t, []byte("broken"))
	s.run(t, again)
	if n := s.fake.updates[digest([]byte("broken"))]; n != 2 {
		t.Errorf("put there %d times; want 2", n)
	}
}

// Nobody else's doing is undone, and nobody else's is taken for ours.
func TestMeddling(t *testing.T) {
	s := newSetup()
	job := s.job(t, []byte("new"))
	if r, err := s.open(t).Poll(t.Context(), job); err != nil || r.Status != pipeline.InProgress || s.fake.Calls("UpdateFunctionCode") > 0 {
		t.Errorf("asked before it began: %+v, %v", r, err)
	}
	if _, err := s.open(t).Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	s.fake.digest, s.fake.pending, s.fake.modified = "somebody's", 0, s.now.Add(time.Second)
	if r, err := s.open(t).Poll(t.Context(), job); err != nil || r.Error == nil || !strings.Contains(r.Error.Message, "Somebody else") {
		t.Errorf("changed meanwhile: %+v, %v", r, err)
	}
	s = newSetup()
	s.fake.live.RoutingConfig = &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{"9": 0.5}}
	if r := s.run(t, s.job(t, []byte("new"), "FunctionAlias=live")); r.Error == nil || !strings.Contains(r.Error.Message, "has two versions") || len(s.fake.moves) > 0 {
		t.Errorf("shifted by somebody else: %+v, moves %q", r, s.fake.moves)
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		settings string
		code     string
		want     string
	}{
		{"FunctionName=", action.ConfigurationError, "it has no FunctionName"},
		{"FunctionName=none", action.ConfigurationError, "Could not read the function none. ResourceNotFoundException: Function not found: none"},
		{"FunctionAlias=none", action.ConfigurationError, "Cannot find alias arn: none"},
		{"DeployStrategy=Canary10Percent5Minutes", action.ConfigurationError, "no FunctionAlias"},
		{"Alarms=a", action.ConfigurationError, "no FunctionAlias"},
		{"FunctionAlias=live DeployStrategy=Canary0Percent5Minutes", action.ConfigurationError, "DeployStrategy is"},
		{"FunctionAlias=live DeployStrategy=Slowly", action.ConfigurationError, "DeployStrategy is"},
		{"FunctionAlias=live DeployStrategy=Linear1PercentEvery60Minutes", action.ConfigurationError, "DeployStrategy is"},
		{"FunctionAlias=live DeployStrategy=Linear10PercentEvery10Minutes", action.ConfigurationError, "takes 1h30m0s, and the action times out after 1h0m0s"},
		{"FunctionAlias=live PublishedTargetVersion=$LATEST", action.ConfigurationError, "number of a version"},
		{"FunctionAlias=live Alarms=a,b,c,d,e,f,g,h,i,j,k", action.ConfigurationError, "11 Alarms"},
	}
	for _, tt := range tests {
		s := newSetup()
		r := s.run(t, s.job(t, []byte("new"), strings.Fields(tt.settings)...))
		if r.Error == nil || r.Error.Code != tt.code || !strings.Contains(r.Error.Message, tt.want) {
			t.Errorf("%s: %+v %+v; want %q", tt.settings, r, r.Error, tt.want)
		}
	}
	s := newSetup()
	job := s.job(t, []byte("new"))
	job.Inputs[0].Ref.Size = 51 << 20
	if r := s.run(t, job); r.Error == nil || !strings.Contains(r.Error.Message, "at most 52428800") {
		t.Errorf("too large: %+v", r.Error)
	}
}

// What is under way when time is up stays as it is, and is told so.
func TestTimeout(t *testing.T) {
	s := newSetup()
	job := s.job(t, []byte("new"), "FunctionAlias=live", "DeployStrategy=Canary10Percent50Minutes")
	s.run(t, job)
	job.Deadline = s.now.Add(time.Minute)
	s.now = s.now.Add(2 * time.Minute)
	r, err := s.open(t).Poll(t.Context(), job)
	if err != nil || r.Error == nil || r.Error.Code != action.Timeout || aws.ToString(s.fake.live.FunctionVersion) != "1" {
		t.Errorf("%+v %+v, %v", r, r.Error, err)
	}
}

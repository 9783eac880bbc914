package cloudformation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/actiontest"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/cloudformation"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

var modes = []string{"CREATE_UPDATE", "REPLACE_ON_FAILURE", "DELETE_ONLY", "CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE"}

// A setup is a provider over a fake, with an input artifact.
type setup struct {
	fake  *fake
	blobs *wholetest.Blobs
	opts  cloudformation.Options
	p     action.Provider
	input action.Artifact
	jobs  int
}

func newSetup(t *testing.T, opts cloudformation.Options) *setup {
	t.Helper()
	s := &setup{fake: newFake(), blobs: &wholetest.Blobs{}, opts: opts}
	s.input = s.blobs.Put(t, "Bin", awsfake.Zip(t, map[string]string{
		"template.yml":    "Resources: {}",
		"big.yml":         strings.Repeat("# wide\n", 10_000),
		"conf/prod.json":  `{"Parameters":{"Size":"1","Env":"prod"},"Tags":{"b":"2","a":"1"},"StackPolicy":{"Statement":[]}}`,
		"conf/broken.txt": "{",
		"out.json":        `{"Arn":"arn:x","Count":3}`,
	}))
	s.p = s.open(t)
	return s
}

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := cloudformation.New(credentials.Fixed[cloudformation.Client](s.fake), s.blobs, s.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job returns a new job of a mode. pairs change its configuration.
func (s *setup) job(mode string, pairs ...string) action.Job {
	s.jobs++
	conf := map[string]string{
		"ActionMode": mode, "StackName": fmt.Sprint("web", s.jobs), "TemplatePath": "Bin::template.yml", "RoleArn": "arn:role",
		"ChangeSetName": "changes", "Capabilities": "CAPABILITY_IAM,CAPABILITY_AUTO_EXPAND",
	}
	for i := 0; i < len(pairs); i += 2 {
		conf[pairs[i]] = pairs[i+1]
	}
	maps.DeleteFunc(conf, func(_, v string) bool { return v == "" })
	return action.Job{
		ID: fmt.Sprint("job-", s.jobs), Region: "eu-west-1", Inputs: []action.Artifact{s.input},
		Action: pipeline.Action{Name: "Deploy", Configuration: conf,
			TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: "AWS", Provider: "CloudFormation", Version: "1"}},
	}
}

// run starts a job and polls it to its end, each time in a new process.
func (s *setup) run(t *testing.T, job action.Job) action.Result {
	t.Helper()
	return awsfake.ToEnd(t, func() action.Provider { return s.open(t) }, job)
}

func withOutput(job action.Job) action.Job {
	job.Action.Configuration["OutputFileName"] = "outputs.json"
	job.Outputs = []action.Artifact{{Name: "Out", Ref: blob.Ref{Bucket: "artifacts", Key: "out/" + job.ID}}}
	return job
}

func TestContract(t *testing.T) {
	actiontest.Run(t, func(t *testing.T) actiontest.Harness {
		s := newSetup(t, cloudformation.Options{})
		return actiontest.Harness{
			Open: func(t *testing.T, ended func(string)) action.Provider {
				return awsfake.Driven(t, s.open(t), ended)
			},
			Succeeds: func(*testing.T) action.Job { s.fake.fails = false; return withOutput(s.job("CREATE_UPDATE")) },
			Fails:    func(*testing.T) action.Job { s.fake.fails = true; return s.job("CREATE_UPDATE") },
			Done: func(_ *testing.T, job action.Job) (n int) {
				s.fake.Look(func() {
					for _, token := range s.fake.tokens {
						if token == job.ID {
							n++
						}
					}
				})
				return n
			},
			Blobs: s.blobs,
		}
	})
}

// TestForgottenTokens repeats jobs on a CloudFormation that knows no
// tokens of repeated calls: the events alone keep the work from being done
// twice.
func TestForgottenTokens(t *testing.T) {
	for _, mode := range modes[:4] {
		for range 2 {
			s := newSetup(t, cloudformation.Options{})
			s.fake.forgets = true
			job := s.job(mode)
			if mode != "CREATE_UPDATE" {
				s.fake.put(job.Action.Configuration["StackName"], "CREATE_COMPLETE")
			}
			for range 3 {
				if r, err := s.open(t).Start(t.Context(), job); err != nil || r.Status == pipeline.Failed {
					t.Fatalf("%s: %+v, %v", mode, r, err)
				}
			}
			if r := s.run(t, job); r.Status != pipeline.Succeeded || len(s.fake.ops) != 1 {
				t.Errorf("%s: %s %+v after %v", mode, r.Status, r.Error, s.fake.ops)
			}
		}
	}
}

// TestModes has every ActionMode meet every state of a stack.
func TestModes(t *testing.T) {
	const no = types.StackStatus("")
	tests := []struct {
		mode  string
		state types.StackStatus
		ops   string // begun
		fails string // words of the message
	}{
		{"CREATE_UPDATE", no, "CREATE", ""},
		{"CREATE_UPDATE", "CREATE_COMPLETE", "UPDATE", ""},
		{"CREATE_UPDATE", "UPDATE_COMPLETE", "UPDATE", ""},
		{"CREATE_UPDATE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE", ""},
		{"CREATE_UPDATE", "ROLLBACK_COMPLETE", "", "ROLLBACK_COMPLETE state and can not be updated"},
		{"CREATE_UPDATE", "CREATE_FAILED", "", "CREATE_FAILED state"},
		{"CREATE_UPDATE", "ROLLBACK_FAILED", "", "ROLLBACK_FAILED state"},
		{"CREATE_UPDATE", "UPDATE_ROLLBACK_FAILED", "", "UPDATE_ROLLBACK_FAILED state"},
		{"CREATE_UPDATE", "DELETE_FAILED", "", "DELETE_FAILED state"},
		{"CREATE_UPDATE", "UPDATE_IN_PROGRESS", "", "UPDATE_IN_PROGRESS state"},
		{"CREATE_UPDATE", "REVIEW_IN_PROGRESS", "", "REVIEW_IN_PROGRESS state"},

		{"REPLACE_ON_FAILURE", no, "CREATE", ""},
		{"REPLACE_ON_FAILURE", "CREATE_COMPLETE", "UPDATE", ""},
		{"REPLACE_ON_FAILURE", "UPDATE_COMPLETE", "UPDATE", ""},
		{"REPLACE_ON_FAILURE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE", ""},
		{"REPLACE_ON_FAILURE", "ROLLBACK_COMPLETE", "DELETE CREATE", ""},
		{"REPLACE_ON_FAILURE", "CREATE_FAILED", "DELETE CREATE", ""},
		{"REPLACE_ON_FAILURE", "ROLLBACK_FAILED", "DELETE CREATE", ""},
		{"REPLACE_ON_FAILURE", "UPDATE_ROLLBACK_FAILED", "DELETE CREATE", ""},
		{"REPLACE_ON_FAILURE", "DELETE_FAILED", "DELETE CREATE", ""},
		{"REPLACE_ON_FAILURE", "UPDATE_IN_PROGRESS", "", "UPDATE_IN_PROGRESS state"},
		{"REPLACE_ON_FAILURE", "REVIEW_IN_PROGRESS", "", "REVIEW_IN_PROGRESS state"},

		{"DELETE_ONLY", no, "", ""},
		{"DELETE_ONLY", "CREATE_COMPLETE", "DELETE", ""},
		{"DELETE_ONLY", "UPDATE_COMPLETE", "DELETE", ""},
		{"DELETE_ONLY", "UPDATE_ROLLBACK_COMPLETE", "DELETE", ""},
		{"DELETE_ONLY", "ROLLBACK_COMPLETE", "DELETE", ""},
		{"DELETE_ONLY", "CREATE_FAILED", "DELETE", ""},
		{"DELETE_ONLY", "ROLLBACK_FAILED", "DELETE", ""},
		{"DELETE_ONLY", "UPDATE_ROLLBACK_FAILED", "DELETE", ""},
		{"DELETE_ONLY", "DELETE_FAILED", "DELETE", ""},
		{"DELETE_ONLY", "UPDATE_IN_PROGRESS", "", "cannot be deleted while in status UPDATE_IN_PROGRESS"},
		{"DELETE_ONLY", "REVIEW_IN_PROGRESS", "DELETE", ""},

		{"CHANGE_SET_REPLACE", no, "CHANGE_SET_CREATE", ""},
		{"CHANGE_SET_REPLACE", "CREATE_COMPLETE", "CHANGE_SET_UPDATE", ""},
		{"CHANGE_SET_REPLACE", "UPDATE_COMPLETE", "CHANGE_SET_UPDATE", ""},
		{"CHANGE_SET_REPLACE", "UPDATE_ROLLBACK_COMPLETE", "CHANGE_SET_UPDATE", ""},
		{"CHANGE_SET_REPLACE", "ROLLBACK_COMPLETE", "", "ROLLBACK_COMPLETE state"},
		{"CHANGE_SET_REPLACE", "CREATE_FAILED", "", "CREATE_FAILED state"},
		{"CHANGE_SET_REPLACE", "ROLLBACK_FAILED", "", "ROLLBACK_FAILED state"},
		{"CHANGE_SET_REPLACE", "UPDATE_ROLLBACK_FAILED", "", "UPDATE_ROLLBACK_FAILED state"},
		{"CHANGE_SET_REPLACE", "DELETE_FAILED", "", "DELETE_FAILED state"},
		{"CHANGE_SET_REPLACE", "UPDATE_IN_PROGRESS", "", "UPDATE_IN_PROGRESS state"},
		{"CHANGE_SET_REPLACE", "REVIEW_IN_PROGRESS", "CHANGE_SET_CREATE", ""},

		{"CHANGE_SET_EXECUTE", no, "", "has no change set changes"},
		{"CHANGE_SET_EXECUTE", "CREATE_COMPLETE", "UPDATE", ""},
		{"CHANGE_SET_EXECUTE", "UPDATE_COMPLETE", "UPDATE", ""},
		{"CHANGE_SET_EXECUTE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE", ""},
		{"CHANGE_SET_EXECUTE", "CREATE_FAILED", "", "cannot be executed"},
		{"CHANGE_SET_EXECUTE", "ROLLBACK_FAILED", "", "cannot be executed"},
		{"CHANGE_SET_EXECUTE", "UPDATE_ROLLBACK_FAILED", "", "cannot be executed"},
		{"CHANGE_SET_EXECUTE", "DELETE_FAILED", "", "cannot be executed"},
		{"CHANGE_SET_EXECUTE", "UPDATE_IN_PROGRESS", "", "cannot be executed"},
		{"CHANGE_SET_EXECUTE", "REVIEW_IN_PROGRESS", "CREATE", ""},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+string(tt.state), func(t *testing.T) {
			s := newSetup(t, cloudformation.Options{})
			job := s.job(tt.mode)
			name := job.Action.Configuration["StackName"]
			if tt.state != no {
				s.fake.put(name, tt.state)
				if tt.mode == "CHANGE_SET_EXECUTE" {
					s.fake.sets[name+"/changes"] = &changeSet{status: types.ChangeSetStatusCreateComplete}
				}
			}
			r := s.run(t, job)
			if got := strings.Join(s.fake.ops, " "); got != tt.ops {
				t.Errorf("began %q; want %q", got, tt.ops)
			}
			switch {
			case tt.fails == "" && (r.Status != pipeline.Succeeded || r.Summary == ""):
				t.Errorf("%s %q %+v; want Succeeded", r.Status, r.Summary, r.Error)
			case tt.fails != "" && (r.Error == nil || !strings.Contains(r.Error.Message, tt.fails)):
				t.Errorf("%s %+v; want a failure with %q", r.Status, r.Error, tt.fails)
			}
			outputs := tt.fails == "" && tt.mode != "DELETE_ONLY"
			if got := r.Variables["Url"]; outputs != (got != "") {
				t.Errorf("variables %v", r.Variables)
			}
		})
	}
}

// TestModeWhenOperationFails has the operation of every mode fail.
func TestModeWhenOperationFails(t *testing.T) {
	tests := []struct {
		mode  string
		state types.StackStatus
		ops   string
		want  string
	}{
		{"CREATE_UPDATE", "", "CREATE", "is in ROLLBACK_COMPLETE. Bucket (AWS::S3::Bucket) CREATE_FAILED: bucket exists"},
		{"CREATE_UPDATE", "CREATE_COMPLETE", "UPDATE", "is in UPDATE_ROLLBACK_COMPLETE. Bucket (AWS::S3::Bucket) UPDATE_FAILED: bucket exists"},
		{"REPLACE_ON_FAILURE", "", "CREATE", "is in ROLLBACK_COMPLETE. Bucket"},
		{"REPLACE_ON_FAILURE", "ROLLBACK_COMPLETE", "DELETE", "is in DELETE_FAILED. Bucket (AWS::S3::Bucket) DELETE_FAILED: The bucket you tried"},
		{"DELETE_ONLY", "CREATE_COMPLETE", "DELETE", "is in DELETE_FAILED. Bucket"},
		{"CHANGE_SET_REPLACE", "CREATE_COMPLETE", "CHANGE_SET_UPDATE", "is in FAILED. Parameters: [Size] must have values"},
		{"CHANGE_SET_EXECUTE", "CREATE_COMPLETE", "UPDATE", "is in UPDATE_ROLLBACK_COMPLETE. Bucket"},
	}
	for _, tt := range tests {
		t.Run(tt.mode+" "+string(tt.state), func(t *testing.T) {
			s := newSetup(t, cloudformation.Options{})
			s.fake.fails = true
			job := s.job(tt.mode)
			name := job.Action.Configuration["StackName"]
			if tt.state != "" {
				s.fake.put(name, tt.state)
			}
			if tt.mode == "CHANGE_SET_EXECUTE" {
				s.fake.sets[name+"/changes"] = &changeSet{status: types.ChangeSetStatusCreateComplete}
			}
			r := s.run(t, job)
			if r.Error == nil || r.Error.Code != action.JobFailed || !strings.Contains(r.Error.Message, tt.want) {
				t.Fatalf("%s %+v; want %q", r.Status, r.Error, tt.want)
			}
			if strings.Contains(r.Error.Message, "cancelled") {
				t.Errorf("%q names what was only cancelled", r.Error.Message)
			}
			for range 2 { // a failed stack is not replaced again by the same job
				if again, err := s.open(t).Start(t.Context(), job); err != nil || !cmp.Equal(again, r) {
					t.Errorf("again: %+v, %v", again, err)
				}
			}
			if got := strings.Join(s.fake.ops, " "); got != tt.ops {
				t.Errorf("began %q; want %q", got, tt.ops)
			}
		})
	}
}

func TestNoChanges(t *testing.T) {
	for _, mode := range []string{"CREATE_UPDATE", "REPLACE_ON_FAILURE", "CHANGE_SET_REPLACE", "CHANGE_SET_EXECUTE"} {
		s := newSetup(t, cloudformation.Options{})
		s.fake.same = true
		job := s.job(mode)
		name := job.Action.Configuration["StackName"]
		s.fake.put(name, "UPDATE_COMPLETE")
		if mode == "CHANGE_SET_EXECUTE" {
			s.fake.sets[name+"/changes"] = &changeSet{status: types.ChangeSetStatusFailed, reason: "The submitted information didn't contain changes."}
		}
		if r := s.run(t, job); r.Status != pipeline.Succeeded || r.Variables["Url"] == "" || !strings.Contains(r.Summary, "changes") {
			t.Errorf("%s: %s %q %+v", mode, r.Status, r.Summary, r.Error)
		}
	}
}

// TestChangeSetIsReplaced has a change set of the name there already.
func TestChangeSetIsReplaced(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	for range 2 {
		job := s.job("CHANGE_SET_REPLACE", "StackName", "web")
		if s.fake.stacks["web"] == nil {
			s.fake.put("web", "UPDATE_COMPLETE")
		}
		if r := s.run(t, job); r.Status != pipeline.Succeeded || r.ExternalID != "arn:changeSet/web/changes" {
			t.Fatalf("%s %q %+v", r.Status, r.ExternalID, r.Error)
		}
	}
	if got := strings.Join(s.fake.ops, " "); got != "CHANGE_SET_UPDATE CHANGE_SET_DELETE CHANGE_SET_UPDATE" {
		t.Errorf("began %q", got)
	}
}

// TestPollBeginsNothing polls jobs that Start has not seen.
func TestPollBeginsNothing(t *testing.T) {
	for _, mode := range modes {
		s := newSetup(t, cloudformation.Options{})
		job := s.job(mode)
		name := job.Action.Configuration["StackName"]
		s.fake.put(name, "ROLLBACK_COMPLETE")
		s.fake.sets[name+"/changes"] = &changeSet{status: types.ChangeSetStatusCreateComplete}
		if r, err := s.p.Poll(t.Context(), job); err != nil || r.Status != pipeline.InProgress || len(s.fake.ops) > 0 {
			t.Errorf("%s: %+v, %v after %v", mode, r, err, s.fake.ops)
		}
	}
}

// TestReplacementAcrossDeath replaces a stack with the process dying after
// every call that changes something, before its answer is read.
func TestReplacementAcrossDeath(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	job := s.job("REPLACE_ON_FAILURE")
	s.fake.put(job.Action.Configuration["StackName"], "ROLLBACK_COMPLETE")
	s.fake.Lose("DeleteStack")
	s.fake.Lose("CreateStack")
	deaths := 0
	for range 100 {
		r, err := s.open(t).Start(t.Context(), job)
		if errors.Is(err, awsfake.ErrLost) {
			deaths++
		} else if err != nil {
			t.Fatal(err)
		}
		if r.Status.Final() {
			if r.Status != pipeline.Succeeded || deaths != 2 {
				t.Errorf("%s %+v after %d deaths", r.Status, r.Error, deaths)
			}
			break
		}
	}
	if diff := cmp.Diff([]string{job.ID + "-delete", job.ID}, s.fake.tokens); diff != "" {
		t.Error(diff)
	}
}

func TestFailures(t *testing.T) {
	bench := func(mode string, state types.StackStatus, work string) func(t *testing.T) awsfake.Bench {
		return func(t *testing.T) awsfake.Bench {
			s := newSetup(t, cloudformation.Options{})
			job := s.job(mode, "TemplateConfiguration", "Bin::conf/prod.json")
			name := job.Action.Configuration["StackName"]
			if state != "" {
				s.fake.put(name, state)
				if mode != "CHANGE_SET_REPLACE" {
					s.fake.sets[name+"/changes"] = &changeSet{status: types.ChangeSetStatusCreateComplete}
				}
			}
			return awsfake.Bench{Provider: s.p, Service: &s.fake.Service, Job: job, Done: func() (n int) {
				for _, op := range s.fake.ops {
					if op == work {
						n++
					}
				}
				return n
			}}
		}
	}
	awsfake.Failures(t, bench("CREATE_UPDATE", "", "CREATE"), "DescribeStacks", "CreateStack", "DescribeStackEvents")
	awsfake.Failures(t, bench("CREATE_UPDATE", "CREATE_COMPLETE", "UPDATE"), "UpdateStack")
	awsfake.Failures(t, bench("REPLACE_ON_FAILURE", "CREATE_FAILED", "DELETE"), "DeleteStack", "CreateStack")
	awsfake.Failures(t, bench("CHANGE_SET_REPLACE", "CREATE_COMPLETE", "CHANGE_SET_UPDATE"), "DescribeChangeSet", "CreateChangeSet", "SetStackPolicy")
	awsfake.Failures(t, bench("CHANGE_SET_EXECUTE", "CREATE_COMPLETE", "UPDATE"), "ExecuteChangeSet")
}

func TestMaterial(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	job := s.job("CREATE_UPDATE", "TemplateConfiguration", "Bin::conf/prod.json", "ParameterOverrides",
		`{"Size":"9","Bucket":{"Fn::GetArtifactAtt":["Bin","BucketName"]},"Key":{"Fn::GetArtifactAtt":["Bin","ObjectKey"]},
		"Url":{"Fn::GetArtifactAtt":["Bin","URL"]},"Arn":{"Fn::GetParam":["Bin","out.json","Arn"]}}`)
	s.run(t, job)
	in, ok := s.fake.last.(*sdk.CreateStackInput)
	if !ok {
		t.Fatalf("%T", s.fake.last)
	}
	got := map[string]string{}
	for _, p := range in.Parameters {
		got[*p.ParameterKey] = *p.ParameterValue
	}
	want := map[string]string{
		"Size": "9", "Env": "prod", "Bucket": "artifacts", "Key": "in/Bin", "Arn": "arn:x",
		"Url": "https://s3.eu-west-1.amazonaws.com/artifacts/in/Bin",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(in.Tags) != 2 || *in.Tags[0].Key != "a" || *in.Tags[1].Value != "2" {
		t.Errorf("tags %v", in.Tags)
	}
	if aws.ToString(in.StackPolicyBody) != `{"Statement":[]}` || *in.TemplateBody != "Resources: {}" || in.TemplateURL != nil || *in.RoleARN != "arn:role" || *in.ClientRequestToken != job.ID {
		t.Errorf("%+v", in)
	}
	if !slices.Equal(in.Capabilities, []types.Capability{"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}) {
		t.Errorf("capabilities %v", in.Capabilities)
	}
}

func TestOutputs(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	r := s.run(t, withOutput(s.job("CREATE_UPDATE")))
	if len(r.Outputs) != 1 {
		t.Fatalf("%+v", r)
	}
	if diff := cmp.Diff(map[string]string{"outputs.json": "{\n  \"Url\": \"https://example.com\"\n}\n"}, s.blobs.Files(t, r.Outputs[0].Ref)); diff != "" {
		t.Error(diff)
	}
	if want := "https://eu-west-1.console.aws.amazon.com/cloudformation/home?region=eu-west-1#/stack/detail?stackId=arn%3Aaws%3Acloudformation"; !strings.HasPrefix(r.ExternalURL, want) {
		t.Errorf("URL %s", r.ExternalURL)
	}
}

func TestLongTemplateGoesByURL(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	if r := s.run(t, s.job("CREATE_UPDATE", "TemplatePath", "Bin::big.yml")); r.Error == nil || !strings.Contains(r.Error.Message, "70000 bytes") {
		t.Errorf("without a place: %+v", r)
	}
	s.opts.TemplateURL = func(_ context.Context, _ action.Job, template []byte) (string, error) {
		return fmt.Sprintf("https://place/%d", len(template)), nil
	}
	s.run(t, s.job("CREATE_UPDATE", "TemplatePath", "Bin::big.yml"))
	if in, ok := s.fake.last.(*sdk.CreateStackInput); !ok || aws.ToString(in.TemplateURL) != "https://place/70000" || in.TemplateBody != nil {
		t.Errorf("%+v", s.fake.last)
	}
}

func TestConfigurationErrors(t *testing.T) {
	tests := []struct {
		name  string
		pairs []string
		want  string
	}{
		{"unknown mode", []string{"ActionMode", "REPLACE"}, `ActionMode is "REPLACE"; it has to be one of CHANGE_SET_EXECUTE, CHANGE_SET_REPLACE, CREATE_UPDATE, DELETE_ONLY, REPLACE_ON_FAILURE`},
		{"no template", []string{"TemplatePath", ""}, "has no TemplatePath"},
		{"no role", []string{"RoleArn", ""}, "has no RoleArn"},
		{"no change set", []string{"ActionMode", "CHANGE_SET_EXECUTE", "ChangeSetName", ""}, "has no ChangeSetName"},
		{"capability", []string{"Capabilities", "CAPABILITY_ROOT"}, `Capabilities has "CAPABILITY_ROOT"; the capabilities are CAPABILITY_IAM`},
		{"no such artifact", []string{"TemplatePath", "Build::template.yml"}, "Artifact Build is not an input of action Deploy; its inputs are Bin"},
		{"no such file", []string{"TemplatePath", "Bin::prod.json"}, "Artifact Bin has no file prod.json; it has conf/prod.json"},
		{"no path", []string{"TemplatePath", "template.yml"}, `TemplatePath is "template.yml"`},
		{"broken configuration", []string{"TemplateConfiguration", "Bin::conf/broken.txt"}, "TemplateConfiguration Bin::conf/broken.txt"},
		{"overrides", []string{"ParameterOverrides", "[]"}, "ParameterOverrides: "},
		{"override is a number", []string{"ParameterOverrides", `{"Size":1}`}, "Parameter Size is 1; it has to be a string"},
		{"attribute", []string{"ParameterOverrides", `{"A":{"Fn::GetArtifactAtt":["Bin","Arn"]}}`}, `no attribute "Arn"`},
		{"param is no string", []string{"ParameterOverrides", `{"A":{"Fn::GetParam":["Bin","out.json","Count"]}}`}, `no string "Count" at its top; it has Arn, Count`},
		{"output without artifact", []string{"OutputFileName", "out.json"}, `OutputFileName "out.json" and 0 output artifacts`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSetup(t, cloudformation.Options{})
			job := s.job("CREATE_UPDATE", tt.pairs...)
			r := s.run(t, job)
			if r.Error == nil || r.Error.Code != action.ConfigurationError || !strings.Contains(r.Error.Message, tt.want) {
				t.Errorf("%s %+v; want %q", r.Status, r.Error, tt.want)
			}
			if len(s.fake.ops) > 0 {
				t.Errorf("began %v", s.fake.ops)
			}
		})
	}
}

// TestDeadline pins that an end before the deadline counts whenever it is
// asked for, and one after it never.
func TestDeadline(t *testing.T) {
	s := newSetup(t, cloudformation.Options{})
	job := s.job("CREATE_UPDATE")
	job.Deadline = time.Now().Add(time.Hour)
	end := s.run(t, job)
	s.opts.Now = func() time.Time { return job.Deadline.Add(time.Hour) }
	if r, err := s.open(t).Poll(t.Context(), job); err != nil || !cmp.Equal(r, end) {
		t.Errorf("ended in time: %+v, %v", r, err)
	}

	s = newSetup(t, cloudformation.Options{})
	s.fake.stuck = true
	job = s.job("CREATE_UPDATE")
	if _, err := s.p.Start(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	job.Deadline = time.Now()
	s.opts.Now = func() time.Time { return job.Deadline.Add(time.Second) }
	late := s.open(t)
	first, err := late.Poll(t.Context(), job)
	if err != nil || first.Error == nil || first.Error.Code != action.Timeout {
		t.Fatalf("%+v, %v; want Timeout", first, err)
	}
	s.fake.stuck = false
	s.fake.Look(func() { s.fake.stacks["web1"].steps = []step{{"", "CREATE_COMPLETE", ""}} })
	for range 3 {
		if r, err := late.Poll(t.Context(), job); err != nil || !cmp.Equal(r, first) {
			t.Errorf("ended too late: %+v, %v", r, err)
		}
	}
}

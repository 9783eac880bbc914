package simulated_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/simulated"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// job returns a job with outputs.
func job(category pipeline.Category, provider string, configuration map[string]string, outputs ...string) action.Job {
	j := action.Job{ID: "j1", Pipeline: "P", Stage: "S", Region: "us-west-2", Account: "111122223333",
		Action: pipeline.Action{Name: "A", TypeID: pipeline.ActionTypeID{Category: category, Provider: provider}, Configuration: configuration}}
	for _, name := range outputs {
		j.Outputs = append(j.Outputs, action.Artifact{Name: name, Ref: blob.Ref{Bucket: "b", Key: name}})
	}
	return j
}

func TestDeploy(t *testing.T) {
	var blobs wholetest.Blobs
	open := func() action.Provider { return simulated.New(&blobs, simulated.Options{}) }
	j := job(pipeline.Deploy, "ECS", nil)
	res := wholetest.Start(t, open(), j)
	want := action.Result{Status: pipeline.Succeeded, Simulated: true, ExternalID: "simulated-j1",
		Summary: "Simulated: Deploy ECS does not run on a laptop; nothing was deployed"}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Error(diff)
	}
	wholetest.Repeat(t, open, j, res)
}

// A rule says what did not happen, as actions do.
func TestRule(t *testing.T) {
	res := wholetest.Start(t, simulated.New(&wholetest.Blobs{}, simulated.Options{}), job(pipeline.RuleCategory, "CloudWatchAlarm", nil))
	if want := "Simulated: Rule CloudWatchAlarm does not run on a laptop; nothing was looked at"; res.Status != pipeline.Succeeded || res.Summary != want {
		t.Errorf("%s %q; want %q", res.Status, res.Summary, want)
	}
}

// TestOutputs pins that artifacts can be opened and say what they are.
func TestOutputs(t *testing.T) {
	var blobs wholetest.Blobs
	open := func() action.Provider { return simulated.New(&blobs, simulated.Options{}) }
	j := job(pipeline.Invoke, "Lambda", nil, "One", "Two")
	j.Action.OutputVariables = []string{"X"}
	res := wholetest.Start(t, open(), j)
	if len(res.Outputs) != 2 || res.Variables["X"] != "simulated-X" {
		t.Fatalf("%+v", res)
	}
	for _, out := range res.Outputs {
		var note map[string]string
		if err := json.Unmarshal([]byte(blobs.Files(t, out.Ref)[simulated.File]), &note); err != nil {
			t.Fatal(err)
		}
		if note["artifact"] != out.Name || note["provider"] != "Lambda" || note["note"] != res.Summary {
			t.Errorf("%v", note)
		}
	}
	wholetest.Repeat(t, open, j, res)
}

func TestFail(t *testing.T) {
	p := simulated.New(&wholetest.Blobs{}, simulated.Options{Fail: map[string]string{"A": "boom"}})
	res := wholetest.Start(t, p, job(pipeline.Deploy, "ECS", nil))
	if res.Status != pipeline.Failed || !res.Simulated || *res.Error != (action.Error{Code: action.JobFailed, Message: "boom"}) {
		t.Errorf("%+v %+v", res, res.Error)
	}
}

func TestImage(t *testing.T) {
	var blobs wholetest.Blobs
	digest := "sha256:" + strings.Repeat("a", 64)
	j := job(pipeline.Source, "ECR", map[string]string{"RepositoryName": "web"}, "Image")
	j.Revision = action.Override{Type: "IMAGE_DIGEST", Value: digest}
	res := wholetest.Start(t, simulated.New(&blobs, simulated.Options{}), j)
	uri := "simulated-111122223333.dkr.ecr.us-west-2.amazonaws.com/web@" + digest
	want := map[string]string{"RegistryId": "111122223333", "RepositoryName": "web", "ImageTag": "latest", "ImageDigest": digest, "ImageURI": uri}
	if diff := cmp.Diff(want, res.Variables); diff != "" {
		t.Error(diff)
	}
	if res.Revision == nil || res.Revision.ID != digest || res.Outputs[0].Revision != digest {
		t.Errorf("revision %+v", res.Revision)
	}
	var detail map[string]any
	if err := json.Unmarshal([]byte(blobs.Files(t, res.Outputs[0].Ref)["imageDetail.json"]), &detail); err != nil {
		t.Fatal(err)
	}
	if detail["ImageURI"] != uri || detail["Version"] != "1.0" || !cmp.Equal(detail["ImageTags"], []any{"latest"}) {
		t.Errorf("%v", detail)
	}
}

// TestSources pins that a source is invented only when that was asked for.
func TestSources(t *testing.T) {
	tests := []struct {
		provider      string
		configuration map[string]string
		want          string
		vars          map[string]string
	}{
		{"CodeCommit", map[string]string{"RepositoryName": "web", "BranchName": "main"}, "Repository web of source action A is not on this machine: write it under repositories in sluice.local.yaml, or pass --source A=PATH.",
			map[string]string{"RepositoryName": "web", "BranchName": "main", "CommitId": "simulated-CommitId"}},
		{"GitHub", map[string]string{"Owner": "acme", "Repo": "web", "Branch": "main"}, "Repository acme/web",
			map[string]string{"RepositoryName": "web", "BranchName": "main", "CommitId": "simulated-CommitId"}},
		{"S3", map[string]string{"S3Bucket": "in", "S3ObjectKey": "k"}, "Bucket in of source action A",
			map[string]string{"BucketName": "in", "ObjectKey": "k", "VersionId": "simulated-VersionId"}},
		{"Other", nil, "Source Other of action A", nil},
	}
	for _, tt := range tests {
		j := job(pipeline.Source, tt.provider, tt.configuration, "Out")
		res := wholetest.Start(t, simulated.New(&wholetest.Blobs{}, simulated.Options{}), j)
		if res.Status != pipeline.Failed || res.Error.Code != action.ConfigurationError || !strings.HasPrefix(res.Summary, tt.want) {
			t.Errorf("%s: %+v", tt.provider, res)
		}
		res = wholetest.Start(t, simulated.New(&wholetest.Blobs{}, simulated.Options{Sources: true}), j)
		if res.Status != pipeline.Succeeded || res.Revision == nil || !strings.HasPrefix(res.Revision.ID, "simulated-") || !res.Simulated {
			t.Errorf("%s, asked for: %+v", tt.provider, res)
		}
		for name, want := range tt.vars {
			if res.Variables[name] != want {
				t.Errorf("%s: %s is %q; want %q", tt.provider, name, res.Variables[name], want)
			}
		}
	}
}

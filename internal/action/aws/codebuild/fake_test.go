package codebuild_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/codebuild"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// service is a fake of CodeBuild with one project, web. A build does what its
// buildspec says: "fail", "block" until it is stopped, "nothing" without an
// artifact, or succeed. Batches are builds that are listed apart.
type service struct {
	awsfake.Knobs
	objects *awsfake.S3

	mu       sync.Mutex
	requests []any             // guarded by mu
	builds   []*types.Build    // oldest first; guarded by mu
	batch    map[string]bool   // by id; guarded by mu
	tokens   map[string]string // request by token; guarded by mu
	page     int               // builds on a page of a list; default 100
}

func (f *service) begin(batch bool, in *sdk.StartBuildInput, request any) (*types.Build, error) {
	call := "StartBuild"
	if batch {
		call = "StartBuildBatch"
	}
	return awsfake.Around(f.Knobs, call, func() (*types.Build, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if *in.ProjectName != "web" {
			return nil, awsfake.Error("ResourceNotFoundException")
		}
		text, _ := json.Marshal(request)
		token := *in.IdempotencyToken
		for _, b := range f.builds {
			if known, ok := f.tokens[token]; ok && aws.ToString(b.Initiator) == token {
				if known != string(text) {
					return nil, awsfake.Error("InvalidInputException")
				}
				shown := *b
				return &shown, nil
			}
		}
		f.tokens[token] = string(text)
		f.requests = append(f.requests, request)
		id := fmt.Sprintf("web:%d", len(f.builds)+1)
		b := &types.Build{
			Id: &id, BuildStatus: types.StatusTypeInProgress, StartTime: aws.Time(time.Now()), Initiator: &token, // so that the fake knows it
			Environment: &types.ProjectEnvironment{EnvironmentVariables: in.EnvironmentVariablesOverride},
		}
		f.builds = append(f.builds, b)
		f.batch[id] = batch
		shown := *b
		f.run(b, in)
		return &shown, nil
	})
}

// run ends a build that does not block.
func (f *service) run(b *types.Build, in *sdk.StartBuildInput) {
	spec := aws.ToString(in.BuildspecOverride)
	if spec == "block" {
		return
	}
	b.EndTime = aws.Time(time.Now())
	if spec == "fail" {
		b.BuildStatus = types.StatusTypeFailed
		b.Phases = []types.BuildPhase{
			{PhaseType: types.BuildPhaseTypeInstall, PhaseStatus: types.StatusTypeSucceeded},
			{PhaseType: types.BuildPhaseTypeBuild, PhaseStatus: types.StatusTypeFailed, Contexts: []types.PhaseContext{{StatusCode: aws.String("COMMAND_EXECUTION_ERROR"), Message: aws.String("Error while executing command: make. Reason: exit status 2")}}},
		}
		return
	}
	b.BuildStatus = types.StatusTypeSucceeded
	b.ExportedEnvironmentVariables = []types.ExportedEnvironmentVariable{{Name: aws.String("TAG"), Value: aws.String("v1")}}
	for _, a := range append([]types.ProjectArtifacts{*in.ArtifactsOverride}, in.SecondaryArtifactsOverride...) {
		if a.Type != types.ArtifactsTypeS3 || spec == "nothing" {
			continue
		}
		key := strings.TrimPrefix(aws.ToString(a.Path)+"/"+*a.Name, "/")
		f.objects.Write(*a.Location, key, []byte("built "+key), nil)
		made := types.BuildArtifacts{ArtifactIdentifier: a.ArtifactIdentifier, Location: aws.String("arn:aws:s3:::" + *a.Location + "/" + key)}
		if a.ArtifactIdentifier == nil {
			b.Artifacts = &made
		} else {
			b.SecondaryArtifacts = append(b.SecondaryArtifacts, made)
		}
	}
}

func (f *service) StartBuild(_ context.Context, in *sdk.StartBuildInput, _ ...func(*sdk.Options)) (*sdk.StartBuildOutput, error) {
	b, err := f.begin(false, in, in)
	if err != nil {
		return nil, err
	}
	return &sdk.StartBuildOutput{Build: b}, nil
}

func (f *service) StartBuildBatch(_ context.Context, in *sdk.StartBuildBatchInput, _ ...func(*sdk.Options)) (*sdk.StartBuildBatchOutput, error) {
	b, err := f.begin(true, &sdk.StartBuildInput{
		ProjectName: in.ProjectName, IdempotencyToken: in.IdempotencyToken, BuildspecOverride: in.BuildspecOverride,
		EnvironmentVariablesOverride: in.EnvironmentVariablesOverride, ArtifactsOverride: in.ArtifactsOverride, SecondaryArtifactsOverride: in.SecondaryArtifactsOverride,
	}, in)
	if err != nil {
		return nil, err
	}
	return &sdk.StartBuildBatchOutput{BuildBatch: ofBuild(*b)}, nil
}

func ofBuild(b types.Build) *types.BuildBatch {
	return &types.BuildBatch{Id: b.Id, BuildBatchStatus: b.BuildStatus, StartTime: b.StartTime, EndTime: b.EndTime, Environment: b.Environment, Artifacts: b.Artifacts, SecondaryArtifacts: b.SecondaryArtifacts}
}

func (f *service) BatchGetBuilds(_ context.Context, in *sdk.BatchGetBuildsInput, _ ...func(*sdk.Options)) (*sdk.BatchGetBuildsOutput, error) {
	return awsfake.Around(f.Knobs, "BatchGetBuilds", func() (*sdk.BatchGetBuildsOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := &sdk.BatchGetBuildsOutput{}
		for _, b := range f.builds {
			if slices.Contains(in.Ids, *b.Id) && !f.batch[*b.Id] {
				out.Builds = append(out.Builds, *b)
			}
		}
		return out, nil
	})
}

func (f *service) BatchGetBuildBatches(_ context.Context, in *sdk.BatchGetBuildBatchesInput, _ ...func(*sdk.Options)) (*sdk.BatchGetBuildBatchesOutput, error) {
	return awsfake.Around(f.Knobs, "BatchGetBuildBatches", func() (*sdk.BatchGetBuildBatchesOutput, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		out := &sdk.BatchGetBuildBatchesOutput{}
		for _, b := range f.builds {
			if slices.Contains(in.Ids, *b.Id) && f.batch[*b.Id] {
				out.BuildBatches = append(out.BuildBatches, *ofBuild(*b))
			}
		}
		return out, nil
	})
}

// list returns a page of ids, newest first.
func (f *service) list(project, next *string, batch bool) (ids []string, more *string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *project != "web" {
		return nil, nil, awsfake.Error("ResourceNotFoundException")
	}
	for _, b := range slices.Backward(f.builds) {
		if f.batch[*b.Id] == batch {
			ids = append(ids, *b.Id)
		}
	}
	from, size := 0, max(f.page, 1)
	if f.page == 0 {
		size = 100
	}
	_, _ = fmt.Sscan(aws.ToString(next), &from)
	if to := from + size; to < len(ids) {
		more = aws.String(fmt.Sprint(to))
	}
	return ids[from:min(from+size, len(ids))], more, nil
}

func (f *service) ListBuildsForProject(_ context.Context, in *sdk.ListBuildsForProjectInput, _ ...func(*sdk.Options)) (*sdk.ListBuildsForProjectOutput, error) {
	return awsfake.Around(f.Knobs, "ListBuildsForProject", func() (*sdk.ListBuildsForProjectOutput, error) {
		ids, more, err := f.list(in.ProjectName, in.NextToken, false)
		return &sdk.ListBuildsForProjectOutput{Ids: ids, NextToken: more}, err
	})
}

func (f *service) ListBuildBatchesForProject(_ context.Context, in *sdk.ListBuildBatchesForProjectInput, _ ...func(*sdk.Options)) (*sdk.ListBuildBatchesForProjectOutput, error) {
	return awsfake.Around(f.Knobs, "ListBuildBatchesForProject", func() (*sdk.ListBuildBatchesForProjectOutput, error) {
		ids, more, err := f.list(in.ProjectName, in.NextToken, true)
		return &sdk.ListBuildBatchesForProjectOutput{Ids: ids, NextToken: more}, err
	})
}

func (f *service) end(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.builds {
		if *b.Id == id && b.BuildStatus == types.StatusTypeInProgress {
			b.BuildStatus, b.EndTime = types.StatusTypeStopped, aws.Time(time.Now())
		}
	}
}

func (f *service) StopBuild(_ context.Context, in *sdk.StopBuildInput, _ ...func(*sdk.Options)) (*sdk.StopBuildOutput, error) {
	return awsfake.Around(f.Knobs, "StopBuild", func() (*sdk.StopBuildOutput, error) {
		f.end(*in.Id)
		return &sdk.StopBuildOutput{}, nil
	})
}

func (f *service) StopBuildBatch(_ context.Context, in *sdk.StopBuildBatchInput, _ ...func(*sdk.Options)) (*sdk.StopBuildBatchOutput, error) {
	return awsfake.Around(f.Knobs, "StopBuildBatch", func() (*sdk.StopBuildBatchOutput, error) {
		f.end(*in.Id)
		return &sdk.StopBuildBatchOutput{}, nil
	})
}

// forget lets the five minutes of all tokens pass.
func (f *service) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.tokens)
}

// done returns how many builds were started for a job.
func (f *service) done(job action.Job) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.builds {
		if *b.Initiator == job.ID {
			n++
		}
	}
	return n
}

// A world is CodeBuild, the artifact bucket b, and what was recorded of jobs.
type world struct {
	service
	s3    awsfake.S3
	known sync.Map // external id by job id
	jobs  int
	opts  codebuild.Options
}

func newWorld() *world {
	w := new(world)
	w.s3.Bucket("b", false)
	w.service = service{objects: &w.s3, batch: map[string]bool{}, tokens: map[string]string{}}
	w.s3.Write("b", "p/In/1", slices.Repeat([]byte("zip "), 3000), nil)
	return w
}

func (w *world) open(t testing.TB) *codebuild.Provider {
	t.Helper()
	p, err := codebuild.New(codebuild.Ports{
		Client: credentials.Fixed[codebuild.CodeBuild](&w.service), Objects: credentials.Fixed[codebuild.Objects](&w.s3), Blobs: &w.s3,
		Known: func(_ context.Context, job action.Job) (string, error) {
			id, _ := w.known.Load(job.ID)
			text, _ := id.(string)
			return text, nil
		},
	}, w.opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job returns a new job with one input and one output. Pairs of keys and
// values change its configuration.
func (w *world) job(pairs ...string) action.Job {
	w.jobs++
	c := map[string]string{"ProjectName": "web"}
	for i := 0; i < len(pairs); i += 2 {
		c[pairs[i]] = pairs[i+1]
	}
	return action.Job{
		ID: fmt.Sprint("job", w.jobs), Region: "eu-west-1", Account: "111122223333", Deadline: time.Now().Add(36 * time.Hour),
		Action:  pipeline.Action{Name: "Build", TypeID: pipeline.ActionTypeID{Category: pipeline.Build, Owner: pipeline.AWS, Provider: "CodeBuild", Version: "1"}, Configuration: c},
		Inputs:  []action.Artifact{{Name: "Src", Ref: blob.Ref{Bucket: "b", Key: "p/In/1", Digest: "sha256:x", Size: 12000}}},
		Outputs: []action.Artifact{{Name: "App", Ref: blob.Ref{Bucket: "b", Key: fmt.Sprint("p/App/", w.jobs)}}},
	}
}

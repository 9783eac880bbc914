package services

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/action/codebuild"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// CodeBuild runs the buildspecs of builds in a shell of this machine, with
// sources and artifacts in S3. Every project exists and has no settings.
type CodeBuild struct {
	service
	objects *s3.Client
	run     *codebuild.Provider
	runner  *background.Runner
	ended   func(Build)
	region  string

	mu     sync.Mutex
	builds map[string]*Build // by id; guarded by mu
	tokens map[string]string // idempotency token to id; guarded by mu
}

// A Build is one build as BatchGetBuilds tells it, with what started it.
type Build struct {
	ID, Project, Status string // IN_PROGRESS, SUCCEEDED, FAILED
	job                 action.Job
	variables           []types.EnvironmentVariable
	result              action.Result
	begin, end          time.Time
}

// NewCodeBuild returns a CodeBuild that keeps what it needs in folder and
// calls ended, if it is not nil, when a build has ended.
func NewCodeBuild(folder, region string, objects *s3.Client, ended func(Build)) (*CodeBuild, error) {
	c := &CodeBuild{objects: objects, region: region, ended: ended, builds: map[string]*Build{}, tokens: map[string]string{}}
	var err error
	if c.runner, err = background.New(folder, background.Options{Ended: c.note}); err != nil {
		return nil, err
	}
	if c.run, err = codebuild.New(c.runner, plain{objects}, codebuild.Options{}); err != nil {
		return nil, err
	}
	c.service = service{prefix: "CodeBuild_20161006", operations: map[string]operation{
		"StartBuild": with(c.startBuild), "BatchGetBuilds": with(c.batchGetBuilds),
		"ListBuildsForProject": with(c.listBuilds), "StopBuild": with(c.stopBuild),
	}}
	return c, nil
}

// Close ends the builds that still run.
func (c *CodeBuild) Close() error { return c.runner.Close() }

type startBuild struct {
	ProjectName, BuildspecOverride, IdempotencyToken string
	SourceTypeOverride, SourceLocationOverride       string
	EnvironmentVariablesOverride                     []types.EnvironmentVariable
	ArtifactsOverride                                *types.ProjectArtifacts
	SecondarySourcesOverride                         []types.ProjectSource
	SecondaryArtifactsOverride                       []types.ProjectArtifacts
}

func (c *CodeBuild) startBuild(r *http.Request, in startBuild) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.tokens[in.IdempotencyToken]; ok {
		return map[string]any{"build": c.show(c.builds[id])}, nil
	}
	if len(in.SecondarySourcesOverride)+len(in.SecondaryArtifactsOverride) > 0 {
		return nil, failure{"InvalidInputException", "the stand-in builds from one source into one artifact"}
	}
	b, err := c.build(r.Context(), in)
	if err != nil {
		return nil, err
	}
	c.builds[b.ID], c.tokens[in.IdempotencyToken] = b, b.ID
	if _, err := c.run.Start(context.Background(), b.job); err != nil {
		return nil, err
	}
	return map[string]any{"build": c.show(b)}, nil
}

// build returns the build that in asks for, as a job of the laptop's provider.
func (c *CodeBuild) build(ctx context.Context, in startBuild) (*Build, error) {
	job := action.Job{ID: in.IdempotencyToken, Region: c.region, Deadline: time.Now().Add(time.Hour)}
	job.Action = pipeline.Action{Name: in.ProjectName, Configuration: map[string]string{"ProjectName": in.ProjectName}}
	if in.BuildspecOverride != "" {
		job.Action.Configuration["BuildspecOverride"] = in.BuildspecOverride
	}
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		Type  string `json:"type"`
	}
	var own []variable
	for _, v := range in.EnvironmentVariablesOverride {
		if !strings.HasPrefix(*v.Name, "SLUICE_") { // the job's mark is for the record, not for the laptop's provider
			own = append(own, variable{*v.Name, *v.Value, string(v.Type)})
		}
	}
	if len(own) > 0 {
		text, err := json.Marshal(own)
		if err != nil {
			return nil, err
		}
		job.Action.Configuration["EnvironmentVariables"] = string(text)
	}
	if in.SourceTypeOverride == string(types.SourceTypeS3) {
		bucket, key, _ := strings.Cut(in.SourceLocationOverride, "/")
		ref, err := measure(ctx, c.objects, bucket, key)
		if err != nil {
			return nil, err
		}
		job.Inputs = []action.Artifact{{Name: "Source", Ref: ref}}
	}
	if a := in.ArtifactsOverride; a != nil && a.Type == types.ArtifactsTypeS3 {
		ref := blob.Ref{Bucket: *a.Location, Key: *a.Name}
		if a.Path != nil {
			ref.Key = path.Join(*a.Path, *a.Name)
		}
		job.Outputs = []action.Artifact{{Name: "Output", Ref: ref}}
	}
	return &Build{
		ID: in.ProjectName + ":" + in.IdempotencyToken, Project: in.ProjectName, Status: "IN_PROGRESS",
		job: job, variables: in.EnvironmentVariablesOverride, begin: time.Now(),
	}, nil
}

// note records the end of the build of a job.
func (c *CodeBuild) note(jobID string) {
	c.mu.Lock()
	b := c.builds[c.tokens[jobID]]
	c.mu.Unlock()
	if b == nil {
		return
	}
	result, err := c.run.Poll(context.Background(), b.job)
	if err != nil || !result.Status.Final() {
		return
	}
	c.mu.Lock()
	b.result, b.end, b.Status = result, time.Now(), "SUCCEEDED"
	if result.Status != pipeline.Succeeded {
		b.Status = "FAILED"
	}
	told := *b
	c.mu.Unlock()
	if c.ended != nil {
		c.ended(told)
	}
}

type batchGetBuilds struct{ IDs []string }

func (c *CodeBuild) batchGetBuilds(_ *http.Request, in batchGetBuilds) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, missing := []any{}, []string{}
	for _, id := range in.IDs {
		if b, ok := c.builds[id]; ok {
			found = append(found, c.show(b))
		} else {
			missing = append(missing, id)
		}
	}
	return map[string]any{"builds": found, "buildsNotFound": missing}, nil
}

type listBuilds struct{ ProjectName string }

func (c *CodeBuild) listBuilds(_ *http.Request, in listBuilds) (any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := []string{}
	for id, b := range c.builds {
		if b.Project == in.ProjectName {
			ids = append(ids, id)
		}
	}
	return map[string]any{"ids": ids}, nil
}

type stopBuild struct{ ID string }

func (c *CodeBuild) stopBuild(r *http.Request, in stopBuild) (any, error) {
	c.mu.Lock()
	b, ok := c.builds[in.ID]
	c.mu.Unlock()
	if !ok {
		return nil, failure{"ResourceNotFoundException", "no build " + in.ID}
	}
	if err := c.run.Stop(r.Context(), b.job); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.Status == "IN_PROGRESS" {
		b.Status, b.end = "STOPPED", time.Now()
	}
	return map[string]any{"build": c.show(b)}, nil
}

// show returns b as the API does.
func (c *CodeBuild) show(b *Build) map[string]any {
	variables := []map[string]string{}
	for _, v := range b.variables {
		variables = append(variables, map[string]string{"name": *v.Name, "value": *v.Value, "type": string(v.Type)})
	}
	exported := []map[string]string{}
	for name, value := range b.result.Variables {
		exported = append(exported, map[string]string{"name": name, "value": value})
	}
	out := map[string]any{
		"id": b.ID, "arn": b.ARN(c.region), "projectName": b.Project, "buildStatus": b.Status, "startTime": seconds(b.begin),
		"environment": map[string]any{"environmentVariables": variables}, "exportedEnvironmentVariables": exported,
	}
	if len(b.result.Outputs) > 0 {
		ref := b.result.Outputs[0].Ref
		out["artifacts"] = map[string]string{"location": "arn:aws:s3:::" + ref.Bucket + "/" + ref.Key}
	}
	if b.Status != "IN_PROGRESS" {
		out["endTime"], out["buildComplete"] = seconds(b.end), true
		phase := map[string]any{"phaseType": "BUILD", "phaseStatus": b.Status}
		if b.result.Error != nil {
			phase["contexts"] = []map[string]string{{"statusCode": "COMMAND_EXECUTION_ERROR", "message": b.result.Error.Message}}
		}
		out["phases"] = []any{phase}
	}
	return out
}

// ARN returns the ARN of b.
func (b Build) ARN(region string) string {
	return fmt.Sprintf("arn:aws:codebuild:%s:123456789012:build/%s", region, b.ID)
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// plain is a blob.Store over buckets without conditions or encryption.
type plain struct{ client *s3.Client }

func (p plain) Create(ctx context.Context, bucket, key string, r io.Reader) (blob.Ref, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return blob.Ref{}, err
	}
	if _, err := p.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		return blob.Ref{}, err
	}
	sum := sha256.Sum256(content)
	return blob.Ref{Bucket: bucket, Key: key, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(content))}, nil
}

func (p plain) Open(ctx context.Context, ref blob.Ref) (blob.Object, error) {
	out, err := p.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &ref.Bucket, Key: &ref.Key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	f, err := os.CreateTemp("", "object-*")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name()) // it lives as long as it is open
	if _, err := io.Copy(f, out.Body); err != nil {
		return nil, err
	}
	_, err = f.Seek(0, io.SeekStart)
	return f, err
}

// measure returns the Ref of what an object holds.
func measure(ctx context.Context, client *s3.Client, bucket, key string) (blob.Ref, error) {
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return blob.Ref{}, failure{"InvalidInputException", err.Error()}
	}
	defer out.Body.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, out.Body)
	return blob.Ref{Bucket: bucket, Key: key, Digest: "sha256:" + hex.EncodeToString(sum.Sum(nil)), Size: n}, err
}

package codebuild

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// A build is what the provider needs to know of a build or of a batch.
type build struct {
	id         string
	job        string // the value of JobVariable
	status     string
	begin, end time.Time
	exported   map[string]string
	places     map[string]string // ARNs of artifacts, by identifier; "" is the primary one's
	why        string            // of a failure
}

func (b *build) ended() bool { return b.status != "" && b.status != string(types.StatusTypeInProgress) }

// calls are the calls of builds, or those of batches.
type calls interface {
	start(context.Context, *codebuild.StartBuildInput) (*build, error)
	get(ctx context.Context, ids []string) ([]build, error)
	list(ctx context.Context, project string, next *string) (ids []string, more *string, err error)
	stop(ctx context.Context, id string) error
}

type builds struct{ CodeBuild }

func (c builds) start(ctx context.Context, in *codebuild.StartBuildInput) (*build, error) {
	out, err := c.StartBuild(ctx, in)
	if err != nil {
		return nil, err
	}
	b := ofBuild(*out.Build)
	return &b, nil
}

func (c builds) get(ctx context.Context, ids []string) ([]build, error) {
	out, err := c.BatchGetBuilds(ctx, &codebuild.BatchGetBuildsInput{Ids: ids})
	if err != nil {
		return nil, err
	}
	var all []build
	for _, b := range out.Builds {
		all = append(all, ofBuild(b))
	}
	return all, nil
}

func (c builds) list(ctx context.Context, project string, next *string) ([]string, *string, error) {
	out, err := c.ListBuildsForProject(ctx, &codebuild.ListBuildsForProjectInput{ProjectName: &project, NextToken: next, SortOrder: types.SortOrderTypeDescending})
	if err != nil {
		return nil, nil, err
	}
	return out.Ids, out.NextToken, nil
}

func (c builds) stop(ctx context.Context, id string) error {
	_, err := c.StopBuild(ctx, &codebuild.StopBuildInput{Id: &id})
	return err
}

func ofBuild(b types.Build) build {
	of := build{
		id: aws.ToString(b.Id), job: jobOf(b.Environment), status: string(b.BuildStatus),
		begin: aws.ToTime(b.StartTime), end: aws.ToTime(b.EndTime),
		places: places(b.Artifacts, b.SecondaryArtifacts),
	}
	for _, v := range b.ExportedEnvironmentVariables {
		if of.exported == nil {
			of.exported = make(map[string]string)
		}
		of.exported[aws.ToString(v.Name)] = aws.ToString(v.Value)
	}
	for _, phase := range b.Phases {
		if phase.PhaseStatus == types.StatusTypeFailed || phase.PhaseStatus == types.StatusTypeFault || phase.PhaseStatus == types.StatusTypeTimedOut {
			of.why = because(string(phase.PhaseType), phase.Contexts)
			break
		}
	}
	return of
}

type batches struct {
	CodeBuild
	combine bool // the artifacts of its builds into one
}

func (c batches) start(ctx context.Context, in *codebuild.StartBuildInput) (*build, error) {
	out, err := c.StartBuildBatch(ctx, batched(in, c.combine))
	if err != nil {
		return nil, err
	}
	b := ofBatch(*out.BuildBatch)
	return &b, nil
}

func (c batches) get(ctx context.Context, ids []string) ([]build, error) {
	out, err := c.BatchGetBuildBatches(ctx, &codebuild.BatchGetBuildBatchesInput{Ids: ids})
	if err != nil {
		return nil, err
	}
	var all []build
	for _, b := range out.BuildBatches {
		all = append(all, ofBatch(b))
	}
	return all, nil
}

func (c batches) list(ctx context.Context, project string, next *string) ([]string, *string, error) {
	out, err := c.ListBuildBatchesForProject(ctx, &codebuild.ListBuildBatchesForProjectInput{ProjectName: &project, NextToken: next, SortOrder: types.SortOrderTypeDescending})
	if err != nil {
		return nil, nil, err
	}
	return out.Ids, out.NextToken, nil
}

func (c batches) stop(ctx context.Context, id string) error {
	_, err := c.StopBuildBatch(ctx, &codebuild.StopBuildBatchInput{Id: &id})
	return err
}

func ofBatch(b types.BuildBatch) build {
	of := build{
		id: aws.ToString(b.Id), job: jobOf(b.Environment), status: string(b.BuildBatchStatus),
		begin: aws.ToTime(b.StartTime), end: aws.ToTime(b.EndTime),
		places: places(b.Artifacts, b.SecondaryArtifacts),
	}
	for _, phase := range b.Phases {
		if phase.PhaseStatus == types.StatusTypeFailed || phase.PhaseStatus == types.StatusTypeFault || phase.PhaseStatus == types.StatusTypeTimedOut {
			of.why = because(string(phase.PhaseType), phase.Contexts)
			break
		}
	}
	return of
}

func jobOf(env *types.ProjectEnvironment) string {
	if env == nil {
		return ""
	}
	i := slices.IndexFunc(env.EnvironmentVariables, func(v types.EnvironmentVariable) bool { return aws.ToString(v.Name) == JobVariable })
	if i < 0 {
		return ""
	}
	return aws.ToString(env.EnvironmentVariables[i].Value)
}

func places(primary *types.BuildArtifacts, secondary []types.BuildArtifacts) map[string]string {
	all := make(map[string]string)
	if primary != nil {
		all[""] = aws.ToString(primary.Location)
	}
	for _, a := range secondary {
		all[aws.ToString(a.ArtifactIdentifier)] = aws.ToString(a.Location)
	}
	return all
}

// because says which phase failed and why, as it is added to the state of a
// build.
func because(phase string, contexts []types.PhaseContext) string {
	text := ". Phase: " + phase
	if len(contexts) > 0 {
		text += fmt.Sprintf(", Code: %s, Message: %s", aws.ToString(contexts[0].StatusCode), aws.ToString(contexts[0].Message))
	}
	return text
}

// errUnlisted says that a job's build could not be sought.
var errUnlisted = errors.New("the role may not list the builds of the project")

// find returns the build of a job, or nil if there is none: the one that was
// recorded, else the one that says that it is.
func (p *Provider) find(ctx context.Context, c calls, job action.Job) (*build, error) {
	id, err := p.Known(ctx, job)
	if err != nil {
		return nil, fmt.Errorf("external id of job %s: %w", job.ID, err)
	}
	if id != "" {
		found, err := c.get(ctx, []string{id})
		if err == nil && len(found) != 1 {
			err = fmt.Errorf("build %s cannot be read: CodeBuild does not know it", id)
		}
		if err != nil {
			return nil, err
		}
		return &found[0], nil
	}
	if job.Action.Configuration["ProjectName"] == "" {
		return nil, nil
	}
	return seek(ctx, c, job)
}

// seek looks through the builds of the project, newest first, as far back as
// the job's may have begun.
func seek(ctx context.Context, c calls, job action.Job) (*build, error) {
	oldest := fault.Before(job)
	for next := (*string)(nil); ; {
		ids, more, err := c.list(ctx, job.Action.Configuration["ProjectName"], next)
		if err != nil && fault.Type(err) == action.PermissionError {
			return nil, fmt.Errorf("%w: %w", errUnlisted, err)
		}
		if err != nil || len(ids) == 0 {
			return nil, err
		}
		page, err := c.get(ctx, ids)
		if err != nil {
			return nil, err
		}
		past := false
		for i, b := range page {
			if b.job == job.ID {
				return &page[i], nil
			}
			past = past || !b.begin.IsZero() && b.begin.Before(oldest)
		}
		if next = more; past || aws.ToString(next) == "" {
			return nil, nil
		}
	}
}

package codebuild

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codebuild"
	"github.com/aws/aws-sdk-go-v2/service/codebuild/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/blob"
)

// refuse returns what is wrong with the configuration of a job.
func refuse(format string, args ...any) error {
	return fault.Refuse(action.ConfigurationError, format, args...)
}

// request returns what starts a job's build. The same job always gives the
// same request: with another one its idempotency token would be refused.
func (p *Provider) request(ctx context.Context, job action.Job) (*codebuild.StartBuildInput, error) {
	conf := job.Action.Configuration
	project := conf["ProjectName"]
	if project == "" {
		return nil, refuse("Action %s has no ProjectName: write it into its configuration.", job.Action.Name)
	}
	in := &codebuild.StartBuildInput{ProjectName: &project, IdempotencyToken: &job.ID}
	if text := conf["BuildspecOverride"]; text != "" {
		in.BuildspecOverride = &text
	}
	if key := p.opts.EncryptionKey(job); key != "" {
		in.EncryptionKeyOverride = &key
	}
	var err error
	if in.EnvironmentVariablesOverride, err = variables(job); err != nil {
		return nil, err
	}
	if err := artifacts(in, job.Outputs); err != nil {
		return nil, err
	}
	return in, p.sources(ctx, in, job)
}

// sources makes the inputs of a job the sources of its build.
func (p *Provider) sources(ctx context.Context, in *codebuild.StartBuildInput, job action.Job) error {
	want := job.Action.Configuration["PrimarySource"]
	if want == "" && len(job.Inputs) == 1 {
		want = job.Inputs[0].Name
	}
	if len(job.Inputs) == 0 {
		in.SourceTypeOverride = types.SourceTypeNoSource
		return nil
	}
	if !slices.ContainsFunc(job.Inputs, func(a action.Artifact) bool { return a.Name == want }) {
		return refuse("PrimarySource is %q, but has to be one of the %d input artifacts of action %s.", want, len(job.Inputs), job.Action.Name)
	}
	for _, input := range job.Inputs {
		source, version, err := p.source(ctx, input)
		if err != nil {
			return err
		}
		if input.Name == want {
			in.SourceTypeOverride, in.SourceLocationOverride, in.SourceVersion = source.Type, source.Location, version
			in.GitCloneDepthOverride, in.SourceAuthOverride = source.GitCloneDepth, source.Auth
			continue
		}
		// CODEBUILD_SRC_DIR_<identifier>; it is not allowed all that a name is.
		source.SourceIdentifier = aws.String(notIdentifier.ReplaceAllString(input.Name, "_"))
		if slices.ContainsFunc(in.SecondarySourcesOverride, func(s types.ProjectSource) bool { return *s.SourceIdentifier == *source.SourceIdentifier }) {
			return refuse("Two input artifacts of action %s are called CODEBUILD_SRC_DIR_%s in a build; rename one.", job.Action.Name, *source.SourceIdentifier)
		}
		in.SecondarySourcesOverride = append(in.SecondarySourcesOverride, source)
		if version != nil {
			in.SecondarySourcesVersionOverride = append(in.SecondarySourcesVersionOverride, types.ProjectSourceVersion{SourceIdentifier: source.SourceIdentifier, SourceVersion: version})
		}
	}
	return nil
}

var notIdentifier = regexp.MustCompile(`[^A-Za-z0-9_]`)

// source returns an input as a source, and its version unless it is in S3. An
// input that only says what to clone (CODEBUILD_CLONE_REF) becomes that
// repository, with its whole history.
func (p *Provider) source(ctx context.Context, input action.Artifact) (types.ProjectSource, *string, error) {
	if input.Ref.Size <= sources.MaxCloneRef {
		content, err := p.Blobs.Open(ctx, input.Ref)
		if errors.Is(err, blob.ErrNotFound) || errors.Is(err, blob.ErrDigest) {
			return types.ProjectSource{}, nil, fault.Refuse(action.JobFailed, "Input artifact %s cannot be read: %v.", input.Name, err)
		}
		if err != nil {
			return types.ProjectSource{}, nil, fmt.Errorf("input artifact %s: %w", input.Name, err)
		}
		ref, ok, err := sources.ReadCloneRef(content, input.Ref.Size)
		content.Close()
		if err == nil && ok {
			source := types.ProjectSource{Type: types.SourceType(ref.Type), Location: &ref.URL, GitCloneDepth: aws.Int32(0)}
			if ref.Connection != "" {
				source.Auth = &types.SourceAuth{Type: types.SourceAuthTypeCodeconnections, Resource: &ref.Connection}
			}
			return source, &ref.Commit, nil
		} // else the build says what is wrong with it
	}
	return types.ProjectSource{Type: types.SourceTypeS3, Location: aws.String(input.Ref.Bucket + "/" + input.Ref.Key)}, nil, nil
}

// artifacts makes the build put its artifacts where the outputs of a job
// belong. A single one is the buildspec's artifacts; several are its
// secondary-artifacts of the same names.
func artifacts(in *codebuild.StartBuildInput, outputs []action.Artifact) error {
	in.ArtifactsOverride = &types.ProjectArtifacts{Type: types.ArtifactsTypeNoArtifacts}
	for _, out := range outputs {
		place := types.ProjectArtifacts{
			Type:                 types.ArtifactsTypeS3,
			Location:             aws.String(out.Ref.Bucket),
			Path:                 aws.String(path.Dir(out.Ref.Key)),
			Name:                 aws.String(path.Base(out.Ref.Key)),
			NamespaceType:        types.ArtifactNamespaceNone,
			Packaging:            types.ArtifactPackagingZip,
			OverrideArtifactName: aws.Bool(false),
		}
		if *place.Path == "." {
			place.Path = nil
		}
		if len(outputs) == 1 {
			in.ArtifactsOverride = &place
			continue
		}
		if notIdentifier.MatchString(out.Name) {
			return refuse("Output artifact %s: with several of them, the name is an identifier of secondary-artifacts, and an identifier must contain only alphanumeric characters and underscores.", out.Name)
		}
		place.ArtifactIdentifier = aws.String(out.Name)
		in.SecondaryArtifactsOverride = append(in.SecondaryArtifactsOverride, place)
	}
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variables returns the environment variables that an action adds to those of
// its project.
func variables(job action.Job) ([]types.EnvironmentVariable, error) {
	var vs []types.EnvironmentVariable
	if text := job.Action.Configuration["EnvironmentVariables"]; text != "" {
		var own []struct{ Name, Value, Type string }
		if err := json.Unmarshal([]byte(text), &own); err != nil {
			return nil, refuse("EnvironmentVariables of action %s: %v; it has to be a JSON list of objects with name, value and type.", job.Action.Name, err)
		}
		for _, v := range own {
			kind := types.EnvironmentVariableType(v.Type)
			if kind == "" {
				kind = types.EnvironmentVariableTypePlaintext
			}
			switch {
			case !variableName.MatchString(v.Name) || v.Name == JobVariable:
				return nil, refuse("EnvironmentVariables of action %s: %q cannot be the name of an environment variable.", job.Action.Name, v.Name)
			case !slices.Contains(kind.Values(), kind):
				return nil, refuse("EnvironmentVariables of action %s: type %q of %s is none of %v.", job.Action.Name, v.Type, v.Name, kind.Values())
			}
			vs = append(vs, types.EnvironmentVariable{Name: &v.Name, Value: &v.Value, Type: kind})
		}
	}
	return append(vs, types.EnvironmentVariable{Name: aws.String(JobVariable), Value: &job.ID, Type: types.EnvironmentVariableTypePlaintext}), nil
}

// batched returns a request as that of a batch.
func batched(in *codebuild.StartBuildInput, combine bool) *codebuild.StartBuildBatchInput {
	out := &codebuild.StartBuildBatchInput{
		ProjectName:                     in.ProjectName,
		ArtifactsOverride:               in.ArtifactsOverride,
		BuildspecOverride:               in.BuildspecOverride,
		EncryptionKeyOverride:           in.EncryptionKeyOverride,
		EnvironmentVariablesOverride:    in.EnvironmentVariablesOverride,
		GitCloneDepthOverride:           in.GitCloneDepthOverride,
		IdempotencyToken:                in.IdempotencyToken,
		SecondaryArtifactsOverride:      in.SecondaryArtifactsOverride,
		SecondarySourcesOverride:        in.SecondarySourcesOverride,
		SecondarySourcesVersionOverride: in.SecondarySourcesVersionOverride,
		SourceAuthOverride:              in.SourceAuthOverride,
		SourceLocationOverride:          in.SourceLocationOverride,
		SourceTypeOverride:              in.SourceTypeOverride,
		SourceVersion:                   in.SourceVersion,
	}
	if combine {
		out.BuildBatchConfigOverride = &types.ProjectBuildBatchConfig{CombineArtifacts: aws.Bool(true)}
	}
	return out
}

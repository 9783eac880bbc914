package lambdadeploy_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/lambdadeploy"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A fake is a Lambda with one function, "web", whose updates take two looks,
// and its alias, "live".
type fake struct {
	awsfake.Service
	kind     types.PackageType
	digest   string
	revision int
	pending  int // looks until the update has ended
	failed   bool
	modified time.Time
	updates  map[string]int // how often a code was put there, by digest
	versions []string       // digests that were published
	live     *lambda.GetAliasOutput
	moves    []string // what the alias was changed to

	afterRead func() // called once, behind the next look at the function
}

func newFake() *fake {
	return &fake{kind: types.PackageTypeZip, digest: "old", modified: time.Now().Add(-24 * time.Hour), updates: map[string]int{}, versions: []string{"old"},
		live: &lambda.GetAliasOutput{FunctionVersion: aws.String("1"), Description: aws.String("for customers"), RevisionId: aws.String("a0")}}
}

func (f *fake) rev() *string { return aws.String(fmt.Sprint("r", f.revision)) }

func (f *fake) current(id *string) error {
	if id != nil && *id != *f.rev() {
		return awsfake.API("PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId")
	}
	return nil
}

func (f *fake) GetFunctionConfiguration(_ context.Context, in *lambda.GetFunctionConfigurationInput, _ ...func(*lambda.Options)) (out *lambda.GetFunctionConfigurationOutput, err error) {
	err = f.Do("GetFunctionConfiguration", func() error {
		if *in.FunctionName != "web" {
			return awsfake.API("ResourceNotFoundException", "Function not found: "+*in.FunctionName)
		}
		out = &lambda.GetFunctionConfigurationOutput{
			PackageType: f.kind, CodeSha256: aws.String(f.digest), RevisionId: f.rev(), State: types.StateActive, LastUpdateStatus: types.LastUpdateStatusSuccessful,
			LastModified: aws.String(f.modified.UTC().Format("2006-01-02T15:04:05.000-0700")),
		}
		switch {
		case f.pending > 0:
			f.pending--
			out.LastUpdateStatus = types.LastUpdateStatusInProgress
		case f.failed:
			out.LastUpdateStatus, out.LastUpdateStatusReasonCode, out.LastUpdateStatusReason = types.LastUpdateStatusFailed, "InvalidImage", aws.String("it has no entry point")
		}
		return nil
	})
	if then := f.afterRead; then != nil {
		f.afterRead = nil
		then()
	}
	return out, err
}

func (f *fake) UpdateFunctionCode(_ context.Context, in *lambda.UpdateFunctionCodeInput, _ ...func(*lambda.Options)) (out *lambda.UpdateFunctionCodeOutput, err error) {
	err = f.Do("UpdateFunctionCode", func() error {
		if err := f.current(in.RevisionId); err != nil {
			return err
		}
		if in.ImageUri != nil {
			_, f.digest, _ = strings.Cut(*in.ImageUri, "@sha256:")
		} else {
			f.digest = digest(in.ZipFile)
		}
		f.updates[f.digest]++
		f.failed = strings.Contains(string(in.ZipFile), "broken")
		f.pending, f.modified = 2, time.Now()
		f.revision++
		out = &lambda.UpdateFunctionCodeOutput{}
		return nil
	})
	return out, err
}

func digest(zip []byte) string {
	sum := sha256.Sum256(zip)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// PublishVersion makes a version of the same code once, and changes the
// function's revision as Lambda does.
func (f *fake) PublishVersion(_ context.Context, in *lambda.PublishVersionInput, _ ...func(*lambda.Options)) (out *lambda.PublishVersionOutput, err error) {
	err = f.Do("PublishVersion", func() error {
		if err := f.current(in.RevisionId); err != nil {
			return err
		}
		if f.versions[len(f.versions)-1] != f.digest {
			f.versions = append(f.versions, f.digest)
			f.revision++
		}
		out = &lambda.PublishVersionOutput{Version: aws.String(fmt.Sprint(len(f.versions)))}
		return nil
	})
	return out, err
}

func (f *fake) GetAlias(_ context.Context, in *lambda.GetAliasInput, _ ...func(*lambda.Options)) (out *lambda.GetAliasOutput, err error) {
	err = f.Do("GetAlias", func() error {
		if *in.Name != "live" {
			return awsfake.API("ResourceNotFoundException", "Cannot find alias arn: "+*in.Name)
		}
		copied := *f.live
		out = &copied
		return nil
	})
	return out, err
}

func (f *fake) UpdateAlias(_ context.Context, in *lambda.UpdateAliasInput, _ ...func(*lambda.Options)) (out *lambda.UpdateAliasOutput, err error) {
	err = f.Do("UpdateAlias", func() error {
		if in.RevisionId == nil || *in.RevisionId != *f.live.RevisionId {
			return awsfake.API("PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId")
		}
		f.live = &lambda.GetAliasOutput{FunctionVersion: in.FunctionVersion, Description: in.Description, RevisionId: aws.String(fmt.Sprint("a", len(f.moves)+1))}
		move := *in.FunctionVersion
		if len(in.RoutingConfig.AdditionalVersionWeights) > 0 {
			f.live.RoutingConfig = in.RoutingConfig
			for v, weight := range in.RoutingConfig.AdditionalVersionWeights {
				move += fmt.Sprintf("+%s at %.2f", v, weight)
			}
		}
		f.moves = append(f.moves, move)
		out = &lambda.UpdateAliasOutput{}
		return nil
	})
	return out, err
}

// A setup is a provider over the fake, at a time that tests move.
type setup struct {
	fake  *fake
	blobs *wholetest.Blobs
	now   time.Time
	on    []string // alarms
	jobs  int
}

func newSetup() *setup { return &setup{fake: newFake(), blobs: &wholetest.Blobs{}, now: time.Now()} }

func (s *setup) open(t *testing.T) action.Provider {
	t.Helper()
	p, err := lambdadeploy.New(lambdadeploy.Ports{
		Connect: func(context.Context, action.Job) (lambdadeploy.Client, error) { return s.fake, nil },
		Blobs:   s.blobs,
		Alarms:  func(context.Context, action.Job, []string) ([]string, error) { return s.on, nil },
	}, lambdadeploy.Options{Now: func() time.Time { return s.now }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// job returns a job with the code, and "Key=value" settings besides.
func (s *setup) job(t *testing.T, code []byte, settings ...string) action.Job {
	t.Helper()
	s.jobs++
	conf := map[string]string{"FunctionName": "web"}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		conf[key] = value
	}
	in := action.Artifact{Name: "Code", Ref: blob.Ref{Bucket: "artifacts", Key: fmt.Sprintf("code-%d", s.jobs)}}
	in.Ref, _ = s.blobs.Create(t.Context(), in.Ref.Bucket, in.Ref.Key, strings.NewReader(string(code)))
	return action.Job{
		ID: fmt.Sprintf("job-%d", s.jobs), Pipeline: "shop", ExecutionID: "e-1", Region: "eu-west-1", Inputs: []action.Artifact{in},
		Deadline: s.now.Add(time.Hour),
		Action: pipeline.Action{Name: "Deploy", Configuration: conf,
			TypeID: pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: pipeline.AWS, Provider: "Lambda", Version: "1"}},
	}
}

// run starts a job and asks, each time in a new process, until it has ended or
// waits for time to pass.
func (s *setup) run(t *testing.T, job action.Job) action.Result {
	t.Helper()
	r, err := s.open(t).Start(t.Context(), job)
	for range 6 {
		if err != nil {
			t.Fatal(err)
		}
		if r.Status.Final() {
			return r
		}
		r, err = s.open(t).Poll(t.Context(), job)
	}
	return r
}

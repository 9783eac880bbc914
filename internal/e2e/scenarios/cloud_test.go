package scenarios_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/connect"
	"github.com/sluice-ci/sluice/internal/e2e/services"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
)

// A cloud is Sluice deployed into a stand-in for AWS.
type cloud struct {
	*home
	aws       *standin.Standin
	outputs   standin.Outputs
	root      string // folder with functions/ and build/
	pipelines string // folder of the definitions
	assembly  string // the templates that were deployed last
	endpoint  string // of the API, for clients that sign as those of CodePipeline do
	context   map[string]any
}

// root is the folder of the module.
var root = sync.OnceValue(func() string {
	dir, err := filepath.Abs("../../..")
	if err != nil {
		panic(err)
	}
	return dir
})

// programs builds the functions and the CDK app, once.
var programs = sync.OnceValues(func() (app string, err error) {
	make := exec.Command("make", "--silent", "functions", "ARCHS="+runtime.GOARCH)
	make.Dir = root()
	if out, err := make.CombinedOutput(); err != nil {
		return string(out), err
	}
	app = filepath.Join(root(), "build", "infra")
	build := exec.Command("go", "build", "-o", app, "./infra/app")
	build.Dir = root()
	out, err := build.CombinedOutput()
	if err != nil {
		return string(out), err
	}
	return app, nil
})

// deployed deploys Sluice with the definitions in a folder.
func deployed(t *testing.T, pipelines string) *cloud {
	t.Helper()
	pipelines, err := filepath.Abs(pipelines)
	if err != nil {
		t.Fatal(err)
	}
	standin.NeedCDK(t)
	c := &cloud{aws: standin.Start(t), root: root(), pipelines: pipelines, context: map[string]any{
		"sluice:alerts": "ops@example.com", "sluice:approvers": "lead@example.com",
	}}
	c.home = &home{t: t, name: "cloud", code: filepath.Join(t.TempDir(), "code"), told: c.pushed, store: c.put, tick: c.minute, tell: c.logs}
	c.serveCode()
	c.deploy()
	target := connect.Target{URL: c.outputs["sluice-control"]["ApiUrl"], Transport: c.aws.HTTP().Transport}
	proxy, err := connect.New(target, c.aws.Config().Credentials)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	c.endpoint = server.URL
	c.api = client.New(server.URL, nil)
	if c.records, err = dynamo.New(dynamodb.NewFromConfig(c.aws.Config()), c.outputs["sluice-state"]["TableName"]); err != nil {
		t.Fatal(err)
	}
	return c
}

// serveCode adds what the emulator has not: repositories with content, and
// builds that run.
func (c *cloud) serveCode() {
	c.t.Helper()
	repositories := services.NewCodeCommit(c.code)
	for _, name := range []string{"GetBranch", "GetCommit", "GetFolder", "GetBlob"} {
		c.aws.Handle("codecommit:"+name, repositories)
	}
	builds, err := services.NewCodeBuild(c.t.TempDir(), standin.Region, c.s3(), c.built)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { builds.Close() })
	for _, name := range []string{"StartBuild", "BatchGetBuilds", "ListBuildsForProject", "StopBuild"} {
		c.aws.Handle("codebuild:"+name, builds)
	}
}

func (c *cloud) s3() *s3.Client {
	return s3.NewFromConfig(c.aws.Config(), func(o *s3.Options) { o.UsePathStyle = true })
}

// deploy writes the templates and deploys them, as `make deploy` does.
func (c *cloud) deploy() {
	c.t.Helper()
	app, err := programs()
	if err != nil {
		c.t.Fatalf("%v: %s", err, app)
	}
	c.context["sluice:pipelines"], c.context["sluice:arch"] = c.pipelines, runtime.GOARCH
	given, err := json.Marshal(c.context)
	if err != nil {
		c.t.Fatal(err)
	}
	c.assembly = c.t.TempDir()
	synth := exec.CommandContext(c.t.Context(), app)
	synth.Dir = c.root
	synth.Env = append(os.Environ(), append(c.aws.Env(), "CDK_OUTDIR="+c.assembly, "CDK_CONTEXT_JSON="+string(given),
		"CDK_VALIDATION=false", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")...)
	if out, err := synth.CombinedOutput(); err != nil {
		c.t.Fatalf("synthesize: %v\n%s", err, out)
	}
	if c.outputs, err = c.aws.Deploy(c.t.Context(), c.assembly); err != nil {
		c.t.Fatal(err)
	}
}

// event puts an event on the default bus, as a service of AWS does.
func (c *cloud) event(detail events.Detail, resources ...string) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	out, err := eventbridge.NewFromConfig(c.aws.Config()).PutEvents(c.t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		Source: aws.String(detail.Source()), DetailType: aws.String(detail.DetailType()), Detail: aws.String(string(text)), Resources: resources, Time: aws.Time(time.Now()),
	}}})
	if err == nil && out.FailedEntryCount > 0 {
		err = fmt.Errorf("%+v", out.Entries)
	}
	return err
}

// tellOf tells of a push as CodeCommit does.
func (c *cloud) tellOf(repository, commit string) error {
	return c.event(events.RepositoryStateChange{
		Event: "referenceUpdated", RepositoryName: repository, RepositoryID: "r-" + repository, ReferenceType: "branch",
		ReferenceName: "main", ReferenceFullName: "refs/heads/main", CommitID: commit, CallerUserARN: "arn:aws:iam::" + standin.Account + ":user/ada",
	}, "arn:aws:codecommit:"+standin.Region+":"+standin.Account+":"+repository)
}

// pushed is tellOf for a story in Go.
func (c *cloud) pushed(repository, commit string) {
	c.t.Helper()
	if err := c.tellOf(repository, commit); err != nil {
		c.t.Fatal(err)
	}
}

// put stores an object; S3 itself tells of it.
func (c *cloud) put(bucket, key string, content []byte) {
	c.t.Helper()
	if _, err := c.s3().PutObject(c.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(content)}); err != nil {
		c.t.Fatal(err)
	}
}

// built tells of the end of a build as CodeBuild does. It is called from where
// builds run, so it only may complain.
func (c *cloud) built(b services.Build) {
	err := c.event(events.BuildStateChange{BuildStatus: b.Status, ProjectName: b.Project, BuildID: b.ARN(standin.Region)})
	if err != nil && c.t.Context().Err() == nil {
		c.t.Errorf("the end of build %s: %v", b.ID, err)
	}
}

// logs logs the last lines of every function.
func (c *cloud) logs() {
	c.t.Helper()
	folders, err := filepath.Glob(filepath.Join(root(), "functions", "*", "main.go"))
	if err != nil {
		c.t.Error(err)
	}
	for _, f := range folders {
		name := "sluice-" + filepath.Base(filepath.Dir(f))
		text := c.aws.Logs(name)
		c.t.Logf("%s:\n%s", name, text[max(0, len(text)-1500):])
	}
}

// minute does what the schedules ask for.
func (c *cloud) minute() {
	c.t.Helper()
	if err := c.aws.Tick(c.t.Context()); err != nil {
		c.t.Error(err)
	}
}

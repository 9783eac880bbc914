package infra_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/infra"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// The rules of the sources are those of the reference, byte for byte.
func TestSourceRules(t *testing.T) {
	s := synth(t)
	want := map[string]string{
		"Code": `{"detail":{"event":["referenceCreated","referenceUpdated"],"referenceName":["main"],"referenceType":["branch"]},` +
			`"detail-type":["CodeCommit Repository State Change"],"resources":["arn:aws:codecommit:eu-west-1:111122223333:shop"],"source":["aws.codecommit"]}`,
		"Data": `{"detail":{"bucket":{"name":["shop-data"]},"object":{"key":["in/data.zip"]}},` +
			`"detail-type":["Object Created"],"source":["aws.s3"]}`,
		"Image": `{"detail":{"action-type":["PUSH"],"image-tag":["latest"],"repository-name":["shop"],"result":["SUCCESS"]},` +
			`"detail-type":["ECR Image Action"],"source":["aws.ecr"]}`,
	}
	got := map[string]string{}
	for _, f := range s.all("AWS::Events::Rule") {
		if f.stack == "sluice-pipeline-shop" {
			name := text(f.Properties["Name"])
			action := strings.Split(name, "-")[2]
			got[action] = text(f.Properties["EventPattern"])
			if to := text(at(list(f.Properties["Targets"])[0], "Arn")); to != "arn:aws:lambda:eu-west-1:111122223333:function:sluice-trigger" {
				t.Errorf("%s calls %s; want trigger", f, to)
			}
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
}

// A schedule sends what trigger reads.
func TestSchedule(t *testing.T) {
	s := synth(t)
	rules := slices.DeleteFunc(s.all("AWS::Events::Rule"), func(f found) bool {
		return f.stack != "sluice-pipeline-hello"
	})
	if len(rules) != 1 || rules[0].Properties["ScheduleExpression"] != "cron(0 6 * * ? *)" {
		t.Fatalf("rules of hello: %v; want its schedule", rules)
	}
	input := at(list(rules[0].Properties["Targets"])[0], "InputTransformer")
	if path := at(input, "InputPathsMap", "id"); path != "$.id" {
		t.Errorf("id comes from %v; want $.id", path)
	}
	var sent events.ScheduledStart
	strict(t, strings.ReplaceAll(text(at(input, "InputTemplate")), "<id>", "event-1"), &sent)
	want := events.ScheduledStart{Schedule: events.Schedule{
		Pipeline: "hello", Rule: "arn:aws:events:eu-west-1:111122223333:rule/" + text(rules[0].Properties["Name"]), ID: "event-1",
	}}
	if sent != want {
		t.Errorf("the schedule sends %+v; want %+v", sent, want)
	}
}

func strict(t *testing.T, text string, v any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// The custom resource says what register reads, and the file it names is the
// whole declaration.
func TestRegistration(t *testing.T) {
	s := synth(t)
	f := s.all("Custom::SluicePipeline")[slices.IndexFunc(s.all("Custom::SluicePipeline"), func(f found) bool { return f.stack == "sluice-pipeline-shop" })]
	properties := maps.Clone(f.Properties)
	if version := text(at(properties["Machine"], "Fn::GetAtt")); !strings.Contains(version, "version") {
		t.Errorf("Machine is %s; want the version of the machine", text(properties["Machine"]))
	}
	properties["Machine"] = "arn"
	var in events.Registration
	strict(t, text(properties), &in)
	if want := "arn:aws:iam::111122223333:role/sluice-pipeline-shop-eu-west-1"; in.Role != want {
		t.Errorf("Role is %s; want %s", in.Role, want)
	}
	file, err := os.ReadFile(filepath.Join(s.dir, "asset."+in.Definition.Key))
	if err != nil {
		t.Fatal(err)
	}
	var d pipeline.Declaration
	strict(t, string(file), &d)
	if len(d.Stages) != 3 || d.RoleARN != in.Role || d.ArtifactStore == nil || d.ArtifactStore.Location != "sluice-artifacts-111122223333-eu-west-1" {
		t.Errorf("declaration is %s; want shop with the deployment's bucket and the pipeline's role", file)
	}
}

// What an action has a role of its own for, the pipeline's role may not; and
// the functions may take that role, and publish to the topics of approvals.
func TestReach(t *testing.T) {
	s := synth(t)
	may := func(role, action string) []string {
		var on []string
		for _, st := range s.statements() {
			if st.in.Properties["RoleName"] == role && slices.Contains(list(st.object["Action"]), any(action)) {
				for _, r := range list(st.object["Resource"]) {
					on = append(on, text(r))
				}
			}
		}
		return on
	}
	if on := may("sluice-pipeline-shop-eu-west-1", "s3:PutObject"); len(on) != 0 {
		t.Errorf("the role of shop writes %v; want nothing, the action has a role", on)
	}
	for _, tt := range []struct{ role, action, on string }{
		{"sluice-pipeline-shop-eu-west-1", "cloudwatch:DescribeAlarms", "*"}, // it may be a composite one
		{"sluice-deploy-eu-west-1", "sts:AssumeRole", "arn:aws:iam::444455556666:role/shop-publish"},
		{"sluice-outbox-eu-west-1", "sns:Publish", "arn:aws:sns:eu-west-1:111122223333:shop-leads"},
		{"sluice-source-eu-west-1", "s3:PutObject", "arn:aws:s3:::all-artifacts/*"},
		{"sluice-source-eu-west-1", "kms:GenerateDataKey", "arn:aws:kms:eu-west-1:111122223333:key/22222222-3333-4444-8555-666666666666"},
	} {
		if on := may(tt.role, tt.action); !slices.Contains(on, tt.on) {
			t.Errorf("%s: %s on %v; want %s among it", tt.role, tt.action, on, tt.on)
		}
	}
}

// TestGolden is the whole stack of a pipeline but for the text of its machine,
// which package compile has goldens of, and for what every stack has.
func TestGolden(t *testing.T) {
	s := synth(t)
	tpl := s.templates["sluice-pipeline-shop"]
	resources := map[string]object{}
	for id, r := range tpl.Resources {
		properties := maps.Clone(r.Properties)
		if r.Type == "AWS::StepFunctions::StateMachine" {
			properties["DefinitionString"] = "..."
		}
		resources[id] = object{"Type": r.Type, "Properties": properties}
	}
	got, err := json.MarshalIndent(object{"Resources": resources, "Outputs": tpl.Outputs}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := "testdata/golden/shop.json"
	if *update {
		write(t, file, string(got))
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("stack of shop (-want +got); go test ./infra -update writes it anew:\n%s", d)
	}
}

// OnePipelineOnly: who changes a definition redeploys its stack, and no other.
func TestOnePipelineOnly(t *testing.T) {
	before, dir := synth(t), definitions(t)
	file := filepath.Join(dir, "shop.yaml")
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, strings.Replace(string(old), "ProjectName: shop-site", "ProjectName: shop-page", 1))
	after, err := build(t, root(t), context(dir, nil))
	if err != nil {
		t.Fatal(err)
	}
	var changed []string
	for name := range before.raw {
		if !bytes.Equal(before.raw[name], after.raw[name]) {
			changed = append(changed, name)
		}
	}
	if want := []string{"sluice-pipeline-shop"}; !slices.Equal(changed, want) || len(before.raw) != len(after.raw) {
		t.Errorf("changed templates: %v; want %v", changed, want)
	}
}

// Everything wrong with any definition is said at once, with its place.
func TestRefused(t *testing.T) {
	_, err := build(t, root(t), context("testdata/refused", object{"sluice:schedules": object{}}))
	errs, ok := errors.AsType[definition.Errors](err)
	if !ok {
		t.Fatalf("error is %v; want errors of definitions", err)
	}
	for _, want := range []string{
		"far.yaml:15:44: stages[1].actions[0].configuration.NotificationArn: it has to be the ARN of a topic",
		`far.yaml:18:11: stages[1].actions[1].actionTypeId: stage Deploy: action App: provider ElasticBeanstalk (category Deploy, owner AWS, version 1) does not run in an AWS account yet; those that do are`,
		"stages[1].beforeEntry.conditions[0].rules[0].ruleTypeId: stage Deploy: rule Smoke: provider Commands does not run in an AWS account yet; those that do are CloudWatchAlarm, CodeBuild",
		"wrong.yaml",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("errors are\n%v\nwant %q among them", err, want)
		}
	}
	if len(errs) < 3 {
		t.Errorf("%d errors; want all of both files", len(errs))
	}
}

// Somebody's own app takes a pipeline into a stack of theirs.
func TestNewPipeline(t *testing.T) {
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out})
	name, account, region := "theirs", "111122223333", "eu-west-1"
	stack := awscdk.NewStack(app, &name, &awscdk.StackProps{Env: &awscdk.Environment{Account: &account, Region: &region}})
	p, err := infra.NewPipeline(stack, "shop", &infra.PipelineProps{File: "testdata/pipelines/shop.yaml", Deployment: "tools", Schedule: "rate(1 day)"})
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "nowhere"
	_, err = infra.NewPipeline(awscdk.NewStack(app, &nowhere, nil), "shop", &infra.PipelineProps{File: "testdata/pipelines/shop.yaml"})
	if want := "stack nowhere has no explicit environment"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v; want %q", err, want)
	}
	app.Synth(nil)
	s := read(t, out)
	s.named(t, "AWS::StepFunctions::StateMachine", "StateMachineName", "tools-shop")
	if rules := s.all("AWS::Events::Rule"); len(rules) != 4 {
		t.Errorf("%d rules; want three sources and a schedule", len(rules))
	}
	if p.Name != "shop" || p.RoleARN != "arn:aws:iam::111122223333:role/tools-pipeline-shop-eu-west-1" {
		t.Errorf("the pipeline is %+v", p)
	}
}

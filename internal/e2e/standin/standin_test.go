package standin_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// TestApp deploys an example with the CDK's own program and uses all of it. It
// is one test since a deployment takes seconds.
func TestApp(t *testing.T) {
	standin.NeedCDK(t)
	w := &world{Standin: standin.Start(t)}
	w.deploy(t, app{version: "one", auth: "NONE"})

	t.Run("custom resource", w.customResource)
	t.Run("machine", w.machine)
	t.Run("stream", w.stream)
	t.Run("queue", w.queue)
	t.Run("rule", w.rule)
	t.Run("schedule", w.schedule)
	t.Run("url", w.url)
	t.Run("failures", w.failures)
	t.Run("topic", w.topic)
	t.Run("attribution", w.attribution)
	t.Run("stop", w.stop)
	t.Run("own answers", w.ownAnswers)
	t.Run("cbor", w.cbor)
	t.Run("settings", w.settings)
	t.Run("second deployment", w.secondDeployment)
	t.Run("signed url", w.signedURL)
	t.Run("failing deployment", w.failingDeployment)
}

func (w *world) deploy(t *testing.T, a app) {
	t.Helper()
	out, err := w.Deploy(t.Context(), a.write(t))
	if err != nil {
		t.Fatal(err)
	}
	w.out = out["Example"]
}

func (w *world) customResource(t *testing.T) {
	if got, want := w.out["Greeting"], "Create "+w.out["Version"]; got != want {
		t.Errorf("attribute of the custom resource: %q; want %q", got, want)
	}
	if log := w.Logs("example"); !strings.Contains(log, `"Number": "1"`) {
		t.Errorf("the function saw\n%s\nwant the number as text, as CloudFormation hands it on", log)
	}
}

// A machine waits for a token that the function answers through the SDK.
func (w *world) machine(t *testing.T) {
	run := w.start(t, w.out["Version"], "run", "answer")
	got := w.end(t, run)
	if want := `{"do": "answer", "answer": {"by": "one"}, "text": "text one"}`; *got.Output != want {
		t.Errorf("output %s; want %s", *got.Output, want)
	}
	if want := strings.TrimSuffix(w.out["Version"], ":1"); *got.StateMachineArn != want || *got.StateMachineVersionArn != w.out["Version"] {
		t.Errorf("the execution is of %s, version %s; want %s, %s", *got.StateMachineArn, *got.StateMachineVersionArn, want, w.out["Version"])
	}
	again, err := w.sfn().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(w.out["Version"]), Name: aws.String("run"), Input: aws.String(`{"do":"answer"}`)})
	var exists *sfntypes.ExecutionAlreadyExists
	if !errors.As(err, &exists) {
		t.Errorf("a second start of the name: %v, %v; want %T", again, err, exists)
	}
}

// The stream delivers what the filter lets through, and again what failed.
func (w *world) stream(t *testing.T) {
	w.await(t, "notes/record-IN#run") // written by the machine's function
	client := dynamodb.NewFromConfig(w.Config())
	for _, pk := range []string{"OTHER", "IN#first", "IN#twice", "IN#last"} {
		_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName:                 aws.String("example"),
			Key:                       map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: pk}, "sk": &dynamodbtypes.AttributeValueMemberS{Value: "s"}},
			UpdateExpression:          aws.String("SET a = :a"),
			ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{":a": &dynamodbtypes.AttributeValueMemberS{Value: "new"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	w.await(t, "notes/record-IN#twice")
	w.await(t, "notes/record-IN#last")
	if n := w.writes("notes/record-IN#first"); n != 1 {
		t.Errorf("the record before the one that failed was delivered %d times; want once", n)
	}
	if log := w.Logs("example"); !strings.Contains(log, `"data": {"B": "cw=="}`) {
		t.Errorf("the function saw\n%s\nwant bytes in base64", log)
	}
	if w.writes("notes/record-OTHER")+w.writes("notes/record-ASIDE#run") > 0 {
		t.Error("a record was delivered that the filter keeps back")
	}
}

// What fails in a queue comes again, and only that.
func (w *world) queue(t *testing.T) {
	client := sqs.NewFromConfig(w.Config())
	for _, body := range []string{"once", "twice"} {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(w.out["Queue"]), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	w.await(t, "notes/record-once")
	w.await(t, "notes/record-twice")
	if n := w.writes("notes/record-once"); n != 1 {
		t.Errorf("the message that did not fail was delivered %d times; want once", n)
	}
}

func (w *world) rule(t *testing.T) {
	w.put(t, "example", "shop", `{"state":"old"}`)
	w.put(t, "example", "shop", `{"state":"new \"x\""}`)
	w.await(t, "notes/other")
	got := w.body(t, "notes/other")
	if want := `{"state": "new \"x\"", "says": "it is new \"x\" for thing"}`; got != want {
		t.Errorf("the function got %s; want %s", got, want)
	}
	events := w.Events("example")
	if len(events) != 2 || events[0].Source != "shop" || events[1].Principal != "person" || !slices.Equal(events[1].Resources, []string{"thing"}) {
		t.Errorf("events %+v; want both, with who put them and their resources", events)
	}
}

func (w *world) schedule(t *testing.T) {
	if err := w.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.body(t, "notes/other"); got != `{"tick":true}` {
		t.Errorf("the function got %s; want the input of the rule", got)
	}
}

// A page opens by its link, and on loopback for a browser.
func (w *world) url(t *testing.T) {
	local, err := w.Local(t.Context(), w.out["Url"]+"a/b?c=d")
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{local, w.out["Url"] + "a/b?c=d"} {
		r, err := http.NewRequest(http.MethodPost, address, strings.NewReader("x=1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		status, body := w.open(t, r)
		var event struct {
			RawPath, RawQueryString, Body string
			IsBase64Encoded               bool
			RequestContext                struct {
				DomainName string
				HTTP       struct{ Method string }
			}
		}
		if err := json.Unmarshal([]byte(body), &event); err != nil || status != http.StatusCreated {
			t.Fatalf("%s answers %d %s", address, status, body)
		}
		if event.RawPath != "/a/b" || event.RawQueryString != "c=d" || event.Body != "eD0x" || !event.IsBase64Encoded || event.RequestContext.HTTP.Method != "POST" {
			t.Errorf("the function got %s", body)
		}
		if !strings.Contains(w.out["Url"], "//"+event.RequestContext.DomainName+"/") {
			t.Errorf("domain %s; want that of %s", event.RequestContext.DomainName, w.out["Url"])
		}
	}
}

// Functions fail in four ways; none of them is the end of the function.
func (w *world) failures(t *testing.T) {
	for do, want := range map[string]string{"fail": "errorString", "exit": "Runtime.ExitError", "wait": "Sandbox.Timedout"} {
		_, err := w.Invoke(t.Context(), "example", map[string]string{"do": do})
		var failed *standin.FunctionError
		if !errors.As(err, &failed) || failed.Type != want {
			t.Errorf("%s: %v; want %s", do, err, want)
		}
		if answer, err := w.Invoke(t.Context(), "example", map[string]string{"do": "version"}); err != nil || string(answer) != `{"version":"one"}` {
			t.Errorf("after %s the function says %s, %v", do, answer, err)
		}
	}
	if _, err := w.Invoke(t.Context(), "nobody", nil); err == nil {
		t.Error("a function that is not there was invoked")
	}
}

func (w *world) topic(t *testing.T) {
	client := sns.NewFromConfig(w.Config())
	if _, err := client.Publish(t.Context(), &sns.PublishInput{TopicArn: aws.String(w.out["Topic"]), Subject: aws.String("s"), Message: aws.String("m")}); err != nil {
		t.Fatal(err)
	}
	got := w.Messages(w.out["Topic"])
	if len(got) != 1 || got[0].Subject != "s" || got[0].Body != "m" || got[0].Principal != "person" {
		t.Errorf("messages %+v; want the one", got)
	}
}

// What was called is known by who called it, as IAM would check it.
func (w *world) attribution(t *testing.T) {
	if _, err := w.Invoke(t.Context(), "example", map[string]string{"do": "assume", "role": w.out["ActionRole"]}); err != nil {
		t.Fatal(err)
	}
	table, key := "arn:aws:dynamodb:eu-central-1:123456789012:table/example", w.out["Key"]
	machine := strings.TrimSuffix(w.out["Version"], ":1")
	for _, want := range []standin.Call{
		{Principal: "example", Action: "dynamodb:PutItem", Resource: table}, // in a transaction
		{Principal: "example", Action: "states:SendTaskSuccess", Resource: "*"},
		{Principal: "example", Action: "s3:PutObject", Resource: "arn:aws:s3:::example-notes/notes/other"},
		{Principal: "example", Action: "kms:GenerateDataKey", Resource: key}, // of the bucket
		{Principal: "example", Action: "kms:Decrypt", Resource: key},         // of the table
		{Principal: "example", Action: "sts:AssumeRole", Resource: w.out["ActionRole"]},
		{Principal: "example-action", Action: "s3:PutObject", Resource: "arn:aws:s3:::example-notes/notes/assumed"},
		{Principal: "example-machine", Action: "lambda:InvokeFunction", Resource: "arn:aws:lambda:eu-central-1:123456789012:function:example"},
		{Principal: "example", Action: "sqs:DeleteMessage", Resource: "arn:aws:sqs:eu-central-1:123456789012:example"},
		{Principal: "example", Action: "dynamodb:ListStreams", Resource: "*"},
		{Principal: "person", Action: "states:StartExecution", Resource: w.out["Version"]},
		{Principal: "person", Action: "states:StartExecution", Resource: w.out["Version"], Error: true},
		{Principal: "person", Action: "states:DescribeExecution", Resource: strings.Replace(machine, "stateMachine", "execution", 1) + ":run"},
	} {
		if !slices.Contains(w.Calls(), want) {
			t.Errorf("nobody recorded %+v", want)
		}
	}
	for _, c := range w.Calls() {
		if c.Principal == "service" || strings.Contains(c.Action, "?") {
			t.Errorf("recorded %+v; want the calls of others than the stand-in, by name", c)
		}
	}
}

// An execution that waits for a token can be stopped, and a rule hears of it.
func (w *world) stop(t *testing.T) {
	run := w.start(t, w.out["Version"], "stopped", "token")
	w.await(t, "notes/token-stopped")
	if _, err := w.sfn().StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &run, Error: aws.String("E"), Cause: aws.String("because")}); err != nil {
		t.Fatal(err)
	}
	var heard struct {
		Detail struct{ ExecutionArn, Status, Error, Cause string }
	}
	w.until(t, "the rule has delivered the end", func() bool {
		out, err := sqs.NewFromConfig(w.Config()).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(w.out["Failures"])})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Messages) > 0 && json.Unmarshal([]byte(*out.Messages[0].Body), &heard) == nil
	})
	if d := heard.Detail; d.ExecutionArn != run || d.Status != "ABORTED" || d.Error != "E" || d.Cause != "because" {
		t.Errorf("the rule heard %+v; want the end of %s with its error", d, run)
	}
}

// A scenario answers what moto does not have.
func (w *world) ownAnswers(t *testing.T) {
	w.Handle("codecommit:GetBranch", http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		io.WriteString(out, `{"branch":{"branchName":"main","commitId":"c1"}}`)
	}))
	got, err := codecommit.NewFromConfig(w.Config()).GetBranch(t.Context(), &codecommit.GetBranchInput{RepositoryName: aws.String("r"), BranchName: aws.String("main")})
	if err != nil || aws.ToString(got.Branch.CommitId) != "c1" {
		t.Errorf("branch %+v, %v; want that of the scenario", got, err)
	}
	want := standin.Call{Principal: "person", Action: "codecommit:GetBranch", Resource: "arn:aws:codecommit:eu-central-1:123456789012:r"}
	if !slices.Contains(w.Calls(), want) {
		t.Errorf("nobody recorded %+v", want)
	}
}

// The template's settings are there, those that moto forgets too.
func (w *world) settings(t *testing.T) {
	client := storage(w.Config())
	if v, err := client.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: aws.String("example-notes")}); err != nil || v.Status != "Enabled" {
		t.Errorf("versioning %v, %v", v, err)
	}
	if l, err := client.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("example-notes")}); err != nil || len(l.Rules) != 1 {
		t.Errorf("lifecycle %v, %v", l, err)
	}
	ttl, err := dynamodb.NewFromConfig(w.Config()).DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("example")})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl" {
		t.Errorf("expiry %v, %v", ttl, err)
	}
}

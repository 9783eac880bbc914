package infra_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A statement of any policy, and where it is.
type statement struct {
	object
	in found
}

func (s statement) String() string { return s.in.String() + ": " + text(s.object) }

// statements returns every statement of every policy: of roles, of who may
// take them, of buckets, queues, topics and keys.
func (s synthesis) statements() []statement {
	var all []statement
	var search func(f found, v any)
	search = func(f found, v any) {
		switch v := v.(type) {
		case object:
			if v["Effect"] != nil && v["Action"] != nil {
				all = append(all, statement{v, f})
				return
			}
			for _, key := range slices.Sorted(maps.Keys(v)) {
				search(f, v[key])
			}
		case []any:
			for _, e := range v {
				search(f, e)
			}
		}
	}
	for _, f := range s.all() {
		search(f, f.Properties)
	}
	return all
}

// OnlyHookIsPublic.
func TestOnlyHookIsPublic(t *testing.T) {
	s := synth(t)
	for _, f := range s.all("AWS::Lambda::Url") {
		if f.Properties["AuthType"] != "AWS_IAM" && f.id != "hookurl" {
			t.Errorf("%s can be called without credentials", f)
		}
	}
	for _, f := range s.all("AWS::Lambda::Permission") {
		if f.Properties["Principal"] == "*" && text(f.Properties["FunctionName"]) != `{"Fn::GetAtt":["hook","Arn"]}` {
			t.Errorf("%s lets everybody call it", f)
		}
	}
	for _, st := range s.statements() {
		principal := text(st.object["Principal"])
		if st.object["Effect"] == "Allow" && (principal == "*" || strings.Contains(principal, `:"*"`)) {
			t.Errorf("%s allows everybody", st)
		}
	}
	for _, f := range s.all("AWS::S3::Bucket") {
		for _, key := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if at(f.Properties, "PublicAccessBlockConfiguration", key) != true {
				t.Errorf("%s: %s is not true", f, key)
			}
		}
	}
}

// Without links nobody can call anything without credentials.
func TestNoLinks(t *testing.T) {
	s, err := build(t, root(t), context(definitions(t), object{"sluice:links": false}))
	if err != nil {
		t.Fatal(err)
	}
	if raw := string(s.raw["sluice-control"]); strings.Contains(raw, "sluice-hook") || strings.Contains(raw, `"NONE"`) {
		t.Error("the function hook or a public URL is there")
	}
	outbox := s.named(t, "AWS::Lambda::Function", "FunctionName", "sluice-outbox")
	if pages := at(outbox.Properties, "Environment", "Variables", "SLUICE_PAGES"); pages != "" {
		t.Errorf("SLUICE_PAGES is %v; want nothing, so that no mail has a link", pages)
	}
}

// StateSurvives. A new type in the stack of state has to be thought about.
func TestStateSurvives(t *testing.T) {
	s := synth(t)
	without := []string{ // says who may, or what something is called
		"AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription", "AWS::SSM::Parameter", "AWS::KMS::Alias",
	}
	for _, f := range s.all() {
		if f.stack == "sluice-state" && !slices.Contains(without, f.Type) && (f.DeletionPolicy != "Retain" || f.UpdateReplacePolicy != "Retain") {
			t.Errorf("%s goes when its stack or its line goes", f)
		}
		if slices.Contains([]string{"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"}, f.Type) && f.stack != "sluice-state" {
			t.Errorf("%s is not among what survives", f)
		}
	}
	table := s.named(t, "AWS::DynamoDB::Table", "TableName", "sluice")
	if table.Properties["DeletionProtectionEnabled"] != true || at(table.Properties, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true {
		t.Errorf("%s can be deleted, or not be brought back", table)
	}
	artifacts := s.named(t, "AWS::S3::Bucket", "BucketName", "sluice-artifacts-111122223333-eu-west-1")
	if at(artifacts.Properties, "VersioningConfiguration", "Status") != "Enabled" {
		t.Errorf("%s: what is deleted cannot be brought back", artifacts)
	}
	for _, f := range s.all("AWS::StepFunctions::StateMachineVersion") {
		if f.UpdateReplacePolicy != "Retain" {
			t.Errorf("%s goes when there is a newer one, and with it the retries of what it runs", f)
		}
	}
	manifest, err := os.ReadFile(filepath.Join(s.dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Artifacts map[string]struct {
			Properties struct{ TerminationProtection bool }
		}
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		t.Fatal(err)
	}
	if !m.Artifacts["sluice-state"].Properties.TerminationProtection {
		t.Error("the stack of state can be deleted")
	}
}

// Encrypted: at rest with a key, on the way with TLS.
func TestEncrypted(t *testing.T) {
	s := synth(t)
	key := text(object{"Fn::GetAtt": []any{s.all("AWS::KMS::Key")[0].id, "Arn"}})
	secure := map[string]bool{} // what a policy refuses without TLS, by its reference
	for _, st := range s.statements() {
		if st.object["Effect"] == "Deny" && at(st.object, "Condition", "Bool", "aws:SecureTransport") == "false" {
			for _, name := range []string{"Bucket", "Topics", "Queues"} {
				for _, ref := range list(st.in.Properties[name]) {
					secure[st.in.stack+text(at(ref, "Ref"))] = true
				}
			}
		}
	}
	for _, f := range s.all() {
		ok := true
		switch f.Type {
		case "AWS::KMS::Key":
			ok = f.Properties["EnableKeyRotation"] == true
		case "AWS::DynamoDB::Table":
			ok = text(at(f.Properties, "SSESpecification", "KMSMasterKeyId")) == key
		case "AWS::SNS::Topic":
			ok = text(f.Properties["KmsMasterKeyId"]) == key && secure[f.stack+f.id]
		case "AWS::SQS::Queue":
			ok = f.Properties["SqsManagedSseEnabled"] == true && secure[f.stack+f.id]
		case "AWS::S3::Bucket":
			rule := text(at(f.Properties, "BucketEncryption"))
			ok = secure[f.stack+f.id] && (strings.Contains(rule, key) || strings.Contains(text(f.Properties["BucketName"]), "access") && strings.Contains(rule, "AES256"))
		}
		if !ok {
			t.Errorf("%s is not encrypted, at rest or on the way: %s", f, text(f.Properties))
		}
	}
}

// NoConfusedDeputy: whoever lets a service act says for whom.
func TestNoConfusedDeputy(t *testing.T) {
	s, seen := synth(t), 0
	for _, st := range s.statements() {
		if at(st.object, "Principal", "Service") == nil {
			continue
		}
		seen++
		condition := text(st.object["Condition"])
		if !strings.Contains(condition, `"aws:SourceAccount":"111122223333"`) && !strings.Contains(condition, `"aws:SourceArn":"arn:aws:events:eu-west-1:111122223333:`) {
			t.Errorf("%s serves other accounts as well", st)
		}
	}
	if seen < 15 {
		t.Errorf("%d statements with a service; the test overlooks most", seen)
	}
	for _, f := range s.all("AWS::Lambda::Permission") {
		if strings.Contains(text(f.Properties["Principal"]), "amazonaws.com") && !strings.Contains(text(f.Properties["SourceArn"]), ":111122223333:") {
			t.Errorf("%s can be called by a service for another account", f)
		}
	}
}

// NothingUnlisted: no action is a pattern, no resource is everything without
// a reason, and nobody calls a function but who is listed.
func TestNothingUnlisted(t *testing.T) {
	s := synth(t)
	for _, st := range s.statements() {
		if st.object["Effect"] == "Deny" || st.in.Type == "AWS::KMS::Key" {
			continue // in the policy of a key, "*" is the key
		}
		why := at(st.in.Metadata, "sluice:why-any-resource")
		for _, a := range list(st.object["Action"]) {
			if strings.Contains(text(a), "*") {
				t.Errorf("%s: action %s is a pattern", st, a)
			}
			if slices.Contains(list(st.object["Resource"]), any("*")) && len(text(at(why, text(a)))) < 20 {
				t.Errorf("%s: %s is allowed on everything, and nothing says why", st, a)
			}
			if a == "lambda:InvokeFunction" && !strings.HasPrefix(st.in.stack, "sluice-pipeline-") && st.in.id != "machinerole" {
				t.Errorf("%s calls functions", st)
			}
			if a == "iam:PassRole" && at(st.object, "Condition", "StringEquals", "iam:PassedToService") == nil {
				t.Errorf("%s passes roles to any service", st)
			}
		}
	}
	for _, f := range s.all("AWS::IAM::Role") {
		if f.Properties["ManagedPolicyArns"] != nil {
			t.Errorf("%s has a policy that is not written here", f)
		}
	}
}

// What a role of a function holds is its policy.json, line by line, and what
// Lambda does in its name.
func TestRolesAreTheirPolicies(t *testing.T) {
	s := synth(t)
	for _, f := range s.all("AWS::Lambda::Function") {
		name := strings.TrimPrefix(text(f.Properties["FunctionName"]), "sluice-")
		file, err := os.ReadFile(filepath.Join("../functions", name, "policy.json"))
		if err != nil {
			t.Errorf("%s: %v", f, err)
			continue
		}
		var p struct {
			Statements []struct{ Actions []string }
		}
		if err := json.Unmarshal(file, &p); err != nil {
			t.Fatal(err)
		}
		want := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
		for _, st := range p.Statements {
			want = append(want, st.Actions...)
		}
		var got []string
		role := s.named(t, "AWS::IAM::Role", "RoleName", "sluice-"+name+"-eu-west-1")
		for _, st := range s.statements() {
			if st.in.id == role.id && st.object["Principal"] == nil {
				for _, a := range list(st.object["Action"]) {
					got = append(got, text(a))
				}
			}
		}
		for _, a := range got {
			lambda := slices.Contains([]string{"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
				"dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream", "kms:Decrypt"}, a)
			if !slices.Contains(want, a) && !lambda {
				t.Errorf("role of %s may %s, which its policy.json does not list", name, a)
			}
		}
		for _, a := range want {
			if !slices.Contains(got, a) && !strings.HasPrefix(a, "sns:") {
				t.Errorf("role of %s may not %s, which its policy.json lists", name, a)
			}
		}
	}
}

// The role of all machines calls the six functions that run steps.
func TestMachinesCallSixFunctions(t *testing.T) {
	s := synth(t)
	var got []string
	for _, st := range s.statements() {
		if st.in.id == "machinerole" && slices.Contains(list(st.object["Action"]), any("lambda:InvokeFunction")) {
			for _, r := range list(st.object["Resource"]) {
				got = append(got, strings.TrimPrefix(text(r), "arn:aws:lambda:eu-west-1:111122223333:function:sluice-"))
			}
		}
	}
	slices.Sort(got)
	if want := []string{"approval", "build", "deploy", "invoke", "source", "stage"}; !slices.Equal(got, want) {
		t.Errorf("machines call %v; want %v", got, want)
	}
}

// NothingIsLost: a call that its caller does not repeat for ever ends in a
// queue, and an alarm watches the queue.
func TestNothingIsLost(t *testing.T) {
	s := synth(t)
	letters := map[string]bool{} // functions with a dead-letter queue
	for _, f := range s.all("AWS::Lambda::EventInvokeConfig") {
		if at(f.Properties, "DestinationConfig", "OnFailure", "Destination") != nil {
			letters[text(at(f.Properties["FunctionName"], "Ref"))] = true
		}
	}
	answered := []string{ // who calls them hears of the failure, and repeats: machines, people
		"stage", "source", "build", "deploy", "invoke", "approval", "api", "hook",
	}
	for _, f := range s.all("AWS::Lambda::Function") {
		if !letters[f.id] && !slices.Contains(answered, f.id) {
			t.Errorf("%s: what fails there is lost", f)
		}
	}
	for _, f := range s.all("AWS::Events::Rule") {
		for _, target := range list(f.Properties["Targets"]) {
			if at(target, "DeadLetterConfig", "Arn") == nil {
				t.Errorf("%s: an event that cannot be handed over is lost", f)
			}
		}
	}
	for _, f := range s.all("AWS::Lambda::EventSourceMapping") {
		if text(f.Properties["FunctionResponseTypes"]) != `["ReportBatchItemFailures"]` {
			t.Errorf("%s: one failure repeats the whole batch", f)
		}
		if f.Properties["StartingPosition"] != nil && at(f.Properties, "DestinationConfig", "OnFailure", "Destination") == nil {
			t.Errorf("%s: what fails there is lost", f)
		}
	}
	watched := map[string]bool{}
	for _, f := range s.all("AWS::CloudWatch::Alarm") {
		for _, d := range list(f.Properties["Dimensions"]) {
			watched[text(at(d, "Value"))] = true
		}
		if text(f.Properties["AlarmActions"]) != `["arn:aws:sns:eu-west-1:111122223333:sluice-alerts"]` {
			t.Errorf("%s tells nobody", f)
		}
	}
	for _, f := range s.all("AWS::SQS::Queue", "AWS::Lambda::Function") {
		name := text(f.Properties["QueueName"]) + text(f.Properties["FunctionName"])
		if !watched[name] {
			t.Errorf("%s has no alarm", f)
		}
	}
}

// A message stays hidden while the function that was given it may still work on
// it: else a second one begins the same.
func TestHiddenWhileWorkedOn(t *testing.T) {
	s := synth(t)
	f := s.named(t, "AWS::Lambda::Function", "FunctionName", "sluice-resume")
	q := s.named(t, "AWS::SQS::Queue", "QueueName", "sluice-resume")
	timeout, _ := f.Properties["Timeout"].(float64)
	hidden, _ := q.Properties["VisibilityTimeout"].(float64)
	if timeout < 1 || hidden < timeout+60 {
		t.Errorf("a message is hidden for %v s and worked on for up to %v s; want a minute more at least", hidden, timeout)
	}
}

// Whole artifacts and repositories lie in /tmp of the functions that pack them.
func TestRoomForArtifacts(t *testing.T) {
	s := synth(t)
	for name, want := range map[string]float64{"source": 3072, "deploy": 2048, "resume": 2048, "api": 512} {
		f := s.named(t, "AWS::Lambda::Function", "FunctionName", "sluice-"+name)
		if got := at(f.Properties, "EphemeralStorage", "Size"); got != want {
			t.Errorf("%s has %v MB of storage; want %v", name, got, want)
		}
	}
}

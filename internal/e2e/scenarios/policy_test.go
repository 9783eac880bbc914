package scenarios_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A policy is what stands beside a function's code.
type policy struct {
	Statements []struct {
		Actions []string
		On      []string
		Why     string
	}
}

// arn says how the ARNs that a symbol of a policy stands for begin.
var arn = map[string]string{
	"table": "arn:aws:dynamodb:{region}:{account}:table/sluice", "bucket": "arn:aws:s3:::sluice-artifacts-{account}-{region}", "objects": "arn:aws:s3:::sluice-artifacts-{account}-{region}/",
	"key": "arn:aws:kms:{region}:{account}:key/", "bus": "arn:aws:events:{region}:{account}:event-bus/sluice", "alerts": "arn:aws:sns:{region}:{account}:sluice-alerts",
	"approvals": "arn:aws:sns:{region}:{account}:sluice-approvals", "queue": "arn:aws:sqs:{region}:{account}:sluice-", "machines": "arn:aws:states:{region}:{account}:stateMachine:sluice-",
	"runs": "arn:aws:states:{region}:{account}:execution:sluice-", "roles": "arn:aws:iam::{account}:role/sluice-pipeline-", "topics": "arn:aws:sns:{region}:{account}:shop-reviews",
	"assets": "arn:aws:s3:::cdk-hnb659fds-assets-{account}-{region}/", "secrets": "arn:aws:secretsmanager:{region}:{account}:secret:sluice", "parameters": "arn:aws:ssm:{region}:{account}:parameter/sluice",
	"any": "", "stream": "arn:aws:dynamodb:{region}:{account}:table/sluice",
}

func begins(symbol string) (string, bool) {
	text, ok := arn[symbol]
	return strings.NewReplacer("{region}", standin.Region, "{account}", standin.Account).Replace(text), ok
}

// byLambda are the calls that Lambda makes in the name of a function; infra
// grants them beside the policy.
var byLambda = []string{
	"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
	"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:SendMessage to a dead-letter queue",
}

// policies compares every call that was recorded with the policy of who made
// it: nothing missing, nothing unused. What no stand-in can see has a reason
// beside it in the policy.
func (c *cloud) policies(t *testing.T) {
	calls := map[string]map[string][]string{} // by principal and action: resources
	for _, call := range c.aws.Calls() {
		if calls[call.Principal] == nil {
			calls[call.Principal] = map[string][]string{}
		}
		calls[call.Principal][call.Action] = append(calls[call.Principal][call.Action], call.Resource)
	}
	files, err := filepath.Glob(filepath.Join(root(), "functions", "*", "policy.json"))
	if err != nil || len(files) != 12 {
		t.Fatalf("%d policies, %v; want 12", len(files), err)
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p policy
		if err := json.Unmarshal(text, &p); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		p.compare(t, name, calls["sluice-"+name])
		delete(calls, "sluice-"+name)
	}
	for _, name := range []string{"shop", "tour", "gates", "exits"} {
		pipelineRole(t, name, calls["sluice-pipeline-"+name+"-"+standin.Region])
	}
	machineRole(t, calls["sluice-machine-"+standin.Region])
	for principal := range maps.Keys(calls) {
		if strings.HasPrefix(principal, "sluice-") && !strings.HasPrefix(principal, "sluice-pipeline-") && principal != "sluice-machine-"+standin.Region {
			t.Errorf("%s made calls and has no policy", principal)
		}
	}
}

func (p policy) compare(t *testing.T, name string, made map[string][]string) {
	t.Helper()
	used := map[string]bool{}
	for action, resources := range made {
		if slices.Contains(byLambda, action) {
			continue
		}
		for _, resource := range slices.Compact(slices.Sorted(slices.Values(resources))) {
			if !p.allows(action, resource, used) {
				t.Errorf("function %s called %s on %s, which its policy does not allow", name, action, resource)
			}
		}
	}
	for _, s := range p.Statements {
		for _, action := range s.Actions {
			if !used[action] && s.Why == "" {
				t.Errorf("function %s may %s on %v and never did", name, action, s.On)
			}
		}
	}
}

// allows reports whether a statement allows a call, and marks the action as
// used. A resource of "*" means that the request does not tell.
func (p policy) allows(action, resource string, used map[string]bool) bool {
	for _, s := range p.Statements {
		if !slices.Contains(s.Actions, action) {
			continue
		}
		for _, symbol := range s.On {
			if prefix, ok := begins(symbol); resource == "*" || ok && strings.HasPrefix(resource, prefix) {
				used[action] = true
				return true
			}
		}
	}
	return false
}

// machineRole compares what state machines did with what they are for: to call
// six functions. Their log is not written here.
func machineRole(t *testing.T, made map[string][]string) {
	t.Helper()
	var want []string
	for _, name := range []string{"approval", "build", "deploy", "invoke", "source", "stage"} {
		want = append(want, "arn:aws:lambda:"+standin.Region+":"+standin.Account+":function:sluice-"+name)
	}
	for action, resources := range made {
		if got := slices.Compact(slices.Sorted(slices.Values(resources))); action != "lambda:InvokeFunction" || !slices.Equal(got, want) {
			t.Errorf("machines called %s on %v; want lambda:InvokeFunction on %v", action, got, want)
		}
	}
	if made == nil {
		t.Error("no machine called anything")
	}
}

// pipelineRole compares what the actions and rules of a pipeline did with what
// is granted for each of them.
func pipelineRole(t *testing.T, name string, made map[string][]string) {
	t.Helper()
	granted := grantedTo(t, name)
	used := map[string]bool{} // actions of statements
	key := func(i int, action string) string { return fmt.Sprint(i, " ", action) }
	for action, resources := range made {
		for _, resource := range slices.Compact(slices.Sorted(slices.Values(resources))) {
			allowed := false
			for i, s := range granted {
				if slices.Contains(s.Actions, action) && slices.ContainsFunc(s.Resources, func(pattern string) bool { return covers(pattern, resource) }) {
					allowed, used[key(i, action)] = true, true
				}
			}
			if !allowed {
				t.Errorf("an action of %s called %s on %s, which is not granted", name, action, resource)
			}
		}
	}
	for i, s := range granted {
		for _, action := range s.Actions {
			if !used[key(i, action)] && s.Why[action] == "" {
				t.Errorf("pipeline %s is granted %s on %v and never called it", name, action, s.Resources)
			}
		}
	}
}

// grantedTo returns what the actions and rules of a pipeline are granted.
func grantedTo(t *testing.T, name string) []grant.Statement {
	t.Helper()
	def, err := definition.ReadFile(filepath.Join("testdata", "pipelines", name+".yaml"), definition.Options{Region: standin.Region, ArtifactBucket: "artifacts", RoleARN: "arn:aws:iam::" + standin.Account + ":role/x"})
	if err != nil {
		t.Fatal(err)
	}
	objects, _ := begins("objects")
	keys, _ := begins("key")
	home := grant.Home{Partition: "aws", Region: standin.Region, Account: standin.Account, Artifacts: objects + "*", Key: keys + "*"}
	var all []grant.Statement
	add := func(some []grant.Statement, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	for _, st := range def.Declaration.Stages {
		for _, a := range st.Actions {
			add(grant.For(a, home))
		}
		for _, r := range rulesOf(st) {
			add(grant.ForRule(r, home))
		}
	}
	return all
}

// rulesOf returns the rules of a stage's conditions.
func rulesOf(st pipeline.Stage) []pipeline.Rule {
	var conditions []pipeline.Condition
	if c := st.BeforeEntry; c != nil {
		conditions = append(conditions, c.Conditions...)
	}
	if c := st.OnSuccess; c != nil {
		conditions = append(conditions, c.Conditions...)
	}
	if c := st.OnFailure; c != nil {
		conditions = append(conditions, c.Conditions...)
	}
	var all []pipeline.Rule
	for _, c := range conditions {
		all = append(all, c.Rules...)
	}
	return all
}

// covers reports whether a resource of a policy, in which a star stands for
// anything, is that of a call. A call of "*" does not tell.
func covers(pattern, resource string) bool {
	if resource == "*" {
		return true
	}
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(resource)
}

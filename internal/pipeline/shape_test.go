package pipeline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

const (
	isNull  = "Member must not be null"
	atMost  = "Member must have length less than or equal to "
	atLeast = "Member must have length greater than or equal to "
	regex   = "Member must satisfy regular expression pattern: "
	enum    = "Member must satisfy enum value set: "
)

func TestShape(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	list := func(n int) []string { return strings.Split(strings.Repeat("x,", n-1)+"x", ",") }
	commands := func(d *decl) *pipeline.Action {
		a := build(d)
		a.TypeID, a.Configuration, a.Commands = typeID(pipeline.Compute, pipeline.AWS, "Commands"), nil, []string{"make"}
		return a
	}
	git := func(d *decl) *pipeline.GitConfiguration {
		d.Triggers = []pipeline.Trigger{{ProviderType: "CodeStarSourceConnection", Git: pipeline.GitConfiguration{SourceActionName: "Fetch"}}}
		return &d.Triggers[0].Git
	}
	v := pipeline.Validation
	runRules(t, []ruleTest{
		{"no name", func(d *decl) { d.Name = "" }, v, "name", isNull},
		{"long name", func(d *decl) { d.Name = long(101) }, v, "name", atMost + "100"},
		{"longest name", func(d *decl) { d.Name = long(100) }, "", "", ""},
		{"name with a blank", func(d *decl) { d.Name = "a b" }, v, "name", regex + `[A-Za-z0-9.@\-_]+`},
		{"name of all characters", func(d *decl) { d.Name = "aZ09.@-_" }, "", "", ""},
		{"no role", func(d *decl) { d.RoleARN = "" }, v, "roleArn", isNull},
		{"no role ARN", func(d *decl) { d.RoleARN = "service" }, v, "roleArn", regex + `arn:aws(-[\w]+)*:iam::[0-9]{12}:role/.*`},
		{"role in China", func(d *decl) { d.RoleARN = "arn:aws-cn:iam::111122223333:role/a/b" }, "", "", ""},
		{"store type", func(d *decl) { d.ArtifactStore.Type = "s3" }, v, "artifactStore.type", enum + "[S3]"},
		{"no bucket", func(d *decl) { d.ArtifactStore.Location = "" }, v, "artifactStore.location", isNull},
		{"short bucket", func(d *decl) { d.ArtifactStore.Location = "ab" }, v, "artifactStore.location", atLeast + "3"},
		{"bucket pattern", func(d *decl) { d.ArtifactStore.Location = "a_b_c" }, v, "artifactStore.location", regex + `[a-zA-Z0-9\-\.]+`},
		{"key type", func(d *decl) { d.ArtifactStore.EncryptionKey = &pipeline.EncryptionKey{ID: "k", Type: "AES"} }, v, "artifactStore.encryptionKey.type", enum + "[KMS]"},
		{"no key id", func(d *decl) { d.ArtifactStore.EncryptionKey = &pipeline.EncryptionKey{Type: "KMS"} }, v, "artifactStore.encryptionKey.id", isNull},
		{"key", func(d *decl) { d.ArtifactStore.EncryptionKey = &pipeline.EncryptionKey{ID: "alias/k", Type: "KMS"} }, "", "", ""},
		{"no stages", func(d *decl) { d.Stages = nil }, v, "stages", isNull},
		{"version", func(d *decl) { d.Version = -1 }, v, "version", "Member must have value greater than or equal to 1"},
		{"mode", func(d *decl) { d.ExecutionMode = "QUEUE" }, v, "executionMode", enum + "[SUPERSEDED, QUEUED, PARALLEL]"},
		{"type", func(d *decl) { d.Type = "V3"; d.Variables = nil }, v, "pipelineType", enum + "[V1, V2]"},

		{"no stage name", func(d *decl) { d.Stages[0].Name = "" }, v, "stages[0].name", isNull},
		{"stage name", func(d *decl) { d.Stages[0].Name = "a/b" }, v, "stages[0].name", regex + `[A-Za-z0-9.@\-_]+`},
		{"blocker", func(d *decl) { d.Stages[0].Blockers = []pipeline.Blocker{{Name: "b", Type: "Weather"}} }, v, "stages[0].blockers[0].type", enum + "[Schedule]"},
		{"reserved blocker", func(d *decl) { d.Stages[0].Blockers = []pipeline.Blocker{{Name: "b", Type: "Schedule"}} }, "", "", ""},

		{"no action name", func(d *decl) { build(d).Name = "" }, v, "stages[1].actions[0].name", isNull},
		{"owner", func(d *decl) { build(d).TypeID = typeID(pipeline.Build, "", "CodeBuild") }, v, "stages[1].actions[0].actionTypeId.owner", isNull},
		{"category", func(d *decl) { build(d).TypeID.Category = "build" }, v, "stages[1].actions[0].actionTypeId.category", enum + "[Source, Build, Deploy, Test, Invoke, Approval, Compute]"},
		{"no provider", func(d *decl) { build(d).TypeID.Provider = "" }, v, "stages[1].actions[0].actionTypeId.provider", isNull},
		{"no version", func(d *decl) { build(d).TypeID.Version = "" }, v, "stages[1].actions[0].actionTypeId.version", isNull},
		{"run order", func(d *decl) { approval(d).RunOrder = 1000 }, v, "stages[1].actions[1].runOrder", "Member must have value less than or equal to 999"},
		{"last run order", func(d *decl) { approval(d).RunOrder = 999 }, "", "", ""},
		{"empty value", func(d *decl) { build(d).Configuration["PrimarySource"] = "" }, v, "stages[1].actions[0].configuration.PrimarySource",
			"Map value must satisfy constraint: [Member must have length less than or equal to 50000, Member must have length greater than or equal to 1]"},
		{"long value", func(d *decl) { build(d).Configuration["PrimarySource"] = long(50001) }, v, "stages[1].actions[0].configuration.PrimarySource",
			"Map value must satisfy constraint: [Member must have length less than or equal to 50000, Member must have length greater than or equal to 1]"},
		{"longest value", func(d *decl) { build(d).Configuration["PrimarySource"] = long(50000) }, "", "", ""},
		{"long key", func(d *decl) {
			as(pipeline.ActionTypeID{Category: pipeline.Build, Owner: pipeline.Custom, Provider: "Ours", Version: "1"}, map[string]string{long(51): "x"})(d)
		}, v, "stages[1].actions[0].configuration." + long(51),
			"Map keys must satisfy constraint: [Member must have length less than or equal to 50, Member must have length greater than or equal to 1]"},
		{"artifact name", func(d *decl) {
			source(d).OutputArtifacts[0].Name, build(d).InputArtifacts[0].Name = "Code", "Code"
			build(d).OutputArtifacts[0].Name = "a.b"
		}, v, "stages[1].actions[0].outputArtifacts[0].name", regex + `[a-zA-Z0-9_\-]+`},
		{"action role", func(d *decl) { build(d).RoleARN = "r" }, v, "stages[1].actions[0].roleArn", regex + `arn:aws(-[\w]+)*:iam::[0-9]{12}:role/.*`},
		{"region", func(d *decl) { build(d).Region = "eu" }, v, "stages[1].actions[0].region", atLeast + "4"},
		{"namespace", func(d *decl) { build(d).Namespace = "a.b" }, v, "stages[1].actions[0].namespace", regex + `[A-Za-z0-9@\-_]+`},
		{"short timeout", func(d *decl) { approval(d).TimeoutInMinutes = 4 }, v, "stages[1].actions[1].timeoutInMinutes", "Member must have value greater than or equal to 5"},
		{"longest timeout", func(d *decl) { approval(d).TimeoutInMinutes = 86400 }, "", "", ""},
		{"commands", func(d *decl) { commands(d).Commands = list(51) }, v, "stages[1].actions[0].commands", atMost + "50"},
		{"most commands", func(d *decl) { commands(d).Commands = list(50) }, "", "", ""},
		{"long command", func(d *decl) { commands(d).Commands = []string{long(1001)} }, v, "stages[1].actions[0].commands[0]", atMost + "1000"},
		{"files", func(d *decl) { commands(d).OutputArtifacts[0].Files = list(11) }, v, "stages[1].actions[0].outputArtifacts[0].files", atMost + "10"},
		{"output variables", func(d *decl) { commands(d).OutputVariables = list(16) }, v, "stages[1].actions[0].outputVariables", atMost + "15"},
		{"environment name", func(d *decl) {
			commands(d).EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "A-B", Value: "1"}}
		}, v, "stages[1].actions[0].environmentVariables[0].name", regex + `[A-Za-z0-9_]+`},
		{"environment type", func(d *decl) {
			commands(d).EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "A", Value: "1", Type: "PARAMETER_STORE"}}
		}, v, "stages[1].actions[0].environmentVariables[0].type", enum + "[PLAINTEXT, SECRETS_MANAGER]"},
		{"environment", func(d *decl) {
			commands(d).EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "A", Value: "1", Type: "SECRETS_MANAGER"}}
		}, "", "", ""},

		{"variable name", func(d *decl) { d.Variables[0].Name = "a b" }, v, "variables[0].name", regex + `[A-Za-z0-9@\-_]+`},
		{"variable description", func(d *decl) { d.Variables[0].Description = long(201) }, v, "variables[0].description", atMost + "200"},
		{"trigger provider", func(d *decl) { git(d); d.Triggers[0].ProviderType = "GitHub" }, v, "triggers[0].providerType", enum + "[CodeStarSourceConnection]"},
		{"push filters", func(d *decl) { git(d).Push = make([]pipeline.PushFilter, 4) }, v, "triggers[0].gitConfiguration.push", atMost + "3"},
		{"patterns", func(d *decl) {
			git(d).Push = []pipeline.PushFilter{{Branches: &pipeline.Patterns{Includes: list(9)}}}
		}, v, "triggers[0].gitConfiguration.push[0].branches.includes", atMost + "8"},
		{"event", func(d *decl) { git(d).PullRequest = []pipeline.PullRequestFilter{{Events: []string{"MERGED"}}} }, v,
			"triggers[0].gitConfiguration.pullRequest[0].events[0]", enum + "[OPEN, UPDATED, CLOSED]"},
		{"filters", func(d *decl) {
			git(d).Push = []pipeline.PushFilter{{Branches: &pipeline.Patterns{Includes: list(8)}, FilePaths: &pipeline.Patterns{Excludes: []string{"**.md"}}}}
			git(d).PullRequest = nil
		}, "", "", ""},
	})
}

func TestShapeMessage(t *testing.T) {
	one := []pipeline.Problem{{Code: pipeline.Validation, Path: "stages[0].actions[1].name", Message: isNull}}
	two := append(one[:1:1],
		pipeline.Problem{Code: pipeline.InvalidStructure, Path: "stages", Message: "not of shape"},
		pipeline.Problem{Code: pipeline.Validation, Path: "stages[9].actions[0].configuration.a.b", Message: "Map value must satisfy constraint: [x]"})
	tests := []struct {
		name     string
		problems []pipeline.Problem
		want     string
	}{
		{"none", nil, ""},
		{"structure only", two[1:2], ""},
		{"one", one, "1 validation error detected: Value at 'pipeline.stages.1.member.actions.2.member.name' failed to satisfy constraint: " + isNull},
		{"two", two, "2 validation errors detected: Value at 'pipeline.stages.1.member.actions.2.member.name' failed to satisfy constraint: " + isNull +
			"; Value at 'pipeline.stages.10.member.actions.1.member.configuration' failed to satisfy constraint: Map value must satisfy constraint: [x]"},
		{"map of stores", []pipeline.Problem{{Code: pipeline.Validation, Path: "artifactStores.us-east-1.location", Message: isNull}},
			"1 validation error detected: Value at 'pipeline.artifactStores.us-east-1.member.location' failed to satisfy constraint: " + isNull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, pipeline.ShapeMessage(tt.problems)); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailure(t *testing.T) {
	shape := pipeline.Problem{Code: pipeline.Validation, Path: "name", Message: isNull}
	rule := pipeline.Problem{Code: pipeline.InvalidStructure, Path: "stages", Message: "too few"}
	if err := pipeline.Failure(nil); err != nil {
		t.Errorf("no problems: %v; want nil", err)
	}
	if err := pipeline.Failure([]pipeline.Problem{rule, shape}); pipeline.CodeOf(err) != pipeline.Validation {
		t.Errorf("both kinds: %v; want the shape first", err)
	}
	if err := pipeline.Failure([]pipeline.Problem{rule}); pipeline.CodeOf(err) != pipeline.InvalidStructure || err.Error() != "too few" {
		t.Errorf("rule: %v with code %s", err, pipeline.CodeOf(err))
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"ProjectName", "PrimarySource"}
	for word, want := range map[string]string{"projectname": "ProjectName", "ProjctName": "ProjectName", "Project": "ProjectName", "Weather": "", strings.Repeat("x", 1000): ""} {
		if got := pipeline.Nearest(word, keys); got != want {
			t.Errorf("Nearest(%q) = %q; want %q", word, got, want)
		}
	}
}

package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// as returns an edit that makes the second stage's first action of another
// type, with one input, no output and the given configuration.
func as(id pipeline.ActionTypeID, configuration map[string]string) func(*decl) {
	return func(d *decl) {
		a := build(d)
		a.TypeID, a.Configuration, a.OutputArtifacts = id, configuration, nil
	}
}

const first = "stages[1].actions[0]"

func TestActionTypes(t *testing.T) {
	a := pipeline.InvalidActionDeclaration
	unavailable := func(category, provider, owner, version, region string) string {
		return fmt.Sprintf("ActionType (Category: '%s', Provider: '%s', Owner: '%s', Version: '%s') in action 'Compile' is not available in region '%s'", category, provider, owner, version, region)
	}
	commands := func(d *decl) {
		as(typeID(pipeline.Compute, pipeline.AWS, "Commands"), nil)(d)
		build(d).Commands = []string{"make"}
	}
	runRules(t, []ruleTest{
		{"same name", func(d *decl) { approval(d).Name = "Compile" }, a, "stages[1].actions[1].name", "Action name 'Compile' is used more than once in stage 'Build'"},
		{"name of another stage", func(d *decl) { approval(d).Name = "Fetch" }, "", "", ""},
		{"unknown provider", as(typeID(pipeline.Deploy, pipeline.AWS, "Heroku"), nil), a, first + ".actionTypeId", unavailable("Deploy", "Heroku", "AWS", "1", "US_EAST_1")},
		{"in a Region", both(as(typeID(pipeline.Deploy, pipeline.AWS, "Heroku"), nil), func(d *decl) { build(d).Region = "ap-southeast-2" }),
			a, first + ".actionTypeId", unavailable("Deploy", "Heroku", "AWS", "1", "AP_SOUTHEAST_2")},
		{"wrong version", func(d *decl) { build(d).TypeID.Version = "2" }, a, first + ".actionTypeId", unavailable("Build", "CodeBuild", "AWS", "2", "US_EAST_1")},
		{"wrong category", func(d *decl) { build(d).TypeID.Category = pipeline.Invoke }, a, first + ".actionTypeId", unavailable("Invoke", "CodeBuild", "AWS", "1", "US_EAST_1")},
		{"custom", as(pipeline.ActionTypeID{Category: pipeline.Deploy, Owner: pipeline.Custom, Provider: "Ours", Version: "7"}, map[string]string{"Any": "thing"}), "", "", ""},
		{"partner", as(typeID(pipeline.Invoke, pipeline.ThirdParty, "Snyk"), map[string]string{"Any": "thing"}), "", "", ""},

		{"Commands in V1", both(toV1, commands), a, first + ".actionTypeId.provider", "Commands Action can only be used with V2 pipelines."},
		{"Commands in V2", commands, "", "", ""},
		{"EKS in V1", both(toV1, as(typeID(pipeline.Deploy, pipeline.AWS, "EKS"), map[string]string{"ClusterName": "c"})), a, first + ".actionTypeId.provider", "EKS Action can only be used with V2 pipelines."},
		{"InspectorScan in V1", both(toV1, as(typeID(pipeline.Invoke, pipeline.AWS, "InspectorScan"), map[string]string{"InspectorRunMode": "SourceCodeScan"})), "", "", ""},

		{"no commands", both(commands, func(d *decl) { build(d).Commands = nil }), a, first + ".commands", "Action Compile must have a non-empty commands field"},
		{"commands elsewhere", func(d *decl) { build(d).Commands = []string{"make"} }, a, first + ".commands",
			"The following action cannot contain a commands field: Compile. To use the commands field, use a compute action."},
		{"files elsewhere", func(d *decl) { build(d).OutputArtifacts[0].Files = []string{"a"} }, a, first + ".outputArtifacts[0].files",
			"The following action cannot contain a files field: Compile. To use the files field, use a compute action."},
		{"files", both(commands, func(d *decl) {
			build(d).OutputArtifacts = []pipeline.OutputArtifact{{Name: "Out", Files: []string{"**/*"}}}
			build(d).OutputVariables = []string{"VERSION"}
		}), "", "", ""},
		{"output variables elsewhere", func(d *decl) { build(d).OutputVariables = []string{"V"} }, a, first + ".outputVariables",
			"The following action cannot contain a outputVariables field: Compile. To use the outputVariables field, use a compute action."},
		{"environment elsewhere", func(d *decl) { build(d).EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "A", Value: "1"}} }, a, first + ".environmentVariables",
			"The following action cannot contain a environmentVariables field: Compile. To use the environmentVariables field, use a compute action."},
		{"secret environment of EKS", both(as(typeID(pipeline.Deploy, pipeline.AWS, "EKS"), map[string]string{"ClusterName": "c"}), func(d *decl) {
			build(d).EnvironmentVariables = []pipeline.EnvironmentVariable{{Name: "A", Value: "1", Type: "SECRETS_MANAGER"}}
		}), a, first + ".environmentVariables[0].type", "The following action cannot contain environment variables of type SECRETS_MANAGER: Compile."},
	})
}

func TestArtifacts(t *testing.T) {
	a := pipeline.InvalidActionDeclaration
	inputs := func(names ...string) func(*decl) {
		return func(d *decl) {
			build(d).InputArtifacts = nil
			for _, n := range names {
				build(d).InputArtifacts = append(build(d).InputArtifacts, pipeline.InputArtifact{Name: n})
			}
		}
	}
	outputs := func(n int) func(*decl) {
		return func(d *decl) {
			build(d).OutputArtifacts = nil
			for i := range n {
				build(d).OutputArtifacts = append(build(d).OutputArtifacts, pipeline.OutputArtifact{Name: fmt.Sprint("Out", i)})
			}
		}
	}
	message := func(name string) string {
		return "Input Artifact Bundle " + name + " in action Compile is not declared as Output Artifact Bundle in any of the preceding actions"
	}
	reader := func(order int) func(*decl) {
		return func(d *decl) {
			second := *build(d)
			second.Name, second.RunOrder, second.Namespace, second.OutputArtifacts = "Package", order, "", nil
			second.InputArtifacts = []pipeline.InputArtifact{{Name: "Binary"}}
			d.Stages[1].Actions = append(d.Stages[1].Actions, second)
		}
	}
	runRules(t, []ruleTest{
		{"no input", inputs(), a, first + ".inputArtifacts", "Action Compile declares 0 input artifacts which is less than the minimum count (1)"},
		{"six inputs", inputs("Code", "Code", "Code", "Code", "Code", "Code"), a, first + ".inputArtifacts", "Action Compile declares 6 input artifacts which is more than the maximum count (5)"},
		{"five outputs", outputs(5), "", "", ""},
		{"six outputs", outputs(6), a, first + ".outputArtifacts", "Action Compile declares 6 output artifacts which is more than the maximum count (5)"},
		{"unknown input", inputs("code"), a, first + ".inputArtifacts[0].name", message("code")},
		{"own output", inputs("Binary"), a, first + ".inputArtifacts[0].name", message("Binary")},
		{"later in the stage", reader(2), "", "", ""},
		{"same run order", reader(1), a, "stages[1].actions[2].inputArtifacts[0].name",
			"Input Artifact Bundle Binary in action Package is not declared as Output Artifact Bundle in any of the preceding actions"},
		{"later stage", func(d *decl) {
			reader(1)(d)
			last := len(d.Stages[1].Actions) - 1
			d.Stages = append(d.Stages, stage{Name: "Last", Actions: d.Stages[1].Actions[last:]})
			d.Stages[1].Actions = d.Stages[1].Actions[:last:last]
		}, "", "", ""},
	})
}

func TestConfiguration(t *testing.T) {
	a := pipeline.InvalidActionDeclaration
	github := func(token string) func(*decl) {
		return func(d *decl) {
			source(d).TypeID = typeID(pipeline.Source, pipeline.ThirdParty, "GitHub")
			source(d).Configuration = map[string]string{"Owner": "o", "Repo": "r", "Branch": "b", "OAuthToken": token}
		}
	}
	notify := func(arn string) func(*decl) {
		return func(d *decl) { approval(d).Configuration = map[string]string{"NotificationArn": arn} }
	}
	const topic = "stages[1].actions[1].configuration.NotificationArn"
	runRules(t, []ruleTest{
		{"missing key", func(d *decl) { build(d).Configuration = nil }, a, first + ".configuration.ProjectName",
			"Action configuration for action 'Compile' is missing required configuration 'ProjectName'"},
		{"unknown key", func(d *decl) { build(d).Configuration["projectName"] = "x" }, a, first + ".configuration.projectName",
			"Action configuration for action 'Compile' contains unknown configuration 'projectName'"},
		{"values are not looked at", as(typeID(pipeline.Deploy, pipeline.AWS, "S3"), map[string]string{"BucketName": "b", "Extract": "maybe"}), "", "", ""},
		{"any OpsWorks key", as(typeID(pipeline.Deploy, pipeline.AWS, "OpsWorks"), map[string]string{"StackId": "s"}), "", "", ""},
		{"secret", github("ghp_x"), "", "", ""},
		{"masked secret", github("****"), a, "stages[0].actions[0].configuration.OAuthToken",
			`Action configuration for the new action "Fetch" contains an invalid configuration for the secret property "OAuthToken". "****" may be used in secret properties only when updating an existing action.`},
		{"topic", notify("arn:aws:sns:us-east-1:111122223333:t"), "", "", ""},
		{"topic of a variable", notify("#{variables.Level}"), "", "", ""},
		{"no ARN", notify("my-topic"), a, topic, "The ARN my-topic you specified for sending notifications for the approval action Approve contains a format error."},
		{"ARN without a resource", notify("arn:aws:sns:us-east-1:111122223333:"), a, topic,
			"The ARN arn:aws:sns:us-east-1:111122223333: you specified for sending notifications for the approval action Approve contains a format error."},
		{"queue", notify("arn:aws:sqs:us-east-1:111122223333:q"), a, topic,
			"The ARN arn:aws:sqs:us-east-1:111122223333:q has been specified for sending notifications for the approval action Approve, but the AWS service for this ARN cannot be used to send approval requests."},
	})
}

// TestRequiredKeyOrder pins the order in which the service asks for keys.
func TestRequiredKeyOrder(t *testing.T) {
	tests := []struct {
		id   pipeline.ActionTypeID
		want []string
	}{
		{typeID(pipeline.Source, pipeline.AWS, "S3"), []string{"S3Bucket", "S3ObjectKey"}},
		{typeID(pipeline.Source, pipeline.AWS, "CodeCommit"), []string{"RepositoryName", "BranchName"}},
		{typeID(pipeline.Source, pipeline.AWS, "ECR"), []string{"RepositoryName"}},
		{typeID(pipeline.Deploy, pipeline.AWS, "S3"), []string{"BucketName", "Extract"}},
		{typeID(pipeline.Deploy, pipeline.AWS, "CodeDeploy"), []string{"ApplicationName", "DeploymentGroupName"}},
		{typeID(pipeline.Deploy, pipeline.AWS, "CloudFormation"), []string{"ActionMode", "StackName"}},
		{typeID(pipeline.Deploy, pipeline.AWS, "ECS"), []string{"ClusterName", "ServiceName"}},
		{typeID(pipeline.Deploy, pipeline.AWS, "ElasticBeanstalk"), []string{"ApplicationName", "EnvironmentName"}},
		{typeID(pipeline.Test, pipeline.AWS, "CodeBuild"), []string{"ProjectName"}},
		{typeID(pipeline.Invoke, pipeline.AWS, "Lambda"), []string{"FunctionName"}},
		{typeID(pipeline.Invoke, pipeline.AWS, "StepFunctions"), []string{"StateMachineArn"}},
		{typeID(pipeline.Invoke, pipeline.AWS, "CodePipeline"), []string{"PipelineName"}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.id.Category, tt.id.Provider), func(t *testing.T) {
			d := lawful()
			at, a := "stages[1].actions[0]", build(&d)
			if tt.id.Category == pipeline.Source {
				at, a = "stages[0].actions[0]", source(&d)
			}
			a.TypeID, a.Configuration = tt.id, nil
			var got []string
			for _, p := range pipeline.Validate(d) {
				for _, key := range tt.want {
					if p.Path == at+".configuration."+key {
						got = append(got, key)
					}
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("asked for %v; want %v", got, tt.want)
			}
		})
	}
}

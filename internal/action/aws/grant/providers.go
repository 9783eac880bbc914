package grant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// on returns a statement that allows actions of a service on a resource.
func on(resource, service string, actions ...string) Statement {
	s := Statement{Resources: []string{resource}}
	for _, a := range actions {
		s.Actions = append(s.Actions, service+":"+a)
	}
	return s
}

func codeCommit(p place) ([]Statement, error) {
	actions := []string{"GetBranch", "GetCommit"}
	if p.conf["OutputArtifactFormat"] != "CODEBUILD_CLONE_REF" { // else the build reads the files
		actions = append(actions, "GetFolder", "GetBlob")
	}
	return []Statement{
		on(p.arn("codecommit", p.of("RepositoryName")), "codecommit", actions...).unseen("finds the newest commit for an execution that no push started", "GetBranch"),
	}, nil
}

// s3Source may list the bucket: without that a missing object is a missing
// permission to S3.
func s3Source(p place) ([]Statement, error) {
	bucket, key := p.of("S3Bucket"), p.of("S3ObjectKey")
	if p.is("AllowOverrideForS3ObjectKey", "true") {
		key = "*"
	}
	return []Statement{
		on(p.bucket(bucket), "s3", "GetBucketVersioning", "ListBucket").unseen("without it S3 says that a missing object is forbidden", "ListBucket"),
		on(p.bucket(bucket+"/"+key), "s3", "GetObject", "GetObjectVersion"),
	}, nil
}

func ecrSource(p place) ([]Statement, error) {
	return []Statement{on(p.arn("ecr", "repository/"+p.of("RepositoryName")), "ecr", "DescribeImages")}, nil
}

// connection is named by either of two prefixes, as its ARN is. A build that
// clones has to know the host, if it is somebody's own.
func connection(p place) ([]Statement, error) {
	var all []Statement
	for _, service := range []string{"codeconnections", "codestar-connections"} {
		arn, err := p.given("ConnectionArn", p.arn(service, "connection/*"))
		if err != nil {
			return nil, err
		}
		home, _, ok := strings.Cut(arn, ":connection/")
		if !ok || !strings.Contains(home, ":"+service+":") {
			continue
		}
		all = append(all, on(arn, service, "UseConnection", "GetConnection"))
		if p.is("OutputArtifactFormat", "CODEBUILD_CLONE_REF") {
			all = append(all, on(home+":host/*", service, "GetHost"))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("ConnectionArn is %q; it has to be the ARN of a connection, arn:…:codeconnections:…:connection/…", p.conf["ConnectionArn"])
	}
	return all, nil
}

func codeBuild(p place) ([]Statement, error) {
	project := p.arn("codebuild", "project/"+p.of("ProjectName"))
	const stops = "ends the build of an action that is abandoned, or whose time is up"
	builds := on(project, "codebuild", "StartBuild", "BatchGetBuilds", "ListBuildsForProject", "StopBuild").unseen(stops, "StopBuild")
	batches := on(project, "codebuild", "StartBuildBatch", "BatchGetBuildBatches", "ListBuildBatchesForProject", "StopBuildBatch").unseen(stops, "StopBuildBatch")
	switch {
	case reference.MatchString(p.conf["BatchEnabled"]):
		return []Statement{builds, batches}, nil
	case p.is("BatchEnabled", "true"):
		return []Statement{batches}, nil
	}
	return []Statement{builds}, nil
}

func s3Deploy(p place) ([]Statement, error) {
	key := "*"
	if p.conf["Extract"] == "false" {
		key = keyPattern(p.conf["ObjectKey"])
	} else if prefix := p.conf["ObjectKey"]; prefix != "" && p.conf["Extract"] == "true" {
		key = keyPattern(prefix) + "/*"
	}
	actions := []string{"PutObject"}
	if p.conf["CannedACL"] != "" {
		actions = append(actions, "PutObjectAcl")
	}
	all := []Statement{on(p.bucket(p.of("BucketName")+"/"+key), "s3", actions...)}
	if value := p.conf["KMSEncryptionKeyARN"]; value != "" {
		key, err := p.given("KMSEncryptionKeyARN", p.arn("kms", "key/*"))
		if err != nil || !strings.Contains(key, ":key/") {
			return nil, fmt.Errorf("KMSEncryptionKeyARN is %q; it has to be the ARN of a key, arn:…:key/…, because no role can be allowed to use an alias", value)
		}
		all = append(all, on(key, "kms", "GenerateDataKey", "Decrypt"))
	}
	return all, nil
}

// keyPattern is pattern for a key with placeholders (reference 5.6).
func keyPattern(key string) string {
	return strings.NewReplacer("{datetime}", "*", "{uuid}", "*").Replace(pattern(key))
}

// stackCalls are the calls of each ActionMode.
var stackCalls = map[string][]string{
	"CREATE_UPDATE":      {"DescribeStacks", "DescribeStackEvents", "CreateStack", "UpdateStack"},
	"REPLACE_ON_FAILURE": {"DescribeStacks", "DescribeStackEvents", "CreateStack", "UpdateStack", "DeleteStack"},
	"DELETE_ONLY":        {"DescribeStacks", "DescribeStackEvents", "DeleteStack"},
	"CHANGE_SET_REPLACE": {"DescribeStacks", "DescribeChangeSet", "DeleteChangeSet", "CreateChangeSet"},
	"CHANGE_SET_EXECUTE": {"DescribeStacks", "DescribeStackEvents", "DescribeChangeSet", "ExecuteChangeSet"},
}

func cloudFormation(p place) ([]Statement, error) {
	mode := p.conf["ActionMode"]
	var calls []string
	for name, some := range stackCalls {
		if p.is("ActionMode", name) {
			calls = append(calls, some...)
		}
	}
	if calls == nil {
		return nil, fmt.Errorf("ActionMode is %q; it has to be CREATE_UPDATE, REPLACE_ON_FAILURE, DELETE_ONLY, CHANGE_SET_REPLACE or CHANGE_SET_EXECUTE", mode)
	}
	slices.Sort(calls)
	calls = slices.Compact(calls)
	makes := slices.Contains(calls, "CreateStack") || slices.Contains(calls, "CreateChangeSet")
	if makes && p.conf["TemplateConfiguration"] != "" { // which has tags and a policy of the stack
		calls = append(calls, "SetStackPolicy", "TagResource", "UntagResource")
	}
	all := []Statement{on(p.arn("cloudformation", "stack/"+p.of("StackName")+"/*"), "cloudformation", calls...)}
	if makes && (slices.Contains(calls, "CreateChangeSet") || strings.Contains(p.conf["Capabilities"], "CAPABILITY_AUTO_EXPAND") || reference.MatchString(p.conf["Capabilities"])) {
		// Whoever has macros expanded, AWS's own or the account's, is asked for this.
		macros := on("arn:"+p.Partition+":cloudformation:"+p.Region+":aws:transform/*", "cloudformation", "CreateChangeSet")
		macros.Resources = append(macros.Resources, p.arn("cloudformation", "transform/*"))
		all = append(all, macros)
	}
	if p.conf["RoleArn"] != "" && mode != "CHANGE_SET_EXECUTE" {
		role, err := p.given("RoleArn", p.anyRole())
		if err != nil {
			return nil, err
		}
		all = append(all, p.role(role, "cloudformation.amazonaws.com"))
	}
	return all, nil
}

// function returns the ARN of the function of a Lambda action. The catalog
// takes a name only; the calls take an ARN as well.
func (p place) function() string {
	if name := p.of("FunctionName"); !strings.HasPrefix(name, "arn:") {
		return p.arn("lambda", "function:"+name)
	}
	return p.of("FunctionName")
}

func lambdaDeploy(p place) ([]Statement, error) {
	var calls []string
	if version := p.conf["PublishedTargetVersion"]; version == "" || reference.MatchString(version) {
		calls = append(calls, "GetFunctionConfiguration", "PublishVersion", "UpdateFunctionCode")
	}
	if p.conf["FunctionAlias"] != "" {
		calls = append(calls, "GetAlias", "UpdateAlias")
	}
	if calls == nil {
		return nil, errors.New("PublishedTargetVersion is given and FunctionAlias is not; say which alias the version is for")
	}
	all := []Statement{on(p.function(), "lambda", calls...)}
	if p.conf["Alarms"] != "" {
		all = append(all, alarms())
	}
	return all, nil
}

// ecs knows the service, but not what it runs: the task definition and its
// roles are what they are at the time.
func ecs(p place) ([]Statement, error) {
	cluster := p.of("ClusterName")
	service := p.of("ServiceName")
	return []Statement{
		on(p.arn("ecs", "service/"+last(cluster)+"/"+last(service)), "ecs", "DescribeServices", "UpdateService"),
		on("*", "ecs", "DescribeTaskDefinition", "RegisterTaskDefinition"),
		on(p.arn("ecs", "task-definition/*:*"), "ecs", "TagResource"),
		p.role(p.anyRole(), "ecs-tasks.amazonaws.com"),
	}, nil
}

// last returns what an ARN says after its last slash; a name is itself.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func codeDeploy(p place) ([]Statement, error) {
	application := p.of("ApplicationName")
	return []Statement{
		on(p.arn("codedeploy", "deploymentgroup:"+application+"/"+p.of("DeploymentGroupName")), "codedeploy",
			"BatchGetDeployments", "CreateDeployment", "ListDeployments", "StopDeployment"),
		on(p.arn("codedeploy", "application:"+application), "codedeploy", "GetApplicationRevision", "RegisterApplicationRevision"),
		on(p.arn("codedeploy", "deploymentconfig:*"), "codedeploy", "GetDeploymentConfig"),
	}, nil
}

// lambdaInvoke reaches the artifacts too: what the function is given to read
// and write them with are credentials of this role, narrowed to its job.
func lambdaInvoke(p place) ([]Statement, error) {
	all := []Statement{on(p.function(), "lambda", "InvokeFunction")}
	var objects, key []string
	if p.reads {
		objects, key = append(objects, "GetObject"), append(key, "Decrypt")
	}
	if p.writes {
		objects, key = append(objects, "PutObject"), []string{"Decrypt", "GenerateDataKey"} // an upload in parts is read again
	}
	if objects == nil {
		return all, nil
	}
	if p.Artifacts == "" {
		return nil, errors.New("Home.Artifacts is empty; a function that is invoked needs access to the artifacts of its pipeline")
	}
	all = append(all, on(p.Artifacts, "s3", objects...))
	if p.Key != "" {
		all = append(all, on(p.Key, "kms", key...))
	}
	return all, nil
}

func stepFunctions(p place) ([]Statement, error) {
	machine, err := p.given("StateMachineArn", p.arn("states", "stateMachine:*"))
	if err != nil {
		return nil, err
	}
	// arn:partition:states:region:account:stateMachine:name[:qualifier]
	parts := strings.SplitN(machine, ":", 8)
	if len(parts) < 7 || parts[5] != "stateMachine" {
		return nil, fmt.Errorf("StateMachineArn is %q; it has to be the ARN of a state machine", p.conf["StateMachineArn"])
	}
	name := "*"
	if p.conf["ExecutionNamePrefix"] != "" {
		name = p.of("ExecutionNamePrefix") + "-*"
	}
	execution := strings.Join(append(parts[:5:5], "execution", parts[6], name), ":")
	return []Statement{
		on(machine, "states", "DescribeStateMachine", "StartExecution"),
		on(execution, "states", "DescribeExecution"),
	}, nil
}

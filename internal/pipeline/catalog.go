package pipeline

import "time"

// aws and partner spell the ids of the catalog.
func aws(c Category, provider string) ActionTypeID { return ActionTypeID{c, AWS, provider, "1"} }
func partner(c Category, provider string) ActionTypeID {
	return ActionTypeID{c, ThirdParty, provider, "1"}
}

var (
	none     = Count{}
	one      = Count{1, 1}
	upToOne  = Count{0, 1}
	upToFive = Count{0, 5}

	codeBuildKeys = []string{"PrimarySource", "BatchEnabled", "CombineArtifacts", "EnvironmentVariables", "BuildspecOverride"}
	computeKeys   = []string{"EnvironmentType", "ComputeType", "VpcId", "Subnets", "SecurityGroupIds"}
)

// actionTypes is the catalog. The order of Required is the order in which the
// service checks; a key that only some modes of a provider need is optional
// here, because the service looks at modes when the action runs.
var actionTypes = []ActionType{
	// Sources.
	{ID: aws(Source, "S3"), Outputs: one, Required: []string{"S3Bucket", "S3ObjectKey"},
		Optional: []string{"PollForSourceChanges", "AllowOverrideForS3ObjectKey"}},
	{ID: aws(Source, "CodeCommit"), Outputs: one, Required: []string{"RepositoryName", "BranchName"},
		Optional: []string{"PollForSourceChanges", "OutputArtifactFormat"}},
	{ID: aws(Source, "ECR"), Outputs: one, Required: []string{"RepositoryName"}, Optional: []string{"ImageTag"}},
	{ID: aws(Source, "CodeStarSourceConnection"), Outputs: one, Required: []string{"ConnectionArn", "FullRepositoryId", "BranchName"},
		Optional: []string{"OutputArtifactFormat", "DetectChanges"}},
	{ID: partner(Source, "GitHub"), Outputs: one, Required: []string{"Owner", "Repo", "Branch", "OAuthToken"},
		Optional: []string{"PollForSourceChanges"}, Secret: []string{"OAuthToken"}},

	// Build, test, compute.
	{ID: aws(Build, "CodeBuild"), Inputs: Count{1, 5}, Outputs: upToFive, Timeout: 36 * time.Hour,
		Required: []string{"ProjectName"}, Optional: codeBuildKeys},
	{ID: aws(Test, "CodeBuild"), Inputs: Count{1, 5}, Outputs: upToFive, Timeout: testTimeout,
		Required: []string{"ProjectName"}, Optional: codeBuildKeys},
	{ID: aws(Compute, "Commands"), Inputs: Count{1, 10}, Outputs: upToOne, Timeout: 55 * time.Minute,
		NeedsV2: true, Compute: true, Environment: true, Optional: computeKeys},
	{ID: aws(Build, "Commands"), Inputs: Count{1, 10}, Outputs: upToOne, Timeout: 55 * time.Minute,
		NeedsV2: true, Compute: true, Environment: true, Optional: computeKeys},
	{ID: aws(Build, "ECRBuildAndPublish"), Inputs: one, NeedsV2: true, Required: []string{"ECRRepositoryName"},
		Optional: []string{"DockerFilePath", "ImageTags", "RegistryType"}},
	// AppiumVersion is documented as required and as ignored, and the example
	// of the documentation leaves it out.
	{ID: aws(Test, "DeviceFarm"), Inputs: one, Timeout: testTimeout,
		Required: []string{"AppType", "ProjectId", "DevicePoolArn", "App", "TestType"},
		Optional: []string{"AppiumVersion", "Test", "RadioBluetoothEnabled", "RadioWifiEnabled", "RadioNfcEnabled", "RadioGpsEnabled",
			"RecordAppPerformanceData", "RecordVideo", "UnmeteredDevicesOnly", "FuzzEventCount", "FuzzEventThrottle",
			"FuzzRandomizerSeed", "CustomHostMachineArtifacts", "CustomDeviceArtifacts", "JobTimeoutMinutes", "Latitude", "Longitude"}},
	// No refusal of InspectorScan in a V1 pipeline is on record, and public
	// pipelines of that type use it, so NeedsV2 stays false.
	{ID: aws(Invoke, "InspectorScan"), Inputs: upToOne, Outputs: upToOne, Required: []string{"InspectorRunMode"},
		Optional: []string{"ECRRepositoryName", "ImageTag", "CriticalThreshold", "HighThreshold", "MediumThreshold", "LowThreshold"}},

	// Deploy: the CloudFormation family.
	{ID: aws(Deploy, "CloudFormation"), Inputs: Count{0, 10}, Outputs: upToOne, Timeout: 3 * day,
		Required: []string{"ActionMode", "StackName"},
		Optional: []string{"Capabilities", "ChangeSetName", "RoleArn", "TemplatePath", "TemplateConfiguration", "ParameterOverrides", "OutputFileName"}},
	{ID: aws(Deploy, "CloudFormationStackSet"), Inputs: Count{1, 3}, Timeout: 3 * day,
		Required: []string{"StackSetName", "TemplatePath"},
		Optional: []string{"Description", "Capabilities", "Parameters", "PermissionModel", "AdministrationRoleArn",
			"ExecutionRoleName", "OrganizationsAutoDeployment", "DeploymentTargets", "Regions",
			"FailureTolerancePercentage", "MaxConcurrentPercentage", "ConcurrencyMode", "CallAs"}},
	{ID: aws(Deploy, "CloudFormationStackInstances"), Inputs: Count{0, 2}, Timeout: 3 * day,
		Required: []string{"StackSetName"},
		Optional: []string{"DeploymentTargets", "Regions", "ParameterOverrides", "FailureTolerancePercentage",
			"MaxConcurrentPercentage", "ConcurrencyMode", "CallAs"}},

	// Deploy: compute.
	{ID: aws(Deploy, "CodeDeploy"), Inputs: one, Timeout: 5 * day, Required: []string{"ApplicationName", "DeploymentGroupName"}},
	{ID: aws(Deploy, "CodeDeployToECS"), Inputs: Count{1, 5}, Timeout: 5 * day,
		Required: []string{"ApplicationName", "DeploymentGroupName", "TaskDefinitionTemplateArtifact", "AppSpecTemplateArtifact"},
		Optional: []string{"TaskDefinitionTemplatePath", "AppSpecTemplatePath",
			"Image1ArtifactName", "Image2ArtifactName", "Image3ArtifactName", "Image4ArtifactName",
			"Image1ContainerName", "Image2ContainerName", "Image3ContainerName", "Image4ContainerName"}},
	{ID: aws(Deploy, "ECS"), Inputs: one, Required: []string{"ClusterName", "ServiceName"}, Optional: []string{"FileName", "DeploymentTimeout"}},
	{ID: aws(Deploy, "EC2"), Inputs: one, NeedsV2: true, Required: []string{"InstanceTagKey", "InstanceType"},
		Optional: []string{"InstanceTagValue", "TargetDirectory", "DeploySpec", "PreScript", "PostScript", "MaxBatch", "MaxError", "TargetGroupNameList"}},
	{ID: aws(Deploy, "EKS"), Inputs: one, NeedsV2: true, Environment: true, Required: []string{"ClusterName"},
		Optional: []string{"HelmReleaseName", "HelmChartLocation", "HelmValuesFiles", "ManifestFiles", "Namespace", "Subnets", "SecurityGroupIds"}},
	{ID: aws(Deploy, "ElasticBeanstalk"), Inputs: one, Required: []string{"ApplicationName", "EnvironmentName"}},
	{ID: aws(Deploy, "Lambda"), Inputs: one, NeedsV2: true, Required: []string{"FunctionName"},
		Optional: []string{"FunctionAlias", "PublishedTargetVersion", "DeployStrategy", "Alarms"}},
	{ID: aws(Deploy, "AppConfig"), Inputs: one,
		Required: []string{"Application", "Environment", "ConfigurationProfile", "InputArtifactConfigurationPath"},
		Optional: []string{"DeploymentStrategy"}},
	// OpsWorks has ended. Published pipelines name its keys in two ways and
	// nobody can ask the service which it took, so any key loads.
	{ID: aws(Deploy, "OpsWorks"), Inputs: one, Open: true},

	// Deploy: other.
	{ID: aws(Deploy, "S3"), Inputs: one, Timeout: 90 * time.Minute, Required: []string{"BucketName", "Extract"},
		Optional: []string{"ObjectKey", "KMSEncryptionKeyARN", "CannedACL", "CacheControl"}},
	{ID: aws(Deploy, "ServiceCatalog"), Inputs: one, Required: []string{"ProductId"},
		Optional: []string{"TemplateFilePath", "ProductVersionName", "ProductType", "ProductVersionDescription", "ConfigurationFilePath"}},
	{ID: partner(Deploy, "AlexaSkillsKit"), Inputs: Count{1, 2},
		Required: []string{"ClientId", "ClientSecret", "RefreshToken", "SkillId"},
		Optional: []string{"ParameterOverridesArtifact"}, Secret: []string{"ClientSecret", "RefreshToken"}},

	// Approval and invoke.
	{ID: aws(Approval, "Manual"), Timeout: 7 * day,
		Optional: []string{"NotificationArn", "CustomData", "ExternalEntityLink", "IsSummaryRequired"}},
	{ID: aws(Invoke, "Lambda"), Inputs: upToFive, Outputs: upToFive, Timeout: day,
		Required: []string{"FunctionName"}, Optional: []string{"UserParameters"}},
	{ID: aws(Invoke, "StepFunctions"), Inputs: upToOne, Outputs: upToOne, Timeout: 7 * day,
		Required: []string{"StateMachineArn"}, Optional: []string{"ExecutionNamePrefix", "InputType", "Input"}},
	{ID: aws(Invoke, "CodePipeline"), Inputs: none, NeedsV2: true,
		Required: []string{"PipelineName"}, Optional: []string{"SourceRevisions", "Variables"}},
}

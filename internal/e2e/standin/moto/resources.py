"""Resources of CloudFormation that moto lacks, or provisions in part.

They are put through the API of their service, so what a template says is
checked as a request would be.
"""

import json

import patches
from patches import patch
from stacks import Resource, provisions

FORGOTTEN = {}  # type -> what moto leaves out of it


def own(service, region):
    return patches.client(service, region)


def chosen(properties, *names):
    return {n: properties[n] for n in names if n in properties}


def function_name(reference):
    """Returns the name in a name, an ARN, or an ARN with a qualifier."""
    return reference.split(":function:")[-1].split(":")[0]


def numbers(value):
    """Returns value with text that is a number as one: templates may hold either."""
    if isinstance(value, dict):
        return {k: numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [numbers(v) for v in value]
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return int(value)
    return value


@provisions("AWS::CDK::Metadata", "AWS::Lambda::EventInvokeConfig", "AWS::Events::EventBusPolicy", "AWS::SecretsManager::ResourcePolicy", "AWS::Lambda::CodeSigningConfig")
class Accepted(Resource):
    """What is accepted and has no effect here."""


@provisions("AWS::S3::BucketPolicy")
class BucketPolicy(Resource):
    """Moto enforces bucket policies but ignores conditions, so one that denies
    what is not encrypted would lock everybody out: it is checked for form only."""

    def put(self, old=None):
        for statement in self.properties["PolicyDocument"]["Statement"]:
            if statement["Effect"] not in ("Allow", "Deny") or not statement["Action"]:
                raise RuntimeError("not a statement of a policy: %s" % json.dumps(statement))
        return self.properties["Bucket"]


@provisions("AWS::SQS::QueuePolicy")
class QueuePolicy(Resource):
    attributes = ("Id",)

    def put(self, old=None):
        self.values["Id"] = self.logical_id
        for url in self.properties["Queues"]:
            own("sqs", self.region).set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(self.properties["PolicyDocument"])})
        return self.logical_id


@provisions("AWS::SNS::TopicPolicy")
class TopicPolicy(Resource):
    attributes = ("Id",)

    def put(self, old=None):
        self.values["Id"] = self.logical_id
        for arn in self.properties["Topics"]:
            own("sns", self.region).set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(self.properties["PolicyDocument"]))
        return self.logical_id


@provisions("AWS::SNS::Subscription")
class Subscription(Resource):
    attributes = ("Arn",)

    def put(self, old=None):
        options = chosen(self.properties, "FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy")
        made = own("sns", self.region).subscribe(
            Attributes={k: v if isinstance(v, str) else json.dumps(v) for k, v in options.items()},
            ReturnSubscriptionArn=True,
            **chosen(self.properties, "TopicArn", "Protocol", "Endpoint"),
        )
        self.values["Arn"] = made["SubscriptionArn"]
        return self.values["Arn"]

    def remove(self):
        own("sns", self.region).unsubscribe(SubscriptionArn=self.physical_resource_id)


@provisions("AWS::Lambda::Url")
class Url(Resource):
    attributes = ("FunctionUrl", "FunctionArn")

    def put(self, old=None):
        options = chosen(self.properties, "Cors", "InvokeMode")
        call = own("lambda", self.region).update_function_url_config if old else own("lambda", self.region).create_function_url_config
        made = call(FunctionName=function_name(self.properties["TargetFunctionArn"]), AuthType=self.properties["AuthType"], **options)
        self.values = {"FunctionUrl": made["FunctionUrl"], "FunctionArn": made["FunctionArn"]}
        return made["FunctionArn"]

    def remove(self):
        own("lambda", self.region).delete_function_url_config(FunctionName=function_name(self.properties["TargetFunctionArn"]))


@provisions("AWS::Lambda::Permission")
class Permission(Resource):
    """Moto's own has no id and is neither changed nor removed."""

    attributes = ("Id",)

    def put(self, old=None):
        statement = self.stack.split("/")[1] + "-" + self.logical_id
        if old:
            old.remove()
        self.values["Id"] = statement
        own("lambda", self.region).add_permission(
            FunctionName=function_name(self.properties["FunctionName"]),
            StatementId=statement,
            **chosen(self.properties, "Action", "Principal", "SourceArn", "SourceAccount", "FunctionUrlAuthType", "EventSourceToken", "PrincipalOrgID"),
        )
        return statement

    def remove(self):
        own("lambda", self.region).remove_permission(FunctionName=function_name(self.properties["FunctionName"]), StatementId=self.physical_resource_id)


@provisions("AWS::Lambda::Version")
class Version(Resource):
    """Moto's own has no id."""

    attributes = ("Version", "FunctionArn")

    def put(self, old=None):
        made = own("lambda", self.region).publish_version(FunctionName=function_name(self.properties["FunctionName"]))
        self.values = {"Version": made["Version"], "FunctionArn": made["FunctionArn"]}
        return made["FunctionArn"]


@provisions("AWS::Lambda::Alias")
class Alias(Resource):
    attributes = ("AliasArn",)

    def put(self, old=None):
        call = own("lambda", self.region).update_alias if old else own("lambda", self.region).create_alias
        made = call(FunctionName=function_name(self.properties["FunctionName"]), Name=self.properties["Name"], FunctionVersion=str(self.properties["FunctionVersion"]))
        self.values["AliasArn"] = made["AliasArn"]
        return made["AliasArn"]


@provisions("AWS::CloudWatch::Alarm")
class Alarm(Resource):
    attributes = ("Arn",)

    def put(self, old=None):
        name = self.properties.get("AlarmName") or self.stack.split("/")[1] + "-" + self.logical_id
        watch = own("cloudwatch", self.region)
        watch.put_metric_alarm(
            AlarmName=name,
            **chosen(
                self.properties,
                *("ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator", "DatapointsToAlarm", "Dimensions", "EvaluationPeriods", "ExtendedStatistic"),
                *("InsufficientDataActions", "MetricName", "Metrics", "Namespace", "OKActions", "Period", "Statistic", "Threshold", "TreatMissingData", "Unit"),
            ),
        )
        self.values["Arn"] = watch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["AlarmArn"]
        return name

    def remove(self):
        own("cloudwatch", self.region).delete_alarms(AlarmNames=[self.physical_resource_id])


@provisions("AWS::SecretsManager::Secret")
class Secret(Resource):
    attributes = ("Id",)

    def put(self, old=None):
        options = chosen(self.properties, "Description", "KmsKeyId", "SecretString")
        secrets = own("secretsmanager", self.region)
        if old:
            secrets.update_secret(SecretId=old.physical_resource_id, **options)
            arn = old.physical_resource_id
        else:
            if "SecretString" not in options:
                options["SecretString"] = self._generated(secrets)
            arn = secrets.create_secret(Name=self.properties.get("Name") or self.logical_id, **options)["ARN"]
        self.values["Id"] = arn
        return arn

    def _generated(self, secrets):
        wish = self.properties.get("GenerateSecretString", {})
        options = chosen(wish, "ExcludeCharacters", "ExcludeLowercase", "ExcludeNumbers", "ExcludePunctuation", "ExcludeUppercase", "IncludeSpace", "PasswordLength", "RequireEachIncludedType")
        password = secrets.get_random_password(**options)["RandomPassword"]
        if "GenerateStringKey" not in wish:
            return password
        return json.dumps({**json.loads(wish.get("SecretStringTemplate", "{}")), wish["GenerateStringKey"]: password})

    def remove(self):
        own("secretsmanager", self.region).delete_secret(SecretId=self.physical_resource_id, ForceDeleteWithoutRecovery=True)


@provisions("AWS::CodeBuild::Project")
class Project(Resource):
    attributes = ("Arn",)

    def put(self, old=None):
        p, build = self.properties, own("codebuild", self.region)
        name = p.get("Name") or self.logical_id
        if old:
            self.values, call = old.values, build.update_project
        else:
            call = build.create_project
        made = call(
            name=name,
            source=_camel({"Type": "CODEPIPELINE", **p["Source"]}),
            artifacts=_camel(p["Artifacts"]),
            environment=_camel({"EnvironmentVariables": [], **p["Environment"]}),
            serviceRole=p["ServiceRole"],
        )
        self.values["Arn"] = made["project"]["arn"]
        return name

    def remove(self):
        own("codebuild", self.region).delete_project(name=self.physical_resource_id)


def _camel(value):
    if isinstance(value, dict):
        return {k[0].lower() + k[1:]: _camel(v) for k, v in value.items()}
    return [_camel(v) for v in value] if isinstance(value, list) else value


def forgotten(kind):
    """Makes the function that follows provision what moto leaves out of a type."""

    def listed(function):
        FORGOTTEN[kind] = function
        return function

    return listed


@forgotten("AWS::S3::Bucket")
def bucket(name, p, region):
    s3 = own("s3", region)
    if "VersioningConfiguration" in p:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=p["VersioningConfiguration"])
    if "LifecycleConfiguration" in p:
        s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [_lifecycle(r) for r in p["LifecycleConfiguration"]["Rules"]]})
    if "PublicAccessBlockConfiguration" in p:
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=p["PublicAccessBlockConfiguration"])
    if "EventBridgeConfiguration" in p.get("NotificationConfiguration", {}):
        s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})


def _lifecycle(rule):
    """Returns a rule as the API has it: a template has some of its parts flat."""
    r = {"Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}, **({"ID": rule["Id"]} if "Id" in rule else {})}
    if "ExpirationInDays" in rule:
        r["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "NoncurrentVersionExpiration" in rule:
        r["NoncurrentVersionExpiration"] = numbers(rule["NoncurrentVersionExpiration"])
    if "NoncurrentVersionExpirationInDays" in rule:
        r["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(rule["NoncurrentVersionExpirationInDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        r["AbortIncompleteMultipartUpload"] = numbers(rule["AbortIncompleteMultipartUpload"])
    if "Transitions" in rule:
        r["Transitions"] = [{"StorageClass": t["StorageClass"], "Days": int(t["TransitionInDays"])} for t in rule["Transitions"]]
    return r


@forgotten("AWS::DynamoDB::Table")
def table(name, p, region):
    from moto.dynamodb.models import dynamodb_backends

    tables = own("dynamodb", region)
    if "SSESpecification" in p:
        made = dynamodb_backends[patches.account()][region].get_table(name)
        made.sse_specification["Enabled"] = str(p["SSESpecification"].get("SSEEnabled")).lower() == "true"
    if p.get("TimeToLiveSpecification", {}).get("Enabled"):
        tables.update_time_to_live(TableName=name, TimeToLiveSpecification=p["TimeToLiveSpecification"])
    recovery = p.get("PointInTimeRecoverySpecification")
    if recovery:
        tables.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)


@forgotten("AWS::Lambda::Function")
def function(name, p, region):
    from moto.awslambda.models import lambda_backends

    made = lambda_backends[patches.account()][region].get_function(name)
    made.architectures = p.get("Architectures", ["x86_64"])
    made.tracing_config = p.get("TracingConfig", {"Mode": "PassThrough"})
    made.environment_vars = p.get("Environment", {}).get("Variables", {})


@patch("Buckets get versioning, lifecycle, public access block and EventBridge, tables expiry, recovery and encryption, functions architecture; moto's CloudFormation leaves these out.")
def forgotten_properties():
    import moto.cloudformation.parsing as parsing

    def then(call, class_of):
        def complete(cls, *args, **kwargs):
            made = call(*args, **kwargs)
            definition = kwargs.get("cloudformation_json") or args[1]
            region = kwargs.get("region_name") or args[3]
            FORGOTTEN[class_of](made.physical_resource_id, definition.get("Properties", {}), region)
            return made

        return classmethod(complete)

    for kind in FORGOTTEN:
        model = parsing.get_model_map()[kind]
        model.create_from_cloudformation_json = then(model.create_from_cloudformation_json, kind)
        if not hasattr(model.update_from_cloudformation_json, "__isabstractmethod__"):
            model.update_from_cloudformation_json = then(model.update_from_cloudformation_json, kind)


@patch("A reference to an event bus is its name; moto's has none.")
def bus_names():
    from moto.events.models import EventBus

    EventBus.physical_resource_id = property(lambda self: self.name)


@patch("Function URLs end with a slash, as Lambda's do.")
def url_slashes():
    from moto.awslambda.models import FunctionUrlConfig

    make = FunctionUrlConfig.__init__

    def with_slash(self, function, config):
        make(self, function, config)
        self.url += "/"

    FunctionUrlConfig.__init__ = with_slash


@patch("ECS: a service that is updated has a new deployment, of the new task definition, whose tasks all run at once")
def ecs_deployments():
    import moto.ecs.models as ecs

    update = ecs.EC2ContainerServiceBackend.update_service

    def updated(self, service_properties):
        service = update(self, service_properties)
        service.running_count, service.pending_count = service.desired_count, 0
        for deployment in service.deployments[:1]:
            deployment.update(
                id="ecs-svc/%d" % ecs.mock_random.randint(0, 32**12), taskDefinition=service.task_definition, rolloutState="COMPLETED",
                desiredCount=service.desired_count, runningCount=service.desired_count, pendingCount=0, createdAt=ecs.utcnow(), updatedAt=ecs.utcnow(),
            )
        return service

    ecs.EC2ContainerServiceBackend.update_service = updated

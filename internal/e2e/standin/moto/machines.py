"""Patches of Step Functions: state machines, their text, versions and starts."""

import copy
import datetime
import hashlib
import json
import threading
import uuid

import patches
from interpreter import announce
from patches import patch
from stacks import Resource, provisions

_starting = threading.RLock()


def backend(region):
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    return stepfunctions_parser_backends[patches.account()][region]


@patch("State machines run, those of CloudFormation too; moto keeps those apart and runs none unless told to.")
def machines_run():
    from moto.core.config import default_user_config
    import moto.stepfunctions.models as models
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    models.stepfunctions_backends = stepfunctions_parser_backends


@patch("Definition, DefinitionS3Location and DefinitionSubstitutions of a state machine; moto knows DefinitionString alone.")
def definitions():
    from moto.stepfunctions.models import StateMachine

    create = StateMachine.create_from_cloudformation_json.__func__
    update = StateMachine.update_from_cloudformation_json.__func__

    def create_defined(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
        return create(cls, resource_name, _defined(cloudformation_json, region_name), account_id, region_name, **kwargs)

    def update_defined(cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        return update(cls, original_resource, new_resource_name, _defined(cloudformation_json, region_name), account_id, region_name)

    StateMachine.create_from_cloudformation_json = classmethod(create_defined)
    StateMachine.update_from_cloudformation_json = classmethod(update_defined)


def _defined(cloudformation_json, region):
    p = cloudformation_json["Properties"]
    if "Definition" in p:
        text = json.dumps(p["Definition"])
    elif "DefinitionS3Location" in p:
        where = p["DefinitionS3Location"]
        version = {"VersionId": where["Version"]} if "Version" in where else {}
        text = patches.client("s3", region).get_object(Bucket=where["Bucket"], Key=where["Key"], **version)["Body"].read().decode()
    else:
        text = p["DefinitionString"]
    for name, value in p.get("DefinitionSubstitutions", {}).items():
        text = text.replace("${%s}" % name, str(value))
    return {**cloudformation_json, "Properties": {**p, "DefinitionString": text}}


@patch("A state machine has the attributes Arn and StateMachineRevisionId; the latter changes with text and role.")
def revisions():
    from moto.stepfunctions.models import StateMachine

    known, get = StateMachine.has_cfn_attr.__func__, StateMachine.get_cfn_attribute
    StateMachine.has_cfn_attr = classmethod(lambda cls, name: name in ("Arn", "StateMachineRevisionId") or known(cls, name))

    def attribute(self, name):
        if name == "Arn":
            return self.arn
        if name == "StateMachineRevisionId":
            return revision(self)
        return get(self, name)

    StateMachine.get_cfn_attribute = attribute


def revision(machine):
    digest = hashlib.sha256((machine.definition + machine.roleArn).encode()).hexdigest()
    return str(uuid.UUID(digest[:32]))


@provisions("AWS::StepFunctions::StateMachineVersion")
class StateMachineVersion(Resource):
    """The text of a machine as it is now. A change makes another version."""

    attributes = ("Arn",)

    def put(self, old=None):
        machine = backend(self.region).describe_state_machine(self.properties["StateMachineArn"])
        wanted = self.properties.get("StateMachineRevisionId")
        if wanted not in (None, "INITIAL", revision(machine)):
            raise RuntimeError("the revision of %s is %s, not %s" % (machine.arn, revision(machine), wanted))
        latest = machine.versions.get(machine.latest_version_number)
        if latest is None or revision(latest) != revision(machine):
            machine.publish(self.properties.get("Description"))
        self.values["Arn"] = machine.latest_version.arn
        return self.values["Arn"]

    def remove(self):
        machine, number = self.physical_resource_id.rsplit(":", 1)
        for m in backend(self.region).state_machines:
            if m.arn == machine:
                m.versions.pop(int(number), None)


@patch("Executions of a machine's version run its text and belong to the machine; names are made up, and two starts of one name are one execution.")
def starts():
    from moto.stepfunctions.models import StateMachineVersion as Version
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend
    from moto.stepfunctions.parser.backend.execution import Execution

    def start(self, state_machine_arn, name=None, execution_input=None, trace_header=None):
        from moto.stepfunctions.parser.api import InvalidExecutionInput

        name = name or str(uuid.uuid4())
        self._validate_name(name)
        given = execution_input or "{}"
        if patches.json_or(given, _start_failed) is _start_failed:
            raise InvalidExecutionInput("Invalid State Machine Execution Input: '%s'" % given)
        with _starting:
            wanted = self.describe_state_machine(state_machine_arn)
            machine = self.describe_state_machine(wanted.source_arn) if isinstance(wanted, Version) else wanted
            earlier = machine._handle_name_input_idempotency(name, given)
            if earlier is not None:
                return earlier
            text = copy.copy(machine)  # later changes of the machine are not this execution's
            text.definition, text.roleArn = wanted.definition, wanted.roleArn
            execution = Execution(
                name=name,
                sm_type=machine.sm_type,
                role_arn=text.roleArn,
                exec_arn="arn:%s:states:%s:%s:execution:%s:%s" % (self.partition, self.region_name, self.account_id, machine.name, name),
                account_id=self.account_id,
                region_name=self.region_name,
                state_machine=text,
                start_date=datetime.datetime.now(tz=datetime.timezone.utc),
                cloud_watch_logging_session=None,
                input_data=given,
                trace_header=trace_header,
                activity_store={},
            )
            execution.version_arn = wanted.arn if wanted is not machine else None
            machine.executions.append(execution)
            execution.start()
        announce(execution)
        return execution

    StepFunctionsParserBackend.start_execution = start


_start_failed = object()


@patch("Versions of a machine can be published, listed and deleted by the API.")
def version_operations():
    from moto.core.responses import ActionResult, EmptyResult
    from moto.stepfunctions.responses import StepFunctionResponse

    def publish(self):
        machine = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
        machine.publish(self._get_param("description"))
        return ActionResult({"stateMachineVersionArn": machine.latest_version.arn, "creationDate": machine.latest_version.creation_date})

    def listed(self):
        machine = self.stepfunction_backend.describe_state_machine(self._get_param("stateMachineArn"))
        versions = sorted(machine.versions.values(), key=lambda v: -v.version)
        return ActionResult({"stateMachineVersions": [{"stateMachineVersionArn": v.arn, "creationDate": v.creation_date} for v in versions]})

    def delete(self):
        machine, number = self._get_param("stateMachineVersionArn").rsplit(":", 1)
        self.stepfunction_backend.describe_state_machine(machine).versions.pop(int(number), None)
        return EmptyResult()

    StepFunctionResponse.publish_state_machine_version = publish
    StepFunctionResponse.list_state_machine_versions = listed
    StepFunctionResponse.delete_state_machine_version = delete


@patch("DescribeExecution gives the version that runs and when it timed out; moto leaves both out.")
def described():
    from moto.stepfunctions.responses import StepFunctionResponse

    describe = StepFunctionResponse.describe_execution

    def complete(self):
        result = describe(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if getattr(execution, "version_arn", None):
            result._result["stateMachineVersionArn"] = execution.version_arn
        if execution.stop_date is not None:
            result._result["stopDate"] = execution.stop_date
        return result

    StepFunctionResponse.describe_execution = complete

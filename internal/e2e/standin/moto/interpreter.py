"""Patches of Step Functions' interpreter: how executions run and end."""

import json
import threading

import patches
from patches import patch


def announce(execution):
    """Puts the change of an execution's status on the default bus."""
    from moto.events.models import events_backends

    ended = execution.stop_date
    detail = {
        "executionArn": execution.execution_arn,
        "stateMachineArn": execution.state_machine_arn,
        "stateMachineVersionArn": getattr(execution, "version_arn", None),
        "name": execution.name,
        "status": execution.status,
        "startDate": int(execution.start_date.timestamp() * 1000),
        "stopDate": int(ended.timestamp() * 1000) if ended else None,
        "input": execution.execution_input,
        "output": json.dumps(execution.output) if execution.status == "SUCCEEDED" else None,
        "error": execution.error,
        "cause": execution.cause,
    }
    patches.in_background(
        events_backends[execution.account_id][execution.region_name].put_events,
        [{"Source": "aws.states", "DetailType": "Step Functions Execution Status Change", "Resources": [execution.execution_arn], "Detail": json.dumps(detail)}],
    )


@patch("An execution that ends says so on the default bus, and its error and cause are those it was stopped with or timed out by.")
def ends():
    import moto.stepfunctions.parser.backend.execution as execution

    communication = execution.BaseExecutionWorkerCommunication
    reflect = communication._reflect_execution_status

    def reflect_and_tell(self):
        reflect(self)
        state = self.execution.exec_worker.env.program_state()
        if isinstance(state, execution.ProgramStopped):
            self.execution.error, self.execution.cause = state.error, state.cause
        if isinstance(state, execution.ProgramTimedOut):
            self.execution.error = "States.Timeout"
        announce(self.execution)

    communication._reflect_execution_status = reflect_and_tell


@patch("The interpreter calls in the name of the machine's role, with clients that are kept; moto makes one for each call, with key 'ak'.")
def callers():
    import sys

    import moto.stepfunctions.parser.asl.utils.boto_client as boto_client
    import moto.stepfunctions.parser.asl.parse.asl_parser  # noqa: F401; imports every task

    theirs = boto_client.boto_client_for

    def of_role(region, service, state_credentials=None):
        arn = getattr(state_credentials, "role_arn", None) or "unknown/states"
        return patches.client(service, region, arn.rsplit("/", 1)[-1])

    for module in list(sys.modules.values()):
        if getattr(module, "boto_client_for", None) is theirs:
            module.boto_client_for = of_role


@patch("A token answered, or beaten for, while its function still runs counts; with a heartbeat moto loses it.")
def early_answers():
    from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint

    setup, beat = CallbackEndpoint.setup_heartbeat_endpoint, CallbackEndpoint.notify_heartbeat

    def setup_and_look(self, heartbeat_seconds):
        endpoint = setup(self, heartbeat_seconds)
        if self._outcome is not None:
            endpoint.notify()
        return endpoint

    CallbackEndpoint.setup_heartbeat_endpoint = setup_and_look
    CallbackEndpoint.notify_heartbeat = lambda self: beat(self) or True


@patch("Errors of the interpreter have their names; moto crashes on most.")
def errors():
    from moto.core.exceptions import AWSError
    import moto.stepfunctions.parser.api as api

    def named(self, message=None, exception_type=None, status=None):
        AWSError.__init__(self, message or type(self).__name__, exception_type or type(self).__name__, status)

    for cls in list(vars(api).values()):
        if isinstance(cls, type) and issubclass(cls, AWSError) and cls is not AWSError:
            cls.__init__ = named


@patch("The first answer of a token counts and later ones get TaskTimedOut, as do those after a timeout or the end; moto takes the last one, or says InvalidToken.")
def late_answers():
    from moto.stepfunctions.parser.api import InvalidToken, TaskTimedOut
    from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint, CallbackPoolManager
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    notify, add, issued, answering = CallbackEndpoint.notify, CallbackPoolManager.add, set(), threading.Lock()

    def notify_once(self, outcome):
        with answering:
            if self._notify_event.is_set():  # by an answer, or because nobody waits any more
                raise TaskTimedOut()
            notify(self, outcome=outcome)

    def add_and_remember(self, callback_id):
        issued.add(callback_id)
        return add(self, callback_id)

    def too_late(call):
        def answer(self, task_token, *args, **kwargs):
            try:
                return call(self, task_token, *args, **kwargs)
            except InvalidToken:
                if task_token in issued:
                    raise TaskTimedOut()
                raise

        return answer

    CallbackEndpoint.notify = notify_once
    CallbackPoolManager.add = add_and_remember
    for name in ("send_task_success", "send_task_failure", "send_task_heartbeat"):
        setattr(StepFunctionsParserBackend, name, too_late(getattr(StepFunctionsParserBackend, name)))


@patch("Each try of a task has a token, which dies with the try; moto has one token for all tries of a visit, and a retry ends with the answer before.")
def tries():
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import StateTaskServiceCallback

    evaluate = StateTaskServiceCallback._evaluate_with_timeout

    def evaluate_with_token(self, env):
        if self.resource.condition != ResourceCondition.WaitForTaskToken:
            return evaluate(self, env)
        env.waits = env.callback_pool_manager.add(env.states.context_object.update_task_token())
        try:
            return evaluate(self, env)
        finally:
            env.waits.interrupt_all()

    StateTaskServiceCallback._evaluate_with_timeout = evaluate_with_token


@patch("An answer finds its task while other executions begin and machines go; moto fails then, or passes a machine over.")
def beginnings():
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    def begun(self, execution_status=None):
        all = [e for m in list(self.state_machines) for e in list(m.executions)]
        return [e for e in all if e.exec_worker and e.exec_worker.env and execution_status in (None, e.status)]

    StepFunctionsParserBackend._get_executions = begun


@patch("A path is parsed once, and the services are listed once; moto builds a parser for each value and looks into its folder for each request.")
def parsed_once():
    import functools
    import sys

    import jsonpath_ng.ext
    import moto.backends as backends
    import moto.stepfunctions.parser.asl.parse.asl_parser  # noqa: F401; imports who parses

    for module in list(sys.modules.values()):
        if module.__name__.startswith("moto.stepfunctions.") and getattr(module, "parse", None) in (jsonpath_ng.parse, jsonpath_ng.ext.parse):
            module.parse = functools.lru_cache(10000)(module.parse)
    listed = functools.cache(lambda: list(services()))
    services, backends.list_of_moto_modules = backends.list_of_moto_modules, listed


@patch("SendTaskFailure keeps its cause; moto drops it.")
def causes():
    from moto.core.responses import EmptyResult
    from moto.stepfunctions.responses import StepFunctionResponse

    def fail(self):
        self.stepfunction_backend.send_task_failure(self._get_param("taskToken"), error=self._get_param("error"), cause=self._get_param("cause"))
        return EmptyResult()

    StepFunctionResponse.send_task_failure = fail


@patch("StopExecution, and a failure in another branch, stop what waits for a token; error and cause of a stop are kept, and no later error replaces them.")
def stops():
    from moto.core.responses import ActionResult
    from moto.core.utils import utcnow
    import moto.stepfunctions.parser.asl.eval.environment as environment
    from moto.stepfunctions.responses import StepFunctionResponse

    def stop(self):
        execution, now = self.stepfunction_backend.describe_execution(self._get_param("executionArn")), utcnow()
        execution.stop(stop_date=now, error=self._get_param("error"), cause=self._get_param("cause"))
        return ActionResult({"stopDate": now})

    end, fail = environment.Environment.set_stop, environment.Environment.set_error

    def end_and_wake(self, stop_date, cause, error):
        end(self, stop_date=stop_date, cause=cause, error=error)
        if hasattr(self, "waits"):  # for a token; see tries
            self.waits.interrupt_all()

    def fail_unless_stopped(self, error):
        if not isinstance(self._program_state, environment.ProgramStopped):
            fail(self, error)

    StepFunctionResponse.stop_execution = stop
    environment.Environment.set_stop = end_and_wake
    environment.Environment.set_error = fail_unless_stopped


@patch("A missed heartbeat is States.HeartbeatTimeout; moto says States.Timeout.")
def heartbeats():
    import moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback as task
    from moto.stepfunctions.parser.api import TaskTimedOutEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
    from moto.stepfunctions.parser.asl.eval.callback.callback import HeartbeatTimeoutError

    name = task.StateTaskServiceCallback._from_error

    def named(self, env, ex):
        if not isinstance(ex, HeartbeatTimeoutError):
            return name(self, env, ex)
        details = TaskTimedOutEventDetails(resourceType=self._get_sfn_resource_type(), resource=self._get_sfn_resource(), error="States.HeartbeatTimeout", cause="")
        return task.FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=StatesErrorNameType.StatesHeartbeatTimeout),
            event_type=task.HistoryEventType.TaskTimedOut,
            event_details=task.EventDetails(taskTimedOutEventDetails=details),
        )

    task.StateTaskServiceCallback._from_error = named


@patch("A Fail state may end with an error named States.*; moto refuses the name.")
def error_names():
    import moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name as custom

    custom.CustomErrorName.__init__ = lambda self, error_name: custom.ErrorName.__init__(self, error_name=error_name)

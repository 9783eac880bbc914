"""moto_server with its Step Functions interpreter on, for TestContractOnMoto."""
from moto.core.config import default_user_config
from moto.stepfunctions.models import StepFunctionBackend
from moto.stepfunctions.parser.backend.execution import Execution

default_user_config["stepfunctions"] = {"execute_state_machine": True}

# moto copies a whole machine for every run, and stumbles over the locks of the
# runs before it. Without this a machine runs once.
Execution.__deepcopy__ = lambda self, memo: self
StepFunctionBackend.__deepcopy__ = lambda self, memo: self

if __name__ == "__main__":
    from moto.server import main
    main()

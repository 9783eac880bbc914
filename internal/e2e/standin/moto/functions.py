"""Patches of Lambda: code and invocations of functions."""

import hashlib
import os
import tempfile

from patches import invoke, patch


@patch("Functions are invoked by the front, which runs their code; moto would ask Docker.")
def invocations():
    from moto.awslambda.models import LambdaFunction

    def through_the_front(self, body, request_headers, response_headers):
        kind = (request_headers or {}).get("x-amz-invocation-type", "Event")
        answer, failure = invoke(self.function_name, body, kind)
        if failure and response_headers is not None:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer

    LambdaFunction.invoke = through_the_front


@patch("GetFunction leads to the code, as a file of this machine; moto's link leads nowhere.")
def code():
    from moto.awslambda.models import LambdaFunction

    folder, described = os.environ["STANDIN_FOLDER"], LambdaFunction.get_code

    def with_file(self):
        answer = described(self)
        data = getattr(self, "code_bytes", b"")
        if data and "Code" in answer:
            path = os.path.join(folder, hashlib.sha256(data).hexdigest() + ".zip")
            if not os.path.exists(path):
                with tempfile.NamedTemporaryFile(dir=folder, delete=False) as f:
                    f.write(data)
                os.rename(f.name, path)
            answer["Code"]["Location"] = "file://" + path
        return answer

    LambdaFunction.get_code = with_file

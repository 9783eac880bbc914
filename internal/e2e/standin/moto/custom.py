"""A patch of CloudFormation: resources that a function provisions."""

import http.server
import json
import threading
import uuid

from patches import invoke, json_or, patch
from stacks import Resource, provisions

_answers = {}  # by the last element of the ResponseURL


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        waiting = _answers.get(self.path[1:])
        if waiting:
            waiting.answer = json_or(body, {"Status": "FAILED", "Reason": "the answer is no JSON: %r" % body})
            waiting.set()
        self.send_response(200 if waiting else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@patch("Custom resources: their function is called through the front and answers to a listener here; FAILED fails the stack.")
def custom_resources():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    CustomResource.listener = "http://127.0.0.1:%d/" % server.server_port


@provisions("AWS::CloudFormation::CustomResource")
class CustomResource(Resource):
    """A resource that a function provisions."""

    attributes = None
    patience = 5  # seconds for an answer after the function returned
    listener = None

    def put(self, old=None):
        kind = "Update" if old else "Create"
        return self._ask(kind, old and old.physical_resource_id, old and old.properties)

    def remove(self):
        self._ask("Delete", self.physical_resource_id, None)

    def _ask(self, kind, physical_id, old_properties):
        answered, ticket = threading.Event(), uuid.uuid4().hex
        _answers[ticket] = answered
        request = {
            "RequestType": kind,
            "ResponseURL": self.listener + ticket,
            "StackId": self.stack,
            "RequestId": str(uuid.uuid4()),
            "LogicalResourceId": self.logical_id,
            "ResourceType": self.cf_resource_type,
            "ServiceToken": self.properties["ServiceToken"],
            "ResourceProperties": _as_text(self.properties),
        }
        if physical_id:
            request["PhysicalResourceId"] = physical_id
        if old_properties is not None:
            request["OldResourceProperties"] = _as_text(old_properties)
        _, failure = invoke(self.properties["ServiceToken"], json.dumps(request))
        if not answered.wait(self.patience):
            raise RuntimeError("%s: the function behind it gave no answer to %s: %s" % (self.logical_id, kind, failure or "it returned without"))
        del _answers[ticket]
        answer = answered.answer
        if answer.get("Status") != "SUCCESS":
            raise RuntimeError("Received response status [FAILED] from custom resource. Message returned: %s" % answer.get("Reason"))
        self.values = answer.get("Data") or {}
        return answer.get("PhysicalResourceId") or physical_id or ticket


def _as_text(value):
    """Returns value as CloudFormation hands it on: numbers and booleans are text."""
    if isinstance(value, dict):
        return {k: _as_text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_text(v) for v in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)

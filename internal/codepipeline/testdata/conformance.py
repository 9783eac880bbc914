"""Checks answers against the model that boto3 and the AWS CLI are made from.

Reads a JSON list of {name, operation, status, headers, body} on standard input
and prints a line for everything that a client would not expect.
"""

import json
import re
import sys

import botocore.parsers
import botocore.session

model = botocore.session.get_session().get_service_model("codepipeline")
parser = botocore.parsers.create_parser(model.metadata["protocol"])


def walk(shape, value, path):
    """Yields what is wrong with value, which should have shape."""
    kinds = {"structure": dict, "map": dict, "list": list, "string": str, "boolean": bool, "integer": int, "timestamp": (int, float)}
    if value is None or not isinstance(value, kinds[shape.type_name]) or shape.type_name == "integer" and isinstance(value, bool):
        yield f"{path}: {value!r} is no {shape.type_name}"
    elif shape.type_name == "structure":
        yield from (f"{path}.{name}: missing" for name in shape.required_members if name not in value)
        for name, member in value.items():
            if name in shape.members:
                yield from walk(shape.members[name], member, f"{path}.{name}")
            else:
                yield f"{path}.{name}: not a member"
    elif shape.type_name == "list":
        for i, entry in enumerate(value):
            yield from walk(shape.member, entry, f"{path}[{i}]")
    elif shape.type_name == "map":
        for key, entry in value.items():
            yield from walk(shape.key, key, f"{path} key")
            yield from walk(shape.value, entry, f"{path}[{key}]")
    elif shape.type_name == "string":
        rules = shape.metadata
        if not rules.get("min", 0) <= len(value) <= rules.get("max", len(value)):
            yield f"{path}: {value!r} has {len(value)} characters"
        if "enum" in rules and value not in rules["enum"]:
            yield f"{path}: {value!r} is none of {rules['enum']}"
        if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
            yield f"{path}: {value!r} does not match {rules['pattern']}"


# Exceptions that every service has, and no model.
common = {"ValidationException", "SerializationException", "UnknownOperationException", "InternalFailure", "ServiceUnavailable"}


def check(answer):
    body = answer["body"]
    if answer["operation"] not in model.operation_names:
        return
    operation = model.operation_model(answer["operation"])
    raw = {"status_code": answer["status"], "headers": answer["headers"], "body": body.encode()}
    parsed = parser.parse(raw, operation.output_shape)
    if answer["headers"]["x-amzn-requestid"] != parsed["ResponseMetadata"]["RequestId"]:
        yield "the request id is lost"
    if answer["status"] != 200:
        sent = json.loads(body)
        if parsed["Error"]["Code"] != sent["__type"] or parsed["Error"]["Message"] != sent["message"]:
            yield f"parsed as {parsed['Error']}"
        modelled = {shape.name for shape in operation.error_shapes}
        if sent["__type"] not in modelled | common:
            yield f"{sent['__type']} is none of {sorted(modelled)}"
    elif operation.output_shape is None:
        if body:
            yield f"{body!r} should be empty"
    else:
        yield from walk(operation.output_shape, json.loads(body), "")


for answer in json.load(sys.stdin):
    for problem in check(answer):
        print(f"{answer['name']}: {problem}")

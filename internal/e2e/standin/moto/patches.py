"""The list of what of moto is mended, and what the patches share.

A patch is a function with the decorator @patch: its one line says what of moto
it mends. `serve.py --patches` prints the list, which docs/conformance.md holds.
"""

import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request

PATCHES = []


def patch(mends):
    """Lists the function that follows as a patch; apply calls it before moto serves."""

    def listed(function):
        PATCHES.append((function.__name__, mends, function))
        return function

    return listed


def apply():
    for _, _, function in PATCHES:
        function()


# The front passes all requests on to moto but for Lambda's. Moto calls it at
# the port of this variable too.
def front():
    return "http://127.0.0.1:" + os.environ["MOTO_PORT"]


def account():
    from moto.core import DEFAULT_ACCOUNT_ID

    return DEFAULT_ACCOUNT_ID


_clients = {}
_making = threading.Lock()


def client(service, region, principal="service"):
    """Returns a client that calls through the front in the name of principal.

    Clients are kept: making one takes longer than most calls.
    """
    import boto3
    from botocore.config import Config

    key = (service, region, principal)
    with _making:
        if key not in _clients:
            _clients[key] = boto3.client(
                service,
                region_name=region,
                endpoint_url=front(),
                aws_access_key_id="standin." + principal,
                aws_secret_access_key="standin",
                config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, connect_timeout=900, read_timeout=900, max_pool_connections=64, s3={"addressing_style": "path"}),
            )
        return _clients[key]


def invoke(function, payload, kind="RequestResponse", source=""):
    """Invokes a function and returns its answer and what went wrong, if anything.

    source is the ARN of the stream or queue that a mapping reads for the function.
    """
    request = urllib.request.Request(
        front() + "/2015-03-31/functions/%s/invocations" % urllib.parse.quote(function, safe=""),
        data=payload.encode() if isinstance(payload, str) else payload,
        headers={
            "Content-Type": "application/json",
            "X-Amz-Invocation-Type": kind,
            "X-Standin-Source": source,
            "Authorization": "AWS4-HMAC-SHA256 Credential=standin.service/20260101/none/lambda/aws4_request, SignedHeaders=host, Signature=none",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=900) as answer:
            body = answer.read()
            return body, body.decode() if answer.headers.get("X-Amz-Function-Error") else None
    except urllib.error.HTTPError as e:
        return b"", e.read().decode()


def json_or(text, otherwise=None):
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


def in_background(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()

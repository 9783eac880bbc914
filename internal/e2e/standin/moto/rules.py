"""Patches of what EventBridge and SNS deliver."""

import datetime
import json
import uuid

import patches
from patches import account, invoke, patch


@patch("Rules that are enabled deliver to functions, state machines, queues and topics, with Input, InputPath and InputTransformer; moto knows queues alone.")
def rules():
    from moto.events.models import Rule

    theirs = Rule.send_to_targets

    def deliver(self, original_event, transform_input=True):
        if self.state != "ENABLED" or not self.event_pattern.get_pattern() or not self.event_pattern.matches_event(original_event):
            return
        event = {k: v for k, v in original_event.items() if k != "ingestion-time"}
        if not isinstance(event["time"], str):
            event["time"] = datetime.datetime.fromtimestamp(float(event["time"]), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        ours = [t for t in self.targets if t["Arn"].split(":")[2] in ("lambda", "states", "sqs", "sns")]
        for target in ours:
            patches.in_background(_deliver, target, shaped(target, event, self), self)
        others = [t for t in self.targets if t not in ours]
        if others:
            theirs(_Other(self, others), original_event, transform_input)

    Rule.send_to_targets = deliver


class _Other:
    """A rule with those targets that moto delivers to itself."""

    def __init__(self, rule, targets):
        self.rule, self.targets = rule, targets

    def __getattr__(self, name):
        return getattr(self.rule, name)


def _deliver(target, body, rule):
    try:
        send(target["Arn"], body)
    except Exception as e:
        print("rule %s, target %s: %r" % (rule.name, target["Arn"], e), flush=True)


def send(arn, body, principal="service"):
    """Sends body to a function, machine, queue or topic, in the name of principal."""
    service, region = arn.split(":")[2:4]
    if service == "lambda":
        invoke(arn, body, "Event")
    elif service == "states":
        patches.client("stepfunctions", region, principal).start_execution(stateMachineArn=arn, name=str(uuid.uuid4()), input=body)
    elif service == "sqs":
        patches.client("sqs", region, principal).send_message(QueueUrl="%s/%s/%s" % (patches.front(), account(), arn.split(":")[5]), MessageBody=body)
    elif service == "sns":
        patches.client("sns", region, principal).publish(TopicArn=arn, Message=body)
    else:
        raise RuntimeError("nothing is delivered to %s here" % arn)


def shaped(target, event, rule):
    """Returns what a target gets of an event, as text."""
    if target.get("Input") is not None:
        return target["Input"]
    if target.get("InputPath"):
        return json.dumps(at(event, target["InputPath"]))
    shape = target.get("InputTransformer")
    if not shape:
        return json.dumps(event)
    values = {name: at(event, path) for name, path in (shape.get("InputPathsMap") or {}).items()}
    values.update({"aws.events.rule-arn": rule.arn, "aws.events.rule-name": rule.name, "aws.events.event.json": event, "aws.events.event": event})
    return fill(shape["InputTemplate"], values)


def at(event, path):
    """Returns what a path such as $.detail.state or $.resources[0] leads to, or None."""
    found = event
    for step in path.lstrip("$").replace("[", ".[").split("."):
        if not step:
            continue
        try:
            found = found[int(step[1:-1])] if step.startswith("[") else found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def fill(template, values):
    """Puts values in the places of <name>: as JSON, but inside quotes as text."""
    out, i, quoted = [], 0, False
    while i < len(template):
        end = template.find(">", i)
        name = template[i + 1 : end] if template[i] == "<" and end > 0 else None
        if name in values:
            value = values[name]
            text = value if isinstance(value, str) else json.dumps(value)
            out.append(json.dumps(text)[1:-1] if quoted else json.dumps(value))
            i = end + 1
            continue
        if template[i] == "\\" and quoted:
            out.append(template[i : i + 2])
            i += 2
            continue
        quoted ^= template[i] == '"'
        out.append(template[i])
        i += 1
    return "".join(out)


@patch("A topic's notices reach functions with their topic and in the background; moto writes 'EXAMPLE' into them.")
def notices():
    from moto.sns.models import Subscription

    publish = Subscription.publish

    def to_functions_too(self, message, message_id, subject=None, message_attributes=None, **kwargs):
        if self.protocol != "lambda":
            return publish(self, message, message_id, subject=subject, message_attributes=message_attributes, **kwargs)
        if self._filter_policy_matcher is not None and not self._filter_policy_matcher.matches(message_attributes, message):
            return None
        notice = {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": self.topic.arn,
            "Subject": subject,
            "Message": message,
            "Timestamp": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "MessageAttributes": {k: {"Type": v["Type"], "Value": v["Value"]} for k, v in (message_attributes or {}).items()},
        }
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": self.arn, "Sns": notice}
        patches.in_background(invoke, self.endpoint, json.dumps({"Records": [record]}), "Event")

    Subscription.publish = to_functions_too


@patch("S3: each event that a bucket sends to EventBridge has an id of its own")
def object_events():
    import moto.events.utils as utils

    class Fresh(dict):
        def __deepcopy__(self, memo):
            return dict(self, id=str(uuid.uuid4()), resources=[], detail={})

    utils._BASE_EVENT_MESSAGE = Fresh(utils._BASE_EVENT_MESSAGE)

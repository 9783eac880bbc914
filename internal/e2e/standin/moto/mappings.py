"""A patch of Lambda: what streams and queues deliver to functions."""

import base64
import json
import threading
import time

from patches import account, invoke, json_or, patch
from rules import send

# How long a failed delivery waits; AWS waits longer, up to a queue's timeout.
PAUSE = 0.2


def matches(pattern, value):
    """Reports whether an event or record matches a pattern of EventBridge."""
    from moto.events.models import EventPattern

    return EventPattern(None, pattern).matches_event(value)


class Mapping:
    """Delivers what arrives in a stream or queue to a function, in order.

    A subclass says what is there next, and what an answer of the function does.
    """

    def __init__(self, mapping):
        self.mapping, self.arrived, self.ended = mapping, threading.Event(), False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.ended:
            self.arrived.wait(PAUSE)
            self.arrived.clear()
            try:
                while not self.ended and self.mapping.enabled and self.deliver():
                    pass
            except Exception as e:
                print("mapping %s: %r" % (self.mapping.event_source_arn, e), flush=True)

    def deliver(self):
        """Delivers one batch and reports whether there may be more at once."""
        raise NotImplementedError

    def wanted(self, record):
        filters = (self.mapping.filter_criteria or {}).get("Filters") or []
        patterns = [json_or(f["Pattern"], {}) if isinstance(f["Pattern"], str) else f["Pattern"] for f in filters]
        return not patterns or any(matches(p, record) for p in patterns)

    def call(self, records):
        """Invokes the function; returns the ids it failed, or None if it failed itself."""
        answer, failure = invoke(self.mapping.function_arn, json.dumps({"Records": records}), source=self.mapping.event_source_arn)
        if failure is not None:
            return None
        if "ReportBatchItemFailures" not in (self.mapping.function_response_types or []):
            return []
        answer = json_or(answer) or {}
        return [f.get("itemIdentifier") for f in answer.get("batchItemFailures") or []]


class Stream(Mapping):
    """The stream of a table. What fails is tried again, and nothing after it
    before it is through or was given up."""

    def __init__(self, mapping, shard):
        self.shard, self.tries, self.limit = shard, 0, None
        self.position = len(shard.items) if mapping.starting_position == "LATEST" else 0
        super().__init__(mapping)

    def deliver(self):
        batch = self.shard.items[self.position : self.position + int(self.limit or self.mapping.batch_size)]
        records = [_stream_record(item, self.mapping) for item in batch]
        chosen = [r for r in records if self.wanted(r)]
        failed = self.call(chosen) if chosen else []
        if failed == []:
            self.advance(len(batch))
            return len(batch) > 0
        self.retry(records, chosen, failed)
        return True

    def advance(self, count):
        self.position, self.tries, self.limit = self.position + count, 0, None

    def retry(self, records, chosen, failed):
        numbers = [r["dynamodb"]["SequenceNumber"] for r in records]
        known = [numbers.index(f) for f in failed or [] if f in numbers]
        if known and min(known) > 0:
            self.advance(min(known))
        self.tries += 1
        attempts = self.mapping.max_retry_attempts
        if attempts is not None and int(attempts) >= 0 and self.tries > int(attempts):
            self.give_up(records[min(known, default=0) :])
            return
        if failed is None and str(self.mapping.bisect_on_error).lower() == "true" and len(records) > 1:
            self.limit = len(records) // 2
        time.sleep(PAUSE)

    def give_up(self, records):
        """Leaves out what fails for good and tells the destination of failures."""
        where = ((self.mapping.destination_config or {}).get("OnFailure") or {}).get("Destination")
        if where:
            numbers = [r["dynamodb"]["SequenceNumber"] for r in records]
            notice = {
                "requestContext": {"functionArn": self.mapping.function_arn, "condition": "RetryAttemptsExhausted", "approximateInvokeCount": self.tries},
                "DDBStreamBatchInfo": {"streamArn": self.mapping.event_source_arn, "startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1], "batchSize": len(records)},
            }
            send(where, json.dumps(notice), principal=self.mapping.function_arn.split(":")[6])
        self.advance(len(records))


def _stream_record(item, mapping):
    record = json.loads(json.dumps(item.to_json(), default=_plain))
    return {**record, "awsRegion": mapping.region, "eventSourceARN": mapping.event_source_arn}


def _plain(value):
    """Returns a time or a binary attribute as a record has it."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value.timestamp()


class Queue(Mapping):
    """A queue. What fails is seen again until the queue's redrive policy ends it."""

    def __init__(self, mapping, queue):
        self.queue = queue
        super().__init__(mapping)

    def deliver(self):
        from moto.sqs.models import sqs_backends

        backend = sqs_backends[account()][self.mapping.region]
        messages = backend.receive_message(self.queue.name, min(int(self.mapping.batch_size), 10), 0, int(self.queue.visibility_timeout))
        records = [_message_record(m, self.mapping) for m in messages]
        chosen = [r for r in records if self.wanted({**r, "body": json_or(r["body"], r["body"])})]
        failed = self.call(chosen) if chosen else []
        if failed is None or any(f not in [r["messageId"] for r in chosen] for f in failed):
            failed = [r["messageId"] for r in chosen]
        for message in messages:
            if message.id not in failed:
                backend.delete_message(self.queue.name, message.receipt_handle)
        if failed:
            time.sleep(PAUSE)
        for message in messages:
            if message.id in failed:
                backend.change_message_visibility(self.queue.name, message.receipt_handle, visibility_timeout=0)
        return len(messages) > 0


def _message_record(message, mapping):
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(int(message.sent_timestamp or 0)),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(int(message.approximate_first_receive_timestamp or 0)),
        },
        "messageAttributes": {},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": mapping.event_source_arn,
        "awsRegion": mapping.region,
    }


@patch("Mappings of streams and queues deliver in the background, with filters, partial answers, retries, bisection and a place for what fails; moto delivers one by one inside the write.")
def mappings():
    from moto.awslambda.models import LambdaBackend
    from moto.dynamodb.models import dynamodb_backends
    from moto.dynamodb.models.table import StreamShard
    from moto.sqs.models import Queue as SQSQueue
    from moto.sqs.models import sqs_backends

    running = {}  # by the id of the mapping
    create, delete = LambdaBackend.create_event_source_mapping, LambdaBackend.delete_event_source_mapping
    write, send_to_queue = StreamShard.add, SQSQueue.add_message

    def create_and_run(self, spec):
        spec = {**spec, "Enabled": str(spec.get("Enabled", True)).lower() == "true"}
        made = create(self, spec)
        for table in dynamodb_backends[account()][made.region].tables.values():
            if table.lambda_event_source_mappings.pop(made.function_arn, None):  # moto would deliver too
                running[made.uuid] = Stream(made, table.stream_shard)
        for queue in sqs_backends[account()][made.region].queues.values():
            if queue.lambda_event_source_mappings.pop(made.function_arn, None):
                running[made.uuid] = Queue(made, queue)
                running[made.uuid].arrived.set()
        return made

    def delete_and_end(self, uuid):
        if uuid in running:
            running.pop(uuid).ended = True
        return delete(self, uuid)

    def write_and_wake(self, old, new):
        write(self, old, new)
        for m in list(running.values()):
            if getattr(m, "shard", None) is self:
                m.arrived.set()

    def send_and_wake(self, message):
        send_to_queue(self, message)
        for m in list(running.values()):
            if getattr(m, "queue", None) is self:
                m.arrived.set()

    LambdaBackend.create_event_source_mapping = create_and_run
    LambdaBackend.delete_event_source_mapping = delete_and_end
    StreamShard.add = write_and_wake
    SQSQueue.add_message = send_and_wake

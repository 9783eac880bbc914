"""Patches of DynamoDB: single items and transactions are atomic."""

import copy
import threading

from patches import patch

# One lock for all tables: what is proved here is never how writes meet.
_writing = threading.RLock()


class _Held:
    """A shard that keeps records until their transaction is through."""

    def __init__(self, shard):
        self.shard, self.records = shard, []

    def add(self, old, new):
        self.records.append((old, copy.deepcopy(new)))

    def release(self):
        for old, new in self.records:
            self.shard.add(old, new)


@patch("Writes of one item run one after the other; stock moto lets two conditional writes win.")
def isolated_writes():
    from moto.dynamodb.models import DynamoDBBackend

    def locked(name):
        write = getattr(DynamoDBBackend, name)

        def one_at_a_time(self, *args, **kwargs):
            with _writing:
                return write(self, *args, **kwargs)

        setattr(DynamoDBBackend, name, one_at_a_time)

    for name in ("put_item", "update_item", "delete_item", "get_item", "query", "scan"):
        locked(name)


@patch("UpdateItem of an item that is not there is one INSERT in the stream; moto streams another before, of the bare key.")
def streamed_updates():
    from moto.dynamodb.models import DynamoDBBackend

    update = DynamoDBBackend.update_item

    def update_and_stream_once(self, table_name, *args, **kwargs):
        with _writing:
            table = self.tables.get(table_name.split("/")[-1])
            if table is None or table.stream_shard is None:
                return update(self, table_name, *args, **kwargs)
            shard, held = table.stream_shard, _Held(table.stream_shard)
            table.stream_shard = held
            try:
                item = update(self, table_name, *args, **kwargs)
            finally:
                table.stream_shard = shard
            shard.add(*held.records[-1])
            return item

    DynamoDBBackend.update_item = update_and_stream_once


@patch("TransactWriteItems is atomic, restores items instead of copies of whole tables, and streams nothing that was rolled back.")
def transactions():
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import Table

    write = DynamoDBBackend.transact_write_items
    Table.__deepcopy__ = lambda self, memo: self  # the copy that moto makes before

    def transact(self, items):
        with _writing:
            before, held = _remember(self, items), {}
            for table, _, _, _ in before:
                if table.stream_shard is not None and table.name not in held:
                    held[table.name] = (table, _Held(table.stream_shard))
                    table.stream_shard = held[table.name][1]
            try:
                result = write(self, items)
            except Exception:
                _restore(before)
                raise
            finally:
                for table, shard in held.values():
                    table.stream_shard = shard.shard
            for _, shard in held.values():
                shard.release()
            return result

    DynamoDBBackend.transact_write_items = transact


def _remember(backend, items):
    """Returns table, keys and a copy of every item that the transaction touches."""
    from moto.dynamodb.models import DynamoType

    before = []
    for item in items:
        operation = next(iter(item.values()))
        table = backend.tables.get((operation.get("TableName") or "").split("/")[-1])
        if table is None:
            continue  # moto refuses it
        keys = operation.get("Key") or operation.get("Item")
        if table.hash_key_attr not in keys or table.range_key_attr and table.range_key_attr not in keys:
            continue
        pk = DynamoType(keys[table.hash_key_attr])
        sk = DynamoType(keys[table.range_key_attr]) if table.range_key_attr else None
        before.append((table, pk, sk, copy.deepcopy(table.get_item(pk, sk))))
    return before


def _restore(before):
    for table, pk, sk, item in before:
        where, key = (table.items, pk) if sk is None else (table.items[pk], sk)
        if item is None:
            where.pop(key, None)
        else:
            where[key] = item

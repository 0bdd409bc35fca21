"""A call's row as an item of a DynamoDB table.

``v`` names the write that left it so. A write is made on the condition that ``v`` is what was read; one that fails although ``v`` is
the name of that very write has succeeded before, and only its answer was lost.
"""

import hashlib
import zlib
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from calls.caller_identity import identity_of
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.base import StoreError
from calls.store.call_row import CallRow
from calls.store.dynamodb_events import partition
from calls.store.dynamodb_schema import GSI1, GSI2, GSI3, PK, SK, TTL, Index
from calls.store.dynamodb_values import Item
from calls.store.dynamodb_writes import ABSENT, Put, when
from calls.store.retention import Keeps

ROW = "CALL"
"""The sort key of a call's row, in the call's partition."""

LIVE, OVER = "LIVE", "OVER"
"""Partitions of the indexes, alone or with a business behind: calls that go on, and calls that have ended."""

SLACK = timedelta(days=7)
"""How much longer than that TTL leaves them: deleting is done by those who know what else belongs to a call."""

LONGEST_LINE = 100_000
"""Characters of ``last_line`` that are kept: a row has to fit into an item, which is 400 KB (Amazon DynamoDB, *Quotas*)."""

_LONG = 100_000  # bytes of a record that are worth compressing
_LONG_KEY = 1000  # a partition key is 2048 bytes at most (Amazon DynamoDB, *Quotas*)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(CallRecord)


class StoredRow(NamedTuple):
    """A row and the name of the write that left it so."""

    row: CallRow
    version: str
    ttl: int | None = None
    """When it may be deleted without being asked for; its events go by the same clock."""


def read_row(item: Item | None) -> StoredRow | None:
    """A row out of its item.

    Raises:
        StoreError: it was written by another version.
    """
    if item is None:
        return None
    row = CallRow(read_record(item), item["attempt"], item["issued_at_s"], item.get("used"))
    return StoredRow(row, item["v"], item.get(TTL))


def read_record(item: Item) -> CallRecord:
    """The record alone. Raises as :func:`read_row` does."""
    try:
        return _decoder.decode(zlib.decompress(item["packed"]) if "packed" in item else item["record"])
    except msgspec.MsgspecError as error:
        raise StoreError(f"the call store holds a record this version of Frontdesk cannot read: {error}") from None


def row_put(stored: StoredRow | None, row: CallRow, version: str, ttl: int | None) -> Put:
    """Writes a row in the place of what was read, ``None`` if there was none."""
    condition = ABSENT if stored is None else when("#v = :was", was=stored.version)
    return Put(_item(row, version, ttl), condition)


def storable(row: CallRow) -> CallRow:
    """The row as an item holds it: of what was said last as much as anybody looks at. The event has all of it."""
    line = row.record.last_line
    return row if line is None or len(line) <= LONGEST_LINE else row.changed(last_line=line[:LONGEST_LINE])


def row_key(call_sid: CallSid) -> tuple[str, str]:
    """Where a call's row is."""
    return partition(call_sid), ROW


def ttl_of(record: CallRecord, keeps: Keeps) -> int | None:
    """When a call may be deleted although nobody has done it."""
    kept = keeps(record.business_id)
    return None if kept is None else int((datetime.fromisoformat(record.started_at) + kept + SLACK).timestamp())


def caller_partition(caller: str) -> str:
    """The partition of the index by caller; ``caller`` as :func:`calls.caller_identity.identity_of` has it."""
    return f"CALLER#{caller if len(caller.encode()) <= _LONG_KEY else hashlib.sha256(caller.encode()).hexdigest()}"


def partitions_of(business_id: BusinessId | None) -> tuple[Index, str]:
    """The index that lists a business's calls, or everybody's, and what follows ``LIVE`` and ``OVER`` in it."""
    return (GSI3, "") if business_id is None else (GSI1, f"#{business_id}")


def _item(row: CallRow, version: str, ttl: int | None) -> Item:
    record = row.record
    item: dict[str, Any] = {PK: partition(record.call_sid), SK: ROW, "v": version}
    item |= {"attempt": row.attempt, "issued_at_s": row.issued_at_s}
    if row.used is not None:
        item["used"] = row.used
    if ttl is not None:
        item[TTL] = ttl
    encoded = _encoder.encode(record)
    item |= {"packed": zlib.compress(encoded)} if len(encoded) > _LONG else {"record": encoded.decode()}
    return item | _places(record)


def _places(record: CallRecord) -> dict[str, str]:
    """Where the indexes list it."""
    at = f"{record.started_at}#{record.call_sid}"
    life = OVER if record.ended else LIVE
    places = {GSI1.pk: f"{life}#{record.business_id}", GSI1.sk: at, GSI3.pk: life, GSI3.sk: at}
    caller = identity_of(record.from_)
    if caller is not None:
        places |= {GSI2.pk: caller_partition(caller), GSI2.sk: at}
    return places

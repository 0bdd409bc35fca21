"""A call's events as items of a DynamoDB table: one item for all that were written together.

A partition of the call holds its row and, under ``EVENTS#<the last seq in it>#<part>``, its events. What is too long for an item is
compressed and goes into several parts; a reader that does not find all of them takes the batch for not yet written.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

import msgspec

from calls.events import AnyEvent, CallEvent, encode_body, parse_timestamp, timestamp
from calls.ids import CallSid
from calls.store.dynamodb_schema import PK, SK, TTL
from calls.store.dynamodb_values import Item

PART_BYTES = 300_000
"""Of an item's 400 KB (Amazon DynamoDB, *Quotas*)."""

_PREFIX = "EVENTS#"
_LAST_SK = f"{_PREFIX}~"
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(list[tuple[int, str, AnyEvent]])


def partition(call_sid: CallSid) -> str:
    """The partition of everything that goes with a call."""
    return f"CALL#{call_sid}"


def keys_after(seq: int) -> tuple[str, str]:
    """The first and last sort key of the items in which there may be events after ``seq``."""
    return _sk(seq + 1), _LAST_SK


def items_of(events: Sequence[CallEvent], ttl: int | None = None) -> list[Item]:
    """The items of events of one call that are written together, and how long they last at most."""
    lines = [(event.seq, timestamp(event.at), msgspec.Raw(encode_body(event.body))) for event in events]
    text = _encoder.encode(lines)
    key: Item = {PK: partition(events[0].call_sid), **({} if ttl is None else {TTL: ttl})}
    sk = _sk(events[-1].seq)
    if len(text) <= PART_BYTES:
        return [{**key, SK: f"{sk}#00", "events": text.decode()}]
    packed = zlib.compress(text)
    parts = [packed[first : first + PART_BYTES] for first in range(0, len(packed), PART_BYTES)]
    return [{**key, SK: f"{sk}#{number:02d}", "packed": part, "parts": len(parts)} for number, part in enumerate(parts)]


def events_in(call_sid: CallSid, items: Iterable[Item], after: int) -> list[CallEvent]:
    """The events after ``after``, in order.

    Raises:
        msgspec.MsgspecError: they were written by another version.
    """
    return [
        CallEvent(call_sid, seq, parse_timestamp(at), body)
        for text in _texts(items)
        for seq, at, body in _decoder.decode(text)
        if seq > after
    ]


def _texts(items: Iterable[Item]) -> Iterator[str | bytes]:
    for _, group in groupby(items, key=lambda item: str(item[SK]).rpartition("#")[0]):
        parts = list(group)
        if "events" in parts[0]:
            yield parts[0]["events"]
        elif len(parts) == parts[0]["parts"]:
            yield zlib.decompress(b"".join(part["packed"] for part in parts))
        else:
            return


def _sk(seq: int) -> str:
    return f"{_PREFIX}{seq:010d}"

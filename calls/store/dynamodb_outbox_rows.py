"""The rows of the outbox in DynamoDB: how they are written, and where they are found.

A row is kept with its call, and goes with it. It is also in an index, by business and by the time at which it is worth looking at:
when it is due; when the row before it is; when the lease of whoever has it runs out. That place is a hint and may be wrong; whether a
row may be taken is read from the rows of its call. Dead rows have a place of their own.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from calls.events import CallEvent, timestamp
from calls.ids import BusinessId, CallSid
from calls.outbox import GIVE_UP_AFTER, Wants, key_of
from calls.store.base import StoreError
from calls.store.dynamodb_events import partition
from calls.store.dynamodb_schema import GSI3, TTL
from calls.store.dynamodb_table import DynamoTable, Item, Put, Update
from calls.store.dynamodb_writes import when
from calls.store.outbox import Queued, State

WAITING, DEAD = "OUTBOX", "OUTBOX#DEAD"
"""The partitions of the index."""

_LEASED, _DUE = "A", "B"
# A business's rows that are handed out come before those that wait, so that both are seen at once.

_LAST = "\U0010ffff"
_PAGE = 64


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it is stored."""

    call_sid: CallSid
    seq: int
    business_id: BusinessId
    kind: str
    at: str
    due_ms: int
    give_up_ms: int
    dead: bool = False
    attempts: int = 0
    leased_by: str | None = None
    leased_until_ms: int = 0
    last_error: str | None = None
    mark: str = ""
    """Of the write that left it so: random, each time another."""

    @property
    def queued(self) -> Queued:
        """As people look at it."""
        return Queued(
            id=key_of(self.call_sid, self.seq),
            business_id=self.business_id,
            kind=self.kind,
            state="dead" if self.dead else "waiting",
            attempts=self.attempts,
            next_try_at=None if self.dead else timestamp(moment(self.due_ms)),
            give_up_at=timestamp(moment(self.give_up_ms)),
            last_error=self.last_error,
        )


class Place(NamedTuple):
    """A waiting row, as far as the index shows it."""

    business_id: BusinessId
    is_leased: bool
    at_ms: int
    call_sid: CallSid
    seq: int


def rows_for(
    events: Iterable[CallEvent], business_of: Mapping[CallSid, BusinessId], wants: Wants, ttl: int | None = None
) -> list[Put]:
    """The rows of those events that their business wants, for the transaction that stores the events. ``ttl``: that of the call's other
    items."""
    wanted = (event for event in events if wants(business_of[event.call_sid], event.kind))
    return [Put(_item(new_row(event, business_of[event.call_sid]), ttl)) for event in wanted]


def new_row(event: CallEvent, business_id: BusinessId) -> Row:
    """An event that is to be posted at once."""
    return Row(
        call_sid=event.call_sid,
        seq=event.seq,
        business_id=business_id,
        kind=event.kind,
        at=timestamp(event.at),
        due_ms=milliseconds(event.at),
        give_up_ms=milliseconds(event.at + GIVE_UP_AFTER),
    )


def changed(read: Row, new: Row, place_ms: int | None = None) -> Update:
    """Writes what changes in a row, if nobody has written it since it was read. ``new`` has a mark of its own. Its place is when it is
    due, unless ``place_ms`` says that it is not worth looking at before."""
    attributes = {name: getattr(new, name) for name in _CHANGING} | _place(new, place_ms)
    assignments = ", ".join(f"#{name} = :{name}" for name in attributes)
    unchanged = when("#mark = :was", was=read.mark)
    return Update(*row_key(read.call_sid, read.seq), f"SET {assignments}", attributes, unchanged)


def row_of(item: Mapping[str, Any]) -> Row:
    """A row as it was read."""
    try:
        return msgspec.convert(dict(item), Row)
    except msgspec.ValidationError as error:
        raise StoreError(f"the outbox holds a row this version of Frontdesk cannot read: {error}") from None


def row_key(call_sid: CallSid, seq: int) -> tuple[str, str]:
    """Where a row is kept."""
    return partition(call_sid), f"OUTBOX#{seq:010d}"


def rows_of_call(table: DynamoTable, call_sid: CallSid) -> list[Row]:
    """The rows of a call, in the order of its events."""
    return [row_of(item) for item in table.query(partition(call_sid), begins="OUTBOX#")]


def places(table: DynamoTable, now_ms: int) -> Iterator[list[Place]]:
    """By business: all that are handed out, and of those that wait the first by time, more than are handed out at once. The first of
    those to come after ``now_ms`` is among them, too."""
    after = "!"  # before every business
    while page := table.query(WAITING, index=GSI3, between=(after, _LAST), limit=_PAGE):
        found = [_seen(item) for item in page]
        business_id = found[0].business_id
        own = [place for place in found if place.business_id == business_id]
        if len(own) == _PAGE and own[-1].at_ms <= now_ms:
            own += _to_come(table, business_id, now_ms)
        yield own
        if len(own) == len(page) < _PAGE:
            return
        after = f"{business_id}#{_LAST}"


def everything(table: DynamoTable, state: State | None) -> list[Row]:
    """All rows of a state, or all there are."""
    partitions = {"waiting": [WAITING], "dead": [DEAD], None: [WAITING, DEAD]}[state]
    keys = [(item["pk"], item["sk"]) for each in partitions for item in table.query(each, index=GSI3)]
    return [row_of(item) for item in table.batch_get(keys).values()]


def _to_come(table: DynamoTable, business_id: BusinessId, now_ms: int) -> list[Place]:
    first, last = (f"{business_id}#{_DUE}#{at}" for at in (f"{now_ms + 1:015d}", _LAST))
    return [_seen(item) for item in table.query(WAITING, index=GSI3, between=(first, last), limit=1)]


_CHANGING = ("due_ms", "give_up_ms", "dead", "attempts", "leased_by", "leased_until_ms", "last_error", "mark")


def _item(row: Row, ttl: int | None) -> Item:
    pk, sk = row_key(row.call_sid, row.seq)
    item: Item = {"pk": pk, "sk": sk, **msgspec.structs.asdict(row), **_place(row, None)}
    return item if ttl is None else {**item, TTL: ttl}


def _place(row: Row, place_ms: int | None) -> dict[str, str]:
    if row.dead:
        return {GSI3.pk: DEAD, GSI3.sk: f"{row.business_id}#{row.call_sid}#{row.seq:010d}"}
    kind = _LEASED if row.leased_by is not None else _DUE
    at_ms = row.leased_until_ms if row.leased_by is not None else max(row.due_ms, place_ms or 0)
    return {GSI3.pk: WAITING, GSI3.sk: f"{row.business_id}#{kind}#{at_ms:015d}#{row.call_sid}#{row.seq:010d}"}


def _seen(item: Item) -> Place:
    business_id, kind, at_ms, call_sid, seq = item[GSI3.sk].split("#")
    return Place(BusinessId(business_id), kind == _LEASED, int(at_ms), CallSid(call_sid), int(seq))


def milliseconds(at: datetime) -> int:
    """Since 1970."""
    return round(at.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """The inverse of :func:`milliseconds`."""
    return datetime.fromtimestamp(ms / 1000, UTC)

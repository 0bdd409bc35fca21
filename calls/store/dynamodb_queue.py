"""The outbox in DynamoDB, for code that may block. What each method does is said in ``calls.store.outbox``.

What is posted is made of the event and its call when it is taken, so that whoever erases these has erased the post, too. The index
in which rows are found may be a moment behind the table: a row may be seen late, but none is handed out twice or out of order, as
the table is asked before anything is done.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from msgspec.structs import replace

from calls.events import CallEvent
from calls.ids import BusinessId, CallSid
from calls.outbox import Posting, body_of
from calls.record import CallRecord
from calls.store.dynamodb_outbox_rows import Place, Row, changed, everything, moment, places, row_key, row_of, rows_of_call
from calls.store.dynamodb_table import ConditionFailed, DynamoTable
from calls.store.dynamodb_writes import PRESENT
from calls.store.outbox import AT_ONCE, LEASE_S

_LEASE_MS = round(LEASE_S * 1000)
_FREE: dict[str, Any] = {"leased_by": None, "leased_until_ms": 0}
"""Nobody has it."""

LookUp = Callable[[CallSid, int], tuple[CallRecord, CallEvent] | None]
"""A call's record and one of its events; ``None`` if they are gone."""


class DynamoQueue:
    """See the module. Moments are milliseconds since 1970."""

    def __init__(self, table: DynamoTable, look_up: LookUp) -> None:
        self._table, self._look_up = table, look_up

    def take(self, owner: str, now_ms: int, limit: int) -> list[Posting]:
        """See :meth:`calls.store.outbox.Outbox.take`."""
        room, due = self._due(now_ms)
        postings: list[Posting] = []
        for place in due:
            if len(postings) >= limit:
                break
            if room[place.business_id] > 0 and (row := self._lease(place, owner, now_ms)) is not None:
                room[row.business_id] -= 1
                postings += self._made_of(row)
        return postings

    def _due(self, now_ms: int) -> tuple[dict[BusinessId, int], list[Place]]:
        """How many more may be handed out of each business, and what may be, the earliest first."""
        room: dict[BusinessId, int] = {}
        due: list[Place] = []
        for own in places(self._table, now_ms):
            room[own[0].business_id] = AT_ONCE - sum(place.is_leased and place.at_ms > now_ms for place in own)
            due += [place for place in own if place.at_ms <= now_ms]
        return room, sorted(due, key=lambda place: (place.at_ms, place.call_sid, place.seq))

    def _lease(self, place: Place, owner: str, now_ms: int) -> Row | None:
        """The row as the owner's; ``None`` if it is not to be had."""
        rows = rows_of_call(self._table, place.call_sid)
        row = next((row for row in rows if row.seq == place.seq), None)
        head = next((row for row in rows if not row.dead), None)
        if row is None or head is None or row.dead:
            return None
        if head.seq < row.seq:
            worth_looking_ms = max(head.due_ms, head.leased_until_ms)
            if worth_looking_ms > now_ms:
                self._write(row, row, worth_looking_ms)
            return None
        if row.due_ms > now_ms or row.leased_until_ms > now_ms:
            return None
        leased = replace(row, leased_by=owner, leased_until_ms=now_ms + _LEASE_MS)
        return leased if self._write(row, leased) else None

    def _made_of(self, row: Row) -> list[Posting]:
        found = self._look_up(row.call_sid, row.seq)
        return [] if found is None else [_posting(row, *found)]

    def next_due(self, now_ms: int) -> datetime | None:
        """See :meth:`calls.store.outbox.Outbox.next_due`."""
        to_come = [place.at_ms for own in places(self._table, now_ms) for place in own if place.at_ms > now_ms]
        return moment(min(to_come)) if to_come else None

    def failed(self, posting: Posting, owner: str, why: str, retry_ms: int | None) -> None:
        """See :meth:`calls.store.outbox.Outbox.failed`."""
        row = self._row(posting.call_sid, posting.seq)
        if row is None or row.leased_by != owner:
            return
        is_dead = retry_ms is None
        tried = replace(row, attempts=row.attempts + 1, last_error=why, dead=is_dead, due_ms=retry_ms or 0, **_FREE)
        if self._write(row, tried) and is_dead:
            self._next_of(row.call_sid)

    def give_back(self, owner: str) -> None:
        """See :meth:`calls.store.outbox.Outbox.give_back`."""
        leased = [place for own in places(self._table, 0) for place in own if place.is_leased]
        for row in (self._row(place.call_sid, place.seq) for place in leased):
            if row is not None and row.leased_by == owner:
                self._write(row, replace(row, **_FREE))

    def retry(self, ids: Sequence[tuple[CallSid, int]] | None, now_ms: int, give_up_ms: int) -> int:
        """See :meth:`calls.store.outbox.Outbox.retry`."""
        again = {"dead": False, "attempts": 0, "due_ms": now_ms, "give_up_ms": give_up_ms, "last_error": None, **_FREE}
        return sum([self._write(row, replace(row, **again)) for row in self._named(ids)])

    def drop_all(self, ids: Sequence[tuple[CallSid, int]] | None) -> int:
        """See :meth:`calls.store.outbox.Outbox.drop`."""
        return sum([self.drop(row.call_sid, row.seq) for row in self._named(ids)])

    def drop(self, call_sid: CallSid, seq: int) -> bool:
        """Forgets one row. Whether there was any."""
        try:
            self._table.delete(*row_key(call_sid, seq), PRESENT)
        except ConditionFailed:
            return False
        self._next_of(call_sid)
        return True

    def _next_of(self, call_sid: CallSid) -> None:
        """The first row of a call that waits is found again when it is due itself, not when the one before it was."""
        head = next((row for row in rows_of_call(self._table, call_sid) if not row.dead), None)
        if head is not None and head.leased_by is None:
            self._write(head, head)

    def _named(self, ids: Sequence[tuple[CallSid, int]] | None) -> list[Row]:
        if ids is None:
            return everything(self._table, "dead")
        return [row_of(item) for item in self._table.batch_get([row_key(*one) for one in ids]).values()]

    def _row(self, call_sid: CallSid, seq: int) -> Row | None:
        item = self._table.get(*row_key(call_sid, seq))
        return None if item is None else row_of(item)

    def _write(self, read: Row, new: Row, place_ms: int | None = None) -> bool:
        """Writes a row if it is still as it was read."""
        mark = token_hex(8)
        try:
            self._table.write(changed(read, replace(new, mark=mark), place_ms))
        except ConditionFailed as failed:
            # A write whose answer was lost is made twice; the second finds the first.
            return failed.old is not None and failed.old["mark"] == mark
        return True


def _posting(row: Row, record: CallRecord, event: CallEvent) -> Posting:
    return Posting(
        call_sid=row.call_sid,
        seq=row.seq,
        business_id=row.business_id,
        kind=row.kind,
        attempts=row.attempts,
        give_up_at=moment(row.give_up_ms),
        body=body_of(record, event),
    )

"""Calls in a DynamoDB table, for code that cannot await: Lambda functions and the threads behind :mod:`calls.store.dynamodb`.

Every step of a call is decided on its row and written on the condition that the row is still that one; if it is not, DynamoDB says how
it stands, and the step is decided again (Amazon DynamoDB, *Developer Guide*: condition expressions). So a step takes one request
unless somebody was in between. A row that is remembered never has anything refused: then it is read again first.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar
from uuid import uuid4

from calls.events import AnyEvent, CallEvent, CallSummary, Usage
from calls.ids import BusinessId, CallSid
from calls.outbox import Wants, nobody_wants
from calls.record import CallRecord, Disposition, Message
from calls.store import call_row
from calls.store.base import NewCall, OpenedCall, StoreError, StoreUnavailable
from calls.store.call_row import CallRow
from calls.store.dynamodb_admission import decide
from calls.store.dynamodb_appending import Appending
from calls.store.dynamodb_call_rows import CallRows, RowChanged
from calls.store.dynamodb_rows import LIVE, OVER, StoredRow, partitions_of, read_record
from calls.store.dynamodb_schema import PK, SK
from calls.store.dynamodb_table import ConditionFailed, DynamoTable
from calls.store.retention import Keeps
from calls.stream_token import StreamToken, TokenRefused

_ATTEMPTS = 100  # of a step that others keep getting in between of
_PAUSE_S = 0.03  # at most, before it is tried again

T = TypeVar("T")


class _Step(NamedTuple, Generic[T]):
    """What was decided: the answer, and what the row becomes, if anything."""

    answer: T
    row: CallRow | None = None
    events: Sequence[CallEvent] = ()


class DynamoCalls:
    """The methods of :class:`calls.store.base.CallStore` on an opened table, blocking. Several threads may use it.

    Args:
        wants: which events go into the outbox as they are stored.
        keeps: for how long a business wants its calls kept; some time later DynamoDB may delete them by itself.
        on_queued: called when something has been put into the outbox, in the thread that has done it.
    """

    def __init__(
        self,
        table: DynamoTable,
        *,
        wants: Wants = nobody_wants,
        keeps: Keeps = lambda _business_id: None,
        on_queued: Callable[[], None] = lambda: None,
    ) -> None:
        self._table = table
        self._rows = CallRows(table, wants, keeps, on_queued)

    def check(self) -> None:
        """See :meth:`calls.store.base.CallStore.check`."""
        self._table.check()

    # Methods of CallStore that write

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See :meth:`calls.store.base.CallStore.open_call`. After the token was used, a repeated webhook still gets that
        token, which no bridge takes again."""
        is_there = self._rows.known(call.call_sid) is not None
        for _ in self._attempts():
            opened = self._opened_again(call.call_sid, at) if is_there else self._opened_new(call, at)
            if opened is not None:
                return opened
            is_there = not is_there  # whoever was in between has opened this call, or another of the business
        raise _contended(call.call_sid)

    def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """See :meth:`calls.store.base.CallStore.claim_stream`. One stream an attempt: an older token of the same attempt
        is as good as the latest, and using either uses both."""

        def claimed(row: CallRow | None) -> _Step[CallRecord]:
            owned = call_row.claimed(row, token, owner, at)
            return _Step(owned.record, owned)

        return self._step(token.call_sid, claimed)

    def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.append`. Events that are stored already are not stored again: their writer has
        not heard of it. A call that is unknown (``last_seq`` 0) or has ended takes no others."""
        if events:
            Appending(self._rows, events, owner).run()

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.append_next`."""
        return self._append_if(call_row.takes_events, call_sid, lambda _: body, at)

    def set_disposition(self, call_sid: CallSid, disposition: Disposition, owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.set_disposition`.

        Raises:
            StoreError: there is no such call, or it is not that bridge's any more.
        """
        self._step(call_sid, lambda row: _Step(None, call_row.decided(row, call_sid, disposition, owner)))

    def release_stream(self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.release_stream`. ``usage`` and ``cost_usd`` are added to what earlier owners
        used; said twice, they count once.

        Raises:
            StoreError: there is no such call, or another bridge owns it.
        """
        self._step(call_sid, lambda row: _Step(None, call_row.released(row, call_sid, owner, usage, at, cost_usd)))

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.note_action`."""

        def noted(row: CallRow | None) -> _Step[CallRecord | None]:
            asked = call_row.asked(row, at)
            return _Step(None if asked is None else asked.record, asked)

        return self._step(call_sid, noted)

    def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.end_call`."""

        def ending(record: CallRecord) -> AnyEvent:
            return call_row.ending(record, reason, at, duration_ms)

        return self._append_if(call_row.takes_events, call_sid, ending, at)

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See :meth:`calls.store.base.CallStore.resume_call`."""

        def resumed(row: CallRow | None) -> _Step[OpenedCall | None]:
            further = call_row.resumed(row, why, at, after)
            return _Step(None if further is None else further.opened(), further)

        return self._step(call_sid, resumed)

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See :meth:`calls.store.base.CallStore.note_message`."""
        self._step(call_sid, lambda row: _Step(None, call_row.with_message(row, message)))

    def note_recording(self, call_sid: CallSid, where: str) -> None:
        """See :meth:`calls.store.base.CallStore.note_recording`."""
        self._step(call_sid, lambda row: _Step(None, call_row.with_recording(row, where)))

    def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.note_summary`."""
        return self._append_if(call_row.takes_summary, call_sid, lambda _: summary, at)

    # Methods of CallStore that read

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.get_call`."""
        stored = self._rows.read(call_sid)
        return None if stored is None else stored.row.record

    def list_calls(self, *, limit: int = 50, business_id: BusinessId | None = None, live: bool = False) -> list[CallRecord]:
        """See :meth:`calls.store.base.CallStore.list_calls`. A call that has just been opened may be missing for a moment."""
        index, whose = partitions_of(business_id)
        listed = [
            (item[index.sk], (item[PK], item[SK]))
            for life in ((LIVE,) if live else (LIVE, OVER))
            for item in self._table.query(life + whose, index=index, descending=True, limit=max(limit, 0))
        ]
        newest = [key for _, key in sorted(listed, reverse=True)[: max(limit, 0)]]
        found = self._table.batch_get(newest)
        records = [read_record(found[key]) for key in dict.fromkeys(newest) if key in found]
        return [record for record in records if not (live and record.ended)]

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See :meth:`calls.store.base.CallStore.events`."""
        return self._rows.events(call_sid, after)

    # Steps

    def _step(self, call_sid: CallSid, decide: Callable[[CallRow | None], _Step[T]]) -> T:
        """Decides on the row and writes what it becomes, again until nobody has been in between."""
        stored, is_certain = self._rows.known(call_sid), False
        for _ in self._attempts():
            if stored is None and not is_certain:
                stored, is_certain = self._rows.read(call_sid), True
            try:
                step = _decided(decide, stored, is_certain=is_certain)
                if step is not None:
                    self._write(stored, step)
                    return step.answer
                stored = None
            except RowChanged as changed:
                stored, is_certain = changed.stored, True
        raise _contended(call_sid)

    def _write(self, stored: StoredRow | None, step: _Step[T]) -> None:
        if step.row is not None:
            self._rows.commit([self._rows.change(stored, step.row, step.events)])

    def _append_if(
        self,
        takes: Callable[[CallRow | None], bool],
        call_sid: CallSid,
        body_of: Callable[[CallRecord], AnyEvent],
        at: datetime,
    ) -> CallEvent | None:
        def appended(row: CallRow | None) -> _Step[CallEvent | None]:
            if row is None or not takes(row):
                return _Step(None)
            event = row.next_event(body_of(row.record), at)
            return _Step(event, row.after([event]), [event])

        return self._step(call_sid, appended)

    def _opened_new(self, call: NewCall, at: datetime) -> OpenedCall | None:
        """``None`` if somebody else has just opened this call or another of the business: then it is to be tried again."""
        admitted = decide(self._table, call, at, uuid4().hex)
        row = call_row.new_row(call, at)
        if call.admission is not None and admitted.refusal is not None:
            row = row.changed(disposition=call.admission.refused(admitted.refusal))
        event = row.next_event(call_row.started(call), at)
        row = row.after([event])
        try:
            self._rows.commit([self._rows.change(None, row, [event], [admitted.write])])
        except (RowChanged, ConditionFailed):
            return None
        return row.opened(event)

    def _opened_again(self, call_sid: CallSid, at: datetime) -> OpenedCall | None:
        def opened(row: CallRow | None) -> _Step[OpenedCall | None]:
            if row is None:
                return _Step(None)
            later = call_row.renewed(row, at)
            return _Step((later or row).opened(), later)

        return self._step(call_sid, opened)

    def _attempts(self) -> Iterator[int]:
        for attempt in range(_ATTEMPTS):
            if attempt > 1:
                self._table.pause(random.uniform(0, _PAUSE_S))  # noqa: S311  (to part those who meet)
            yield attempt


def _decided(decide: Callable[[CallRow | None], _Step[T]], stored: StoredRow | None, *, is_certain: bool) -> _Step[T] | None:
    """What is decided; ``None`` if nothing is to be written, and somebody may have written since the row was read."""
    try:
        step = decide(None if stored is None else stored.row)
    except (StoreError, TokenRefused):
        if is_certain:
            raise
        return None
    return step if is_certain or step.row is not None else None


def _contended(call_sid: CallSid) -> StoreUnavailable:
    return StoreUnavailable(f"cannot write call {call_sid}: others kept writing to it; it is tried again later")

"""Calls in one SQLite file: the store of one machine.

Several processes may have the file open (write-ahead log). Whatever depends on a condition is read and written in one
``BEGIN IMMEDIATE`` transaction, so that of two writers exactly one finds it met. A transaction that has been committed
survives the end of the process; ``synchronous=NORMAL`` means a power cut can take the last moments with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from calls.events import AnyEvent, CallEvent, CallSummary, Usage, decode_body, parse_timestamp
from calls.ids import BusinessId, CallSid
from calls.outbox import Wants, nobody_wants
from calls.record import CallRecord, Disposition, Message
from calls.store import call_row
from calls.store.base import NewCall, OpenedCall, SequenceConflict
from calls.store.call_row import CallRow
from calls.store.sqlite_admission import refusal_of
from calls.store.sqlite_file import SqliteFile
from calls.store.sqlite_outbox import put
from calls.store.sqlite_rows import add, row_of, rows_of, save
from calls.stream_token import StreamToken

if TYPE_CHECKING:
    from calls.store.sqlite_companions import SqliteCompanions

_record_decoder = msgspec.json.Decoder(CallRecord)


class SqliteStore(SqliteFile):
    """The calls in the file ``path``. Implements :class:`calls.store.base.CallStore`.

    Args:
        read_only: see :class:`calls.store.sqlite_file.SqliteFile`.
        create: likewise.
        wants: which events go into the outbox as they are stored.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, create: bool = True, wants: Wants = nobody_wants) -> None:
        super().__init__(path, read_only=read_only, create=create)
        self._wants = wants
        self._has_queued = False  # the writer's thread alone looks at this
        self.outbox_filled = asyncio.Event()
        """Set when something has been put into the outbox; whoever waits for it clears it."""

    @property
    def companions(self) -> "SqliteCompanions":
        """What is kept beside the calls."""
        from calls.store.sqlite_companions import SqliteCompanions  # noqa: PLC0415  (they are made of this)

        return SqliteCompanions(self)

    # Methods of CallStore that write

    async def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See :meth:`calls.store.base.CallStore.open_call`. After the token was used, a repeated webhook still gets that
        token, which no bridge takes again."""

        def work(db: sqlite3.Connection) -> OpenedCall:
            row = row_of(db, call.call_sid)
            return self._open_new(db, call, at) if row is None else (_saved(db, call_row.renewed(row, at)) or row).opened()

        return await self.write(work)

    async def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """See :meth:`calls.store.base.CallStore.claim_stream`. One stream an attempt: an older token of the same attempt
        is as good as the latest, and using either uses both."""

        def work(db: sqlite3.Connection) -> CallRecord:
            row = call_row.claimed(row_of(db, token.call_sid), token, owner, at)
            save(db, [row])
            return row.record

        return await self.write(work)

    async def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.append`. A call that is unknown (``last_seq`` 0) or has ended takes no events."""
        if events:
            await self.write(lambda db: self._append(db, events, owner))

    async def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.append_next`."""

        def work(db: sqlite3.Connection) -> CallEvent | None:
            row = row_of(db, call_sid)
            return self._append_one(db, row, body, at) if row is not None and call_row.takes_events(row) else None

        return await self.write(work)

    async def set_disposition(self, call_sid: CallSid, disposition: Disposition, owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.set_disposition`.

        Raises:
            StoreError: there is no such call, or it is not that bridge's any more.
        """
        await self._change(call_sid, lambda row: call_row.decided(row, call_sid, disposition, owner))

    async def release_stream(
        self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None
    ) -> None:
        """See :meth:`calls.store.base.CallStore.release_stream`. ``usage`` and ``cost_usd`` are added to what earlier owners
        used; said twice, they count once.

        Raises:
            StoreError: there is no such call, or another bridge owns it.
        """
        await self._change(call_sid, lambda row: call_row.released(row, call_sid, owner, usage, at, cost_usd))

    async def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.note_action`."""
        row = await self._change(call_sid, lambda row: call_row.asked(row, at))
        return None if row is None else row.record

    async def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.end_call`."""

        def work(db: sqlite3.Connection) -> CallEvent | None:
            row = row_of(db, call_sid)
            if row is None or not call_row.takes_events(row):
                return None
            return self._append_one(db, row, call_row.ending(row.record, reason, at, duration_ms), at)

        return await self.write(work)

    async def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See :meth:`calls.store.base.CallStore.resume_call`."""
        row = await self._change(call_sid, lambda row: call_row.resumed(row, why, at, after))
        return None if row is None else row.opened()

    async def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See :meth:`calls.store.base.CallStore.note_message`."""
        await self._change(call_sid, lambda row: call_row.with_message(row, message))

    async def note_recording(self, call_sid: CallSid, where: str) -> None:
        """See :meth:`calls.store.base.CallStore.note_recording`."""
        await self._change(call_sid, lambda row: call_row.with_recording(row, where))

    async def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.note_summary`."""

        def work(db: sqlite3.Connection) -> CallEvent | None:
            row = row_of(db, call_sid)
            return self._append_one(db, row, summary, at) if row is not None and call_row.takes_summary(row) else None

        return await self.write(work)

    # Methods of CallStore that read

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.get_call`."""
        rows = await self.fetch("SELECT record FROM calls WHERE call_sid = ?", call_sid)
        with self.errors():
            return _record_decoder.decode(rows[0][0]) if rows else None

    async def list_calls(self, *, limit: int = 50, business_id: BusinessId | None = None, live: bool = False) -> list[CallRecord]:
        """See :meth:`calls.store.base.CallStore.list_calls`."""
        rows = await self.fetch(
            "SELECT record FROM calls WHERE (?1 IS NULL OR business_id = ?1) AND (NOT ?2 OR NOT ended)"
            " ORDER BY started_at DESC, rowid DESC LIMIT ?3",
            business_id,
            live,
            max(limit, 0),
        )
        with self.errors():
            return [_record_decoder.decode(encoded) for (encoded,) in rows]

    async def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See :meth:`calls.store.base.CallStore.events`."""
        rows = await self.fetch("SELECT seq, at, body FROM events WHERE call_sid = ? AND seq > ? ORDER BY seq", call_sid, after)
        with self.errors():
            return [CallEvent(call_sid, seq, parse_timestamp(at), decode_body(body)) for seq, at, body in rows]

    # Within a transaction

    async def _change(self, call_sid: CallSid, becomes: Callable[[CallRow | None], CallRow | None]) -> CallRow | None:
        return await self.write(lambda db: _saved(db, becomes(row_of(db, call_sid))))

    def _append(self, db: sqlite3.Connection, events: Sequence[CallEvent], owner: str | None) -> None:
        rows = rows_of(db, {event.call_sid for event in events})
        stored = {call_sid: row.record.last_seq for call_sid, row in rows.items()}
        for event in events:
            row = rows.get(event.call_sid)
            if row is None or not call_row.takes_events(row, owner) or event.seq != row.record.last_seq + 1:
                raise SequenceConflict(event.call_sid, stored.get(event.call_sid, 0))
            rows[event.call_sid] = row.after([event])
        self._add(db, events, *rows.values())

    def _append_one(self, db: sqlite3.Connection, row: CallRow, body: AnyEvent, at: datetime) -> CallEvent:
        event = row.next_event(body, at)
        self._add(db, [event], row.after([event]))
        return event

    def _open_new(self, db: sqlite3.Connection, call: NewCall, at: datetime) -> OpenedCall:
        row = call_row.new_row(call, at)
        if call.admission is not None and (refusal := refusal_of(db, call.admission, call.business_id, at)) is not None:
            row = row.changed(disposition=call.admission.refused(refusal))
        event = self._append_one(db, row, call_row.started(call), at)
        return row.after([event]).opened(event)

    def _add(self, db: sqlite3.Connection, events: Sequence[CallEvent], *rows: CallRow) -> None:
        """Stores events and the rows that have counted them; puts into the outbox what is wanted there."""
        save(db, rows)
        add(db, events)
        business_of = {row.record.call_sid: row.record.business_id for row in rows}
        self._has_queued |= put(db, events, business_of, self._wants)

    def _committed(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._has_queued:
            self._has_queued = False
            loop.call_soon_threadsafe(self.outbox_filled.set)


def _saved(db: sqlite3.Connection, row: CallRow | None) -> CallRow | None:
    if row is not None:
        save(db, [row])
    return row

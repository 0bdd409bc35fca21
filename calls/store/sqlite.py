"""Calls in one SQLite file: the store of one machine.

Several processes may have the file open (write-ahead log). Whatever depends on a condition is read and written in one
``BEGIN IMMEDIATE`` transaction, so that of two writers exactly one finds it met. A transaction that has been committed
survives the end of the process; ``synchronous=NORMAL`` means a power cut can take the last moments with it.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import aiosqlite
import msgspec

from calls.events import (
    AnyEvent,
    CallEnded,
    CallEvent,
    CallStarted,
    CallSummary,
    Usage,
    decode_body,
    encode_body,
    parse_timestamp,
    timestamp,
)
from calls.ids import BusinessId, CallSid
from calls.outbox import Wants, nobody_wants
from calls.record import CallRecord, Disposition, Message
from calls.store.base import RESUMES, NewCall, OpenedCall, SequenceConflict, StoreError, StoreUnavailable
from calls.store.sqlite_admission import refusal_of
from calls.store.sqlite_errors import BUSY_TIMEOUT_S, CAUGHT, explained
from calls.store.sqlite_outbox import put
from calls.store.sqlite_schema import APPLICATION_ID, MIGRATIONS, VERSION
from calls.stream_token import LIFETIME_S, StreamToken, TokenRefused

_OPEN_ATTEMPTS = 20
_OPEN_PAUSE_S = 0.1

# One statement, so that another process that is just making the tables is seen before or after, never halfway.
_WHAT_IT_IS = """
SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version, pragma_application_id
"""

_SAVE = """
INSERT INTO calls
    (call_sid, business_id, started_at, ended, owner, last_seq, token_attempt, token_issued_at_s, token_used, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (call_sid) DO UPDATE SET
    ended = excluded.ended, owner = excluded.owner, last_seq = excluded.last_seq, token_attempt = excluded.token_attempt,
    token_issued_at_s = excluded.token_issued_at_s, token_used = excluded.token_used, record = excluded.record
"""

_record_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(CallRecord)


class _Row(msgspec.Struct):
    """One row of ``calls``: the record, and the token state that belongs to no one but the store."""

    record: CallRecord
    attempt: int
    issued_at_s: int
    used: str | None

    @property
    def token(self) -> StreamToken:
        """The token given out last."""
        return StreamToken(
            call_sid=self.record.call_sid,
            business_id=self.record.business_id,
            issued_at_s=self.issued_at_s,
            attempt=self.attempt,
        )

    def columns(self) -> tuple[object, ...]:
        """The parameters of ``_SAVE``."""
        record, encoded = self.record, _record_encoder.encode(self.record).decode()
        what_is_asked_for = (record.call_sid, record.business_id, record.started_at, record.ended, record.owner, record.last_seq)
        return (*what_is_asked_for, self.attempt, self.issued_at_s, self.used, encoded)


class SqliteStore:
    """The calls in the file ``path``, made on ``open`` if missing. Implements :class:`calls.store.base.CallStore`.

    Args:
        read_only: for commands that only look: nothing is created or changed, and a missing file is an error.
        create: for commands that change what is there: ``False`` makes a missing file an error, too.
        wants: which events go into the outbox as they are stored.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False, create: bool = True, wants: Wants = nobody_wants) -> None:
        self.path = Path(path).expanduser()
        self._read_only = read_only
        self._create = create and not read_only
        self._wants = wants
        self._has_queued = False
        self.outbox_filled = asyncio.Event()
        """Set when something has been put into the outbox; whoever waits for it clears it."""
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._writing = asyncio.Lock()  # one transaction at a time on the writer's connection

    # Opening and closing

    async def open(self) -> None:
        """Opens the file, and makes it and its tables where missing.

        Raises:
            StoreUnavailable: it cannot be opened, is no Frontdesk store, or was written by a newer version.
        """
        try:
            with self._errors():
                if not self._create:
                    self._must_exist()
                if not self._read_only:
                    self._writer = await self._connect("rwc")
                    await self._prepare(self._writer)
                self._reader = await self._connect("ro")
                await self._check_version(self._reader)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Lets go of the file; the last process to do so folds the write-ahead log into it."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        for connection in (reader, writer):
            if connection is not None:
                with self._errors():
                    await connection.close()

    async def check(self) -> None:
        """Returns if the file is there and takes writes (reads, when opened read-only)."""
        with self._errors():
            self._must_exist()
        if self._read_only:
            await self.fetch("SELECT 1")
            return
        async with self.transaction():
            pass

    async def _connect(self, mode: str) -> aiosqlite.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        # A failed aiosqlite.connect leaves its worker thread to end on a loop that may be closed by then; a failed try does not.
        await asyncio.to_thread(_try_to_open, uri)
        connection = await aiosqlite.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)
        try:
            await connection.execute_fetchall("PRAGMA foreign_keys = ON")
            await connection.execute_fetchall("PRAGMA synchronous = NORMAL")
            # What is deleted is overwritten with zeros: a caller who is erased is not to be found in the file.
            await connection.execute_fetchall("PRAGMA secure_delete = ON")
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _prepare(self, db: aiosqlite.Connection) -> None:
        await self._check_version(db, empty_is_fine=True)
        await self._switch_to_wal(db)
        async with self.transaction():
            version = await self._check_version(db, empty_is_fine=True)
            if version == VERSION:
                return
            for migration in MIGRATIONS[version:]:
                for statement in migration:
                    await db.execute_fetchall(statement)
            await db.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
            await db.execute_fetchall(f"PRAGMA user_version = {VERSION}")

    async def _switch_to_wal(self, db: aiosqlite.Connection) -> None:
        # SQLite does not wait for its busy timeout here when another process is making the same file.
        for attempt in range(1, _OPEN_ATTEMPTS + 1):
            try:
                await db.execute_fetchall("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt == _OPEN_ATTEMPTS:
                    raise
                await asyncio.sleep(_OPEN_PAUSE_S)
            else:
                return

    async def _check_version(self, db: aiosqlite.Connection, *, empty_is_fine: bool = False) -> int:
        ((version, application, tables),) = await db.execute_fetchall(_WHAT_IT_IS)
        if empty_is_fine and not (version or application or tables):
            return 0
        if application != APPLICATION_ID:
            raise StoreUnavailable(f"{self.path} is not a Frontdesk call store; name another file in FRONTDESK_STORE")
        if version > VERSION:
            raise StoreUnavailable(
                f"the call store {self.path} was written by a newer Frontdesk (its tables are version {version}, "
                f"this one knows {VERSION}); update Frontdesk, or name another file in FRONTDESK_STORE"
            )
        return int(version)

    def _must_exist(self) -> None:
        if not self.path.is_file():
            raise StoreUnavailable(
                f"there is no call store at {self.path}; it is made when the first call comes in. "
                "Run this where `frontdesk serve` runs, or name its file in FRONTDESK_STORE"
            )

    # Methods of CallStore that write

    async def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See :meth:`calls.store.base.CallStore.open_call`. After the token was used, a repeated webhook still gets that
        token, which no bridge takes again."""
        async with self.transaction() as db:
            row = await _row(db, call.call_sid)
            if row is None:
                return await self._open_new(db, call, at)
            ran_out = at.timestamp() - row.issued_at_s > LIFETIME_S
            if ran_out and row.used is None and not row.record.ended:
                row.issued_at_s = int(at.timestamp())
                await _save(db, row)
            return OpenedCall(record=row.record, token=row.token, event=None)

    async def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """See :meth:`calls.store.base.CallStore.claim_stream`. One stream an attempt: an older token of the same attempt
        is as good as the latest, and using either uses both."""
        async with self.transaction() as db:
            row = await _row(db, token.call_sid)
            if row is None or row.record.ended or token.attempt > row.attempt:
                raise TokenRefused("unknown_call")
            if row.used is not None or token.attempt < row.attempt:
                raise TokenRefused("replayed")
            row.used = token.nonce
            row.record = _changed(row.record, owner=owner, accepted_at=row.record.accepted_at or timestamp(at), released_at=None)
            await _save(db, row)
            return row.record

    async def append(self, events: Sequence[CallEvent]) -> None:
        """See :meth:`calls.store.base.CallStore.append`. A call that is unknown (``last_seq`` 0) or has ended takes no events."""
        if not events:
            return
        async with self.transaction() as db:
            rows = await _rows(db, {event.call_sid for event in events})
            stored = {call_sid: row.record.last_seq for call_sid, row in rows.items()}
            for event in events:
                row = rows.get(event.call_sid)
                if row is None:
                    raise SequenceConflict(event.call_sid, 0)
                if row.record.ended or event.seq != row.record.last_seq + 1:
                    raise SequenceConflict(event.call_sid, stored[event.call_sid])
                row.record = row.record.after(event)
            await _save(db, *rows.values())
            await self._insert(db, events, *rows.values())

    async def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.append_next`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is None or row.record.ended:
                return None
            return await self._append_one(db, row, body, at)

    async def set_disposition(self, call_sid: CallSid, disposition: Disposition) -> None:
        """See :meth:`calls.store.base.CallStore.set_disposition`.

        Raises:
            StoreError: there is no such call.
        """
        async with self.transaction() as db:
            row = await _known_row(db, call_sid)
            row.record = _changed(row.record, disposition=disposition)
            await _save(db, row)

    async def release_stream(
        self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None
    ) -> None:
        """See :meth:`calls.store.base.CallStore.release_stream`. ``usage`` and ``cost_usd`` are added to what earlier owners
        used; said twice, they count once.

        Raises:
            StoreError: there is no such call, or another bridge owns it.
        """
        async with self.transaction() as db:
            row = await _known_row(db, call_sid)
            record = row.record
            if record.owner is None and record.released_at is not None:
                return
            if record.owner not in (None, owner):
                raise StoreError(f"{call_sid} is owned by {record.owner}, not by {owner}")
            spent = {"usage": _sum(record.usage, usage), "cost_usd": record.cost_with(usage, cost_usd)}
            row.record = _changed(record, owner=None, released_at=timestamp(at), **spent)
            await _save(db, row)

    async def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.note_action`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is None:
                return None
            row.record = _changed(row.record, action_requested_at=timestamp(at))
            await _save(db, row)
            return row.record

    async def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.end_call`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is None or row.record.ended:
                return None
            return await self._append_one(db, row, _ending(row.record, reason, at, duration_ms), at)

    async def resume_call(self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime) -> OpenedCall | None:
        """See :meth:`calls.store.base.CallStore.resume_call`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is None or row.record.ended:
                return None
            is_repeated = row.attempt > 1 and row.used is None and row.record.disposition is None
            if not is_repeated:
                if row.attempt > RESUMES:
                    return None
                row.attempt, row.used = row.attempt + 1, None
                row.record = _changed(row.record, disposition=None, owner=None, action_requested_at=None, resumed=why)
            row.issued_at_s = int(at.timestamp())
            await _save(db, row)
            return OpenedCall(record=row.record, token=row.token, event=None)

    async def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See :meth:`calls.store.base.CallStore.note_message`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is not None:
                row.record = row.record.with_message(message)
                await _save(db, row)

    async def note_recording(self, call_sid: CallSid, where: str) -> None:
        """See :meth:`calls.store.base.CallStore.note_recording`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is not None and row.record.recording != where:
                row.record = _changed(row.record, recording=where)
                await _save(db, row)

    async def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.note_summary`."""
        async with self.transaction() as db:
            row = await _row(db, call_sid)
            if row is None or row.record.owner is not None:
                return None
            return await self._append_one(db, row, summary, at)

    # Methods of CallStore that read

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.get_call`."""
        rows = await self.fetch("SELECT record FROM calls WHERE call_sid = ?", call_sid)
        with self._errors():
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
        with self._errors():
            return [_record_decoder.decode(encoded) for (encoded,) in rows]

    async def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See :meth:`calls.store.base.CallStore.events`."""
        rows = await self.fetch("SELECT seq, at, body FROM events WHERE call_sid = ? AND seq > ? ORDER BY seq", call_sid, after)
        with self._errors():
            return [CallEvent(call_sid, seq, parse_timestamp(at), decode_body(body)) for seq, at, body in rows]

    # Transactions

    async def fetch(self, sql: str, *parameters: object) -> list[Any]:
        """The rows of a query, off the audio loop. Raises :class:`StoreError`."""
        with self._errors():
            return list(await self._opened(self._reader).execute_fetchall(sql, parameters))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """One ``BEGIN IMMEDIATE`` transaction: committed when the block is left, undone if it raises. Raises :class:`StoreError`."""
        async with self._writing:
            with self._errors():
                db = self._opened(self._writer)
                try:
                    await db.execute_fetchall("BEGIN IMMEDIATE")
                    yield db
                    await db.execute_fetchall("COMMIT")
                    if self._has_queued:
                        self.outbox_filled.set()
                except BaseException:
                    # When cancelled, too: the connection's thread gets to this after whatever is under way.
                    with suppress(*CAUGHT):
                        await asyncio.shield(db.rollback())
                    raise
                finally:
                    self._has_queued = False

    async def _insert(self, db: aiosqlite.Connection, events: Sequence[CallEvent], *rows: _Row) -> None:
        """Adds events of the calls in ``rows``, to the outbox, too, if they are wanted there."""
        columns = [
            (event.call_sid, event.seq, timestamp(event.at), event.kind, encode_body(event.body).decode()) for event in events
        ]
        await db.executemany("INSERT INTO events (call_sid, seq, at, kind, body) VALUES (?, ?, ?, ?, ?)", columns)
        business_of = {row.record.call_sid: row.record.business_id for row in rows}
        self._has_queued |= await put(db, events, business_of, self._wants)

    async def _append_one(self, db: aiosqlite.Connection, row: _Row, body: AnyEvent, at: datetime) -> CallEvent:
        event = CallEvent(row.record.call_sid, row.record.last_seq + 1, parse_timestamp(timestamp(at)), body)
        row.record = row.record.after(event)
        await _save(db, row)
        await self._insert(db, [event], row)
        return event

    async def _open_new(self, db: aiosqlite.Connection, call: NewCall, at: datetime) -> OpenedCall:
        row = _new_row(call, at)
        if call.admission is not None and (refusal := await refusal_of(db, call.admission, call.business_id, at)) is not None:
            row.record = _changed(row.record, disposition=call.admission.refused(refusal))
        started = CallStarted(
            business_id=call.business_id, from_=call.from_, to=call.to, channel=call.channel, direction=call.direction
        )
        event = await self._append_one(db, row, started, at)
        return OpenedCall(record=row.record, token=row.token, event=event)

    async def fold(self) -> None:
        """Folds the write-ahead log into the file and empties it, unless somebody is just reading from it."""
        async with self._writing:
            with self._errors():
                await self._opened(self._writer).execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    def _opened(self, connection: aiosqlite.Connection | None) -> aiosqlite.Connection:
        if connection is None:
            how = "open for reading only" if self._read_only and self._reader is not None else "not open"
            raise StoreUnavailable(f"the call store {self.path} is {how}")
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except CAUGHT as error:
            raise explained(error, self.path) from error


async def _rows(db: aiosqlite.Connection, call_sids: Collection[CallSid]) -> dict[CallSid, _Row]:
    found = await db.execute_fetchall(
        "SELECT record, token_attempt, token_issued_at_s, token_used FROM calls"
        " WHERE call_sid IN (SELECT value FROM json_each(?))",
        (msgspec.json.encode(list(call_sids)).decode(),),
    )
    rows = [_Row(_record_decoder.decode(encoded), attempt, issued_at_s, used) for encoded, attempt, issued_at_s, used in found]
    return {row.record.call_sid: row for row in rows}


async def _row(db: aiosqlite.Connection, call_sid: CallSid) -> _Row | None:
    return (await _rows(db, [call_sid])).get(call_sid)


async def _known_row(db: aiosqlite.Connection, call_sid: CallSid) -> _Row:
    row = await _row(db, call_sid)
    if row is None:
        raise StoreError(f"there is no call {call_sid}")
    return row


async def _save(db: aiosqlite.Connection, *rows: _Row) -> None:
    await db.executemany(_SAVE, [row.columns() for row in rows])


def _new_row(call: NewCall, at: datetime) -> _Row:
    record = CallRecord(
        call_sid=call.call_sid,
        business_id=call.business_id,
        from_=call.from_,
        to=call.to,
        channel=call.channel,
        direction=call.direction,
        started_at=timestamp(at),
    )
    return _Row(record, attempt=1, issued_at_s=int(at.timestamp()), used=None)


def _ending(record: CallRecord, reason: str, at: datetime, duration_ms: int | None) -> CallEnded:
    if duration_ms is None:
        lasted = at - parse_timestamp(record.started_at)
        duration_ms = max(0, round(lasted.total_seconds() * 1000))
    return CallEnded(
        reason=reason,
        duration_ms=duration_ms,
        greeting_latency_ms=record.greeting_latency_ms,
        barge_ins=record.barge_ins,
        usage=record.usage,
        cost_usd=record.cost_usd,
    )


def _changed(record: CallRecord, **changes: object) -> CallRecord:
    return msgspec.structs.replace(record, **changes)


def _sum(first: Usage, second: Usage) -> Usage:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}


def _try_to_open(uri: str) -> None:
    sqlite3.connect(uri, uri=True).close()

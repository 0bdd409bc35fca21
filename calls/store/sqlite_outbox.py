"""What is still to be posted to businesses, in the SQLite store.

A row says only which event is to be posted; what is posted is made of the event and its call when it is taken, so that whoever
erases these has erased the post, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from calls.events import CallEvent, decode_body, parse_timestamp, timestamp
from calls.ids import BusinessId, CallSid
from calls.outbox import GIVE_UP_AFTER, Posting, Wants, body_of, key_of
from calls.record import CallRecord
from calls.store.outbox import AT_ONCE, LEASE_S, Queued, State

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE outbox (
        call_sid TEXT NOT NULL,
        seq INTEGER NOT NULL,
        business_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        dead INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_ms INTEGER NOT NULL,
        give_up_ms INTEGER NOT NULL,
        leased_by TEXT,
        leased_until_ms INTEGER NOT NULL DEFAULT 0,
        last_error TEXT,
        PRIMARY KEY (call_sid, seq),
        FOREIGN KEY (call_sid, seq) REFERENCES events (call_sid, seq) ON DELETE CASCADE
    ) WITHOUT ROWID""",
    "CREATE INDEX outbox_by_due ON outbox (dead, due_ms)",
    "CREATE INDEX outbox_leased ON outbox (leased_until_ms) WHERE leased_until_ms > 0",
)
"""Its tables."""

# A row waits for the earlier ones of its call. Rows that are handed out take their places first; of a business only as many as there are
# places are handed out.
_DUE = f"""
WITH due AS (
    SELECT o.*, row_number() OVER (PARTITION BY business_id ORDER BY leased_until_ms > ?1 DESC, due_ms, call_sid) AS place
    FROM outbox o
    WHERE dead = 0 AND due_ms <= ?1
        AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.call_sid = o.call_sid AND e.seq < o.seq AND e.dead = 0)
)
SELECT d.call_sid, d.seq, d.business_id, d.kind, d.attempts, d.give_up_ms, e.at, e.body, c.record
FROM due d JOIN events e USING (call_sid, seq) JOIN calls c USING (call_sid)
WHERE place <= {AT_ONCE} AND d.leased_until_ms <= ?1
ORDER BY d.due_ms, d.call_sid LIMIT ?2
"""  # noqa: S608  (a constant)

_LEASE = """
UPDATE outbox SET leased_by = ?, leased_until_ms = ?
WHERE call_sid = ? AND seq = ? AND dead = 0 AND due_ms <= ? AND leased_until_ms <= ?
"""

_FAILED = """
UPDATE outbox SET attempts = attempts + 1, last_error = ?, dead = ?, due_ms = ?, leased_by = NULL, leased_until_ms = 0
WHERE call_sid = ? AND seq = ? AND leased_by = ?
"""

_NEXT = """
SELECT min(at_ms) FROM (
    SELECT min(due_ms) AS at_ms FROM outbox WHERE dead = 0 AND due_ms > ?1
    UNION ALL SELECT min(leased_until_ms) FROM outbox WHERE leased_until_ms > ?1 AND leased_until_ms > 0
)
"""

_LIST = """
SELECT call_sid, seq, business_id, outbox.kind, dead, attempts, due_ms, give_up_ms, last_error
FROM outbox JOIN events USING (call_sid, seq)
WHERE (?1 IS NULL OR business_id = ?1) AND (?2 IS NULL OR dead = ?2)
ORDER BY at, call_sid, seq LIMIT ?3
"""

# "{}" for all dead rows, or for those named.
_NAMED = "(call_sid, seq) IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:ids))"
_RETRY = """
UPDATE outbox SET dead = 0, attempts = 0, due_ms = :now, give_up_ms = :give_up, leased_by = NULL, leased_until_ms = 0, last_error = NULL
WHERE {}
"""

_LOOKS = 5

_record_decoder = msgspec.json.Decoder(CallRecord)


class SqliteOutbox:
    """The outbox of an opened store. Implements :class:`calls.store.outbox.Outbox`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.filled = store.outbox_filled

    async def take(self, owner: str, now: datetime, limit: int) -> list[Posting]:
        """See :meth:`calls.store.outbox.Outbox.take`."""
        # Looked for without a lock; of two that find the same row one gets it, and the other looks again.
        for _ in range(_LOOKS):
            found = await self._store.fetch(_DUE, _ms(now), max(limit, 0))
            taken = await self._lease(found, owner, _ms(now)) if found else []
            if taken or not found:
                return [_posting(row) for row in taken]
        return []

    async def _lease(self, rows: Sequence[Any], owner: str, now_ms: int) -> Sequence[Any]:
        """Those of the rows that are still to be had, as the owner's."""
        until_ms = now_ms + round(LEASE_S * 1000)

        def is_leased(db: sqlite3.Connection, row: Sequence[Any]) -> bool:
            return db.execute(_LEASE, (owner, until_ms, row[0], row[1], now_ms, now_ms)).rowcount > 0

        return await self._store.write(lambda db: [row for row in rows if is_leased(db, row)])

    async def next_due(self, now: datetime) -> datetime | None:
        """See :meth:`calls.store.outbox.Outbox.next_due`."""
        ((due_ms,),) = await self._store.fetch(_NEXT, _ms(now))
        return _at(due_ms) if due_ms is not None else None

    async def posted(self, posting: Posting) -> None:
        """See :meth:`calls.store.outbox.Outbox.posted`."""
        await self._do("DELETE FROM outbox WHERE call_sid = ? AND seq = ?", posting.call_sid, posting.seq)

    async def failed(self, posting: Posting, owner: str, why: str, retry_at: datetime | None) -> None:
        """See :meth:`calls.store.outbox.Outbox.failed`."""
        due_ms = _ms(retry_at) if retry_at is not None else 0
        await self._do(_FAILED, why, retry_at is None, due_ms, posting.call_sid, posting.seq, owner)

    async def give_back(self, owner: str) -> None:
        """See :meth:`calls.store.outbox.Outbox.give_back`."""
        await self._do("UPDATE outbox SET leased_by = NULL, leased_until_ms = 0 WHERE leased_by = ?", owner)

    async def list(self, *, business_id: BusinessId | None = None, state: State | None = None, limit: int = 50) -> list[Queued]:
        """See :meth:`calls.store.outbox.Outbox.list`."""
        dead = None if state is None else state == "dead"
        return [_queued(row) for row in await self._store.fetch(_LIST, business_id, dead, limit)]

    async def retry(self, ids: Sequence[tuple[CallSid, int]] | None, now: datetime, give_up_at: datetime) -> int:
        """See :meth:`calls.store.outbox.Outbox.retry`."""
        return await self._change(_RETRY, ids, {"now": _ms(now), "give_up": _ms(give_up_at)})

    async def drop(self, ids: Sequence[tuple[CallSid, int]] | None) -> int:
        """See :meth:`calls.store.outbox.Outbox.drop`."""
        return await self._change("DELETE FROM outbox WHERE {}", ids, {})

    async def _change(self, sql: str, ids: Sequence[tuple[CallSid, int]] | None, parameters: Mapping[str, object]) -> int:
        where = "dead" if ids is None else _NAMED
        named = msgspec.json.encode(list(ids or [])).decode()
        return await self._store.write(lambda db: db.execute(sql.format(where), {**parameters, "ids": named}).rowcount)

    async def _do(self, sql: str, *parameters: object) -> None:
        await self._store.write(lambda db: db.execute(sql, parameters).rowcount)


def put(db: sqlite3.Connection, events: Iterable[CallEvent], business_of: Mapping[CallSid, BusinessId], wants: Wants) -> bool:
    """Puts in those events that their business wants, within the transaction that stores them. Whether there were any."""
    rows = []
    for event in events:
        business_id = business_of[event.call_sid]
        if wants(business_id, event.kind):
            rows.append((event.call_sid, event.seq, business_id, event.kind, _ms(event.at), _ms(event.at + GIVE_UP_AFTER)))
    if rows:
        db.executemany(
            "INSERT INTO outbox (call_sid, seq, business_id, kind, due_ms, give_up_ms) VALUES (?, ?, ?, ?, ?, ?)", rows
        )
    return bool(rows)


def _posting(row: Sequence[Any]) -> Posting:
    call_sid, seq, business_id, kind, attempts, give_up_ms, at, body, record = row
    event = CallEvent(call_sid, seq, parse_timestamp(at), decode_body(body))
    return Posting(
        call_sid=call_sid,
        seq=seq,
        business_id=business_id,
        kind=kind,
        attempts=attempts,
        give_up_at=_at(give_up_ms),
        body=body_of(_record_decoder.decode(record), event),
    )


def _queued(row: Sequence[Any]) -> Queued:
    call_sid, seq, business_id, kind, dead, attempts, due_ms, give_up_ms, last_error = row
    return Queued(
        id=key_of(call_sid, seq),
        business_id=business_id,
        kind=kind,
        state="dead" if dead else "waiting",
        attempts=attempts,
        next_try_at=None if dead else timestamp(_at(due_ms)),
        give_up_at=timestamp(_at(give_up_ms)),
        last_error=last_error,
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

"""The tables ``calls`` and ``events``, row by row, within a transaction."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from calls.events import CallEvent, encode_body, timestamp
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.call_row import CallRow

_SAVE = """
INSERT INTO calls
    (call_sid, business_id, started_at, ended, owner, last_seq, token_attempt, token_issued_at_s, token_used, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (call_sid) DO UPDATE SET
    ended = excluded.ended, owner = excluded.owner, last_seq = excluded.last_seq, token_attempt = excluded.token_attempt,
    token_issued_at_s = excluded.token_issued_at_s, token_used = excluded.token_used, record = excluded.record
"""

_ONE = "SELECT record, token_attempt, token_issued_at_s, token_used FROM calls WHERE call_sid = ?"
_SOME = """
SELECT record, token_attempt, token_issued_at_s, token_used FROM calls WHERE call_sid IN (SELECT value FROM json_each(?))
"""

_record_encoder = msgspec.json.Encoder()
_record_decoder = msgspec.json.Decoder(CallRecord)


def row_of(db: sqlite3.Connection, call_sid: CallSid) -> CallRow | None:
    """The row of a call, ``None`` if there is no such call."""
    found = db.execute(_ONE, (call_sid,)).fetchall()
    return _row(*found[0]) if found else None


def rows_of(db: sqlite3.Connection, call_sids: Collection[CallSid]) -> dict[CallSid, CallRow]:
    """The rows of those calls that there are."""
    if len(call_sids) == 1:
        (call_sid,) = call_sids
        row = row_of(db, call_sid)
        return {} if row is None else {call_sid: row}
    named = msgspec.json.encode(list(call_sids)).decode()
    rows = [_row(*found) for found in db.execute(_SOME, (named,)).fetchall()]
    return {row.record.call_sid: row for row in rows}


def save(db: sqlite3.Connection, rows: Iterable[CallRow]) -> None:
    """Stores rows, new ones and changed ones."""
    db.executemany(_SAVE, [_columns(row) for row in rows])


def add(db: sqlite3.Connection, events: Sequence[CallEvent]) -> None:
    """Stores events whose calls' rows have counted them."""
    columns = [(event.call_sid, event.seq, timestamp(event.at), event.kind, encode_body(event.body).decode()) for event in events]
    db.executemany("INSERT INTO events (call_sid, seq, at, kind, body) VALUES (?, ?, ?, ?, ?)", columns)


def _row(encoded: str, attempt: int, issued_at_s: int, used: str | None) -> CallRow:
    return CallRow(_record_decoder.decode(encoded), attempt, issued_at_s, used)


def _columns(row: CallRow) -> tuple[object, ...]:
    record, encoded = row.record, _record_encoder.encode(row.record).decode()
    what_is_asked_for = (record.call_sid, record.business_id, record.started_at, record.ended, record.owner, record.last_seq)
    return (*what_is_asked_for, row.attempt, row.issued_at_s, row.used, encoded)

"""Forgetting calls in the SQLite store. Implements :class:`calls.store.retention.RetentionStore`."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from calls.address import is_e164
from calls.caller_identity import identity_of
from calls.events import timestamp
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord
from calls.store.retention import LONGEST_CALL
from calls.store.sqlite import SqliteStore
from calls.store.sqlite_errors import explained

BATCH = 200
"""Calls deleted in one transaction: events of live calls wait for no more than that."""

_OVER = """
SELECT record FROM calls
WHERE (?1 IS NULL OR business_id = ?1) AND started_at < ?2
    AND ((ended AND json_extract(record, '$.ended_at') < ?2) OR started_at < ?3)
ORDER BY started_at, call_sid
"""

# Numbers stand in a record as they are; anything else may be written in more than one way.
_OF_CALLER = "SELECT record FROM calls WHERE instr(record, ?) > 0 ORDER BY started_at, call_sid"

_NAMED = "call_sid IN (SELECT call_sid FROM calls JOIN json_each(?) ON value = call_sid WHERE ended OR started_at < ?)"

_record_decoder = msgspec.json.Decoder(CallRecord)


class SqliteRetention:
    """See the module. ``store``: an open store, whose file and transactions it shares."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def over_before(self, before: datetime, business_id: BusinessId | None = None) -> list[CallRecord]:
        """See :meth:`calls.store.retention.RetentionStore.over_before`."""
        return await self._fetch(_OVER, business_id, timestamp(before), timestamp(before - LONGEST_CALL))

    async def of_caller(self, caller: str) -> list[CallRecord]:
        """See :meth:`calls.store.retention.RetentionStore.of_caller`."""
        candidates = await self._fetch(_OF_CALLER, caller if is_e164(caller) else "")
        return [record for record in candidates if identity_of(record.from_) == caller]

    async def delete(self, call_sids: Sequence[CallSid], now: datetime) -> int:
        """See :meth:`calls.store.retention.RetentionStore.delete`."""
        batches = [call_sids[first : first + BATCH] for first in range(0, len(call_sids), BATCH)]
        return sum([await self._delete(batch, timestamp(now - LONGEST_CALL)) for batch in batches])

    async def settle(self) -> None:
        """See :meth:`calls.store.retention.RetentionStore.settle`."""
        await self._store.fold()

    async def _delete(self, call_sids: Sequence[CallSid], a_day_ago: str) -> int:
        named = (msgspec.json.encode(call_sids).decode(), a_day_ago)

        def work(db: sqlite3.Connection) -> int:
            # What is to be posted goes with its event.
            db.execute(f"DELETE FROM events WHERE {_NAMED}", named)  # noqa: S608  (a constant)
            return db.execute(f"DELETE FROM calls WHERE {_NAMED}", named).rowcount  # noqa: S608

        return await self._store.write(work)

    async def _fetch(self, sql: str, *parameters: object) -> list[CallRecord]:
        rows = await self._store.fetch(sql, *parameters)
        try:
            return [_record_decoder.decode(encoded) for (encoded,) in rows]
        except msgspec.MsgspecError as error:
            raise explained(error, self._store.path) from error

"""What each bridge has said of itself last, in the SQLite store. Implements :class:`calls.store.fleet.FleetStore`."""

import sqlite3
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from calls.fleet import TaskLoad
from calls.store.base import StoreError

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE fleet (owner TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, load TEXT NOT NULL) WITHOUT ROWID",
)
"""Its table."""

_GONE_AFTER = timedelta(hours=1)

_NOTE = "INSERT INTO fleet VALUES (?, ?, ?) ON CONFLICT (owner) DO UPDATE SET at_ms = excluded.at_ms, load = excluded.load"

_load_decoder = msgspec.json.Decoder(TaskLoad)


class SqliteFleet:
    """``store``: an open :class:`calls.store.sqlite.SqliteStore`, whose file and transactions it shares."""

    def __init__(self, store: "SqliteStore") -> None:
        self._store = store

    async def note(self, load: TaskLoad) -> None:
        """See :meth:`calls.store.fleet.FleetStore.note`."""
        row = (load.owner, _ms(load.at), msgspec.json.encode(load).decode())

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM fleet WHERE at_ms < ?", (_ms(load.at - _GONE_AFTER),))
            db.execute(_NOTE, row)

        await self._store.write(work)

    async def forget(self, owner: str) -> None:
        """See :meth:`calls.store.fleet.FleetStore.forget`."""
        await self._store.write(lambda db: db.execute("DELETE FROM fleet WHERE owner = ?", (owner,)).rowcount)

    async def loads(self, since: datetime) -> list[TaskLoad]:
        """See :meth:`calls.store.fleet.FleetStore.loads`."""
        rows = await self._store.fetch("SELECT load FROM fleet WHERE at_ms >= ? ORDER BY owner", _ms(since))
        try:
            return [_load_decoder.decode(load) for (load,) in rows]
        except msgspec.MsgspecError as error:
            raise StoreError(f"the call store holds a bridge's load this version of Frontdesk cannot read: {error}") from None


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)

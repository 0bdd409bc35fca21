"""Business files that have been applied, in the SQLite store. Implements :class:`calls.store.businesses.BusinessStore`."""

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from calls.ids import BusinessId
from calls.store.businesses import Applied, BusinessesChanged, BusinessText

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = (
    "CREATE TABLE businesses (business_id TEXT PRIMARY KEY, text TEXT NOT NULL, applied_at TEXT NOT NULL)",
    "CREATE TABLE businesses_applied (version INTEGER NOT NULL)",
    "INSERT INTO businesses_applied VALUES (0)",
)
"""Its tables."""

# One statement, so that nothing is applied in between.
_LOAD = """
SELECT version, business_id, text, applied_at FROM businesses_applied LEFT JOIN businesses ON TRUE ORDER BY business_id
"""

_PUT = """
INSERT INTO businesses VALUES (?, ?, ?)
ON CONFLICT (business_id) DO UPDATE SET text = excluded.text, applied_at = excluded.applied_at
"""


class SqliteBusinesses:
    """``store``: an open :class:`calls.store.sqlite.SqliteStore`, whose file and transactions it shares."""

    def __init__(self, store: "SqliteStore") -> None:
        self._store = store

    async def version(self) -> int:
        """See :meth:`calls.store.businesses.BusinessStore.version`."""
        ((version,),) = await self._store.fetch("SELECT version FROM businesses_applied")
        return int(version)

    async def load(self) -> Applied:
        """See :meth:`calls.store.businesses.BusinessStore.load`."""
        rows = list(await self._store.fetch(_LOAD))
        texts = [
            BusinessText(business_id=business_id, text=text, applied_at=applied_at)
            for _, business_id, text, applied_at in rows
            if business_id is not None
        ]
        return Applied(version=rows[0][0], businesses=tuple(texts))

    async def apply(self, put: Sequence[BusinessText], remove: Sequence[BusinessId], version: int) -> int:
        """See :meth:`calls.store.businesses.BusinessStore.apply`. All or nothing."""

        def work(db: sqlite3.Connection) -> int:
            ((now,),) = db.execute("SELECT version FROM businesses_applied").fetchall()
            if now != version:
                raise BusinessesChanged
            for business_id in remove:
                db.execute("DELETE FROM businesses WHERE business_id = ?", (business_id,))
            for one in put:
                db.execute(_PUT, (one.business_id, one.text, one.applied_at))
            db.execute("UPDATE businesses_applied SET version = ?", (version + 1,))
            return version + 1

        return await self._store.write(work)

"""The leads that calls have brought, in the SQLite store."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from calls.events import LeadCaptured, timestamp
from calls.ids import BusinessId
from calls.store.base import StoreError
from calls.store.leads import Lead

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = ("CREATE INDEX leads_by_time ON events (at) WHERE kind = 'lead.captured'",)
"""An index for them; they are events of calls."""

_LEADS = """
SELECT e.call_sid, e.seq, e.at, c.business_id, json_extract(c.record, '$.from'), e.body
FROM events e JOIN calls c USING (call_sid)
WHERE e.kind = 'lead.captured' AND (?1 IS NULL OR c.business_id = ?1) AND (?2 IS NULL OR e.at >= ?2)
ORDER BY e.at DESC, e.call_sid, e.seq DESC LIMIT ?3
"""

_body_decoder = msgspec.json.Decoder(LeadCaptured)


class SqliteLeads:
    """The leads in an opened store. Implements :class:`calls.store.leads.LeadStore`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def leads(self, *, business_id: BusinessId | None = None, since: datetime | None = None, limit: int = 50) -> list[Lead]:
        """See :meth:`calls.store.leads.LeadStore.leads`."""
        rows = await self._store.fetch(_LEADS, business_id, None if since is None else timestamp(since), limit)
        try:
            return [
                Lead(call_sid=sid, seq=seq, at=at, business_id=business, from_=from_, fields=_body_decoder.decode(body).fields)
                for sid, seq, at, business, from_, body in rows
            ]
        except msgspec.MsgspecError as error:
            raise StoreError(f"the call store holds a lead this version of Frontdesk cannot read: {error}") from None

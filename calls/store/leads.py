"""The leads that calls have brought, across calls: the one interface every store has."""

from datetime import datetime
from typing import Protocol

import msgspec

from calls.ids import BusinessId, CallSid


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """What one ``lead.captured`` says, and whose call it was."""

    call_sid: CallSid
    seq: int
    at: str
    business_id: BusinessId
    from_: str = msgspec.field(name="from")
    fields: dict[str, str]


class LeadStore(Protocol):
    """Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    async def leads(self, *, business_id: BusinessId | None = None, since: datetime | None = None, limit: int = 50) -> list[Lead]:
        """The newest leads, the newest first; ``since``: those taken down then or later."""

"""Forgetting calls: what every store does so that nothing is kept for longer than it should be."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from calls.ids import BusinessId, CallSid
from calls.record import CallRecord

LONGEST_CALL = timedelta(hours=24)
"""Twilio's cap on a call, where the account has raised it from four hours: what began earlier is over, whoever forgot to say so."""

Keeps = Callable[[BusinessId], timedelta | None]
"""For how long a business wants its calls kept; ``None``: until somebody deletes them."""


class RetentionStore(Protocol):
    """Finds and deletes calls. Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    async def over_before(self, before: datetime, business_id: BusinessId | None = None) -> list[CallRecord]:
        """The calls that ended before an instant, the oldest first."""

    async def of_caller(self, caller: str) -> list[CallRecord]:
        """All calls of one caller (:func:`calls.caller_identity.identity_of`), the oldest first; live ones, too."""

    async def delete(self, call_sids: Sequence[CallSid], now: datetime) -> int:
        """Deletes those that are over, with their events and what is still to be posted of them. Returns how many that were."""

    async def settle(self) -> None:
        """What was deleted is gone from the store's files, too, as far as that is in the store's hands."""

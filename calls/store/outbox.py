"""Events that are still to be posted to businesses: the one interface every store's outbox has.

Rows get in with the event itself, in one transaction (see ``wants`` of :func:`calls.store.open_store`). A row is *waiting* until it is
posted, when it is gone, or until it is *dead*: tried for days, kept, and tried again only on request. Of one call only the earliest
waiting row is handed out, so that its events arrive in order.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from calls.ids import BusinessId, CallSid
from calls.outbox import Posting

LEASE_S = 30.0
"""For how long a row that was handed out is nobody else's: longer than a post may take. After that its taker counts as dead."""

AT_ONCE = 4
"""Rows of one business that are handed out at a time, so that a business that does not answer keeps the others' post from nobody."""

State = Literal["waiting", "dead"]


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A row as people look at it."""

    id: str
    """Its idempotency key: ``CA…/17``."""
    business_id: BusinessId
    kind: str
    state: State
    attempts: int
    next_try_at: str | None
    """``None`` for a dead one."""
    give_up_at: str
    last_error: str | None


class Outbox(Protocol):
    """The outbox of a store. Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    filled: asyncio.Event
    """Set when this process has put something in; whoever waits for it clears it."""

    async def take(self, owner: str, now: datetime, limit: int) -> list[Posting]:
        """Hands out rows that are due, each to one owner at a time."""

    async def next_due(self, now: datetime) -> datetime | None:
        """The earliest moment after ``now`` at which there may be something more to take."""

    async def posted(self, posting: Posting) -> None:
        """The business has it: the row goes."""

    async def failed(self, posting: Posting, owner: str, why: str, retry_at: datetime | None) -> None:
        """It could not be posted. ``None``: it is dead. Nothing if the row is no longer the owner's."""

    async def give_back(self, owner: str) -> None:
        """The owner goes, and leaves what it has taken to others."""

    async def list(self, *, business_id: BusinessId | None = None, state: State | None = None, limit: int = 50) -> list[Queued]:
        """What is in it, the earliest event first."""

    async def retry(self, ids: Sequence[tuple[CallSid, int]] | None, now: datetime, give_up_at: datetime) -> int:
        """Has these rows (``None``: all dead ones) posted as soon as possible and as if for the first time. Returns how many."""

    async def drop(self, ids: Sequence[tuple[CallSid, int]] | None) -> int:
        """Forgets these rows (``None``: all dead ones). Returns how many."""

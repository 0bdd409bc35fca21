"""What is still to be posted to businesses, in the DynamoDB store. Implements :class:`calls.store.outbox.Outbox`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from calls.ids import BusinessId, CallSid
from calls.outbox import Posting
from calls.store.dynamodb_outbox_rows import everything, milliseconds, rows_for
from calls.store.dynamodb_queue import DynamoQueue, LookUp
from calls.store.dynamodb_table import DynamoTable
from calls.store.outbox import Queued, State

__all__ = ["DynamoOutbox", "LookUp", "rows_for"]


class DynamoOutbox:
    """The outbox in an open table, read and written in its threads. ``filled`` is set by whoever stores events; ``look_up`` is asked
    in a thread."""

    def __init__(self, table: DynamoTable, filled: asyncio.Event, look_up: LookUp) -> None:
        self._table, self._queue = table, DynamoQueue(table, look_up)
        self.filled = filled

    async def take(self, owner: str, now: datetime, limit: int) -> list[Posting]:
        """See :meth:`calls.store.outbox.Outbox.take`."""
        return await self._table.run(self._queue.take, owner, milliseconds(now), limit)

    async def next_due(self, now: datetime) -> datetime | None:
        """See :meth:`calls.store.outbox.Outbox.next_due`."""
        return await self._table.run(self._queue.next_due, milliseconds(now))

    async def posted(self, posting: Posting) -> None:
        """See :meth:`calls.store.outbox.Outbox.posted`."""
        await self._table.run(self._queue.drop, posting.call_sid, posting.seq)

    async def failed(self, posting: Posting, owner: str, why: str, retry_at: datetime | None) -> None:
        """See :meth:`calls.store.outbox.Outbox.failed`."""
        await self._table.run(self._queue.failed, posting, owner, why, None if retry_at is None else milliseconds(retry_at))

    async def give_back(self, owner: str) -> None:
        """See :meth:`calls.store.outbox.Outbox.give_back`."""
        await self._table.run(self._queue.give_back, owner)

    async def list(self, *, business_id: BusinessId | None = None, state: State | None = None, limit: int = 50) -> list[Queued]:
        """See :meth:`calls.store.outbox.Outbox.list`."""
        rows = await self._table.run(everything, self._table, state)
        chosen = [row for row in rows if business_id is None or row.business_id == business_id]
        return [row.queued for row in sorted(chosen, key=lambda row: (row.at, row.call_sid, row.seq))[:limit]]

    async def retry(self, ids: Sequence[tuple[CallSid, int]] | None, now: datetime, give_up_at: datetime) -> int:
        """See :meth:`calls.store.outbox.Outbox.retry`."""
        return await self._table.run(self._queue.retry, ids, milliseconds(now), milliseconds(give_up_at))

    async def drop(self, ids: Sequence[tuple[CallSid, int]] | None) -> int:
        """See :meth:`calls.store.outbox.Outbox.drop`."""
        return await self._table.run(self._queue.drop_all, ids)

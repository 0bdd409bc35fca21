"""Calls in a DynamoDB table: the store of many machines. ``docs/reference/dynamodb.md`` says what is kept where.

Everything that makes a request runs in a thread: the client takes a millisecond or more of computing for each, which the loop that
carries audio does not have.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from calls.events import AnyEvent, CallEvent, CallSummary, Usage
from calls.ids import BusinessId, CallSid
from calls.outbox import Wants, nobody_wants
from calls.record import CallRecord, Disposition, Message
from calls.store.base import NewCall, OpenedCall
from calls.store.dynamodb_calls import DynamoCalls
from calls.store.dynamodb_table import DynamoTable
from calls.store.retention import Keeps
from calls.stream_token import StreamToken

if TYPE_CHECKING:
    from calls.store.dynamodb_companions import DynamoCompanions


class DynamoStore:
    """The calls in a table, which it opens and closes. Implements :class:`calls.store.base.CallStore`.

    Args:
        create: makes the table where it is missing, if requests do not go to AWS: there it is deployed.
        wants: which events go into the outbox as they are stored.
        keeps: for how long a business wants its calls kept.
    """

    def __init__(
        self,
        table: DynamoTable,
        *,
        create: bool = True,
        wants: Wants = nobody_wants,
        keeps: Keeps = lambda _business_id: None,
    ) -> None:
        self.table = table
        self.outbox_filled = asyncio.Event()
        """Set when this process has put something into the outbox; whoever waits for it clears it."""
        self.calls = DynamoCalls(self.table, wants=wants, keeps=keeps, on_queued=self._note_queued)
        """The same for code that cannot await."""
        self._create = create
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def companions(self) -> "DynamoCompanions":
        """What is kept beside the calls."""
        from calls.store.dynamodb_companions import DynamoCompanions  # noqa: PLC0415  (they are made of this)

        return DynamoCompanions(self)

    async def open(self) -> None:
        """Finds the table, or makes it (see ``create``).

        Raises:
            StoreUnavailable: there is no such table, it cannot be reached, or it does not let us in.
        """
        self._loop = asyncio.get_running_loop()
        try:
            await self.table.run(self.table.open, create=self._create)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Waits for what is under way and lets go of the connections."""
        await asyncio.to_thread(self.table.close)

    async def check(self) -> None:
        """See :meth:`calls.store.base.CallStore.check`."""
        await self.table.run(self.calls.check)

    async def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See :meth:`calls.store.base.CallStore.open_call`."""
        return await self.table.run(self.calls.open_call, call, at)

    async def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """See :meth:`calls.store.base.CallStore.claim_stream`."""
        return await self.table.run(self.calls.claim_stream, token, owner, at)

    async def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.append`."""
        await self.table.run(self.calls.append, events, owner)

    async def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.append_next`."""
        return await self.table.run(self.calls.append_next, call_sid, body, at)

    async def set_disposition(self, call_sid: CallSid, disposition: Disposition, owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.set_disposition`."""
        await self.table.run(self.calls.set_disposition, call_sid, disposition, owner)

    async def release_stream(
        self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None
    ) -> None:
        """See :meth:`calls.store.base.CallStore.release_stream`."""
        await self.table.run(self.calls.release_stream, call_sid, owner, usage, at, cost_usd)

    async def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.note_action`."""
        return await self.table.run(self.calls.note_action, call_sid, at)

    async def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.end_call`."""
        return await self.table.run(self.calls.end_call, call_sid, reason, at, duration_ms)

    async def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See :meth:`calls.store.base.CallStore.resume_call`."""
        return await self.table.run(self.calls.resume_call, call_sid, why, at, after)

    async def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See :meth:`calls.store.base.CallStore.note_message`."""
        await self.table.run(self.calls.note_message, call_sid, message)

    async def note_recording(self, call_sid: CallSid, where: str) -> None:
        """See :meth:`calls.store.base.CallStore.note_recording`."""
        await self.table.run(self.calls.note_recording, call_sid, where)

    async def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.note_summary`."""
        return await self.table.run(self.calls.note_summary, call_sid, summary, at)

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.get_call`."""
        return await self.table.run(self.calls.get_call, call_sid)

    async def list_calls(self, *, limit: int = 50, business_id: BusinessId | None = None, live: bool = False) -> list[CallRecord]:
        """See :meth:`calls.store.base.CallStore.list_calls`."""
        return await self.table.run(self.calls.list_calls, limit=limit, business_id=business_id, live=live)

    async def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See :meth:`calls.store.base.CallStore.events`."""
        return await self.table.run(self.calls.events, call_sid, after)

    def _note_queued(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.outbox_filled.set)

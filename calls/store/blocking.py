"""A call store for code that cannot await: worker threads beside the loop, and commands that have no loop."""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from calls.events import AnyEvent, CallEvent, CallSummary, Usage
from calls.ids import BusinessId, CallSid
from calls.record import CallRecord, Disposition, Message
from calls.store.base import CallStore, NewCall, OpenedCall, StoreUnavailable
from calls.stream_token import StreamToken

TIMEOUT_S = 10

T = TypeVar("T")


class BlockingStore:
    """The methods of :class:`calls.store.base.CallStore` for threads other than the one ``loop`` runs in.

    Each raises what the store raises, and :class:`StoreUnavailable` when there is no answer within ``timeout_s``. Opening and
    closing the store stay with the loop.
    """

    def __init__(self, store: CallStore, loop: asyncio.AbstractEventLoop, timeout_s: float = TIMEOUT_S) -> None:
        self._store, self._loop, self._timeout_s = store, loop, timeout_s

    def check(self) -> None:
        """See :meth:`calls.store.base.CallStore.check`."""
        self._wait(self._store.check())

    def open_call(self, call: NewCall, at: datetime) -> OpenedCall:
        """See :meth:`calls.store.base.CallStore.open_call`."""
        return self._wait(self._store.open_call(call, at))

    def claim_stream(self, token: StreamToken, owner: str, at: datetime) -> CallRecord:
        """See :meth:`calls.store.base.CallStore.claim_stream`."""
        return self._wait(self._store.claim_stream(token, owner, at))

    def append(self, events: Sequence[CallEvent], owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.append`."""
        self._wait(self._store.append(events, owner))

    def append_next(self, call_sid: CallSid, body: AnyEvent, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.append_next`."""
        return self._wait(self._store.append_next(call_sid, body, at))

    def set_disposition(self, call_sid: CallSid, disposition: Disposition, owner: str | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.set_disposition`."""
        self._wait(self._store.set_disposition(call_sid, disposition, owner))

    def release_stream(self, call_sid: CallSid, owner: str, usage: Usage, at: datetime, cost_usd: float | None = None) -> None:
        """See :meth:`calls.store.base.CallStore.release_stream`."""
        self._wait(self._store.release_stream(call_sid, owner, usage, at, cost_usd))

    def note_action(self, call_sid: CallSid, at: datetime) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.note_action`."""
        return self._wait(self._store.note_action(call_sid, at))

    def end_call(self, call_sid: CallSid, reason: str, at: datetime, duration_ms: int | None = None) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.end_call`."""
        return self._wait(self._store.end_call(call_sid, reason, at, duration_ms))

    def resume_call(
        self, call_sid: CallSid, why: Literal["no_answer", "lost"], at: datetime, after: int | None = None
    ) -> OpenedCall | None:
        """See :meth:`calls.store.base.CallStore.resume_call`."""
        return self._wait(self._store.resume_call(call_sid, why, at, after))

    def note_message(self, call_sid: CallSid, message: Message) -> None:
        """See :meth:`calls.store.base.CallStore.note_message`."""
        self._wait(self._store.note_message(call_sid, message))

    def note_recording(self, call_sid: CallSid, where: str) -> None:
        """See :meth:`calls.store.base.CallStore.note_recording`."""
        self._wait(self._store.note_recording(call_sid, where))

    def note_summary(self, call_sid: CallSid, summary: CallSummary, at: datetime) -> CallEvent | None:
        """See :meth:`calls.store.base.CallStore.note_summary`."""
        return self._wait(self._store.note_summary(call_sid, summary, at))

    def get_call(self, call_sid: CallSid) -> CallRecord | None:
        """See :meth:`calls.store.base.CallStore.get_call`."""
        return self._wait(self._store.get_call(call_sid))

    def list_calls(self, *, limit: int = 50, business_id: BusinessId | None = None, live: bool = False) -> list[CallRecord]:
        """See :meth:`calls.store.base.CallStore.list_calls`."""
        return self._wait(self._store.list_calls(limit=limit, business_id=business_id, live=live))

    def events(self, call_sid: CallSid, after: int = 0) -> list[CallEvent]:
        """See :meth:`calls.store.base.CallStore.events`."""
        return self._wait(self._store.events(call_sid, after))

    def _wait(self, answer: Coroutine[Any, Any, T]) -> T:
        if _running_loop() is self._loop:
            answer.close()
            raise RuntimeError("BlockingStore was called from the loop it would wait for; await the store itself there")
        try:
            future = asyncio.run_coroutine_threadsafe(answer, self._loop)
        except RuntimeError:  # the loop is closed
            answer.close()
            raise StoreUnavailable("the call store is closed: the process is ending") from None
        try:
            return future.result(self._timeout_s)
        except concurrent.futures.CancelledError:
            raise StoreUnavailable("the call store is closed: the process is ending") from None
        except TimeoutError:
            future.cancel()
            raise StoreUnavailable(f"the call store did not answer within {self._timeout_s:g} s") from None


def run_with_store(store: CallStore, work: Callable[[CallStore], Awaitable[T]]) -> T:
    """Opens ``store``, awaits ``work`` with it and closes it, in a loop of its own: the store for a command.

    Raises what ``open`` and ``work`` raise.
    """

    async def opened() -> T:
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None

"""How a call gets its last event once its stream is over.

``stop`` ends a stream, not a call. What ends a call is Twilio's report of a terminal status, our own ``completed``, or ten
seconds after the stream in which Twilio asked nothing: then the caller has hung up and no status callback is configured. A call that
is carried on meanwhile, here or elsewhere, is not ended by whoever had it before.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from bridge.conversation.outputs import Release
from calls.events import CallEvent, timestamp
from calls.ids import CallSid
from calls.journal import Journal
from calls.log_context import About
from calls.record import CallRecord
from calls.store.base import CallStore, StoreError, StoreUnavailable

QUIET_S = 10.0
LOOK_AGAIN_S = 0.5
"""How often it is looked whether another bridge has let go of a call that is over."""
LONGEST_CALL = timedelta(hours=24)
"""Twilio's cap on a call, where the account has raised it from four hours."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
"""Between two attempts to tell the store."""
_RETRIES = 5

log = structlog.get_logger()


class Report(msgspec.Struct, frozen=True):
    """A terminal CallStatus, as ``/call-status`` was told."""

    status: str
    duration_ms: int | None


class Endings:
    """Releases calls and ends those that nobody else ends. One task per released call, for at most ten seconds."""

    def __init__(self, store: CallStore, journal: Journal, owner: str, announce: Callable[[CallEvent], None]) -> None:
        self._store = store
        self._journal = journal
        self._owner = owner
        self._announce = announce
        self._waiting: dict[CallSid, asyncio.Task[None]] = {}

    async def release(
        self,
        call_sid: CallSid,
        release: Release,
        over_at: datetime,
        last_report: Callable[[], Report | None],
        *,
        started_at: str | None = None,
    ) -> None:
        """Stores what is pending of the call and gives it up; ends it, now or once it has been quiet.

        Args:
            over_at: when the stream was over. Twilio asks ``/stream-ended`` after that and maybe before the call is given up.
            started_at: when the call was, as its record says.
            last_report: what Twilio reported of the call's end while the bridge still owned it; asked once, when that is over.
        """
        await self._journal.flush(call_sid)
        released_at = datetime.now(UTC)
        await self._persist(
            lambda: self._store.release_stream(call_sid, self._owner, release.usage, released_at, release.cost_usd)
        )
        report = last_report()
        if release.end_reason is not None:
            lasted_ms = _lasted_ms(started_at, over_at) if started_at is not None else None
            reported_ms = report.duration_ms if report is not None else None
            await self._end(call_sid, release.end_reason, lasted_ms if reported_ms is None else reported_ms)
        elif report is not None:
            await self.call_over(call_sid, report.status, report.duration_ms)
        else:
            self._wait(call_sid, over_at, timestamp(released_at))

    async def call_over(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        """Twilio reports the end of a call that is owned, but not served by this process: its owner is gone, or is another one that has
        still to write what was said last."""
        try:
            record = await self._store.get_call(call_sid)
        except StoreError as error:
            log.error("call.not_ended", call_sid=call_sid, why=str(error))
            return
        if record is None:
            return
        if record.owner in (None, self._owner):
            await self._end(call_sid, _reason(status, record), duration_ms)
        else:
            self._replace(call_sid, self._end_once_let_go(call_sid, status, duration_ms))

    async def sweep(self) -> None:
        """Ends the calls that an earlier process left behind: those whose stream was over when it went, unless Twilio now asks what
        comes next, and those older than Twilio lets any call be. Call it once, at start."""
        now = datetime.now(UTC)
        try:
            left = await self._store.list_calls(limit=1000, live=True)
        except StoreError as error:
            log.error("calls.not_swept", why=str(error))
            return
        for record in left:
            if now - datetime.fromisoformat(record.started_at) > LONGEST_CALL:
                await self._end(record.call_sid, "lost")
            elif record.owner is None and record.released_at is not None and record.action_requested_at is None:
                self._wait(record.call_sid, datetime.fromisoformat(record.released_at), record.released_at)

    async def close(self) -> None:
        """Stops waiting; calls that were waited for are ended by Twilio's report, or by whoever looks at the store next."""
        waiting = list(self._waiting.values())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def _wait(self, call_sid: CallSid, over_at: datetime, released_at: str) -> None:
        self._replace(call_sid, self._end_if_quiet(call_sid, over_at, released_at))

    def _replace(self, call_sid: CallSid, waiting: Coroutine[Any, Any, None]) -> None:
        before = self._waiting.pop(call_sid, None)
        if before is not None:  # for an earlier stream of the call
            before.cancel()
        self._waiting[call_sid] = asyncio.create_task(waiting, name=f"quiet-{call_sid}")

    async def _end_once_let_go(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        try:
            for _ in range(round(QUIET_S / LOOK_AGAIN_S)):
                record = await self._store.get_call(call_sid)
                if record is None or record.ended:
                    return
                if record.owner is None:
                    break
                await asyncio.sleep(LOOK_AGAIN_S)
            if record is not None:
                await self._end(call_sid, _reason(status, record), duration_ms)
        except StoreError as error:
            log.error("call.not_ended", call_sid=call_sid, why=str(error))
        finally:
            if self._waiting.get(call_sid) is asyncio.current_task():
                del self._waiting[call_sid]

    async def _end_if_quiet(self, call_sid: CallSid, over_at: datetime, released_at: str) -> None:
        try:
            record = await self._seen_after_quiet(call_sid)
            if record is None or record.ended or record.owner is not None or record.released_at != released_at:
                return
            asked_at = record.action_requested_at
            if asked_at is None or datetime.fromisoformat(asked_at) < over_at:
                await self._end(call_sid, _reason("completed", record), _lasted_ms(record.started_at, over_at))
        finally:
            if self._waiting.get(call_sid) is asyncio.current_task():
                del self._waiting[call_sid]

    async def _seen_after_quiet(self, call_sid: CallSid) -> CallRecord | None:
        """The record after ten seconds, or as many more as the store is away: nobody else may end the call."""
        while True:
            await asyncio.sleep(QUIET_S)
            try:
                return await self._store.get_call(call_sid)
            except StoreError as error:
                log.error("call.not_ended", call_sid=call_sid, why=str(error))

    async def _end(self, call_sid: CallSid, reason: str, duration_ms: int | None = None) -> None:
        with About(call_sid=call_sid):
            await self._ended(call_sid, reason, duration_ms)

    async def _ended(self, call_sid: CallSid, reason: str, duration_ms: int | None) -> None:
        async def end() -> None:
            event = await self._store.end_call(call_sid, reason, datetime.now(UTC), duration_ms)
            if event is not None:
                self._announce(event)

        await self._persist(end)

    async def _persist(self, action: Callable[[], Awaitable[None]]) -> None:
        """Tries for as long as the store is away, and a few times if it refuses: the audio is over, so waiting harms nobody."""
        pause_s, attempts_left = FIRST_PAUSE_S, _RETRIES
        while attempts_left:
            try:
                await action()
            except StoreError as error:
                log.error("store.retry", why=str(error), retry_in_s=pause_s)
                attempts_left -= not isinstance(error, StoreUnavailable)
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


def _lasted_ms(started_at: str, over_at: datetime) -> int:
    return max(0, round((over_at - datetime.fromisoformat(started_at)) / timedelta(milliseconds=1)))


def _reason(status: str, record: CallRecord) -> str:
    """Why a call ended that Twilio reports as ``status``: an ending that was decided has a reason of its own."""
    if status != "completed":
        return status
    return record.disposition.reason if record.disposition is not None else "caller_hung_up"

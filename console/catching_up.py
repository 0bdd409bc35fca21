"""Asking the bridge for the events that were missed: after a reconnection, and when a number is skipped."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

import msgspec

from console.operator_http import OperatorApiError, OperatorHttp
from console.protocol import CallSummary, Event, PhaseChanged
from console.sequences import Sequences

MAX_BEHIND = 2_000
"""Calls whose missing events may be asked for at a time; of any more, the events are passed on with gaps."""
AT_ONCE = 4
ATTEMPTS = 3
DELAY_S = 0.5


class Missing(msgspec.Struct, frozen=True):
    """Events of a call got lost on the way and could not be had: ``why`` is half a sentence."""

    call_sid: str
    why: str


CaughtUp = Event | PhaseChanged | Missing


class CatchUp:
    """Fetches for one connection. What it finds goes to ``pass_on``, in order for each call.

    ``pass_on`` may raise; that ends the task group the fetches run in.
    """

    def __init__(
        self,
        http: OperatorHttp,
        sequences: Sequences,
        pass_on: Callable[[CaughtUp], None],
        sleep: Callable[[float], Awaitable[None]],
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._http = http
        self._sequences = sequences
        self._pass_on = pass_on
        self._sleep = sleep
        self._tasks = tasks
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._behind: set[str] = set()

    def fetch(self, call_sid: str, *, may_have_ended: bool = False) -> None:
        """Begins to ask for the events of a call that is behind; does nothing if that is being done already."""
        if call_sid in self._behind:
            return
        if len(self._behind) >= MAX_BEHIND:
            self._give_up(call_sid, "too many calls are behind")
            return
        self._behind.add(call_sid)
        self._tasks.create_task(self._catch_up(call_sid, may_have_ended=may_have_ended))

    def look_for_missed_calls(self) -> None:
        """Begins to ask for calls that began and ended while there was no connection."""
        self._tasks.create_task(self._find_missed_calls())

    async def _find_missed_calls(self) -> None:
        try:
            over = await self._http.calls(live=False)
        except OperatorApiError:
            return  # whoever is interested finds them among the past calls
        for call_sid in self._sequences.began_and_ended(over):
            self.fetch(call_sid)

    async def _catch_up(self, call_sid: str, *, may_have_ended: bool) -> None:
        async with self._slots:
            trouble = await self._fetch(call_sid)
            self._behind.discard(call_sid)
            if self._sequences.is_behind(call_sid):
                self._give_up(call_sid, trouble)
            if may_have_ended and not self._sequences.is_over(call_sid):
                await self._look_whether_ended(call_sid)

    async def _fetch(self, call_sid: str) -> str:
        """Asks until nothing is missing, a few times at most; returns what was in the way."""
        trouble = "the bridge does not have them"
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._sleep(DELAY_S * 2**attempt)
            try:
                events = await self._http.events(call_sid, after=self._sequences.last(call_sid))
            except OperatorApiError as error:
                trouble = str(error)
                if error.trouble == "not_found":
                    break
                continue
            self._all(self._sequences.fetched(call_sid, events))
            if not self._sequences.is_behind(call_sid):
                break
        return trouble

    def _give_up(self, call_sid: str, why: str) -> None:
        self._pass_on(Missing(call_sid, why))
        self._all(self._sequences.give_up(call_sid))

    async def _look_whether_ended(self, call_sid: str) -> None:
        """The call is not among the live ones any more, and no event said why."""
        try:
            call = await self._http.call(call_sid)
        except OperatorApiError as error:
            if error.trouble != "not_found":
                return
            self._sequences.ended(call_sid)
            self._pass_on(PhaseChanged(call_sid, "ended", muted=False))
            return
        if call.ended_at is not None and not self._sequences.is_over(call_sid):
            self._sequences.ended(call_sid)
            self._pass_on(_end_of(call, call.ended_at))

    def _all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._pass_on(event)


def _end_of(call: CallSummary, ended_at: datetime) -> Event:
    """The last event of a call, told from its record."""
    fields = {
        "reason": call.end_reason,
        "duration_ms": call.duration_ms,
        "greeting_latency_ms": call.greeting_latency_ms,
        "barge_ins": call.barge_ins,
        "cost_usd": call.cost_usd,
    }
    return Event(call.call_sid, max(call.last_seq, 1), ended_at, "call.ended", fields)

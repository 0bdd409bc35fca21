"""Commands of operators: allowed or not, passed to whoever can carry them out, answered in one sentence."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import structlog

from bridge.operator.far_orders import NOT_MINE, Answer
from bridge.operator.live_call import LiveCall, LiveSessions
from bridge.operator.tokens import OperatorKey
from calls.events import CallEvent, OperatorCommand
from calls.ids import CallSid
from calls.operator import Command
from calls.record import CallRecord, Disposition
from calls.store.base import CallStore, StoreError

STORE_WITHIN_S = 3.0
ENDED_WITHIN_S = 10.0
"""How long after a call was completed its owner has to end it, before this bridge does."""
REASON = "operator"

_NO_REST = "TWILIO_ACCOUNT_SID is not set, so this bridge cannot have Twilio end the call"
_REST_FAILED = "Twilio could not be told to end the call; the bridge's log says why"

log = structlog.get_logger()
_T = TypeVar("_T")


class Rest(Protocol):
    """Twilio's REST API."""

    async def complete(self, call_sid: CallSid) -> bool:
        """Ends the call; ``False`` if that could not be brought about."""


class Ends(Protocol):
    """Who ends calls that no session ends."""

    async def call_over(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        """The call is over at Twilio."""


class Announces(Protocol):
    """The bus."""

    def publish(self, event: CallEvent) -> None:
        """Tells everybody."""


class Asks(Protocol):
    """Who passes commands on to the bridges that own the calls."""

    async def ask(self, owner: str, key: OperatorKey, command: Command) -> Answer | None:
        """The owner's answer; ``None`` if it gave none."""

    def why_silent(self, owner: str) -> str:
        """Why it gave none, in a sentence."""


class Orders:
    """Carries commands out. ``elsewhere``: where those for other bridges' calls go. ``has_rest``: Twilio's REST API may be used."""

    def __init__(
        self,
        sessions: LiveSessions,
        store: CallStore,
        rest: Rest,
        endings: Ends,
        bus: Announces,
        *,
        elsewhere: Asks,
        has_rest: bool = True,
    ) -> None:
        self._sessions = sessions
        self._store = store
        self._rest = rest
        self._endings = endings
        self._bus = bus
        self._elsewhere = elsewhere
        self._has_rest = has_rest
        self._later: set[asyncio.Task[None]] = set()

    async def carry_out(self, key: OperatorKey, command: Command) -> Answer:
        """Does what is asked, if it may be done. Never raises."""
        if key.role != "operator":
            return _may_not(key)
        session = self._sessions.session_of(command.call_sid)
        try:
            if session is not None:
                return _told(session, key, command)
            return await self._without_session(key, command)
        except (StoreError, TimeoutError) as error:
            log.warning("operator.store_away", call_sid=command.call_sid, why=str(error) or "timeout")
            return Answer(503, "the call store does not answer, so the call cannot be found")
        except Exception:
            log.exception("operator.command_failed", call_sid=command.call_sid, action=command.action)
            return Answer(500, "the bridge failed to carry the command out; its log says why")

    async def carry_out_here(self, key: OperatorKey, command: Command) -> Answer:
        """Does what another bridge passes on, if the call is served here and it may be done."""
        if key.role != "operator":
            return _may_not(key)
        session = self._sessions.session_of(command.call_sid)
        return NOT_MINE if session is None else _told(session, key, command)

    async def close(self) -> None:
        """Waits for nothing any more."""
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)

    # --- a call that no session of this process serves -----------------------------------------------------------------------

    async def _without_session(self, key: OperatorKey, command: Command) -> Answer:
        record = await _bounded(self._store.get_call(command.call_sid))
        if record is None:
            return Answer(404, "there is no such call")
        if record.ended:
            return Answer(409, "the call has ended")
        if record.owner is None:
            return (
                await self._force(key, record) if command.action == "force_hangup" else Answer(409, _why_nobody_listens(record))
            )
        answer = await self._elsewhere.ask(record.owner, key, command)
        if answer is not None and answer != NOT_MINE:
            return answer
        if command.action == "force_hangup":
            return await self._force(key, record)
        return answer or Answer(409, self._elsewhere.why_silent(record.owner))

    async def _force(self, key: OperatorKey, record: CallRecord) -> Answer:
        """Has Twilio end the call, over the head of a bridge that is gone."""
        if not self._has_rest:
            return Answer(409, _NO_REST)
        await self._note(key, record)
        if record.disposition is None:
            # Should the stream end first, the answer to "what now" is the same.
            decided = Disposition(action="hang_up", reason=REASON, by=key.name)
            await _bounded(self._store.set_disposition(record.call_sid, decided))
        if not await self._rest.complete(record.call_sid):
            return Answer(409, _REST_FAILED)
        if record.owner is None:
            await self._endings.call_over(record.call_sid, "completed", None)
        else:
            self._end_later(key, record.call_sid)
        return Answer()

    async def _note(self, key: OperatorKey, record: CallRecord) -> None:
        """Puts the command on the record, unless a bridge owns it: then only that may write, as long as it lives."""
        log.info("operator.force_hangup", call_sid=record.call_sid, operator=key.name, owner=record.owner)
        if record.owner is None:
            await self._append(key, record.call_sid)

    async def _append(self, key: OperatorKey, call_sid: CallSid) -> None:
        """Appends the command to a call that is not over."""
        body = OperatorCommand(operator=key.name, action="force_hangup")
        event = await _bounded(self._store.append_next(call_sid, body, datetime.now(UTC)))
        if event is not None:
            self._bus.publish(event)

    def _end_later(self, key: OperatorKey, call_sid: CallSid) -> None:
        """Its owner hears of the end from Twilio and ends the record; one that is gone does not, and writes nothing any more."""

        async def end() -> None:
            await asyncio.sleep(ENDED_WITHIN_S)
            try:
                await self._append(key, call_sid)
            except (StoreError, TimeoutError) as error:
                log.error("operator.not_recorded", call_sid=call_sid, why=str(error) or "timeout")
            await self._endings.call_over(call_sid, "completed", None)

        task = asyncio.create_task(end(), name=f"end-{call_sid}")
        self._later.add(task)
        task.add_done_callback(self._later.discard)


def _may_not(key: OperatorKey) -> Answer:
    return Answer(403, f"{key.name} may only watch; commands need the role operator")


def _told(session: LiveCall, key: OperatorKey, command: Command) -> Answer:
    error = session.command(key.name, command)
    return Answer() if error is None else Answer(409, error)


def _why_nobody_listens(record: CallRecord) -> str:
    if record.accepted_at is None:
        return "no bridge owns the call yet"
    return "no bridge owns the call any more"


async def _bounded(work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(STORE_WITHIN_S):
        return await work

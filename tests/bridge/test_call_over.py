"""Twilio's report of a call's end finds the bridge that serves the call, and where there is none the record is ended."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from bridge.call_over import CallOver
from calls.bus.mailbox import WITHIN_S, Mailbox
from calls.bus.memory import MemoryHub, MemoryTransport
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.base import StoreUnavailable
from tests.bridge.operator.test_audience import record
from tests.calls.examples import sid
from tests.calls.virtual_loop import run_virtually

REPORT = (sid(), "completed", 7_000)


class Session:
    def __init__(self) -> None:
        self.is_given_up = False
        self.told: list[tuple[str, int | None]] = []

    def call_over(self, status: str, duration_ms: int | None) -> bool:
        self.told.append((status, duration_ms))
        return not self.is_given_up


class Bridge:
    """One process, with the calls it serves."""

    def __init__(self, hub: MemoryHub, name: str, stored: CallRecord | None) -> None:
        self.sessions: dict[CallSid, Session] = {}
        self.ended: list[tuple[CallSid, str, int | None]] = []
        self.stored = stored
        self.store_is_away = False
        self.transport = MemoryTransport(hub)
        self.mailbox = Mailbox(self.transport, name)
        self.over = CallOver(self, self, self, self.mailbox, name)  # type: ignore[arg-type]

    def session_of(self, call_sid: CallSid) -> Session | None:
        return self.sessions.get(call_sid)

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        if self.store_is_away:
            raise StoreUnavailable("it is away")
        return self.stored

    async def call_over(self, call_sid: CallSid, status: str, duration_ms: int | None) -> None:
        self.ended.append((call_sid, status, duration_ms))


def played(story: Callable[[Bridge, Bridge], Awaitable[None]], stored: CallRecord | None) -> None:
    """Twilio asks the first of two bridges."""

    async def play() -> None:
        hub = MemoryHub()
        bridges = [Bridge(hub, name, stored) for name in ("asked", "owner")]
        for bridge in bridges:
            await bridge.mailbox.open()
            await bridge.transport.open()
        await story(*bridges)
        for bridge in bridges:
            await bridge.mailbox.close()

    run_virtually(play())


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_the_session_here_is_told_and_nobody_else() -> None:
    async def story(asked: Bridge, owner: Bridge) -> None:
        session = asked.sessions[sid()] = Session()
        await asked.over.report(*REPORT)
        assert session.told == [("completed", 7_000)]
        assert asked.ended == owner.ended == []

    played(story, record(owner="asked"))


def test_the_session_of_another_bridge_is_told() -> None:
    async def story(asked: Bridge, owner: Bridge) -> None:
        session = owner.sessions[sid()] = Session()
        await asked.over.report(*REPORT)
        assert session.told == [("completed", 7_000)]
        assert asked.ended == owner.ended == []

    played(story, record(owner="owner"))


def test_an_owner_that_does_not_answer_is_gone_and_the_record_is_ended() -> None:
    async def story(asked: Bridge, _: Bridge) -> None:
        await asked.over.report(*REPORT)
        assert asked.ended == [REPORT]
        assert now_s() >= WITHIN_S

    played(story, record(owner="a bridge that was killed"))


def test_an_owner_that_has_given_the_call_up_leaves_its_end_to_others() -> None:
    async def story(asked: Bridge, owner: Bridge) -> None:
        session = owner.sessions[sid()] = Session()
        session.is_given_up = True
        await asked.over.report(*REPORT)
        assert (asked.ended, owner.ended) == ([REPORT], [])

    played(story, record(owner="owner"))


def test_nobody_is_asked_of_a_call_that_nobody_owns() -> None:
    async def story(asked: Bridge, _: Bridge) -> None:
        for stored in (record(), record(owner="asked"), None):
            asked.stored = stored
            await asked.over.report(*REPORT)
        assert asked.ended == [REPORT] * 3
        assert now_s() == 0

    played(story, None)


def test_a_store_that_is_away_is_left_to_who_ends_calls() -> None:
    async def story(asked: Bridge, _: Bridge) -> None:
        asked.store_is_away = True
        await asked.over.report(*REPORT)
        assert asked.ended == [REPORT]

    played(story, None)


def test_a_report_that_is_none_is_not_answered() -> None:
    async def story(asked: Bridge, _: Bridge) -> None:
        assert await asked.mailbox.ask("owner", "call_over", msgspec.msgpack.encode("what?")) is None

    played(story, None)

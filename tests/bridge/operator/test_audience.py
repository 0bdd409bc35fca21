"""Readers come at any time, and each is told everything once: what there is already, then what happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from bridge.operator.audience import Audience
from bridge.operator.catching_up import STORE_WITHIN_S
from calls.bus.memory import Alone, MemoryBus
from calls.events import CallEvent
from calls.record import CallRecord
from calls.store.base import StoreUnavailable
from tests.bridge.operator.doubles import Session, Sessions, read, reader
from tests.calls.examples import ONE_OF_EACH, event, said, sid
from tests.calls.virtual_loop import run_virtually

STARTED, ENDED = ONE_OF_EACH[0], ONE_OF_EACH[-1]


class Shelf:
    """A store that lists calls, as far as it lists any. ``meanwhile`` happens while it looks them up."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []
        self.is_away = False
        self.hangs = False
        self.meanwhile: Callable[[], None] = lambda: None

    async def list_calls(self, **_: Any) -> list[CallRecord]:
        found = list(self.records)
        self.meanwhile()
        await asyncio.sleep(0)
        if self.hangs:
            await asyncio.Event().wait()
        if self.is_away:
            raise StoreUnavailable("it is away")
        return found


def record(call: int = 1, last_seq: int = 1, **changes: Any) -> CallRecord:
    begun = CallRecord(
        call_sid=sid(call),
        business_id="bobs-hvac",  # type: ignore[arg-type]
        from_="+15005550001",
        to="+15005550006",
        channel="pstn",
        started_at=f"2026-01-01T12:00:{call:02}.000Z",
        last_seq=last_seq,
    )
    return msgspec.structs.replace(begun, **changes)


class Room:
    """An audience with its bus and store."""

    def __init__(self, *sessions: Session, backlog: int = 1000) -> None:
        self.bus, self.shelf = MemoryBus(), Shelf()
        self.sessions = Sessions(*sessions)
        self.backlog = backlog
        self.audience: Audience

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Audience]:
        with self.bus.subscribe(self.backlog) as events:
            self.audience = Audience(self.shelf, self.sessions, events, Alone(), "bridge-1")  # type: ignore[arg-type]
            await self.audience.open()
            yield self.audience
            await self.audience.close()

    async def happens(self, *events: CallEvent) -> None:
        for one in events:
            self.bus.publish(one)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def told(messages: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """A snapshot's calls with their last seq, then events."""
    first, *rest = messages
    assert first["type"] == "snapshot"
    return [(call["call_sid"], call["last_seq"]) for call in first["calls"]] + [(each["call_sid"], each["seq"]) for each in rest]


async def test_a_reader_is_told_what_there_is_and_then_what_happens() -> None:
    room = Room()
    async with room.open() as audience:
        room.shelf.records = [record(1, 1)]
        await room.happens(event(1, STARTED), event(2, said("hello")))
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        await room.happens(event(3), event(1, STARTED, call=2))
        messages = await read(one)
        assert told(messages) == [(sid(), 2), (sid(), 3), (sid(2), 1)]
        assert messages[0]["calls"][0] == {
            "call_sid": sid(),
            "business_id": "bobs-hvac",
            "from": "+15005550001",
            "to": "+15005550006",
            "channel": "pstn",
            "phase": "connecting",
            "started_at": "2026-01-01T12:00:00.010Z",
            "owner": None,
            "last_seq": 2,
            "last_line": "hello",
            "greeting_latency_ms": None,
            "barge_ins": 0,
            "cost_usd": None,
            "muted": False,
        }
        assert messages[1] == event(3).flat()
        audience.detach(one)


async def test_what_happens_while_the_store_looks_is_neither_missed_nor_told_twice() -> None:
    room = Room()

    def happens_meanwhile() -> None:
        for each in (event(2), event(3), event(9, ENDED, call=2)):
            room.bus.publish(each)

    async with room.open() as audience:
        await room.happens(event(1, STARTED))
        room.shelf.meanwhile = happens_meanwhile
        room.shelf.records = [record(1, 1), record(2, 8)]
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        room.bus.publish(event(4))
        await room.happens()
        messages = told(await read(one))
        assert sorted(messages) == sorted(set(messages))
        assert [seq for call, seq in messages if call == sid(1)] in ([3, 4], [2, 3, 4], [1, 2, 3, 4])
        assert [seq for call, seq in messages if call == sid(2)] == [8, 9]
        audience.detach(one)


async def test_a_store_that_is_ahead_of_the_bus_is_believed() -> None:
    room = Room()
    async with room.open() as audience:
        await room.happens(event(1, STARTED))
        room.shelf.records = [record(1, 3, last_line="three")]
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        await room.happens(event(2), event(3, said("three")), event(4))
        assert told(await read(one)) == [(sid(), 3), (sid(), 4)]
        audience.detach(one)


@pytest.mark.parametrize("trouble", ["is_away", "hangs"])
def test_a_snapshot_does_without_a_store_that_does_not_answer(trouble: str) -> None:
    async def welcomed() -> float:
        room = Room()
        async with room.open() as audience:
            setattr(room.shelf, trouble, True)
            await room.happens(event(1, STARTED))
            one = reader()
            audience.attach(one)
            began_s = asyncio.get_running_loop().time()
            await audience.welcome(one)
            took_s = asyncio.get_running_loop().time() - began_s
            assert told(await read(one))[0] == (sid(), 1)
            audience.detach(one)
            return took_s

    assert run_virtually(welcomed()) <= STORE_WITHIN_S


async def test_calls_that_began_before_this_process_are_there_without_a_store_too() -> None:
    room = Room()
    room.shelf.records = [record(1, 5, owner="bridge-0")]
    async with room.open() as audience:
        room.shelf.is_away = True
        await room.happens(event(6))
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        assert told(await read(one)) == [(sid(), 6)]
        audience.detach(one)


async def test_a_call_that_ended_out_of_sight_is_not_live_for_ever() -> None:
    room = Room()
    room.shelf.records = [record(1)]
    async with room.open() as audience:
        room.shelf.records = []
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        assert told(await read(one)) == []
        assert sid() not in audience.calls
        audience.detach(one)


async def test_a_call_that_is_served_here_bears_this_bridges_name_and_its_silence() -> None:
    session = Session()
    session.muted = True
    room = Room(session)
    room.shelf.records = [record()]
    async with room.open() as audience:
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        (call,) = (await read(one))[0]["calls"]
        assert (call["owner"], call["muted"]) == ("bridge-1", True)
        audience.detach(one)


async def test_lost_events_send_every_reader_away_to_look_anew() -> None:
    room = Room(backlog=3)
    async with room.open() as audience:
        await room.happens(event(1, STARTED))
        one = reader()
        audience.attach(one)
        await audience.welcome(one)
        room.shelf.records = [record(1, 9, last_line="as stored")]
        for seq in range(2, 10):
            room.bus.publish(event(seq))
        await room.happens()
        assert [message["type"] for message in await read(one)] == ["dropped"]
        audience.detach(one)
        again = reader()
        audience.attach(again)
        await audience.welcome(again)
        assert told(await read(again)) == [(sid(), 9)]
        audience.detach(again)


async def test_sessions_are_watched_only_while_somebody_reads() -> None:
    session = Session()
    room = Room(session)
    async with room.open() as audience:
        one, other = reader(), reader()
        assert not audience.view.is_on
        audience.attach(one)
        audience.attach(other)
        audience.detach(one)
        assert audience.view.is_on
        audience.view.tick()
        assert session.observer is not None
        audience.detach(other)
        assert not audience.view.is_on
        assert session.observer is None


async def test_closing_asks_every_reader_to_leave() -> None:
    room = Room()
    async with room.open() as audience:
        one = reader()
        audience.attach(one)
        await audience.close()
        assert one.is_leaving

"""What the bus does not bring is found in the store, in time, once, and without asking it more than is needed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bridge.operator.audience import Audience
from bridge.operator.catching_up import LOOK_EVERY_S, MAX_BEHIND, PAUSES_S
from bridge.operator.reader import Reader
from calls.bus.memory import MemoryHub, MemoryTransport
from calls.bus.shared import SharedBus
from calls.events import CallEvent
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.base import StoreUnavailable
from tests.bridge.operator.doubles import Session, Sessions, read, reader
from tests.bridge.operator.test_audience import record
from tests.calls.examples import ONE_OF_EACH, event, sid
from tests.calls.virtual_loop import run_virtually

STARTED, ENDED = ONE_OF_EACH[0], ONE_OF_EACH[-1]
SOON_S = sum(PAUSES_S) + 1


class Store:
    """Calls and their events, and how often was asked for what."""

    def __init__(self) -> None:
        self.kept: dict[CallSid, list[CallEvent]] = {}
        self.is_away = False
        self.asked: list[tuple[str, CallSid | None]] = []

    def keep(self, *events: CallEvent) -> None:
        for each in events:
            self.kept.setdefault(each.call_sid, []).append(each)

    def record_of(self, call_sid: CallSid) -> CallRecord:
        events = self.kept[call_sid]
        begun = msgspec.structs.replace(record(int(call_sid[2:], 16)), last_seq=0)
        for each in events:
            begun = begun.after(each)
        return begun

    async def list_calls(self, *, limit: int, live: bool) -> list[CallRecord]:
        await self._answers("list", None)
        records = [self.record_of(call_sid) for call_sid in self.kept]
        return [one for one in records if not (live and one.ended)][:limit]

    async def get_call(self, call_sid: CallSid) -> CallRecord | None:
        await self._answers("record", call_sid)
        return self.record_of(call_sid) if call_sid in self.kept else None

    async def events(self, call_sid: CallSid, after: int) -> list[CallEvent]:
        await self._answers("events", call_sid)
        return [each for each in self.kept.get(call_sid, []) if each.seq > after]

    async def _answers(self, what: str, call_sid: CallSid | None) -> None:
        self.asked.append((what, call_sid))
        await asyncio.sleep(0.01)
        if self.is_away:
            raise StoreUnavailable("it is away")

    def times_asked(self, what: str) -> int:
        return sum(asked == what for asked, _ in self.asked)


class Room:
    """An audience with one reader, on a bus with another process."""

    def __init__(self, *sessions: Session) -> None:
        self.hub, self.store = MemoryHub(), Store()
        self.sessions = Sessions(*sessions)
        self.far = SharedBus(MemoryTransport(self.hub), "bridge-2")
        self.near = SharedBus(MemoryTransport(self.hub), "bridge-1")
        self.reader: Reader
        self.audience: Audience

    def happens(self, *events: CallEvent) -> None:
        """Elsewhere, stored and told."""
        self.store.keep(*events)
        self.is_told(*events)

    def is_told(self, *events: CallEvent) -> None:
        for each in events:
            self.far.publish(each)

    async def comes_in(self) -> Reader:
        one = reader()
        self.audience.attach(one)
        await self.audience.welcome(one)
        return one

    async def events(self) -> list[tuple[CallSid, int]]:
        """What the reader was told of events."""
        return [(each["call_sid"], each["seq"]) for each in await read(self.reader) if each["type"] == "event"]


def played(story: Callable[[Room], Awaitable[None]], *sessions: Session, before: Callable[[Room], Any] = lambda _: None) -> None:
    """The story begins with a reader who has had the snapshot. ``before``: what there is already."""

    async def play() -> None:
        room = Room(*sessions)
        before(room)
        async with room.far, room.near:
            with room.near.subscribe(10_000) as events:
                transport = room.near.transport
                room.audience = Audience(room.store, room.sessions, events, transport, "bridge-1")  # type: ignore[arg-type]
                await room.audience.open()
                room.reader = await room.comes_in()
                await asyncio.sleep(0.1)
                await story(room)
                room.audience.detach(room.reader)
                await room.audience.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(play())


def test_a_gap_is_filled_from_the_store_before_anything_behind_it_is_told() -> None:
    async def story(room: Room) -> None:
        room.happens(event(1, STARTED))
        room.store.keep(event(2))
        room.happens(event(3))
        await asyncio.sleep(1)
        assert await room.events() == [(sid(), 1), (sid(), 2), (sid(), 3)]

    played(story)


def test_what_is_merely_late_is_not_asked_for() -> None:
    async def story(room: Room) -> None:
        room.store.keep(event(1, STARTED), event(2))
        room.is_told(event(2))
        await asyncio.sleep(0.05)
        room.is_told(event(1, STARTED))
        await asyncio.sleep(1)
        assert room.store.times_asked("events") == 0
        assert await room.events() == [(sid(), 1), (sid(), 2)]

    played(story)


def test_a_call_that_a_webhook_without_a_bus_began_is_told_from_its_beginning() -> None:
    async def story(room: Room) -> None:
        room.store.keep(event(1, STARTED))
        room.happens(event(2), event(3))
        await asyncio.sleep(1)
        assert room.store.times_asked("events") == 1
        assert await room.events() == [(sid(), 1), (sid(), 2), (sid(), 3)]

    played(story)


def test_calls_the_bus_says_nothing_of_are_found_within_seconds_to_their_end() -> None:
    async def story(room: Room) -> None:
        room.store.keep(event(1, STARTED))
        await asyncio.sleep(LOOK_EVERY_S + 1)
        room.store.keep(event(2))
        await asyncio.sleep(LOOK_EVERY_S + 1)
        room.store.keep(event(3), event(4, ENDED))
        await asyncio.sleep(LOOK_EVERY_S + 1)
        assert await room.events() == [(sid(), 1), (sid(), 2), (sid(), 3), (sid(), 4)]

    played(story)


def test_a_call_that_began_and_ended_between_two_looks_is_found_too() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(0.5)
        room.store.keep(event(1, STARTED, call=2), event(2, ENDED, call=2))
        await asyncio.sleep(2 * LOOK_EVERY_S + 1)
        assert await room.events() == [(sid(2), 1), (sid(2), 2)]

    played(story, before=lambda room: room.store.keep(event(1, STARTED), event(2, ENDED)))


def test_what_was_over_before_anybody_looked_is_not_told() -> None:
    async def story(room: Room) -> None:
        await asyncio.sleep(3 * LOOK_EVERY_S)
        assert await room.events() == []

    played(story, before=lambda room: room.store.keep(event(1, STARTED), event(2, ENDED)))


def test_nothing_is_asked_of_the_store_while_nobody_reads_along() -> None:
    async def story(room: Room) -> None:
        room.audience.detach(room.reader)
        await asyncio.sleep(1)
        asked = len(room.store.asked)
        room.store.keep(event(1, STARTED))
        room.happens(event(2))
        room.is_told(event(9))
        await asyncio.sleep(10 * LOOK_EVERY_S)
        assert len(room.store.asked) == asked

    played(story)


def test_of_calls_that_are_served_here_the_store_is_not_asked() -> None:
    async def story(room: Room) -> None:
        room.store.keep(event(1, STARTED), event(2))
        await asyncio.sleep(2 * LOOK_EVERY_S)
        assert room.store.times_asked("events") == 0

    played(story, Session(sid()))


def test_events_that_cannot_be_had_are_done_without_after_a_few_seconds() -> None:
    async def story(room: Room) -> None:
        room.is_told(event(1, STARTED), event(4))
        await asyncio.sleep(SOON_S)
        room.is_told(event(5))
        await asyncio.sleep(0.1)
        assert await room.events() == [(sid(), 1), (sid(), 4), (sid(), 5)]

    played(story)


def test_a_store_that_is_away_delays_and_loses_nothing_that_the_bus_brings() -> None:
    async def story(room: Room) -> None:
        room.store.is_away = True
        room.happens(event(1, STARTED))
        room.store.keep(event(2))
        room.happens(event(3))
        await asyncio.sleep(1)
        room.store.is_away = False
        await asyncio.sleep(2)
        assert await room.events() == [(sid(), 1), (sid(), 2), (sid(), 3)]

    played(story)


def test_what_happened_while_the_bus_was_down_is_told_as_soon_as_it_is_back() -> None:
    async def story(room: Room) -> None:
        room.happens(event(1, STARTED))
        await asyncio.sleep(LOOK_EVERY_S)
        room.hub.go(up=False)
        room.happens(event(2), event(3))
        await asyncio.sleep(1)
        room.hub.go(up=True)
        await asyncio.sleep(1)
        messages = await read(room.reader)
        kinds = [message.get("seq", message.get("up")) for message in messages[1:]]
        assert kinds == [1, False, True, 2, 3]
        assert "up" in messages[-3]["message"]

    played(story)


def test_who_comes_while_the_bus_is_down_is_told_so_behind_the_snapshot() -> None:
    async def story(room: Room) -> None:
        room.hub.go(up=False)
        late = await room.comes_in()
        assert [(message["type"], message.get("up")) for message in await read(late)] == [("snapshot", None), ("bus", False)]
        room.audience.detach(late)

    played(story)


def test_a_second_reader_does_not_cost_the_first_what_the_store_knew() -> None:
    async def story(room: Room) -> None:
        room.store.keep(event(1, STARTED), event(2))
        late = await room.comes_in()
        await asyncio.sleep(1)
        room.happens(event(3))
        await asyncio.sleep(0.1)
        assert [each.get("seq") for each in await read(late)] == [None, 3]
        assert await room.events() == [(sid(), 1), (sid(), 2), (sid(), 3)]
        room.audience.detach(late)

    played(story)


def test_a_call_that_the_list_of_live_calls_does_not_have_yet_is_not_taken_for_ended() -> None:
    async def story(room: Room) -> None:
        room.happens(event(1, STARTED))
        listed = room.store.list_calls

        async def lags_behind(**options: Any) -> list[CallRecord]:
            await listed(**options)
            return []

        room.store.list_calls = lags_behind  # type: ignore[method-assign]
        await asyncio.sleep(LOOK_EVERY_S + 1)
        room.happens(event(2))
        await asyncio.sleep(0.1)
        assert await room.events() == [(sid(), 1), (sid(), 2)]

    played(story)


def test_a_call_that_was_erased_is_looked_for_once() -> None:
    async def story(room: Room) -> None:
        room.is_told(event(1, STARTED))
        await asyncio.sleep(5 * LOOK_EVERY_S)
        assert room.store.times_asked("record") == 1

    played(story)


def test_a_flood_of_unknown_calls_is_bounded_and_told_all_the_same() -> None:
    async def story(room: Room) -> None:
        room.is_told(*(event(5, call=call) for call in range(1, MAX_BEHIND + 101)))
        await asyncio.sleep(60)
        assert len(await room.events()) == MAX_BEHIND + 100

    played(story)


def test_a_look_that_fails_is_not_the_last() -> None:
    async def story(room: Room) -> None:
        listed = room.store.list_calls

        async def breaks(**_: Any) -> list[CallRecord]:
            raise RuntimeError("a defect")

        room.store.list_calls = breaks  # type: ignore[method-assign]
        await asyncio.sleep(2 * LOOK_EVERY_S)
        room.store.list_calls = listed  # type: ignore[method-assign]
        room.store.keep(event(1, STARTED))
        await asyncio.sleep(LOOK_EVERY_S + 1)
        assert await room.events() == [(sid(), 1)]

    played(story)

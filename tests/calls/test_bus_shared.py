"""Events of several processes on one bus, and the settings that name it."""

import asyncio
from typing import Any

import msgspec
import pytest

from calls.bus import BusAddress, open_bus, parse_bus
from calls.bus.base import BusUnusable
from calls.bus.memory import MemoryHub, MemoryTransport, Subscription
from calls.bus.shared import EVENTS, SharedBus
from calls.events import CallEvent
from tests.calls.examples import HOSTILE, ONE_OF_EACH, event, said


async def turns() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def waiting(subscription: Subscription) -> list[CallEvent]:
    """What a subscription has for its reader by now."""
    found: list[CallEvent] = []
    queue: Any = subscription._queue
    while not queue.empty():
        found.append(queue.get_nowait())
    return found


async def test_every_process_is_told_every_event_once_and_whole() -> None:
    hub = MemoryHub()
    async with SharedBus(MemoryTransport(hub), "a") as one, SharedBus(MemoryTransport(hub), "b") as other:
        with one.subscribe() as near, other.subscribe() as far:
            events = [event(seq, body) for seq, body in enumerate((*ONE_OF_EACH, *map(said, HOSTILE)), start=1)]
            for each in events:
                one.publish(each)
            await turns()
            assert waiting(near) == events
            assert waiting(far) == events


async def test_ones_own_events_need_no_link() -> None:
    hub = MemoryHub()
    async with SharedBus(MemoryTransport(hub), "a") as one, SharedBus(MemoryTransport(hub), "b") as other:
        with one.subscribe() as near, other.subscribe() as far:
            hub.go(up=False)
            one.publish(event(1))
            await turns()
            assert (waiting(near), waiting(far)) == ([event(1)], [])
            hub.go(up=True)
            one.publish(event(2))
            await turns()
            assert (waiting(near), waiting(far)) == ([event(2)], [event(2)])


async def test_the_others_are_heard_only_while_somebody_wants_to_know() -> None:
    hub = MemoryHub()
    transport = MemoryTransport(hub)
    async with SharedBus(MemoryTransport(hub), "a") as one, SharedBus(transport, "b") as other:
        with other.subscribe(), other.subscribe() as far:
            one.publish(event(1))
            await turns()
            assert waiting(far) == [event(1)]
        assert EVENTS not in transport._listeners
        with other.subscribe() as again:
            one.publish(event(2))
            await turns()
            assert waiting(again) == [event(2)]


@pytest.mark.parametrize("garbage", [b"", b"\xc1", msgspec.msgpack.encode(("a", {"seq": "x"})), msgspec.msgpack.encode(("a", 7))])
async def test_an_event_that_cannot_be_read_does_no_harm(garbage: bytes) -> None:
    hub = MemoryHub()
    stranger = MemoryTransport(hub)
    await stranger.open()
    async with SharedBus(MemoryTransport(hub), "b") as bus:
        with bus.subscribe() as events:
            stranger.publish(EVENTS, garbage)
            stranger.publish(EVENTS, msgspec.msgpack.encode(("a", event(1))))
            await turns()
            assert waiting(events) == [event(1)]


async def test_a_bus_in_memory_is_always_up_and_reaches_nobody_else() -> None:
    async with open_bus(BusAddress("memory:"), "a") as bus:
        with bus.subscribe() as events:
            bus.publish(event(1))
            assert (bus.transport.is_shared, bus.transport.is_up, waiting(events)) == (False, True, [event(1)])


@pytest.mark.parametrize("url", ["memory:", "redis://localhost", "redis://h:1", "rediss://user:pw@h:6379", "redis://:pw@h?db=0"])
def test_an_address_is_taken_as_it_is(url: str) -> None:
    assert parse_bus(url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        "rabbit://h",
        "redis://h:port",
        "redis://h:99999",
        "redis://h?what=1",
        "redis:",
        "redis://",
        "redis:///0",
    ],
)
def test_what_names_no_bus_is_told_in_one_sentence(url: str) -> None:
    with pytest.raises(BusUnusable) as unusable:
        parse_bus(url)
    assert "redis://HOST:PORT" in str(unusable.value)


SECRET = "hunter2/@:x"


@pytest.mark.parametrize("url", [f"redis://u:{SECRET}@h", f"rediss://:{SECRET}@h:1", f"redis://h?password={SECRET}&db=0"])
def test_no_password_is_shown(url: str) -> None:
    address = BusAddress(url)
    assert "hunter2" not in f"{address} {address!r}"


@pytest.mark.parametrize("url", [f"redis://u:{SECRET}@h:port", f"rabbit://u:{SECRET}@h"])
def test_no_password_is_in_a_complaint(url: str) -> None:
    with pytest.raises(BusUnusable) as unusable:
        parse_bus(url)
    assert "hunter2" not in str(unusable.value)

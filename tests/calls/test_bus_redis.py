"""The bus over a real server, which is killed and started again."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from calls.bus import BusAddress, open_bus
from calls.bus.shared import SharedBus
from tests.calls.examples import HOSTILE, event, said
from tests.servers import RedisServer, redis_cluster, redis_server

WITHIN_S = 20.0


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
async def pair(redis: RedisServer) -> AsyncIterator[tuple[SharedBus, SharedBus]]:
    address = BusAddress(redis.url)
    async with asyncio.timeout(WITHIN_S), open_bus(address, "a") as one, open_bus(address, "b") as other:
        yield one, other


async def link(bus: SharedBus, *, up: bool) -> None:
    """Returns once the bus has noticed."""
    changed = asyncio.Event()
    undo = bus.transport.on_change(lambda _: changed.set())
    async with asyncio.timeout(WITHIN_S):
        while bus.transport.is_up != up:
            changed.clear()
            await changed.wait()
    undo()


async def heard_by(bus: SharedBus, other: SharedBus) -> None:
    """Returns once ``other`` hears what ``bus`` asks it: the server has taken note of all it was told before."""
    bus.mailbox.handle("are you there", _yes)
    assert await other.mailbox.ask(bus.name, "are you there", b"", within_s=WITHIN_S) == b"yes"


async def _yes(_: bytes) -> bytes:
    return b"yes"


async def test_events_of_any_text_arrive_in_order(pair: tuple[SharedBus, SharedBus]) -> None:
    one, other = pair
    events = [event(seq, said(text)) for seq, text in enumerate(HOSTILE, start=1)]
    with other.subscribe() as far:
        await heard_by(other, one)
        for each in events:
            one.publish(each)
        async with asyncio.timeout(WITHIN_S):
            assert [await far.get() for _ in events] == events


async def test_a_server_that_is_killed_and_started_again_is_found_again(
    pair: tuple[SharedBus, SharedBus], redis: RedisServer
) -> None:
    one, other = pair
    with other.subscribe() as far:
        redis.kill()
        for bus in pair:
            await link(bus, up=False)
        one.publish(event(1))
        redis.start()
        for bus in pair:
            await link(bus, up=True)
        await heard_by(other, one)
        one.publish(event(2))
        async with asyncio.timeout(WITHIN_S):
            assert await far.get() == event(2)


async def test_a_bus_opens_without_its_server_and_finds_it_later(redis: RedisServer) -> None:
    redis.kill()
    async with open_bus(BusAddress(redis.url), "a") as bus:
        assert not bus.transport.is_up
        redis.start()
        await link(bus, up=True)


async def test_a_server_that_asks_for_a_password_we_do_not_have_is_as_good_as_none(
    redis: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_bus(BusAddress(redis.url.replace("//", "//ana:wrong-password@")), "a") as bus:
        assert not bus.transport.is_up
    told = capsys.readouterr()
    assert "bus.down" in told.out + told.err
    assert "wrong-password" not in told.out + told.err


async def test_nodes_of_a_cluster_pass_on_to_each_other_what_plain_connections_say(tmp_path: Path) -> None:
    with redis_cluster(tmp_path) as (one_node, other_node):
        addresses = [BusAddress(node.url) for node in (one_node, other_node)]
        async with asyncio.timeout(WITHIN_S), open_bus(addresses[0], "a") as one, open_bus(addresses[1], "b") as other:
            with other.subscribe() as far:
                await heard_by(other, one)
                one.publish(event(1))
                assert await far.get() == event(1)

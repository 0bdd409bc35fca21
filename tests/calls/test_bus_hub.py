"""The hub: the bus of one machine, over a Unix socket."""

import asyncio
import struct
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from calls.bus.frames import MAX_FRAME_BYTES, BadFrame, Kind, frame, read_frame
from calls.bus.hub import Outgoing, hub
from calls.bus.hub_link import HubAt
from calls.bus.linked import LinkedTransport

WITHIN_S = 20.0


class Counted:
    """A counter."""

    def __init__(self) -> None:
        self.count = 0.0

    def inc(self, amount: float = 1) -> None:
        self.count += amount


class Inbox:
    """What one peer was told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[bytes] = asyncio.Queue()

    async def next(self) -> bytes:
        async with asyncio.timeout(WITHIN_S):
            return await self.told.get()


@pytest.fixture
def path() -> Iterator[Path]:
    """Short enough for the address of a Unix socket, as a test's own folder may not be."""
    with tempfile.TemporaryDirectory(prefix="hub-", dir="/tmp") as folder:
        yield Path(folder) / "bus"


@asynccontextmanager
async def peer(path: Path, dropped: Counted | None = None) -> AsyncIterator[LinkedTransport]:
    transport = LinkedTransport("hub", HubAt(path).connect, dropped=dropped)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


async def link_is(transport: LinkedTransport, *, up: bool) -> None:
    """Returns once it is."""
    changed = asyncio.Event()
    undo = transport.on_change(lambda _: changed.set())
    async with asyncio.timeout(WITHIN_S):
        while transport.is_up is not up:
            await changed.wait()
            changed.clear()
    undo()


async def listens(transport: LinkedTransport, topic: str) -> Inbox:
    """An inbox for a topic, once the hub knows of it: a word of one's own has come back."""
    inbox = Inbox()
    transport.listen(topic, inbox.told.put_nowait)
    ear: asyncio.Queue[bytes] = asyncio.Queue()
    transport.listen(f"{topic}?", ear.put_nowait)
    async with asyncio.timeout(WITHIN_S):
        while ear.empty():  # the topics are told the hub in their order
            transport.publish(f"{topic}?", b"")
            await asyncio.sleep(0)
    return inbox


async def test_what_one_peer_publishes_all_that_listen_to_the_topic_are_told_in_order(path: Path) -> None:
    async with hub(path), peer(path) as one, peer(path) as other:
        own, far, elsewhere = await listens(one, "שלום"), await listens(other, "שלום"), await listens(other, "b")
        for number in range(100):
            assert one.publish("שלום", b"%d \x00\xff" % number)
        expected = [b"%d \x00\xff" % number for number in range(100)]
        assert [await far.next() for _ in expected] == expected
        assert [await own.next() for _ in expected] == expected
        assert elsewhere.told.empty()


async def test_who_listens_no_more_is_told_nothing_more(path: Path) -> None:
    async with hub(path), peer(path) as one, peer(path) as other:
        inbox = Inbox()
        undo = other.listen("a", inbox.told.put_nowait)
        after = await listens(other, "b")
        undo()
        await listens(other, "c")  # by now the hub knows
        one.publish("a", b"late")
        one.publish("b", b"later")
        assert await after.next() == b"later"
        assert inbox.told.empty()


async def test_a_hub_that_went_away_and_came_back_is_found_again_with_all_topics(path: Path) -> None:
    async with AsyncExitStack() as first, peer_of(first, path) as (one, other):
        inbox = await listens(other, "a")
        await first.aclose()
        await link_is(one, up=False)
        await link_is(other, up=False)
        assert not one.publish("a", b"lost")
        async with hub(path):
            await link_is(one, up=True)
            await link_is(other, up=True)
            assert one.publish("a", b"found")
            assert await inbox.next() == b"found"


@asynccontextmanager
async def peer_of(stack: AsyncExitStack, path: Path) -> AsyncIterator[tuple[LinkedTransport, LinkedTransport]]:
    """Two peers of a hub that ``stack`` ends."""
    await stack.enter_async_context(hub(path))
    async with peer(path) as one, peer(path) as other:
        yield one, other


async def test_a_peer_that_does_not_read_loses_the_oldest_and_holds_up_nobody(path: Path) -> None:
    async with hub(path, max_waiting=10) as passing_on, peer(path) as one, peer(path) as quick:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frame(Kind.LISTEN, "a") + frame(Kind.PING))
        assert (await read_frame(reader))[0] is Kind.PONG
        inbox = await listens(quick, "a")
        sent = 300
        for number in range(sent):  # far more than the kernel keeps for who does not read
            one.publish("a", b"%d " % number + bytes(60_000))
            assert (await inbox.next()).startswith(b"%d " % number)
        received = [int(payload.split()[0]) async for payload in payloads(reader, until=sent - 1)]
        writer.close()
        assert received == sorted(received)
        assert received[:3] == [0, 1, 2]
        assert received[-10:] == list(range(sent - 10, sent))
        assert passing_on.dropped == sent - len(received) > 0


async def payloads(reader: asyncio.StreamReader, until: int) -> AsyncIterator[bytes]:
    """What still comes, to the one that begins with a number."""
    while True:
        async with asyncio.timeout(WITHIN_S):
            _, _, payload = await read_frame(reader)
        yield payload
        if payload.startswith(b"%d " % until):
            return


async def test_a_message_that_is_too_long_is_left_out_and_the_link_stays(path: Path) -> None:
    async with hub(path), peer(path) as one, peer(path) as other:
        inbox = await listens(other, "a")
        one.publish("a", bytes(MAX_FRAME_BYTES))
        one.publish("a", b"short")
        assert await inbox.next() == b"short"
        assert one.is_up


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("!I", MAX_FRAME_BYTES + 1),
        struct.pack("!I", 0xFFFFFFFF) + b"x" * 100,
        struct.pack("!I", 0),
        struct.pack("!IBH", 3, 99, 0),
        struct.pack("!IBH", 5, 1, 2) + b"\xff\xfe",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_a_peer_that_makes_no_sense_is_let_go_and_the_others_notice_nothing(path: Path, nonsense: bytes) -> None:
    async with hub(path), peer(path) as one, peer(path) as other:
        inbox = await listens(other, "a")
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(nonsense)
        async with asyncio.timeout(WITHIN_S):
            assert await reader.read() == b""
        writer.close()
        one.publish("a", b"still here")
        assert await inbox.next() == b"still here"


async def test_what_waits_for_a_peer_is_bounded_in_bytes_too() -> None:
    waiting = Outgoing(max_frames=100, max_bytes=10)
    for one in (b"aaaa", b"bbbb", b"cccc", b"d"):
        waiting.put(one)
    assert waiting.dropped == 1
    assert await waiting.batch(2) == [b"bbbb", b"cccc"]
    waiting.put(b"eeee")
    assert await waiting.batch(100) == [b"d", b"eeee"]


def test_a_frame_that_would_be_too_long_is_not_made() -> None:
    with pytest.raises(BadFrame):
        frame(Kind.PUBLISH, "x" * 70_000)
    with pytest.raises(BadFrame):
        frame(Kind.PUBLISH, "a", bytes(MAX_FRAME_BYTES))

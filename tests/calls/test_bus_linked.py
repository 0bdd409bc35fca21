"""A transport over a link that breaks: nothing waits for it, nothing stops it, and what it could not carry is counted."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import pairwise

import pytest

from calls.bus.linked import LAST_DELAY_S, MAX_BYTES, OPENED_WITHIN_S, LinkedTransport, Message
from tests.calls.virtual_loop import run_virtually


class Count:
    def __init__(self) -> None:
        self.value = 0.0

    def inc(self, amount: float = 1) -> None:
        self.value += amount


class Wire:
    """A link whose other end is the test."""

    def __init__(self, topics: Collection[str]) -> None:
        self.topics = set(topics)
        self.sent: list[Message] = []
        self.coming: asyncio.Queue[Message | Exception] = asyncio.Queue()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.is_closed = False

    async def send(self, messages: Sequence[Message]) -> None:
        await self.may_send.wait()
        self.sent += messages

    async def receive(self) -> Message:
        message = await self.coming.get()
        if isinstance(message, Exception):
            raise message
        return message

    async def listen(self, topic: str) -> None:
        self.topics.add(topic)

    async def unlisten(self, topic: str) -> None:
        self.topics.remove(topic)

    async def close(self) -> None:
        self.is_closed = True


class Exchange:
    """Makes links while it is not broken."""

    def __init__(self, **options: int) -> None:
        self.wires: list[Wire] = []
        self.tried_at_s: list[float] = []
        self.is_broken = False
        self.published, self.received, self.dropped = Count(), Count(), Count()
        self.transport = LinkedTransport(
            "test",
            self._connect,
            published=self.published,
            received=self.received,
            dropped=self.dropped,
            jitter=lambda: 1.0,
            **options,
        )

    async def _connect(self, topics: Collection[str]) -> Wire:
        self.tried_at_s.append(asyncio.get_running_loop().time())
        if self.is_broken:
            raise ConnectionRefusedError("nobody there")
        self.wires.append(Wire(topics))
        return self.wires[-1]

    def breaks(self) -> None:
        self.wires[-1].coming.put_nowait(ConnectionResetError("gone"))


def played(story: Callable[[Exchange], Awaitable[None]], **options: int) -> None:
    """Plays a story over an open transport; time passes when nothing else happens."""

    async def play() -> None:
        exchange = Exchange(**options)
        await exchange.transport.open()
        await story(exchange)
        await exchange.transport.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run_virtually(play())


def test_what_is_published_goes_out_in_order_and_is_counted() -> None:
    async def story(exchange: Exchange) -> None:
        assert [exchange.transport.publish("a", bytes([number])) for number in range(3)] == [True] * 3
        await asyncio.sleep(1)
        assert exchange.wires[0].sent == [("a", b"\0"), ("a", b"\1"), ("a", b"\2")]
        assert (exchange.published.value, exchange.dropped.value) == (3, 0)

    played(story)


def test_takers_are_told_of_their_topics_and_one_that_fails_harms_no_other() -> None:
    async def story(exchange: Exchange) -> None:
        told: list[bytes] = []

        def fails(_: bytes) -> None:
            raise RuntimeError("a defect")

        exchange.transport.listen("a", fails)
        undo = exchange.transport.listen("a", told.append)
        await asyncio.sleep(1)
        assert exchange.wires[0].topics == {"a"}
        for message in (("a", b"1"), ("b", b"2")):
            exchange.wires[0].coming.put_nowait(message)
        await asyncio.sleep(1)
        assert told == [b"1"]
        assert exchange.received.value == 2
        undo()
        undo()
        await asyncio.sleep(1)
        assert exchange.wires[0].topics == {"a"}  # the other one still listens

    played(story)


def test_a_topic_nobody_listens_to_any_more_is_given_up() -> None:
    async def story(exchange: Exchange) -> None:
        undo = exchange.transport.listen("a", lambda _: None)
        await asyncio.sleep(1)
        undo()
        await asyncio.sleep(1)
        assert exchange.wires[0].topics == set()

    played(story)


def test_a_lost_link_is_told_and_made_again_with_everything_that_is_listened_to() -> None:
    async def story(exchange: Exchange) -> None:
        changes: list[bool] = []
        exchange.transport.on_change(changes.append)
        exchange.transport.listen("a", lambda _: None)
        exchange.breaks()
        await asyncio.sleep(1)
        assert changes == [False, True]
        assert exchange.wires[0].is_closed
        assert exchange.wires[1].topics == {"a"}
        assert exchange.transport.is_up

    played(story)


def test_it_is_tried_for_ever_less_and_less_often() -> None:
    async def story(exchange: Exchange) -> None:
        exchange.is_broken = True
        exchange.breaks()
        await asyncio.sleep(600)
        pauses = [later - before for before, later in pairwise(exchange.tried_at_s[1:])]
        assert all(later > before - 0.001 for before, later in pairwise(pauses))
        assert pauses[0] < 0.5
        assert pauses[-1] == pytest.approx(LAST_DELAY_S)
        exchange.is_broken = False
        await asyncio.sleep(LAST_DELAY_S)
        assert exchange.transport.is_up

    played(story)


def test_while_the_link_is_down_nothing_is_kept_for_later() -> None:
    async def story(exchange: Exchange) -> None:
        exchange.wires[0].may_send.clear()
        exchange.transport.publish("a", b"on its way")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        exchange.transport.publish("a", b"waiting")
        exchange.is_broken = True
        exchange.breaks()
        await asyncio.sleep(1)
        assert not exchange.transport.publish("a", b"too late")
        assert exchange.dropped.value == 3
        exchange.is_broken = False
        await asyncio.sleep(10)
        assert exchange.wires[1].sent == []

    played(story)


def test_what_waits_to_go_out_is_bounded_in_number_and_size() -> None:
    async def story(exchange: Exchange) -> None:
        exchange.wires[0].may_send.clear()
        assert [exchange.transport.publish("a", b"") for _ in range(5)] == [True, True, True, False, False]
        assert exchange.dropped.value == 2
        assert not exchange.transport.publish("a", bytes(MAX_BYTES + 1))
        exchange.wires[0].may_send.set()

    played(story, max_messages=3)


def test_without_a_link_opening_takes_a_moment_and_no_longer() -> None:
    async def opened() -> None:
        exchange = Exchange()
        exchange.is_broken = True
        await exchange.transport.open()
        assert asyncio.get_running_loop().time() == pytest.approx(OPENED_WITHIN_S)
        assert not exchange.transport.is_up
        await exchange.transport.close()

    run_virtually(opened())


def test_closing_lets_what_was_published_go_out_and_tells_nobody() -> None:
    async def closed() -> None:
        exchange = Exchange()
        changes: list[bool] = []
        await exchange.transport.open()
        exchange.transport.on_change(changes.append)
        exchange.transport.publish("a", b"the last")
        await exchange.transport.close()
        assert exchange.wires[0].sent == [("a", b"the last")]
        assert exchange.wires[0].is_closed
        assert changes == []

    run_virtually(closed())

"""The engine on a transport that only notes what it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from websockets.frames import Close, Frame, Opcode

from bridge.frame_engine.frames import text_of_server
from bridge.frame_engine.socket import FAREWELL_WITHIN_S, EngineSocket

MAX_BYTES = 1000


class Wire:
    """A transport, and the protocol that it had before."""

    def __init__(self) -> None:
        self.told: list[str | bytes] = []
        self.before: list[Exception | None] = []

    def write(self, piece: bytes) -> None:
        self.told.append(piece)

    def close(self) -> None:
        self.told.append("close")

    def abort(self) -> None:
        self.told.append("abort")

    def is_closing(self) -> bool:
        return "close" in self.told or "abort" in self.told

    def connection_lost(self, error: Exception | None) -> None:
        self.before.append(error)


class Line:
    """An engine, what it handed over, and its reader."""

    def __init__(self) -> None:
        self.wire = Wire()
        wire: Any = self.wire
        self.socket = EngineSocket(wire, wire, MAX_BYTES)
        self.heard: list[str | bytes] = []
        self.together: list[int] = []

    def _hears(self, messages: Sequence[str | bytes]) -> None:
        self.together.append(len(messages))
        self.heard += messages

    def read(self) -> None:
        self.reading = asyncio.create_task(self.socket.read(self._hears))

    def comes(self, *frames: bytes) -> None:
        self.socket.data_received(b"".join(frames))

    async def settles(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


def text(message: str) -> bytes:
    return Frame(Opcode.TEXT, message.encode()).serialize(mask=True)


def closes(code: int) -> bytes:
    return Frame(Opcode.CLOSE, Close(code, "").serialize()).serialize(mask=True)


def sent(message: str) -> bytes:
    return text_of_server(message)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    line.read()
    await line.settles()
    yield line
    line.socket.connection_lost(None)
    await line.reading


async def test_a_message_is_handed_over_before_the_event_loop_goes_on(line: Line) -> None:
    line.comes(text("one"), text("two"))
    assert line.heard == ["one", "two"]


async def test_messages_that_came_in_one_go_are_handed_over_together_and_none_for_half_a_message(line: Line) -> None:
    three = text("three")
    line.comes(text("one"), text("two"), three[:5])
    line.comes(three[5:8])
    line.comes(three[8:])
    assert (line.heard, line.together) == (["one", "two", "three"], [2, 1])


async def test_what_came_before_anybody_read_is_handed_over_first() -> None:
    line = Line()
    line.comes(text("early"))
    assert line.heard == []
    line.read()
    await line.settles()
    line.comes(text("late"), closes(1000))
    assert line.heard == ["early", "late"]
    await line.reading


async def test_messages_are_handed_over_in_the_context_of_who_reads() -> None:
    whose, seen = ContextVar("whose", default="nobody's"), list[str]()
    wire: Any = Wire()
    socket = EngineSocket(wire, wire, MAX_BYTES)
    whose.set("the reader's")
    reading = asyncio.create_task(socket.read(lambda _: seen.append(whose.get())))
    await asyncio.sleep(0)
    whose.set("the loop's")
    socket.data_received(text("x"))
    assert seen == ["the reader's"]
    socket.connection_lost(None)
    await reading


async def test_a_message_is_with_the_transport_when_the_call_returns(line: Line) -> None:
    assert line.socket.send_now("x")
    assert line.wire.told == [sent("x")]


async def test_messages_of_one_moment_are_one_piece_on_the_wire(line: Line) -> None:
    assert line.socket.send_now("x", "y")
    assert line.wire.told == [sent("x") + sent("y")]


async def test_while_the_peer_does_not_read_messages_wait_and_then_follow_in_order(line: Line) -> None:
    line.socket.pause_writing()
    waiting = asyncio.create_task(line.socket.send("first"))
    await line.settles()
    assert not line.socket.send_now("too early")
    line.socket.resume_writing()
    assert not line.socket.send_now("still too early: it would overtake the first")
    await waiting
    assert line.socket.send_now("second")
    assert line.wire.told == [sent("first"), sent("second")]


async def test_who_waits_for_room_is_released_by_the_end_of_the_connection(line: Line) -> None:
    line.socket.pause_writing()
    waiting = asyncio.create_task(line.socket.send("x"))
    await line.settles()
    line.socket.connection_lost(ConnectionResetError())
    await waiting
    await line.reading
    assert line.wire.told == []


async def test_a_peer_that_closes_is_answered_and_the_connection_closed(line: Line) -> None:
    line.comes(text("last"), closes(1000))
    await line.reading
    assert line.heard == ["last"]
    assert line.wire.told == [Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False), "close"]


async def test_after_our_close_nothing_is_sent_and_the_peers_ends_the_connection(line: Line) -> None:
    await line.socket.close(1008)
    assert line.socket.send_now("nobody's")
    line.comes(closes(1008))
    await line.reading
    assert line.wire.told == [Frame(Opcode.CLOSE, Close(1008, "").serialize()).serialize(mask=False), "close"]


async def test_closing_again_does_nothing(line: Line) -> None:
    await line.socket.close(1000)
    await line.socket.close(1011)
    assert len(line.wire.told) == 1


@pytest.mark.parametrize("closed_by_us", [True, False])
async def test_a_peer_that_neither_reads_nor_closes_is_cut_off(
    line: Line, closed_by_us: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    due: list[tuple[float, Any]] = []
    loop = asyncio.get_running_loop()

    def call_later(after_s: float, do: Any) -> asyncio.Handle:
        due.append((after_s, do))
        return loop.call_soon(list)

    monkeypatch.setattr(loop, "call_later", call_later)
    if closed_by_us:
        await line.socket.close(1000)
    else:
        line.comes(closes(1000))
    ((after_s, cut_off),) = due
    cut_off()
    assert (after_s, line.wire.told[-1]) == (FAREWELL_WITHIN_S, "abort")


async def test_a_connection_that_is_gone_is_not_cut_off_later(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, handles = asyncio.get_running_loop(), list[asyncio.TimerHandle]()
    later = loop.call_later

    def call_later(after_s: float, do: Any) -> asyncio.TimerHandle:
        handles.append(later(after_s, do))
        return handles[-1]

    monkeypatch.setattr(loop, "call_later", call_later)
    await line.socket.close(1000)
    line.socket.connection_lost(None)
    assert [handle.cancelled() for handle in handles] == [True]


async def test_a_peer_that_hangs_up_without_closing_is_over(line: Line) -> None:
    line.socket.eof_received()
    await line.reading
    assert line.wire.told == ["close"]


async def test_the_end_of_the_connection_is_told_to_who_had_it_before(line: Line) -> None:
    error = ConnectionResetError()
    line.socket.connection_lost(error)
    await line.reading
    assert line.wire.before == [error]


async def test_a_ping_is_answered(line: Line) -> None:
    line.comes(Frame(Opcode.PING, b"?").serialize(mask=True))
    assert line.wire.told == [Frame(Opcode.PONG, b"?").serialize(mask=False)]
    assert line.heard == []

"""A connection with the engine against the library's own server, and against a server that says what it likes, as it likes."""

import asyncio
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from hashlib import sha1

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import Protocol, Side, State

from bridge.frame_engine.client import EngineConnection

WITHIN_S = 20.0
MAX_BYTES = 100_000
DELTA = b'{"type":"response.output_audio.delta","delta":"' + b"f" * 3_000 + b'"}'
_KEY_OF_ALL_SERVERS = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=False)


def text(message: bytes) -> bytes:
    return frame(Opcode.TEXT, message)


CLOSES = frame(Opcode.CLOSE, Close(1000, "").serialize())


async def connected(port: int) -> EngineConnection:
    connection = await connect(
        f"ws://127.0.0.1:{port}/", create_connection=EngineConnection, compression=None, max_size=MAX_BYTES, close_timeout=1
    )
    assert isinstance(connection, EngineConnection)
    return connection


class Wire:
    """A server's side of a connection: bytes as they are, once the handshake is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def heard(self) -> bytes:
        """Everything the client says to its end."""
        return await self.reader.read()


@asynccontextmanager
async def talking(*, at_once: bytes = b"", answer: bytes | None = None) -> AsyncIterator[tuple[int, "asyncio.Future[Wire]"]]:
    """The port of a server, and its connection. ``at_once`` is sent in one piece with the answer to the handshake."""
    wire: asyncio.Future[Wire] = asyncio.get_running_loop().create_future()

    async def shakes_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        accept = b64encode(sha1(key + _KEY_OF_ALL_SERVERS, usedforsecurity=False).digest())
        yes = b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        writer.write((answer or yes) + at_once)
        await writer.drain()
        wire.set_result(Wire(reader, writer))

    server = await asyncio.start_server(shakes_hands, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(WITHIN_S):
            yield server.sockets[0].getsockname()[1], wire
        (await wire).writer.close()
    finally:
        server.close()
        await server.wait_closed()


async def everything(connection: EngineConnection) -> list[bytes]:
    """All messages to the connection's end."""
    heard: list[bytes] = []
    with pytest.raises(ConnectionClosed):
        await connection.hand_over(heard.append)
    return heard


async def test_it_hears_what_the_librarys_own_server_says_and_says_goodbye_to_it() -> None:
    messages = ["", "a", "x" * 125, "x" * 126, "שלום 👋\x00", "x" * 65_535, "x" * 65_536, "é" * 40_000]
    closed = asyncio.get_running_loop().create_future()

    async def speaks(connection: ServerConnection) -> None:
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()
        closed.set_result(connection.close_code)

    async with serve(speaks, "127.0.0.1", 0) as server, asyncio.timeout(WITHIN_S):
        connection = await connected(server.sockets[0].getsockname()[1])
        heard, all_of_it = list[bytes](), asyncio.Event()

        def hears(message: bytes) -> None:
            heard.append(message)
            if len(heard) == len(messages):
                all_of_it.set()

        reading = asyncio.create_task(connection.hand_over(hears))
        await all_of_it.wait()
        reading.cancel()
        await connection.close()
        assert [message.decode() for message in heard] == messages
        assert await closed == 1000


@pytest.mark.parametrize("seed", range(10))
async def test_however_the_bytes_are_cut_messages_come_whole_and_in_order(seed: int) -> None:
    chance = random.Random(seed)
    messages, wire = list[bytes](), b""
    for number in range(40):
        message = b"%d " % number + chance.choice([DELTA, b"", "é".encode() * 300, b"x" * 70_000])
        messages.append(message)
        match chance.randrange(4):
            case 0:
                cut = chance.randrange(len(message) + 1)
                wire += frame(Opcode.TEXT, message[:cut], fin=False) + frame(Opcode.PING, b"?")
                wire += frame(Opcode.CONT, message[cut:])
            case 1:
                wire += frame(Opcode.BINARY, message)
            case _:
                wire += text(message)
    early = chance.randrange(4_000)
    async with talking(at_once=wire[:early]) as (port, future):
        connection = await connected(port)
        reading = asyncio.create_task(everything(connection))
        rest, writer = wire[early:], (await future).writer
        while rest:
            size = chance.choice([1, 2, 5, 7, 1_000, 100_000])
            writer.write(rest[:size])
            await writer.drain()
            await asyncio.sleep(0)
            rest = rest[size:]
        writer.write(CLOSES)
        writer.close()
        assert await reading == messages


def arrives(connection: EngineConnection, *frames: bytes) -> None:
    connection.data_received(b"".join(frames))


async def test_a_text_is_handed_over_before_the_event_loop_goes_on_and_none_before_those_that_came_before_it() -> None:
    async with talking(at_once=text(b"early")) as (port, _):
        connection = await connected(port)
        heard, library = list[bytes](), asyncio.Event()

        def hears(message: bytes) -> None:
            heard.append(message)
            if message in (b"early", b"four"):
                library.set()

        reading = asyncio.create_task(connection.hand_over(hears))
        await library.wait()
        library.clear()
        arrives(connection, text(b"one"), text(b"two"))
        assert heard == [b"early", b"one", b"two"]
        arrives(connection, frame(Opcode.TEXT, b"thr", fin=False), frame(Opcode.CONT, b"ee"), text(b"four"))
        assert len(heard) == 3
        await library.wait()
        arrives(connection, text(b"five"))
        assert heard == [b"early", b"one", b"two", b"three", b"four", b"five"]
        reading.cancel()


async def test_messages_are_handed_over_in_the_context_of_who_asked_for_them() -> None:
    whose, seen = ContextVar("whose", default="nobody's"), list[str]()
    async with talking() as (port, _):
        connection = await connected(port)
        whose.set("the call's")
        reading = asyncio.create_task(connection.hand_over(lambda _: seen.append(whose.get())))
        await asyncio.sleep(0)
        whose.set("the loop's")
        arrives(connection, text(b"x"))
        assert seen == ["the call's"]
        reading.cancel()


async def test_a_ping_is_answered_and_an_answer_to_ours_is_noticed() -> None:
    async with talking() as (port, future):
        connection = await connected(port)
        pong = await connection.ping(b"ours")
        arrives(connection, text(b"x"), frame(Opcode.PONG, b"ours"), frame(Opcode.PING, b"theirs"))
        assert await pong >= 0
        wire = await future
        connection.transport.close()
        server = Protocol(Side.SERVER, state=State.OPEN)
        server.receive_data(await wire.heard())
        heard = [(event.opcode, bytes(event.data)) for event in server.events_received() if isinstance(event, Frame)]
        assert heard == [(Opcode.PING, b"ours"), (Opcode.PONG, b"theirs")]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (Frame(Opcode.TEXT, b"masked").serialize(mask=True), CloseCode.PROTOCOL_ERROR),
        (text(b"x" * (MAX_BYTES + 1))[:10], CloseCode.MESSAGE_TOO_BIG),
        (frame(Opcode.TEXT, b"x" * MAX_BYTES, fin=False) + frame(Opcode.CONT, b"y"), CloseCode.MESSAGE_TOO_BIG),
        (frame(Opcode.CONT, b"of nothing"), CloseCode.PROTOCOL_ERROR),
        (frame(Opcode.TEXT, b"begun", fin=False) + text(b"another"), CloseCode.PROTOCOL_ERROR),
        (b"\xf1\x01x", CloseCode.PROTOCOL_ERROR),
        (b"\x83\x01x", CloseCode.PROTOCOL_ERROR),
    ],
    ids=["masked", "too long", "too long in pieces", "nothing to continue", "another in between", "reserved bits", "unknown"],
)
async def test_a_server_that_does_it_wrong_is_told_so_and_not_listened_to(wrong: bytes, code: CloseCode) -> None:
    async with talking() as (port, _):
        connection = await connected(port)
        reading = asyncio.create_task(everything(connection))
        await asyncio.sleep(0)
        arrives(connection, text(b"before"), wrong, text(b"after"))
        connection.transport.close()
        assert await reading == [b"before"]
        assert connection.protocol.close_sent is not None
        assert connection.protocol.close_sent.code == code


async def test_what_a_server_says_after_its_close_is_not_heard() -> None:
    async with talking() as (port, future):
        connection = await connected(port)
        reading = asyncio.create_task(everything(connection))
        await asyncio.sleep(0)
        arrives(connection, CLOSES, text(b"after"))
        (await future).writer.close()
        assert await reading == []
        assert connection.close_code == 1000


async def test_a_server_that_is_gone_in_the_middle_of_a_message_has_said_nothing_of_it() -> None:
    async with talking(at_once=text(b"whole") + text(DELTA)[:1000]) as (port, future):
        connection = await connected(port)
        (await future).writer.close()
        assert await everything(connection) == [b"whole"]
        assert connection.state is State.CLOSED


async def test_a_refused_handshake_is_the_librarys_to_tell() -> None:
    refusal = b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nno key" + b"\r\n\r"
    async with talking(answer=refusal) as (port, _):
        with pytest.raises(InvalidStatus) as refused:
            await connected(port)
        assert (refused.value.response.status_code, refused.value.response.body) == (401, b"no key\r\n\r")


async def test_an_answer_to_the_handshake_may_come_byte_by_byte() -> None:
    async with serve(lambda connection: connection.send("hello"), "127.0.0.1", 0) as server, asyncio.timeout(WITHIN_S):

        class Dripping(EngineConnection):
            def data_received(self, data: bytes) -> None:
                for byte in data:
                    super().data_received(bytes([byte]))

        port = server.sockets[0].getsockname()[1]
        connection = await connect(f"ws://127.0.0.1:{port}/", create_connection=Dripping, compression=None)
        assert isinstance(connection, EngineConnection)
        assert await everything(connection) == [b"hello"]

"""The engine behind hypercorn's handshake: real sockets, a client of another making."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bridge.frame_engine.socket import EngineSocket
from bridge.frame_engine.takeover import accepted

WITHIN_S = 20.0
MAX_BYTES = 2**20


class Echo:
    """An ASGI application that says everything again; what it knows of its sockets."""

    def __init__(self) -> None:
        self.engines: list[EngineSocket | None] = []
        self.ended = asyncio.Queue[str]()
        self.heard = asyncio.Queue[str | bytes]()
        self.closes_with: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await receive()
            await send({"type": "lifespan.startup.complete"} if scope["type"] == "lifespan" else _START)
            await (send({"type": "http.response.body", "body": b"hello"}) if scope["type"] == "http" else receive())
            return
        await receive()
        engine = await accepted(send)
        self.engines.append(engine)
        if engine is None:
            return
        await engine.read(lambda messages: self._again(engine, messages))
        self.ended.put_nowait(scope["path"])

    def _again(self, engine: EngineSocket, messages: Sequence[str | bytes]) -> None:
        for message in messages:
            self.heard.put_nowait(message)
            engine.send_now(str(message))


_START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[int]:
    """The port of an application on hypercorn."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.websocket_max_message_size = MAX_BYTES
        config.errorlog = config.accesslog = None
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait, mode="asgi"))
    try:
        async with asyncio.timeout(WITHIN_S):
            yield port
    finally:
        stop.set()
        await server


def calling(port: int, **more: Any) -> Any:
    return connect(f"ws://127.0.0.1:{port}/x", **({"compression": None, "proxy": None, "max_size": None} | more))


async def test_messages_of_all_sizes_go_both_ways() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port) as client:
        for message in ["", "x", "שלום 👋", "x" * 65_536, "x" * MAX_BYTES]:
            await client.send(message)
            assert await client.recv() == message
    assert isinstance(echo.engines[0], EngineSocket)


async def test_a_client_that_offers_compression_gets_none() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port, compression="deflate") as client:
        assert client.protocol.extensions == []
        await client.send("x" * 500)
        assert await client.recv() == "x" * 500


async def test_a_polite_goodbye_ends_the_application_and_the_connection() -> None:
    echo = Echo()
    async with served(echo) as port:
        async with calling(port) as client:
            await client.close(1000)
            assert client.close_code == 1000
        assert await echo.ended.get() == "/x"


async def test_a_client_that_vanishes_ends_the_application() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port) as client:
        await client.send("x")
        await echo.heard.get()
        client.transport.abort()
        assert await echo.ended.get() == "/x"


async def test_a_message_that_is_too_large_is_refused() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port) as client:
        with suppress(ConnectionClosed):
            await client.send("x" * (MAX_BYTES + 1))
        await client.wait_closed()
        assert client.close_code == 1009


async def test_a_close_of_ours_reaches_the_client() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port) as client:
        await client.send("x")
        await client.recv()
        (engine,) = echo.engines
        assert engine is not None
        await engine.close(1008)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1008
        assert await echo.ended.get() == "/x"


async def test_the_port_serves_http_beside_it() -> None:
    async with served(Echo()) as port, calling(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await writer.wait_closed()


async def test_a_peer_that_does_not_read_holds_up_nobody_but_itself() -> None:
    echo = Echo()
    async with served(echo) as port, calling(port) as client, calling(port) as other:
        client.transport.pause_reading()
        await client.send("x")
        await echo.heard.get()
        engine = echo.engines[0]
        assert engine is not None
        sent = 0
        while engine.send_now("x" * 100_000):
            sent += 1
            assert sent < 1000
        waiting = asyncio.create_task(engine.send("the last"))
        await other.send("y")
        assert await other.recv() == "y"
        client.transport.resume_reading()
        await waiting
        assert [len(await client.recv()) for _ in range(sent + 2)] == [1, *[100_000] * sent, len("the last")]


async def test_what_is_not_hypercorns_is_accepted_and_left_alone() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    assert await accepted(send) is None
    assert sent == [{"type": "websocket.accept", "subprotocol": None, "headers": []}]

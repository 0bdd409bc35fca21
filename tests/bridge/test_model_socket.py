"""The model's socket against a server that notes what it is sent, in the order in which it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from bridge.model_socket import QUEUED_EVENTS, ModelSocket
from bridge.settings import ModelEndpoint

WITHIN_S = 20.0
LONG = "x" * 100_000


class Model:
    """What came, and the connection it came on."""

    def __init__(self) -> None:
        self.heard = asyncio.Queue[str | bytes]()
        self.connected = asyncio.get_running_loop().create_future()

    async def listen(self, connection: ServerConnection) -> None:
        """Until the socket is closed."""
        self.connected.set_result(connection)
        async for message in connection:
            self.heard.put_nowait(message)

    async def hears(self, count: int) -> list[str | bytes]:
        """The next so many messages."""
        return [await self.heard.get() for _ in range(count)]


@asynccontextmanager
async def talking(socket_says: list[str], opened_says: list[str]) -> AsyncIterator[tuple[Model, ModelSocket]]:
    """A model and a socket that is open; what the socket is given before, and in the moment it opens."""
    model = Model()
    async with serve(model.listen, "127.0.0.1", 0, max_size=None, compression=None) as server, asyncio.timeout(WITHIN_S):
        port = server.sockets[0].getsockname()[1]
        socket = ModelSocket(ModelEndpoint(url=f"ws://127.0.0.1:{port}/", api_key="k", default_model="m"), None)
        assert all([socket.send(text) for text in socket_says])
        is_open = asyncio.Event()

        def opened() -> None:
            assert all([socket.send(text) for text in opened_says])
            is_open.set()

        run = asyncio.create_task(socket.run(opened, lambda _: None))
        await is_open.wait()
        yield model, socket
        (await model.connected).transport.abort()
        await run


async def test_what_was_said_before_the_socket_opened_comes_before_what_is_said_then_and_later() -> None:
    async with talking(["1 שלום", "2"], ["3", "4"]) as (model, socket):
        assert socket.send("5")
        assert await model.hears(5) == ["1 שלום", "2", "3", "4", "5"]
        assert socket.send(LONG)
        assert socket.send("7")
        assert await model.hears(2) == [LONG, "7"]


async def test_a_message_to_an_open_socket_is_with_the_transport_at_once() -> None:
    async with talking([], []) as (model, socket):
        for number in range(QUEUED_EVENTS + 1):
            assert socket.send(str(number))  # no task has had a turn to take anything out of a queue
        assert len(await model.hears(QUEUED_EVENTS + 1)) == QUEUED_EVENTS + 1


async def test_a_model_that_does_not_read_is_noticed_and_one_that_reads_again_misses_nothing() -> None:
    async with talking([], []) as (model, socket):
        connection = await model.connected
        connection.transport.pause_reading()
        sent = 0
        while socket.send(f"{sent} {LONG[:20_000]}"):
            sent += 1
            await asyncio.sleep(0)
        assert sent > QUEUED_EVENTS
        connection.transport.resume_reading()
        heard = [str(message).split()[0] for message in await model.hears(sent)]
        assert heard == [str(number) for number in range(sent)]

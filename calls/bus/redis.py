"""Redis or Valkey as the bus: ``PUBLISH`` and ``SUBSCRIBE`` and no keys, so that a cluster or a serverless cache serves as well.

Two connections, since one that is subscribed does nothing else in RESP2 (Redis, *Pub/sub*). The client library's connections are
used without its retries: a connection that is made again behind one's back would hide that messages were missed.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

from redis.asyncio import Connection
from redis.asyncio.connection import AbstractConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from calls.bus.base import BusUnusable
from calls.bus.linked import Message

CONNECT_WITHIN_S = 3.0
ANSWER_WITHIN_S = 2.0
PING_EVERY_S = 2.0
SILENT_AFTER_S = 5.0
"""A server that has not answered a ping by then is gone."""
HEARTBEAT = "frontdesk:heartbeat"
"""Nobody publishes to it. A connection with it is subscribed even while nobody listens to anything."""


class RedisLink:
    """A pair of connections to one server."""

    def __init__(self, publisher: AbstractConnection, subscriber: AbstractConnection) -> None:
        self._publisher, self._subscriber = publisher, subscriber
        self._pinging: asyncio.Task[None] | None = None

    async def begin(self, topics: Collection[str]) -> None:
        """Connects, and returns once the server has confirmed every topic."""
        async with asyncio.timeout(CONNECT_WITHIN_S):
            await self._publisher.connect()  # type: ignore[no-untyped-call]
            await self._subscriber.connect()  # type: ignore[no-untyped-call]
            await self._subscriber.send_command("SUBSCRIBE", HEARTBEAT, *topics)
            confirmed = 0
            while confirmed <= len(topics):
                confirmed += (await self._subscriber.read_response())[0] == b"subscribe"
        self._pinging = asyncio.create_task(self._ping(), name="bus-ping")

    async def send(self, messages: Sequence[Message]) -> None:
        """See ``Link``."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            commands = [("PUBLISH", topic, payload) for topic, payload in messages]
            await self._publisher.send_packed_command(self._publisher.pack_commands(commands))
            for _ in messages:
                await self._publisher.read_response()

    async def receive(self) -> Message:
        """See ``Link``."""
        while True:
            async with asyncio.timeout(SILENT_AFTER_S):
                answer = await self._subscriber.read_response(timeout=SILENT_AFTER_S)
            if answer[0] == b"message":
                return answer[1].decode("utf-8", "replace"), answer[2]

    async def listen(self, topic: str) -> None:
        """See ``Link``."""
        await self._subscriber.send_command("SUBSCRIBE", topic)

    async def unlisten(self, topic: str) -> None:
        """See ``Link``."""
        await self._subscriber.send_command("UNSUBSCRIBE", topic)

    async def close(self) -> None:
        """See ``Link``."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.gather(self._pinging, return_exceptions=True)
        await asyncio.gather(
            self._publisher.disconnect(nowait=True), self._subscriber.disconnect(nowait=True), return_exceptions=True
        )

    async def _ping(self) -> None:
        """Has the server say something; whoever receives notices when it does not. The publisher is asked by publishing."""
        while True:
            await asyncio.sleep(PING_EVERY_S)
            await self._subscriber.send_command("PING")


class RedisServer:
    """Where the server is."""

    def __init__(self, url: str) -> None:
        try:
            self._options: dict[str, Any] = dict(parse_url(url))
            if "host" not in self._options:  # the driver would take this machine for it
                raise ValueError("no host is named")
            self._kind: Any = self._options.pop("connection_class", Connection)
            self._made()
        except (ValueError, TypeError) as error:
            raise BusUnusable(str(error)) from None

    async def connect(self, topics: Collection[str]) -> RedisLink:
        """A link that listens to ``topics``."""
        link = RedisLink(self._made(), self._made())
        try:
            await link.begin(topics)
        except BaseException:
            await link.close()
            raise
        return link

    def _made(self) -> AbstractConnection:
        connection: AbstractConnection = self._kind(
            **{
                "socket_timeout": SILENT_AFTER_S,
                "socket_connect_timeout": CONNECT_WITHIN_S,
                "protocol": 2,
                "client_name": "frontdesk",
                **self._options,
                "retry": Retry(NoBackoff(), 0),
            }
        )
        return connection

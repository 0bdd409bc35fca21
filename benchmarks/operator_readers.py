"""Operators who read everything a bridge tells them, in a process of their own.

Says on stdout ``{"attached": N}`` once all have the snapshot. When its stdin is closed it says how much they have read, and ends.
With ``--listen`` each of them listens to one call, the nth to the nth that is greeted.
"""

import argparse
import asyncio
import json
import os
import sys
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

_TALKS = b'"greeting.first_audio"'
"""The bridge serves the call's stream: it can be listened to."""


@dataclass(slots=True)
class Read:
    """What one of them has read."""

    messages: int = 0
    bytes: int = 0
    audio: int = 0
    lost: bool = False


async def read(connection: ClientConnection, nth: int, done: Read, *, listens: bool) -> None:
    """Reads until the connection is closed. Hardly anything is looked into: a real console has its own machine to think on."""
    begun = 0
    try:
        while True:
            message = await connection.recv(decode=False)
            done.messages += 1
            done.bytes += len(message)
            done.audio += b'"audio"' in message[:16]
            if listens and _TALKS in message:
                if begun == nth:
                    call_sid = json.loads(message)["call_sid"]
                    await connection.send(
                        json.dumps({"type": "command", "id": "listen", "call_sid": call_sid, "action": "listen"})
                    )
                begun += 1
    except ConnectionClosed:
        done.lost = True


async def run(url: str, token: str, count: int, *, listens: bool) -> None:
    """Until stdin is closed."""
    headers = {"Authorization": f"Bearer {token}"}
    connections = [
        await connect(url, additional_headers=headers, compression=None, proxy=None, max_size=None) for _ in range(count)
    ]
    for connection in connections:
        await connection.recv(decode=False)
    all_read = [Read() for _ in connections]
    tasks = [
        asyncio.create_task(read(connection, nth, done, listens=listens))
        for nth, (connection, done) in enumerate(zip(connections, all_read, strict=True))
    ]
    _say({"attached": count})
    stdin = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    await stdin.read()
    _say(
        {
            "messages": sum(done.messages for done in all_read),
            "bytes": sum(done.bytes for done in all_read),
            "audio": sum(done.audio for done in all_read),
            "lost": sum(done.lost for done in all_read),
        }
    )
    for connection in connections:
        await connection.close()
    await asyncio.gather(*tasks)


def _say(what: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """The process. The token is in ``FRONTDESK_TOKEN``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--listen", action="store_true")
    given = parser.parse_args()
    asyncio.run(run(given.url, os.environ["FRONTDESK_TOKEN"], given.count, listens=given.listen))


if __name__ == "__main__":
    main()

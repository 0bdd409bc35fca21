"""A made-up bridge in a process of its own: lets operators in and talks to them as fast as it is told to.

On stdout first ``{"url", "token"}``. A line ``{"pattern", "rate", "seconds"}`` on stdin makes it talk to everybody who is attached;
when it is done it answers with when each stamped message was sent (``time.monotonic``, which all processes of a machine share)
and how late it was at worst. It ends with its stdin.
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
from http import HTTPStatus
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks.console_traffic import TalkingCall, is_text, talking_calls

_encode = msgspec.json.Encoder().encode


class Feeder:
    """The calls, and who looks at them."""

    def __init__(self, count: int) -> None:
        self._calls = talking_calls(count, "mixed")
        self._readers: set[ServerConnection] = set()

    async def admit(self, reader: ServerConnection) -> None:
        """One operator: the snapshot, then whatever is said until they leave."""
        await reader.send(_encode({"type": "snapshot", "calls": [call.summary() for call in self._calls]}).decode())
        self._readers.add(reader)
        try:
            async for _ in reader:
                pass
        except ConnectionClosed:
            pass
        finally:
            self._readers.discard(reader)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Whoever asks for the events of a call gets none: it has only what is said from now on."""
        if request.path == "/operator":
            return None
        response = connection.respond(HTTPStatus.OK, '{"events":[]}')
        response.headers["Content-Type"] = "application/json"
        return response

    async def talk(self, pattern: str, rate: float, seconds: float) -> dict[str, Any]:
        """Every call ``rate`` messages a second, evenly spread over the calls."""
        fresh = talking_calls(len(self._calls), pattern)
        for call, then in zip(fresh, self._calls, strict=True):
            call.seq, call.number, call.began = then.seq, then.number, then.began
        self._calls = fresh
        sent: dict[str, float] = {}
        began_s, latest_s, total = time.monotonic(), 0.0, round(rate * seconds)
        for turn in range(total):
            for call in self._calls:
                due_s = began_s + (turn + call.index / len(self._calls)) / rate
                ahead_s = due_s - time.monotonic()
                if ahead_s > 0.001:
                    await asyncio.sleep(ahead_s)
                latest_s = max(latest_s, time.monotonic() - due_s)
                self._say(call, sent)
        return {"sent": sent, "messages": total * len(self._calls), "late_ms": latest_s * 1000}

    def _say(self, call: TalkingCall, sent: dict[str, float]) -> None:
        message = call.say()
        if is_text(message):
            sent[f"{call.index}#{call.number}"] = time.monotonic()
        broadcast(self._readers, _encode(message).decode())


async def run(count: int) -> None:
    """Until stdin is closed."""
    feeder, token = Feeder(count), secrets.token_urlsafe(16)
    async with serve(feeder.admit, "127.0.0.1", 0, compression=None, process_request=feeder.answer) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        _answer({"url": f"http://127.0.0.1:{port}", "token": token})
        reader = asyncio.StreamReader(limit=2**20)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            wish = json.loads(line)
            _answer(await feeder.talk(wish["pattern"], wish["rate"], wish["seconds"]))


def _answer(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    asyncio.run(run(parser.parse_args().calls))


if __name__ == "__main__":
    main()

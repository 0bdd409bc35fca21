"""``frontdesk serve`` as a process of its own, behind a load balancer that keeps callers waiting while none is running."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from frontdesk.stage import ACCOUNT_SID
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from tests.whole_calls.playing import WITHIN_S

STREAM_SECRET = "the same for every process of a deployment"


class Balancer:
    """Passes TCP connections on to whichever process serves now; while none does, they wait."""

    def __init__(self) -> None:
        self._port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.url = ""

    def serves(self, port: int) -> None:
        """A process listens on that port."""
        self._port.set_result(port)

    def serves_no_more(self) -> None:
        """New connections wait from now on."""
        self._port = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator["Balancer"]:
        """Balances while the block runs, at any free port or at one that others know already."""
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._connections: set[asyncio.Task[Any]] = set()
        try:
            yield self
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        try:
            port = await asyncio.shield(self._port)
            behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(_copy(reader, behind_writer), _copy(behind_reader, writer))
            finally:
                behind_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            return  # the process has gone meanwhile, or the test is over
        finally:
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """To the end of the stream, which is passed on, too. Raises ``OSError`` if a connection breaks."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


class Process:
    """One ``frontdesk serve``."""

    def __init__(self, process: asyncio.subprocess.Process, log: "asyncio.Task[None]", lines: list[dict[str, Any]]) -> None:
        self._process = process
        self._log = log
        self.lines = lines
        """What it has logged so far."""

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Any other signal."""
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Waits for its end."""
        async with asyncio.timeout(WITHIN_S):
            await self._log
            return await self._process.wait()


class Served:
    """A deployment of processes, one at a time, with the simulated phone and model on its two sides."""

    def __init__(self, folder: Path, businesses: Path, model: ModelServer, cloud: PhoneCloud, balancer: Balancer) -> None:
        self.store = folder / "calls.db"
        self._businesses = businesses
        self.model = model
        self.cloud = cloud
        self.balancer = balancer
        self.processes: list[Process] = []
        self.environment: dict[str, str] = {}
        """Settings of the processes besides those every one has."""

    async def start(self) -> Process:
        """Runs ``frontdesk serve`` and returns once it is ready."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from frontdesk.cli import main; main()",
            "serve",
            env=self._environment(),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        lines: list[dict[str, Any]] = []
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        log = asyncio.create_task(_read_log(process.stderr, lines, ready))
        started = Process(process, log, lines)
        self.processes.append(started)
        async with asyncio.timeout(WITHIN_S):
            self.balancer.serves(await ready)
        return started

    def _environment(self) -> dict[str, str]:
        assert self.cloud.auth_token is not None
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "LANG")}
        return inherited | {
            "PORT": "0",
            "PUBLIC_URL": self.balancer.url,
            "OPENAI_API_KEY": "simulated",
            "OPENAI_REALTIME_URL": self.model.url,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": self.cloud.auth_token,
            "TWILIO_API_URL": self.cloud.rest_url,
            "STREAM_TOKEN_SECRET": STREAM_SECRET,
            "FRONTDESK_BUSINESSES": str(self._businesses),
            "FRONTDESK_STORE": f"sqlite:{self.store}",
            **self.environment,
            "FRONTDESK_WARM_SOCKETS": "0",
        }

    async def end(self) -> None:
        """Ends every process that a failed test has left."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                process.kill()
            await process.exit_code()


async def _read_log(stderr: asyncio.StreamReader, lines: list[dict[str, Any]], ready: asyncio.Future[int]) -> None:
    async for line in stderr:
        try:
            entry: dict[str, Any] = json.loads(line)
        except ValueError:
            raise AssertionError(f"not a line of the log: {line!r}, after {lines[-3:]}") from None
        lines.append(entry)
        if entry["event"] == "serve.ready" and not ready.done():
            ready.set_result(int(entry["listening"].rpartition(":")[2]))
    if not ready.done():
        ready.set_exception(RuntimeError(f"frontdesk serve did not start: {lines}"))

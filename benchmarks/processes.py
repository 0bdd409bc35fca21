"""The program under measurement, in a process of its own: the bridge, or the relay it is compared with."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.load import cpu

ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "benchmark"
NOTHING: Mapping[str, str] = MappingProxyType({})
READY_WITHIN_S = 20.0
STOP_WITHIN_S = 15.0
SERVE = [sys.executable, "-c", "from frontdesk.cli import main; main()", "serve"]


@dataclass(frozen=True, slots=True)
class Program:
    """What is measured."""

    url: str
    """Where it listens."""
    pid: int


class NotReady(Exception):
    """The program did not come up; ``str()`` shows the end of its log."""


@asynccontextmanager
async def bridge(
    folder: Path,
    businesses: Path,
    model_url: str,
    twilio_url: str,
    *,
    operators: str = "",
    warm_sockets: int = 0,
    core: int | None = None,
    more: Mapping[str, str] = NOTHING,
) -> AsyncIterator[Program]:
    """``frontdesk serve`` with a store of its own in ``folder``. ``operators`` is its ``OPERATOR_TOKENS``, ``warm_sockets`` its
    ``FRONTDESK_WARM_SOCKETS``, ``core`` the one it has to stay on, ``more`` what else its environment has.

    Raises:
        NotReady: it did not come up.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    own = {"OPERATOR_TOKENS": operators, "FRONTDESK_WARM_SOCKETS": str(warm_sockets), **more}
    environ = serve_environ(folder, businesses, model_url, twilio_url, port=port, public_url=url) | own
    async with _running(SERVE, environ, folder / "bridge.log", port, core) as pid:
        yield Program(url, pid)


def serve_environ(
    folder: Path, businesses: Path, model_url: str, twilio_url: str, *, port: int, public_url: str
) -> dict[str, str]:
    """What a ``frontdesk serve`` is told that has its store in ``folder`` and waits for no call when it is to go."""
    return {
        "PORT": str(port),
        "PUBLIC_URL": public_url,
        "OPENAI_API_KEY": "simulated",
        "OPENAI_REALTIME_URL": model_url,
        "TWILIO_API_URL": twilio_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "FRONTDESK_BUSINESSES": str(businesses),
        "FRONTDESK_STORE": f"sqlite:{folder / 'bench.db'}",
        "FRONTDESK_MAX_CALLS": "1000",
        "FRONTDESK_DRAIN_S": "0",
        "FRONTDESK_WARM_SOCKETS": "0",
    }


@asynccontextmanager
async def floor(
    folder: Path,
    model_url: str,
    *,
    early: bool,
    module: str = "benchmarks.floor",
    core: int | None = None,
    more: Mapping[str, str] = NOTHING,
) -> AsyncIterator[Program]:
    """The relay of ``benchmarks/floor.py``, or another one of its command line; ``more``: its environment. Raises :class:`NotReady`."""
    port = free_port()
    command = [sys.executable, "-m", module, str(port), model_url, *(["--early"] if early else [])]
    async with _running(command, dict(more), folder / "floor.log", port, core) as pid:
        yield Program(f"http://127.0.0.1:{port}", pid)


@asynccontextmanager
async def _running(
    command: Sequence[str], environ: dict[str, str], log: Path, port: int, core: int | None = None
) -> AsyncIterator[int]:
    process = await start(command, environ, log)
    cpu.pin(process.pid, core)
    try:
        await until_answering(process, port, log)
        yield process.pid
    finally:
        await stop(process)


async def start(command: Sequence[str], environ: dict[str, str], log: Path) -> asyncio.subprocess.Process:
    """Runs a command with these settings and no others; what it says goes to ``log``."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    with log.open("ab") as log_file:
        return await asyncio.create_subprocess_exec(
            *command, env=kept | environ, cwd=Path(__file__).parent.parent, stdout=log_file, stderr=log_file
        )


async def until_answering(process: asyncio.subprocess.Process, port: int, log: Path, *, every_s: float = 0.05) -> None:
    """Returns once it speaks HTTP, which is looked at every so often. Raises :class:`NotReady`."""
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + READY_WITHIN_S
    while process.returncode is None and loop.time() < give_up_s:
        if await _answers(port):
            return
        await asyncio.sleep(every_s)
    raise NotReady(f"the program under measurement does not answer on port {port}. Its log ends: {_end_of(log)}")


async def _answers(port: int) -> bool:
    """Whether somebody speaks HTTP there. That a connection comes about is not enough: to a port nobody listens on it may be one to
    itself."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return (await reader.read(5)) == b"HTTP/"
    except OSError:
        return False
    finally:
        writer.close()


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-800:]


async def stop(process: asyncio.subprocess.Process) -> None:
    """Asks it to go, and insists after a while."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port

"""The console on a terminal of its own, fed by a made-up bridge: how soon it shows what happens, what that costs, how soon it is up.

Feeder (benchmarks/console_feeder.py) and console are processes of their own; this one is the terminal: it reads what the console
writes to it, and finds the stamped messages in it. So the times are those of whole messages: made by the bridge → on the terminal.
"""

import asyncio
import fcntl
import json
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import options as command_line
from benchmarks.figures import Amount, Row, Target, row, say, show, show_amounts, write_json
from benchmarks.lag import Load, LoopLag
from benchmarks.on_screen import Watcher, delays_ms
from benchmarks.options import Options

LINES, COLUMNS = 60, 150
"""Enough for all calls to be in sight."""
RATE = 20.0
"""Messages a second of each call."""
TALK_S = 20.0
WARM_UP_S = 3.0
IDLE_S = 10.0
STARTS = 7
HEADER = b"Last line"
"""The head of the last column: the screen stands."""
ENTER = b"\r"
A_CALLER = b"+1212555"
TRANSCRIPT = b"Transcript"
"""The title of a part of the screen of one call."""
WITHIN_S = 30.0
ROOT = Path(__file__).resolve().parent.parent
ON_SCREEN = Target(statistic="p95", most=300)
STARTED = Target(statistic="p50", most=1000)
FEEDER = [sys.executable, "-m", "benchmarks.console_feeder"]
CONSOLE = [sys.executable, "-c", "from frontdesk.cli import main; main()", "console"]


class NotShown(Exception):
    """The console did not come up; ``str()`` shows what it wrote instead."""


@dataclass(slots=True)
class Feeder:
    """The made-up bridge."""

    process: asyncio.subprocess.Process
    url: str
    token: str

    async def talk(self, pattern: str, seconds: float) -> dict[str, Any]:
        """Has it talk; what was sent and when."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"pattern": pattern, "rate": RATE, "seconds": seconds}).encode() + b"\n")
        return await _line_of(self.process)


@asynccontextmanager
async def feeder(calls: int) -> AsyncIterator[Feeder]:
    """A bridge with so many calls, silent as yet."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*FEEDER, "--calls", str(calls), cwd=ROOT, stdin=pipe, stdout=pipe, limit=2**26)
    try:
        ready = await _line_of(process)
        yield Feeder(process, ready["url"], ready["token"])
    finally:
        process.kill()
        await process.wait()


async def _line_of(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(await process.stdout.readline())
    return answer


class Screen:
    """A pseudo-terminal with the console on it. ``take`` is told what is written, and when it was read."""

    def __init__(self, bridge: Feeder) -> None:
        self._bridge = bridge
        self.take: Callable[[bytes, float], None] = lambda _text, _at_s: None
        self.written = 0
        self._shown = b""
        self._changed = asyncio.Event()

    async def __aenter__(self) -> "Screen":
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "LC_ALL")}
        environ = kept | {"TERM": "xterm-256color", "FRONTDESK_URL": self._bridge.url, "FRONTDESK_TOKEN": self._bridge.token}
        self.began_s = time.monotonic()
        self.process = await asyncio.create_subprocess_exec(
            *CONSOLE, cwd=ROOT, env=environ, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
        )
        os.close(terminal)
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.process.kill()
        await self.process.wait()
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)

    async def shows(self, text: bytes) -> float:
        """When it first showed a text: seconds since it was started. Raises :class:`NotShown`."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while text not in self._shown:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise NotShown(f"the console never showed {text.decode()!r}; it wrote: {self._shown[-500:]!r}") from None
        return self._read_at_s - self.began_s

    def _read(self) -> None:
        try:
            text = os.read(self._master, 2**20)
        except OSError:  # the console has left its terminal
            asyncio.get_running_loop().remove_reader(self._master)
            return
        self._read_at_s = time.monotonic()
        self.written += len(text)
        self._shown = (self._shown + text)[-200_000:]
        self.take(text, self._read_at_s)
        self._changed.set()

    def press(self, keys: bytes) -> None:
        """As somebody at the keyboard would."""
        os.write(self._master, keys)

    def memory_mb(self) -> float:
        """What the console's process has in memory now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


async def starts(bridge: Feeder) -> list[Row]:
    """From the command to the screen, and what a bare Python takes."""
    say(f"starts: {STARTS}")
    bare, head, calls = [], [], []
    for _ in range(STARTS):
        began_s = time.monotonic()
        await (await asyncio.create_subprocess_exec(sys.executable, "-c", "pass")).wait()
        bare.append((time.monotonic() - began_s) * 1000)
        async with Screen(bridge) as screen:
            head.append(await screen.shows(HEADER) * 1000)
            calls.append(await screen.shows(A_CALLER) * 1000)
    ratio = sorted(head)[len(head) // 2] / sorted(bare)[len(bare) // 2]
    return [
        row("python -c pass", "start → end", bare),
        row("console", "start → first screen", head, STARTED, f"{ratio:.0f} times a bare Python"),
        row("console", "start → calls on it", calls, STARTED),
    ]


async def talks(bridge: Feeder, case: str, pattern: str, *, open_one: bool = False) -> tuple[list[Row], list[Amount]]:
    """All calls talk; the console is watched: the list, or one call that is opened."""
    say(f"{case}: {TALK_S:g} s")
    async with Screen(bridge) as screen, LoopLag() as lag:
        await screen.shows(A_CALLER)
        if open_one:
            screen.press(ENTER)
            await screen.shows(TRANSCRIPT)
        await bridge.talk(pattern, WARM_UP_S)
        watcher = Watcher()
        screen.take = watcher.take
        written, load, began_s = screen.written, Load(screen.process.pid), time.monotonic()
        lag.late_ms.clear()
        told = await bridge.talk(pattern, TALK_S)
        lasted_s, program_s, others_s = time.monotonic() - began_s, load.program_s, load.others_s
        await asyncio.sleep(1)  # what is still on its way to the screen
        in_sight = {name: at_s for name, at_s in told["sent"].items() if int(name.partition("#")[0]) in watcher.newest}
        delays, never = delays_ms(in_sight, watcher.newest)
        note = (
            f"{told['messages']} messages, {len(in_sight)} of them stamped lines of the {len(watcher.newest)} calls in sight, {never} never "
            f"seen; feeder late by {told['late_ms']:.1f} ms at worst, the terminal by {max(lag.late_ms):.1f} ms"
        )
        amounts = [
            Amount(figure="console's CPU", case=case, value=program_s / lasted_s * 100, unit="% of a core"),
            Amount(figure="others' CPU, the feeder's too", case=case, value=others_s / lasted_s * 100, unit="% of a core"),
            Amount(figure="written to the terminal", case=case, value=(screen.written - written) / lasted_s / 1024, unit="KiB/s"),
            Amount(figure="memory", case=case, value=screen.memory_mb(), unit="MiB"),
        ]
        return [row("event → screen", case, delays, ON_SCREEN, note)], amounts


async def idles(bridge: Feeder, calls: int) -> list[Amount]:
    """Nobody talks; only the ages grow."""
    say(f"silence: {IDLE_S:g} s")
    async with Screen(bridge) as screen:
        await screen.shows(HEADER)
        await asyncio.sleep(WARM_UP_S)
        load = Load(screen.process.pid)
        await asyncio.sleep(IDLE_S)
        cpu = load.program_s / IDLE_S * 100
        return [
            Amount(figure="console's CPU", case=f"{calls} silent calls", value=cpu, unit="% of a core"),
            Amount(figure="memory", case=f"{calls} silent calls", value=screen.memory_mb(), unit="MiB"),
        ]


async def run(options: Options) -> tuple[list[Row], list[Amount]]:
    """Everything. Raises :class:`NotShown`."""
    async with feeder(options.calls) as bridge:
        rows, amounts = await starts(bridge), await idles(bridge, options.calls)
        for case, pattern, open_one in (
            (f"{options.calls} calls, {RATE:g} messages/s each", "mixed", False),
            (f"{options.calls} calls, {RATE:g} numbered events/s each", "events", False),
            (f"one of {options.calls} calls open, {RATE:g} messages/s each", "mixed", True),
        ):
            more_rows, more_amounts = await talks(bridge, case, pattern, open_one=open_one)
            rows, amounts = rows + more_rows, amounts + more_amounts
    return rows, amounts


def main() -> None:
    """The command."""
    options = command_line.read(__doc__)
    try:
        rows, amounts = asyncio.run(run(options))
    except NotShown as error:
        raise SystemExit(f"benchmark: {error}") from None
    show("console: how soon", rows)
    show_amounts("console: what it takes", amounts)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows, amounts=amounts)


if __name__ == "__main__":
    main()

"""``frontdesk demo`` as it is typed: the console on a terminal, the printout anywhere else."""

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from calls.exit_codes import ExitCode
from frontdesk import commands, demo, demo_console
from frontdesk.demo_console import StageLost, simulated_calls

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN_S = 30.0
CALLER = re.compile(rb"\+\d{11,12}\b")


class Terminal:
    """``frontdesk demo`` on a pseudo-terminal of 120 by 34."""

    def __init__(self, *options: str, **environ: str) -> None:
        self.screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 34, 120, 0, 0))
        self._start = asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", "from frontdesk.cli import main; main()", "demo", *options),
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", **environ},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        self._terminal = terminal
        self.shown = b""

    async def __aenter__(self) -> "Terminal":
        self.process = await self._start
        os.close(self._terminal)
        self._changed = asyncio.Event()
        asyncio.get_running_loop().add_reader(self.screen, self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        asyncio.get_running_loop().remove_reader(self.screen)
        os.close(self.screen)

    def press(self, key: bytes) -> None:
        os.write(self.screen, key)

    async def shows(self, pattern: re.Pattern[bytes]) -> None:
        while not pattern.search(self.shown):
            self._changed.clear()
            await self._changed.wait()

    def _read(self) -> None:
        try:
            self.shown += os.read(self.screen, 65536)
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self.screen)
        self._changed.set()


def stages() -> set[int]:
    """The processes that are a stage, by what they were started with."""
    return {
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and b"frontdesk.demo_stage" in _command_of(entry)
    }


def _command_of(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def children_of(pid: int) -> set[int]:
    found = set()
    for stage in stages():
        try:
            fields = Path(f"/proc/{stage}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.add(stage)
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the stage in /proc")
async def test_on_a_terminal_the_console_opens_on_calls_and_leaving_it_ends_everything() -> None:
    async with asyncio.timeout(WITHIN_S), Terminal("--calls", "2") as terminal:
        await terminal.shows(CALLER)
        stage = children_of(terminal.process.pid)
        assert len(stage) == 1
        terminal.press(b"q")
        assert await terminal.process.wait() == ExitCode.OK
        assert not stage & stages()
    assert b"rendering" in terminal.shown


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for the stage in /proc")
async def test_a_console_that_is_killed_leaves_no_stage_behind() -> None:
    async with asyncio.timeout(WITHIN_S), Terminal("--calls", "1") as terminal:
        await terminal.shows(CALLER)
        (stage,) = children_of(terminal.process.pid)
        watched = os.pidfd_open(stage)
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(watched, gone.set)
        terminal.process.kill()
        await gone.wait()
        asyncio.get_running_loop().remove_reader(watched)
        os.close(watched)


async def test_without_the_example_businesses_there_is_one_sentence_and_no_console(tmp_path: Path) -> None:
    async with asyncio.timeout(WITHIN_S), Terminal(FRONTDESK_BUSINESSES=str(tmp_path)) as terminal:
        await terminal.shows(re.compile(rb"frontdesk: .*FRONTDESK_BUSINESSES"))
        assert await terminal.process.wait() == ExitCode.FAILED
    assert b"Traceback" not in terminal.shown


def test_a_stage_that_dies_under_the_console_is_told_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(StageLost, match="ended by themselves"), simulated_calls(1):  # noqa: PT012  (what the block does is the point)
        (stage,) = children_of(os.getpid())
        os.kill(stage, signal.SIGKILL)
        os.waitid(os.P_PID, stage, os.WEXITED | os.WNOWAIT)


@contextmanager
def noted(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> Iterator[list[str]]:
    """Which of the two demos is started."""
    started: list[str] = []

    def plain(**_: object) -> ExitCode:
        started.append("plain")
        return ExitCode.OK

    def console(at_a_time: int) -> ExitCode:
        started.append(f"console on {at_a_time}")
        return ExitCode.OK

    monkeypatch.setattr(demo, "demo", plain)
    monkeypatch.setattr(demo_console, "watch_demo", console)
    monkeypatch.setattr(commands, "_on_a_terminal", lambda: terminal)
    yield started


@pytest.mark.parametrize(
    ("options", "terminal", "expected"),
    [
        ((), True, "console on 7"),
        (("--calls", "12"), True, "console on 12"),
        ((), False, "plain"),
        (("--plain",), True, "plain"),
        (("--fast",), True, "plain"),
        (("--hebrew",), True, "plain"),
        (("--wav", "call.wav"), True, "plain"),
    ],
)
def test_the_printout_is_chosen_by_an_option_or_for_want_of_a_terminal(
    options: tuple[str, ...], terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with noted(monkeypatch, terminal=terminal) as started:
        done = CliRunner().invoke(commands.demo_command, options)
    assert (started, done.exit_code) == ([expected], 0)


@pytest.mark.parametrize("number", ["0", "31", "many"])
def test_a_number_of_calls_that_cannot_be_shown_is_a_usage_error(number: str) -> None:
    assert CliRunner().invoke(commands.demo_command, ["--calls", number]).exit_code == ExitCode.USAGE

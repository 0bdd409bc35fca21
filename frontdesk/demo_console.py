"""``frontdesk demo`` on a terminal: the operator console in this process, the stage with its callers in another."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from calls.exit_codes import ExitCode
from console.endpoint import Endpoint, endpoint_from

ENDS_WITHIN_S = 5.0
"""How long the stage may take to end once the console is left."""
_LOG_LINES = 5


class StageLost(Exception):
    """There is no stage to look at; ``str()`` says why."""


def watch_demo(at_a_time: int, seed: int = 1) -> ExitCode:
    """Opens the console on ``at_a_time`` simulated calls that keep coming, until the operator leaves it."""
    try:
        with simulated_calls(at_a_time, seed) as endpoint:
            from console.app import run_console  # noqa: PLC0415  (takes as long as the stage's own start, and beside it)

            return run_console(endpoint, read_only=False)
    except StageLost as lost:
        click.echo(f"frontdesk: {lost}", err=True)
        return ExitCode.FAILED


@contextmanager
def simulated_calls(at_a_time: int, seed: int = 1) -> Iterator[Endpoint]:
    """Where the bridge of a stage is, and the token for it, while the block runs. Says on stderr what is being waited for.

    Raises:
        StageLost: the stage did not start, or was gone before the block was left.
    """
    command = [sys.executable, "-m", "frontdesk.demo_stage", "--calls", str(at_a_time), "--seed", str(seed)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        # In a session of its own: Ctrl+C is for the console. The stage ends when its stdin does, however this process ends.
        process = subprocess.Popen(  # noqa: S603  (our own module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        try:
            yield _prepared(process, log)
            if process.poll() is not None:
                raise StageLost(f"the simulated calls ended by themselves. {_end_of(log)}".strip())
        finally:
            _end(process)


def _prepared(process: subprocess.Popen[str], log: IO[str]) -> Endpoint:
    import console.app  # noqa: F401, PLC0415  (while the stage prepares)

    assert process.stdout is not None  # noqa: S101  (a pipe, see above)
    for line in process.stdout:
        told: dict[str, Any] = json.loads(line)
        if "url" in told:
            _progress("")
            return endpoint_from(told["url"], told["token"])
        if "error" in told:
            _progress("")
            raise StageLost(told["error"])
        _progress(f"rendering {told['voices']} voices … {told['rendered']}/{told['voices']}")
    raise StageLost(f"the simulated calls could not be started. {_end_of(log)}".strip())


def _progress(text: str) -> None:
    """In place of what was said before; nothing at the end."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def _end_of(log: IO[str]) -> str:
    log.seek(0)
    return " / ".join(line.strip() for line in log.readlines()[-_LOG_LINES:])


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None  # noqa: S101  (a pipe)
    process.stdin.close()
    try:
        process.wait(ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()

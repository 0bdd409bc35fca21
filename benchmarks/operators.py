"""What operators cost the callers: how late audio is in the bridge with none, one and ten consoles attached, in one run.

The bridge runs in a process of its own, the operators in another; phone and model are simulated in this one. The cases take turns,
so that whatever else the machine does falls on all of them. Two ways are measured:

- the AI's: each delta, sent by the model → its first audio received by the phone;
- the caller's: each frame, received by the model → how much later than the quickest frame of the same call.
"""

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.bench import FarEnds, Lost, NumberOf, Seen, far_ends, scratch, served_by, stays_on_the_line
from benchmarks.figures import Amount, Row, percentile, row, say, show, show_amounts, write_json
from benchmarks.lag import Load
from benchmarks.options import Options
from benchmarks.processes import Program
from benchmarks.readings import UnreadableCall, above_quickest_ms, arrivals_of, runs_of, times_of
from benchmarks.traces import LONG, SHORT
from simulator.phone.mouth import FRAME_MS
from simulator.scenario import Caller, CallerStep, Mind, Reply

CALLS = 20
ROUNDS = 3
"""Of each case."""
TURNS = 3
SPREAD_S = 2.0
SETTLING_FRAMES = 100
"""The first two seconds of a call, in which frames wait for the model."""
WARM_UP_MS = 750
READY_WITHIN_S = 15.0
ROOT = Path(__file__).resolve().parent.parent
READERS = [sys.executable, "-m", "benchmarks.operator_readers"]


@dataclass(frozen=True, slots=True)
class Case:
    """So many operators."""

    name: str
    readers: int
    listen: bool = False


CASES = (
    Case("nobody attached", 0),
    Case("1 console", 1),
    Case("10 consoles", 10),
    Case("10 consoles, each listening to a call", 10, listen=True),
)


@dataclass(slots=True)
class Measured:
    """All rounds of one case."""

    agent_ms: list[float] = field(default_factory=list)
    caller_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    """How late the far ends' own loop was."""
    program_s: float = 0.0
    others_s: float = 0.0
    lasted_s: float = 0.0
    read: list[dict[str, int]] = field(default_factory=list)


@asynccontextmanager
async def attached(program: Program, token: str, case: Case, measured: Measured) -> AsyncIterator[None]:
    """The operators of a case, from before the block to after it. Raises :class:`~benchmarks.bench.Lost` if they are not let in."""
    if not case.readers:
        yield
        return
    pipe = asyncio.subprocess.PIPE
    url = program.url.replace("http", "ws") + "/operator"
    options = ["--count", str(case.readers), *(["--listen"] if case.listen else [])]
    environ = {**os.environ, "FRONTDESK_TOKEN": token}
    process = await asyncio.create_subprocess_exec(*READERS, url, *options, cwd=ROOT, env=environ, stdin=pipe, stdout=pipe)
    try:
        await _told(process)
        yield
        assert process.stdin is not None
        process.stdin.close()
        measured.read.append(await _told(process))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(READY_WITHIN_S):
        line = await process.stdout.readline()
    if not line:
        raise Lost("the operators were not let in")
    told: dict[str, Any] = json.loads(line)
    return told


async def one_round(ends: FarEnds, program: Program, number: NumberOf, calls: int, measured: Measured) -> None:
    """All callers talk with the AI; what is read of it is added to what was measured. Raises ``Lost`` or ``UnreadableCall``."""
    ends.lag.late_ms.clear()
    load, began_s = Load(program.pid), time.monotonic()
    seen = await ends.round([_talks()] * calls, number, spread_s=SPREAD_S)
    measured.lasted_s += time.monotonic() - began_s
    measured.program_s += load.program_s
    measured.others_s += load.others_s
    measured.late_ms += ends.lag.late_ms
    for call in seen:
        measured.agent_ms += agent_delays_ms(call)
        measured.caller_ms += caller_delays_ms(call)
    ends.model.sessions.clear()  # every frame of every call is in them


def agent_delays_ms(call: Seen) -> list[float]:
    """Of every delta: sent by the model → received by the phone. Raises :class:`~benchmarks.readings.UnreadableCall`."""
    arrived = arrivals_of(runs_of(call.timeline), call.session.sent_audio)
    return [call.phone_ms(at_ms) - call.model_ms(delta.at_ms) for delta, at_ms in arrived]


def caller_delays_ms(call: Seen) -> list[float]:
    """Of every frame of the caller, how much later it came to the model than the quickest."""
    frames = times_of(call.session.received, "input_audio_buffer.append")
    return above_quickest_ms(frames[SETTLING_FRAMES:], FRAME_MS)


def _talks() -> Caller:
    asks = [CallerStep(after_ms=400, say="Could you tell me more about it, please?") for _ in range(TURNS)]
    return Caller(steps=(*asks, CallerStep(after_ms=400, hang_up=True)))


def rows_of(case: Case, measured: Measured) -> list[Row]:
    """Both ways."""
    rows = []
    for figure, delays in (("AI: model → phone", measured.agent_ms), ("caller: above the quickest", measured.caller_ms)):
        note = f"p99 {percentile(delays, 0.99):.1f}" if delays else ""
        rows.append(row(figure, case.name, delays, note=note))
    return rows


def amounts_of(case: Case, measured: Measured) -> list[Amount]:
    """What it took."""
    read = {name: sum(one[name] for one in measured.read) for name in ("messages", "audio", "lost")} if measured.read else {}
    amounts = [
        ("bridge's CPU", measured.program_s / measured.lasted_s * 100, "% of a core"),
        ("others' CPU, the operators' too", measured.others_s / measured.lasted_s * 100, "% of a core"),
        ("far ends' loop late, p95", percentile(measured.late_ms, 0.95), "ms"),
    ]
    amounts += [(f"{name} per console", total / max(case.readers, 1) / ROUNDS, "a round") for name, total in read.items()]
    return [Amount(figure=figure, case=case.name, value=value, unit=unit) for figure, value, unit in amounts]


def order_of(rounds: int, cases: Sequence[Case]) -> list[Case]:
    """The cases in turns; each round begins with another, so that none always follows the same."""
    return [cases[(nth + turn) % len(cases)] for turn in range(rounds) for nth in range(len(cases))]


async def run(options: Options) -> tuple[list[Row], list[Amount]]:
    """Everything. Raises ``Lost``, ``NotReady`` or ``UnreadableCall``."""
    token = secrets.token_urlsafe(16)
    measured = {case: Measured() for case in CASES}
    async with scratch() as folder:
        shops.open_shops(folder / "shops", options.calls)
        async with (
            far_ends(options.seed, log_audio=True) as ends,
            processes.bridge(
                folder, folder / "shops", ends.model.url, ends.cloud.rest_url, operators=f"bench:operator:{token}"
            ) as program,
        ):
            ends.plays(Mind(replies=(Reply(hears="", say=LONG),), otherwise=SHORT))
            number = served_by(program.url)
            await ends.round([stays_on_the_line(WARM_UP_MS)], number)  # the first call of a process imports and compiles
            for turn, case in enumerate(order_of(ROUNDS, CASES), start=1):
                say(f"{turn} of {ROUNDS * len(CASES)}: {options.calls} calls, {case.name}")
                async with attached(program, token, case, measured[case]):
                    await one_round(ends, program, number, options.calls, measured[case])
    rows = [line for case, done in measured.items() for line in rows_of(case, done)]
    return rows, [line for case, done in measured.items() for line in amounts_of(case, done)]


def main() -> None:
    """The command."""
    options = command_line.read(__doc__, calls=CALLS)
    try:
        rows, amounts = asyncio.run(run(options))
    except (Lost, processes.NotReady, UnreadableCall) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show(f"operators: audio in the bridge, {options.calls} calls", sorted(rows, key=lambda line: line.figure))
    show_amounts("operators: what it takes", sorted(amounts, key=lambda line: line.figure))
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows, amounts=amounts)


if __name__ == "__main__":
    main()

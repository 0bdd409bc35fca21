"""What becomes of calls when a bridge has too much to do: they are late alike, and new ones are refused before that.

Run as ``python -m benchmarks.overload`` (a minute). Two other processes take their shares of the bridge's core, as bad neighbours do, and
callers keep coming: five a second, more than can be carried. From some call on the webhook answers with the business's fallback. Those
that were taken talk on, and are looked at one by one: how late their frames reach the model, how late the AI's audio reaches them,
whether anything is lost. Audio of the AI is a quarter of a second ahead of the ear from its second piece on, so what is less late than
that is not heard.
"""

import argparse
import asyncio
import random
import secrets
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvloop

from benchmarks import processes, shops
from benchmarks.bench import Lost, scratch
from benchmarks.figures import Amount, percentile, say, show_amounts, write_json
from benchmarks.load import cpu, wire
from benchmarks.load.lines import Lines, Number, Refused, model_listening
from benchmarks.load.model import ModelSession
from benchmarks.load.phone import PhoneLine
from benchmarks.load.round import Window, agent_audio, caller_frames
from benchmarks.load.sweep import ONE_OPERATOR, placement
from benchmarks.operators import Measured as OperatorsRead
from benchmarks.operators import attached
from benchmarks.processes import NotReady

CALLS, CALLS_A_SECOND = 220, 5
SECONDS = 20.0
ARRIVE_S = 3.0
ALIKE_MS = 20.0
"""One frame."""
AHEAD_MS = 250.0
NEIGHBOURS = 2
NEIGHBOUR = (sys.executable, "-c", "while True: pass")


@dataclass(frozen=True, slots=True)
class Seen:
    """One call while the bridge had too much to do."""

    caller_ms: Sequence[float]
    """How late each frame of the caller reached the model."""
    agent_ms: Sequence[float]
    """How late each piece of the AI's audio reached the phone."""
    lost: int
    frames: int
    messages: int
    """In which the frames reached the model."""


def amounts_of(seen: Sequence[Seen], *, wanted: int, taken: int, dropped: int, case: str) -> list[Amount]:
    """The figures, with their verdicts."""
    middles = [percentile(call.caller_ms, 0.5) for call in seen if call.caller_ms]
    callers, agents = ([ms for call in seen for ms in getattr(call, way)] for way in ("caller_ms", "agent_ms"))
    together = sum(call.frames for call in seen) / max(1, sum(call.messages for call in seen))
    return [
        Amount(figure="calls wanted", case=case, value=wanted, unit=""),
        Amount(figure="calls taken, the others had the fallback", case=case, value=taken, unit="", most=wanted - 1),
        Amount(figure="calls dropped", case=case, value=dropped, unit="", most=0),
        Amount(figure="frames of the caller lost", case=case, value=sum(call.lost for call in seen), unit="", most=0),
        Amount(figure="phone → model, p50", case=case, value=percentile(callers, 0.5), unit="ms"),
        Amount(figure="phone → model, p99", case=case, value=percentile(callers, 0.99), unit="ms"),
        Amount(figure="of the best call, p50", case=case, value=min(middles), unit="ms"),
        Amount(
            figure="of the worst call, p50: so much more", case=case, value=max(middles) - min(middles), unit="ms", most=ALIKE_MS
        ),
        Amount(figure="model → phone, p99", case=case, value=percentile(agents, 0.99), unit="ms", most=AHEAD_MS),
        Amount(figure="frames in a message to the model", case=case, value=together, unit=""),
    ]


async def run(calls: int, seconds: float, seed: int) -> list[Amount]:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    program_core, own_core = placement()
    if program_core is None:
        raise Lost("two cores are needed: one for the bridge and its neighbour, one for the callers")
    async with AsyncExitStack() as stack:
        cpu.pin(0, own_core)
        folder = await stack.enter_async_context(scratch())
        shops.open_shops(folder / "shops", 1)
        url, sessions = await stack.enter_async_context(model_listening(seed))
        token = secrets.token_urlsafe(16)
        served = processes.bridge(
            folder, folder / "shops", url, "http://127.0.0.1:9", operators=f"bench:operator:{token}", core=program_core
        )
        program = await stack.enter_async_context(served)
        await stack.enter_async_context(attached(program, token, ONE_OPERATOR, OperatorsRead()))
        for _ in range(NEIGHBOURS):
            neighbour = await asyncio.create_subprocess_exec(*NEIGHBOUR)
            stack.push_async_callback(neighbour.wait)
            stack.callback(neighbour.kill)
            cpu.pin(neighbour.pid, program_core)
        lines = Lines(Number(program.url, is_signed=True), sessions, random.Random(f"overload {seed}"))
        stack.push_async_callback(lines.close)
        return await _overloaded(lines, calls, seconds)


async def _overloaded(lines: Lines, calls: int, seconds: float) -> list[Amount]:
    placing = []
    for nth in range(calls):
        if nth % 25 == 0:
            say(f"{nth} of {calls} callers, {len(lines.phones)} calls, {lines.refused} refused")
        placing.append(asyncio.create_task(_placed(lines)))
        await asyncio.sleep(1 / CALLS_A_SECOND)
    await asyncio.gather(*placing)
    for why, times in lines.refusals.most_common():
        say(f"{times} calls refused: {why}")
    say(f"{len(lines.phones)} calls talk on for {seconds:g} s")
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    await asyncio.sleep(seconds)
    window = Window(begin_s, loop.time())
    await asyncio.sleep(ARRIVE_S)
    dropped = sum(phone.notes.closed_s <= window.end_s for phone in lines.phones)
    late_ms = [late for phone in lines.phones for late in np.array(phone.notes.late_s) * 1000]
    say(f"the phones themselves were late by {percentile(late_ms, 0.99):.1f} ms (p99)")
    case = f"{len(lines.phones)} calls"
    return amounts_of(seen_of(lines, window), wanted=calls, taken=len(lines.phones), dropped=dropped, case=case)


async def _placed(lines: Lines) -> None:
    try:
        await lines.call()
    except Refused:
        return  # counted there


def seen_of(lines: Lines, window: Window) -> list[Seen]:
    """Each call by itself."""
    by_line = {_line_of(session): session for session in lines.sessions}
    return [_seen(phone, by_line[phone.line], window) for phone in lines.phones if phone.line in by_line]


def _line_of(session: ModelSession) -> int:
    """Which phone's audio it hears; it is in every frame."""
    tags = session.notes.frame_tags[: wire.TAG_CHARS]
    return int(wire.keys_of(tags)[0]) >> 24 if tags else -1


def _seen(phone: PhoneLine, session: ModelSession, window: Window) -> Seen:
    caller, (agent, _) = caller_frames([phone], [session], window), agent_audio([phone], [session], window)
    came_s = np.array(session.notes.frames_s)
    came_s = came_s[window.holds(came_s)]
    return Seen(caller.delays_ms.tolist(), agent.delays_ms.tolist(), caller.lost, len(came_s), len(np.unique(came_s)))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=CALLS, help="how many call (default %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="how long those that were taken are watched (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    if given.calls < 1 or given.seconds <= 0:
        parser.error("give 1 call or more, and more than 0 seconds")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            amounts = runner.run(run(given.calls, given.seconds, given.seed))
    except (Lost, NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show_amounts("a bridge that has too much to do", amounts)
    if given.json is not None:
        write_json(given.json, {}, [], amounts=amounts)


if __name__ == "__main__":
    main()

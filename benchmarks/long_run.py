"""Whether a bridge stays what it is: thousands of short calls, many at a time, must leave memory and descriptors flat.

Run as ``python -m benchmarks.long_run`` (10,000 calls, 60 at a time: 8 minutes). Each call is greeted, hears its greeting for a
second and hangs up; store and operator are there as in ``frontdesk bench``. Memory and descriptors are looked at every so many calls, and
once more when all calls are over. **Flat** means: what the last quarter of the calls had in the middle is at most 3 % more than
what the second quarter had (the first one fills caches), and after the last call no descriptor is open that was not before the first.
"""

import argparse
import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from benchmarks import processes, shops
from benchmarks.bench import Lost, scratch
from benchmarks.figures import Amount, say, show_amounts, write_json
from benchmarks.load import cpu
from benchmarks.load.lines import Lines, Number, Refused, model_listening
from benchmarks.load.model import ModelSession
from benchmarks.load.sweep import ONE_OPERATOR, placement
from benchmarks.operators import Measured as OperatorsRead
from benchmarks.operators import attached
from benchmarks.processes import NotReady, Program

CALLS, AT_ONCE = 10_000, 60
TALK_S = (1.5, 2.5)
WARM_UP_CALLS = 20
LOOKS = 40
SETTLE_S = 5.0
GROWTH = 0.03


@dataclass(frozen=True, slots=True)
class Look:
    """The program after so many calls."""

    calls: int
    memory_mb: float
    descriptors: int


@dataclass(slots=True)
class Course:
    """What was seen."""

    looks: list[Look] = field(default_factory=list)
    """While calls came and went."""
    before: Look = Look(0, 0, 0)
    after: Look = Look(0, 0, 0)
    """Without a call, before the first and behind the last."""
    refused: int = 0


def growth_of(values: Sequence[float]) -> float:
    """How much more the last quarter had than the second one, as a share of that; the middle of each. Raises ``ValueError`` for fewer
    than eight values."""
    if len(values) < 8:
        raise ValueError("eight looks at least are needed to tell growth from chance")
    quarter = len(values) // 4
    early, late = median(values[quarter : 2 * quarter]), median(values[-quarter:])
    return late / early - 1


def amounts_of(course: Course) -> list[Amount]:
    """The figures, with their verdicts."""
    case = f"{course.after.calls} calls"
    memory = growth_of([look.memory_mb for look in course.looks]) * 100
    left = course.after.descriptors - course.before.descriptors
    most = max(look.descriptors for look in course.looks)
    return [
        Amount(figure="memory, last quarter : second", case=case, value=memory, unit="% more", most=GROWTH * 100),
        Amount(figure="memory before the first call", case=case, value=course.before.memory_mb, unit="MB"),
        Amount(figure="memory behind the last", case=case, value=course.after.memory_mb, unit="MB"),
        Amount(figure="descriptors left open", case=case, value=left, unit="", most=0),
        Amount(figure="descriptors, most at a time", case=case, value=most, unit=""),
        Amount(figure="calls refused", case=case, value=course.refused, unit="", most=0),
    ]


async def run(calls: int, at_once: int, seed: int) -> Course:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    program_core, own_core = placement()
    async with AsyncExitStack() as stack:
        cpu.pin(0, own_core)
        folder = await stack.enter_async_context(scratch())
        shops.open_shops(folder / "shops", 1)
        url, sessions = await stack.enter_async_context(model_listening(seed))
        token = secrets.token_urlsafe(16)
        program = await stack.enter_async_context(
            processes.bridge(
                folder, folder / "shops", url, "http://127.0.0.1:9", operators=f"bench:operator:{token}", core=program_core
            )
        )
        await stack.enter_async_context(attached(program, token, ONE_OPERATOR, OperatorsRead()))
        return await _course(program, sessions, calls=calls, at_once=at_once, chance=random.Random(f"long run {seed}"))


async def _course(program: Program, sessions: list[ModelSession], *, calls: int, at_once: int, chance: random.Random) -> Course:
    number = Number(program.url, is_signed=True)
    course = Course()
    await _served(Lines(number, sessions, chance), WARM_UP_CALLS, at_once, lambda _: None)
    await asyncio.sleep(SETTLE_S)
    course.before = _look(program, 0)
    every = max(1, calls // LOOKS)

    def ended(count: int) -> None:
        if count % every == 0:
            course.looks.append(_look(program, count))
            look = course.looks[-1]
            say(f"{count} of {calls} calls: {look.memory_mb:.1f} MB, {look.descriptors} descriptors")

    lines = Lines(number, sessions, chance)
    await _served(lines, calls, at_once, ended)
    await asyncio.sleep(SETTLE_S)
    course.after, course.refused = _look(program, calls), lines.refused
    for why, times in lines.refusals.most_common():
        say(f"{times} calls refused: {why}")
    return course


async def _served(lines: Lines, calls: int, at_once: int, ended: Callable[[int], None]) -> None:
    """So many calls, so many at a time; all connections to the program are closed after them."""
    left, over, chance = iter(range(calls)), 0, random.Random(calls)

    async def caller(first_s: float) -> None:
        nonlocal over
        await asyncio.sleep(first_s)
        for _ in left:
            await _short_call(lines, chance.uniform(*TALK_S))
            over += 1
            ended(over)

    spread_s = TALK_S[1]
    await asyncio.gather(*(caller(spread_s * nth / at_once) for nth in range(at_once)))
    await lines.close()


async def _short_call(lines: Lines, talk_s: float) -> None:
    try:
        phone = await lines.call()
    except Refused:  # counted there; the next caller does not come sooner for it
        await asyncio.sleep(talk_s)
        return
    await asyncio.sleep(talk_s)
    await lines.hang_up(phone)
    lines.forget(phone)


def _look(program: Program, calls: int) -> Look:
    return Look(calls, cpu.memory_mb(program.pid), cpu.descriptors(program.pid))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=CALLS, help="how many calls in all (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="how many at a time (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    if given.calls < 2 * LOOKS or given.at_once < 1:
        parser.error(f"give {2 * LOOKS} calls or more, 1 or more at a time")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            course = runner.run(run(given.calls, given.at_once, given.seed))
    except (Lost, NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    amounts = amounts_of(course)
    show_amounts(f"a long run, {given.at_once} calls at a time", amounts)
    if given.json is not None:
        looks = [[look.calls, round(look.memory_mb, 1), look.descriptors] for look in course.looks]
        write_json(given.json, {"looks": looks}, [], amounts=amounts)


if __name__ == "__main__":
    main()

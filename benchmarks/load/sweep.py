"""The sweep of `frontdesk bench`: more and more calls through the bridge and the bare relay, in turns, until a step does not hold."""

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import aiohttp
import msgspec
import uvloop

from benchmarks import processes, shops
from benchmarks.bench import Lost, scratch
from benchmarks.load import cpu, tls
from benchmarks.load.lines import Number, model_listening
from benchmarks.load.model import ModelSession
from benchmarks.load.round import Measured, Tell, measure
from benchmarks.load.step import FRONTDESK, RELAY, Step, capacity_of, mostly_holds, next_between
from benchmarks.operators import Case, attached
from benchmarks.operators import Measured as OperatorsRead
from benchmarks.processes import NotReady

BESIDE = (20, 60, 120)
"""Calls of each program when both are measured at the same time: a core carries as many of both."""
CALLS = (1, 20, 60, 120, 200, 280, 360, 440, 520, 600, 700, 800, 900)
SECONDS = 10.0
MOST_CALLS = 1000
TRIES = 2
READY_WITHIN_S = 20.0
WARM_UP_S = 2.0
WARM_UP_CALLS = 3
"""The first calls of a process import and compile."""
ONE_OPERATOR = Case("1 console", 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured."""

    calls: tuple[int, ...] = CALLS
    seconds: float = SECONDS
    seed: int = 1
    with_relay: bool = True
    refines: bool = True
    """Whether the capacity is looked for between the last step that held and the first that did not."""
    rounds: int = 1
    """How often each number of calls is measured, the programs in turns."""
    with_tls: bool = False
    """Whether the model is spoken to over TLS."""


@dataclass(slots=True)
class Progress:
    """Told what happens. ``now``: of the step under way, many times; ``done``: of each step, once."""

    now: Tell = field(default=lambda _: None)
    done: Callable[[Step], None] = field(default=lambda _: None)


_Program = tuple[Measured, list[ModelSession]]
"""A program, and the sessions of the model that it talks to."""


class CannotMeasure(Exception):
    """The sweep cannot go on; ``str()`` says why and what to do."""


def run(plan: Plan, progress: Progress) -> None:
    """All of it; each step is told as soon as it is known. Raises :class:`CannotMeasure`."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_sweep(plan, progress))
    except (Lost, NotReady) as error:
        raise CannotMeasure(str(error)) from None


def placement() -> tuple[int | None, int | None]:
    """The core of the program under measurement and that of the far ends; nothing where there is only one."""
    usable = cpu.cores()
    return (usable[1], usable[0]) if len(usable) > 1 else (None, None)


async def _sweep(plan: Plan, progress: Progress) -> None:
    program_core, own_core = placement()
    async with AsyncExitStack() as stack:
        if own_core is not None:
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            cpu.pin(0, own_core)  # the operator's process, which is begun from here, too
        folder = await stack.enter_async_context(scratch())
        shops.open_shops(folder / "shops", 1)
        progress.now("starting")
        certificate = _certificate(folder) if plan.with_tls else None
        chance = random.Random(f"lines {plan.seed}")
        programs: list[_Program] = []
        for start in (_bridge, _relay) if plan.with_relay else (_bridge,):
            url, sessions = await stack.enter_async_context(model_listening(plan.seed, certificate))
            measured = await stack.enter_async_context(start(folder, url, program_core, tls.trusting(certificate)))
            programs.append((await _warmed(measured, sessions, chance, progress), sessions))
        await _steps(plan, progress, programs, chance)
        if plan.with_relay:
            await _beside(plan, progress, programs, chance)


def _certificate(folder: Path) -> Path:
    from benchmarks.load.certificate import certificate  # noqa: PLC0415 - it needs a package that nothing else here does

    return certificate(folder)


@asynccontextmanager
async def _bridge(folder: Path, model_url: str, core: int | None, more: Mapping[str, str]) -> AsyncIterator[Measured]:
    """``frontdesk serve`` with its store on disk and an operator who reads along."""
    token = secrets.token_urlsafe(16)
    nobody = f"http://{model_url.partition('://')[2].partition('/')[0]}"
    operators = f"bench:operator:{token}"
    served = processes.bridge(folder, folder / "shops", model_url, nobody, operators=operators, core=core, more=more)
    async with served as program, attached(program, token, ONE_OPERATOR, OperatorsRead()):
        yield Measured(FRONTDESK, program, Number(program.url, is_signed=True), cpu.memory_mb(program.pid), has_metrics=True)


@asynccontextmanager
async def _relay(folder: Path, model_url: str, core: int | None, more: Mapping[str, str]) -> AsyncIterator[Measured]:
    async with processes.floor(folder, model_url, early=False, module="benchmarks.relay", core=core, more=more) as program:
        yield Measured(RELAY, program, Number(program.url, is_signed=False), cpu.memory_mb(program.pid), has_metrics=False)


async def _warmed(measured: Measured, sessions: list[ModelSession], chance: random.Random, progress: Progress) -> Measured:
    """The program after its first calls, which count for nothing. Raises :class:`CannotMeasure` if it took none."""
    progress.now(f"{measured.name}: first calls")
    step = await measure(measured, WARM_UP_CALLS, WARM_UP_S, sessions, chance=chance, tell=lambda _: None)
    sessions.clear()
    if step.refused == WARM_UP_CALLS or not step.caller.n:
        raise CannotMeasure(f"{measured.name} took no call ({step.why_not}), so there is nothing to measure")
    idle_mb = cpu.memory_mb(measured.program.pid)
    return Measured(measured.name, measured.program, measured.number, idle_mb, measured.has_metrics)


async def _steps(plan: Plan, progress: Progress, programs: Sequence[_Program], chance: random.Random) -> None:
    steps: dict[str, list[Step]] = {measured.name: [] for measured, _ in programs}
    courses = {measured.name: course(plan, steps[measured.name]) for measured, _ in programs}
    wanted = {name: next(one, None) for name, one in courses.items()}
    while any(calls is not None for calls in wanted.values()):
        for measured, sessions in programs:
            calls = wanted[measured.name]
            if calls is None:
                continue
            step = await _tried(measured, calls, plan, sessions, chance=chance, tell=_prefixed(progress, measured, calls))
            steps[measured.name].append(step)
            progress.done(step)
            wanted[measured.name] = next(courses[measured.name], None)


async def _beside(plan: Plan, progress: Progress, programs: Sequence[_Program], chance: random.Random) -> None:
    """The programs at the same time: a machine that is now fast and now slow is as fast for the one as for the other."""
    for calls in (count for count in BESIDE if count in plan.calls):
        for _ in range(plan.rounds):
            for measured, _ in programs:
                await _ready(measured)
            steps = await asyncio.gather(
                *(
                    measure(
                        measured, calls, plan.seconds, sessions, chance=chance, tell=_of_both(progress, calls, is_first=not nth)
                    )
                    for nth, (measured, sessions) in enumerate(programs)
                )
            )
            for step, (_, sessions) in zip(steps, programs, strict=True):
                sessions.clear()
                progress.done(msgspec.structs.replace(step, beside=True))


def _of_both(progress: Progress, calls: int, *, is_first: bool) -> Tell:
    """Both do the same, and of one it is told."""
    return lambda text: progress.now(f"both, {calls} calls each: {text}") if is_first else None


async def _tried(
    measured: Measured, calls: int, plan: Plan, sessions: list[ModelSession], *, chance: random.Random, tell: Tell
) -> Step:
    """One step, once more if others disturbed the far ends: what decides is that, and never the program's figures."""
    for left in reversed(range(TRIES)):
        await _ready(measured)
        step = await measure(measured, calls, plan.seconds, sessions, chance=chance, tell=tell)
        sessions.clear()
        if not step.generator_was_disturbed or not left:
            break
        tell("disturbed by others, once more")
    return step


def course(plan: Plan, done: list[Step]) -> Iterator[int]:
    """How many calls to try next with one program, ``done`` being what its earlier steps were, in order."""
    for calls in plan.calls:
        for _ in range(plan.rounds):
            yield calls
        if not mostly_holds(done, calls):
            break
    while plan.refines and (calls := next_between(capacity_of(done)) or 0):
        for _ in range(plan.rounds):
            yield calls
        if mostly_holds(done, calls) is None:
            break


def _prefixed(progress: Progress, measured: Measured, calls: int) -> Tell:
    return lambda text: progress.now(f"{measured.name}, {calls} calls: {text}")


async def _ready(measured: Measured) -> None:
    """Waits until a bridge that had too much to do takes calls again, but not for ever: the step will tell."""
    if not measured.has_metrics:
        return
    give_up_s = monotonic() + READY_WITHIN_S
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
        while monotonic() < give_up_s:
            try:
                async with http.get(f"{measured.program.url}/readyz") as answer:
                    if answer.status == 200:
                        return
            except (OSError, TimeoutError, aiohttp.ClientError):
                pass  # asked again
            await asyncio.sleep(0.5)

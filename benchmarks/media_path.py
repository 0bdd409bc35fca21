"""What a call costs: the bridge's processor time per second of a call, and what the bare relay needs for the same calls.

Both run as processes of their own and serve the same simulated callers in turns: everybody's greeting, then long answers, so that
audio flows both ways. The bridge keeps its store, and one operator reads along. Only what is used between the start of the last call
and the end of the first is counted.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.bench import FarEnds, Lost, NumberOf, far_ends, relayed_by, scratch, served_by, stays_on_the_line
from benchmarks.figures import Amount, percentile, say, show_amounts, write_json
from benchmarks.lag import Load
from benchmarks.operators import Case, Measured, attached
from benchmarks.options import Options
from benchmarks.processes import Program
from benchmarks.traces import LONG
from simulator.scenario import Caller, CallerStep, Mind, Reply

CALLS = 20
ROUNDS = 3
SPREAD_S = 2.0
SETTLED_S = 2.0
COUNTED_S = 10.0
RELAY = "benchmarks.relay"
ONE_CONSOLE = Case("1 console", 1)
NOBODY = Case("nobody", 0)


@dataclass(slots=True)
class Cost:
    """All rounds of one program."""

    per_call_second_ms: list[float] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    """How much of a core everybody else used."""
    late_ms: list[float] = field(default_factory=list)


async def one_round(ends: FarEnds, program: Program, number: NumberOf, calls: int, cost: Cost) -> None:
    """Adds one round's cost. Raises :class:`~benchmarks.bench.Lost`."""
    talking = asyncio.create_task(ends.round([_talks()] * calls, number, spread_s=SPREAD_S))
    await asyncio.sleep(SPREAD_S + SETTLED_S)
    ends.lag.late_ms.clear()
    load, began_s = Load(program.pid), time.monotonic()
    await asyncio.sleep(COUNTED_S)
    lasted_s = time.monotonic() - began_s
    cost.per_call_second_ms.append(load.program_s * 1000 / lasted_s / calls)
    cost.others.append(load.others_s / lasted_s)
    cost.late_ms += ends.lag.late_ms
    await talking
    ends.model.sessions.clear()


def _talks() -> Caller:
    turns = [CallerStep(after_ms=300, say="Could you tell me more about it, please?") for _ in range(3)]
    stays = CallerStep(when="answered", after_ms=round((SPREAD_S + SETTLED_S + COUNTED_S) * 1000), hang_up=True)
    return Caller(steps=(*turns, stays))


def amounts_of(name: str, cost: Cost) -> list[Amount]:
    """What is shown of one program."""
    figures = [
        ("CPU per call-second", percentile(cost.per_call_second_ms, 0.5), "ms"),
        ("others' CPU", percentile(cost.others, 0.5) * 100, "% of a core"),
        ("far ends' loop late, p95", percentile(cost.late_ms, 0.95), "ms"),
    ]
    return [Amount(figure=figure, case=name, value=value, unit=unit) for figure, value, unit in figures]


async def run(options: Options) -> list[Amount]:
    """Everything. Raises ``Lost`` or ``NotReady``."""
    costs, token = {"frontdesk": Cost(), "bare relay": Cost()}, secrets.token_urlsafe(16)
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(scratch())
        shops.open_shops(folder / "shops", options.calls)
        ends = await stack.enter_async_context(far_ends(options.seed))
        ends.plays(Mind(replies=(Reply(hears="", say=LONG),), otherwise=LONG))
        relay = await stack.enter_async_context(processes.floor(folder, ends.model.url, early=False, module=RELAY))
        bridge = await stack.enter_async_context(
            processes.bridge(folder, folder / "shops", ends.model.url, ends.cloud.rest_url, operators=f"bench:operator:{token}")
        )
        ways: list[tuple[str, Program, Callable[[str], NumberOf], Case]] = [
            ("frontdesk", bridge, served_by, ONE_CONSOLE),
            ("bare relay", relay, relayed_by, NOBODY),
        ]
        for _, program, number, _ in ways:
            await ends.round([stays_on_the_line(750)], number(program.url))
        for turn in range(ROUNDS):
            for name, program, number, readers in ways:
                say(f"{turn + 1} of {ROUNDS}: {options.calls} calls, {name}")
                async with attached(program, token, readers, Measured()):
                    await one_round(ends, program, number(program.url), options.calls, costs[name])
    return _table(costs)


def _table(costs: dict[str, Cost]) -> list[Amount]:
    ours, theirs = (costs[name].per_call_second_ms for name in ("frontdesk", "bare relay"))
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    shown = [amount for name, cost in costs.items() for amount in amounts_of(name, cost)]
    return [*shown, Amount(figure="frontdesk : bare relay", case="median", value=percentile(ratios, 0.5), unit="×")]


def main() -> None:
    """The command."""
    options = command_line.read(__doc__, calls=CALLS)
    try:
        amounts = asyncio.run(run(options))
    except (Lost, processes.NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show_amounts(f"what a call costs, {options.calls} calls", sorted(amounts, key=lambda line: line.figure))
    if options.json is not None:
        write_json(options.json, command_line.facts(options), [], amounts=amounts)


if __name__ == "__main__":
    main()

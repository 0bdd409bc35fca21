"""What the bridge adds to the greeting: from Twilio's `start` to the first audio on the wire, less the model's own time.

The bridge runs in a process of its own; phone and model are simulated in this one. The model's own time is measured in the same
call: from its receiving `response.create` to its sending the first audio. Beside the bridge, the same harness measures a bare
relay (benchmarks/floor.py), once opening the model's socket at `start` and once at the handshake.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.bench import FarEnds, Lost, NumberOf, Rounds, Seen, far_ends, relayed_by, scratch, served_by, stays_on_the_line
from benchmarks.figures import Row, Target, row, say, show, write_json
from benchmarks.options import Options
from benchmarks.processes import Program
from benchmarks.readings import first_deltas, times_of
from simulator.phone.timeline import FirstMedia, StartSent
from simulator.scenario import Mind

ADDED = Target(statistic="p50", most=15)
ALONE_ROUNDS = 10
ALONE_MS = 750
CROWD_ROUNDS = 3
CROWD_MS = 3000
"""Longer than the dialling lasts, so that all calls are up together."""
SPREAD_S = 1.0
TITLE = "greeting: what is added to the model's own time to first audio"


@dataclass(frozen=True, slots=True)
class Greeted:
    """One greeting, in ms."""

    wire_ms: float
    """`start` sent → first audio received, at the phone."""
    model_ms: float
    """`response.create` received → first audio sent, at the model."""
    asking_ms: float
    """`start` sent → `response.create` received."""
    passing_ms: float
    """First audio sent by the model → received by the phone."""

    @property
    def added_ms(self) -> float:
        """What stands between phone and model took so long."""
        return self.wire_ms - self.model_ms


def greeted(call: Seen) -> Greeted:
    """The greeting of a call. Raises :class:`~benchmarks.bench.Lost`."""
    started = next((seen for seen in call.timeline if isinstance(seen, StartSent)), None)
    heard = next((seen for seen in call.timeline if isinstance(seen, FirstMedia)), None)
    created, spoken = times_of(call.session.received, "response.create"), first_deltas(call.session.sent_audio)
    if started is None or heard is None or not created or not spoken:
        raise Lost(f"a call was never greeted; the model got {call.session.types()}")
    return Greeted(
        wire_ms=heard.after_start_ms,
        model_ms=spoken[0].at_ms - created[0],
        asking_ms=call.model_ms(created[0]) - call.phone_ms(started.at_ms),
        passing_ms=call.phone_ms(heard.at_ms) - call.model_ms(spoken[0].at_ms),
    )


def rows_of(who: str, case: str, rounds: Rounds, target: Target | None) -> list[Row]:
    """The figure, and the two parts it consists of."""
    greetings = [greeted(call) for call in rounds.calls]
    return [
        row(f"{who}: added", case, [one.added_ms for one in greetings], target, rounds.conditions),
        row("  start → response.create", case, [one.asking_ms for one in greetings]),
        row("  first delta → first media", case, [one.passing_ms for one in greetings]),
    ]


async def measure(
    ends: FarEnds, who: str, program: Program, number: NumberOf, *, calls: int, target: Target | None = None
) -> list[Row]:
    """One call at a time, then the crowd, dialling one after the other and all at once."""
    await ends.round([stays_on_the_line(ALONE_MS)], number)  # the first call of a process imports and compiles
    rows: list[Row] = []
    for case, together, rounds, spread_s in (
        ("1 call", 1, ALONE_ROUNDS, 0.0),
        (f"{calls} calls within {SPREAD_S:g} s", calls, CROWD_ROUNDS, SPREAD_S),
        (f"{calls} calls at once", calls, CROWD_ROUNDS, 0.0),
    ):
        say(f"{who}, {case}: {rounds} rounds")
        callers = [stays_on_the_line(ALONE_MS if together == 1 else CROWD_MS)] * together
        done = await ends.rounds(rounds, program, partial(ends.round, callers, number, spread_s=spread_s))
        rows += rows_of(who, case, done, target)
    return rows


async def run(options: Options) -> list[Row]:
    """Everything, the bridge first. Raises ``Lost`` or ``NotReady``."""
    async with scratch() as folder:
        shops.open_shops(folder / "shops", options.calls)
        async with far_ends(options.seed) as ends:
            ends.plays(Mind())
            async with processes.bridge(folder, folder / "shops", ends.model.url, ends.cloud.rest_url) as program:
                rows = await measure(ends, "bridge", program, served_by(program.url), calls=options.calls, target=ADDED)
            for who, early in (("relay, model at start", False), ("relay, model at handshake", True)):
                async with processes.floor(folder, ends.model.url, early=early) as program:
                    rows += await measure(ends, who, program, relayed_by(program.url), calls=options.calls)
    return rows


def main() -> None:
    """The command."""
    options = command_line.read(__doc__)
    try:
        rows = asyncio.run(run(options))
    except (Lost, processes.NotReady) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show(TITLE, rows)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows)


if __name__ == "__main__":
    main()

"""What the bridge does to a conversation: how exact and how quick interruptions are, what it adds to each turn, and when it hangs up.

The bridge runs in a process of its own; phone and model are simulated in this one. Interruptions are those of
benchmarks/traces.py, with a phone that echoes the marks of cleared audio, drops them, or echoes them late.
"""

import asyncio
import random
from collections.abc import Sequence
from functools import partial

from benchmarks import options as command_line
from benchmarks import processes, shops
from benchmarks.bench import FarEnds, Lost, NumberOf, Rounds, Seen, far_ends, scratch, served_by, stays_on_the_line
from benchmarks.figures import Check, Row, Target, row, say, show, show_checks, write_json
from benchmarks.options import Options
from benchmarks.processes import Program
from benchmarks.readings import (
    Cut,
    UnreadableCall,
    answer_delays_ms,
    confirmations,
    cuts_of,
    first_loud_ms,
    items_of,
    last_sample_played_ms,
    runs_of,
    times_of,
    truncates_of,
)
from benchmarks.traces import SHORT, TRACES, Trace
from simulator.ears import Ears
from simulator.phone.policies import Policies
from simulator.phone.timeline import CallEnded, StepBegan
from simulator.scenario import Caller, CallerStep, Mind

POLICIES = (Policies(cleared_marks="echo"), Policies(cleared_marks="drop"), Policies(cleared_marks="late"))
RUNS = 5
"""Calls per trace and policy."""
SPREAD_S = 1.0
WARM_UP_MS = 750
REACTION = Target(statistic="span", least=260, most=340)
HEARD = Target(statistic="max", most=60)
NOT_BEFORE = Target(statistic="min", least=0)
TURN = Target(statistic="p50", most=15)
GOODBYE = "No thanks, that's all."
CLOSING_CALLS, CLOSING_ROUNDS = 10, 2
ALONE_TURNS, CROWD_TURNS = 8, 4


# --- interruptions ---------------------------------------------------------------------------------------------------------


async def cuts(ends: FarEnds, program: Program, number: NumberOf) -> tuple[list[Row], list[Check]]:
    """Every trace with every policy."""
    rows: list[Row] = []
    checks: list[Check] = []
    for trace in TRACES:
        say(f"cuts: {trace.name}")
        ends.plays(trace.mind(), timing=trace.timing)
        callers = [trace.caller(random.Random(f"{ends.seed} {trace.name} {nth}")) for nth in range(RUNS * len(POLICIES))]
        one_round = partial(ends.round, callers, number, spread_s=SPREAD_S, policies=POLICIES * RUNS, first_shop=trace.first_shop)
        done = await ends.rounds(1, program, one_round)
        rows += _rows_of_trace(trace, done)
        checks.append(_check(trace, done.calls))
    return rows, checks


def cuts_of_call(call: Seen) -> list[Cut]:
    """What was cut, and what had been heard. Raises :class:`~benchmarks.readings.UnreadableCall`."""
    runs = runs_of(call.timeline)
    return cuts_of(runs, items_of(runs, call.session.sent_audio))


def truncate_errors_ms(call: Seen) -> tuple[list[float], list[float]]:
    """How far ``audio_end_ms`` is from what had been heard: of the items that were audible, and of those queued behind them."""
    truncates = dict(truncates_of(call.session.received))
    errors = [
        [abs(truncates[item] - heard) for item, heard in cut.heard_ms.items() if item in truncates] for cut in cuts_of_call(call)
    ]
    return [of_cut[0] for of_cut in errors if of_cut], [error for of_cut in errors for error in of_cut[1:]]


def reaction_ms(call: Seen) -> float | None:
    """The first loud sample of the interruption → the first ``clear`` received; ``None`` without one of them."""
    began = [seen.at_ms for seen in call.timeline if isinstance(seen, StepBegan)]
    cut = cuts_of_call(call)
    if not cut:
        return None
    began_ms = max((at_ms for at_ms in began if at_ms < cut[0].at_ms), default=None)
    loud_ms = first_loud_ms(call.caller, began_ms) if began_ms is not None else None
    return None if loud_ms is None else cut[0].at_ms - loud_ms


def is_right(trace: Trace, call: Seen) -> bool:
    """Whether the cuts of a call cut what they should: these items, in this order, and nothing else."""
    try:
        cut = cuts_of_call(call)
    except UnreadableCall:
        return False
    items = [item for one in cut for item in one.heard_ms]
    cancels = len(times_of(call.session.received, "response.cancel"))
    return (
        len(cut) == trace.cuts
        and all(len(one.heard_ms) == 1 + trace.queued for one in cut)
        and [item for item, _ in truncates_of(call.session.received)] == items
        and trace.cancels in (None, cancels)
        and not (trace.before_mark and any(confirmations(call.timeline, one) for one in cut))
    )


def _rows_of_trace(trace: Trace, done: Rounds) -> list[Row]:
    rows: list[Row] = []
    if trace.reaction != "none":
        reactions = [ms for call in done.calls if (ms := reaction_ms(call)) is not None]
        target = REACTION if trace.reaction == "noise" else None
        rows.append(row("loud → clear", trace.name, reactions, target, done.conditions))
    for index, policy in enumerate(POLICIES):
        errors = [truncate_errors_ms(call) for call in done.calls[index :: len(POLICIES)]]
        case = f"{trace.name}, {policy.cleared_marks}"
        rows.append(row("heard: truncate − played", case, [ms for audible, _ in errors for ms in audible], HEARD))
        if trace.queued:
            rows.append(row("queued: truncate − played", case, [ms for _, queued in errors for ms in queued], HEARD))
    return rows


def _check(trace: Trace, calls: Sequence[Seen]) -> Check:
    what = f"{trace.cuts} × (clear, truncate of {1 + trace.queued} item{'s' if trace.queued else ''})"
    cancels = "" if trace.cancels is None else f", {trace.cancels} response.cancel"
    return Check(case=trace.name, what=what + cancels, good=sum(is_right(trace, call) for call in calls), n=len(calls))


# --- turns -----------------------------------------------------------------------------------------------------------------


async def turns(ends: FarEnds, program: Program, number: NumberOf, calls: int) -> list[Row]:
    """One caller alone, then all of them."""
    rows: list[Row] = []
    ends.plays(Mind(otherwise=SHORT))
    for together, turns_each in ((1, ALONE_TURNS), (calls, CROWD_TURNS)):
        case = f"{together} call{'s' if together > 1 else ''}, {turns_each} turns each"
        say(f"turns: {case}")
        callers = [_talks(turns_each)] * together
        done = await ends.rounds(1, program, partial(ends.round, callers, number, spread_s=SPREAD_S if together > 1 else 0))
        answered = [ms for call in done.calls for ms in turn_delays_ms(call)]
        note = f"{len(answered)} of {together * turns_each} turns answered; {done.conditions}"
        rows.append(row("committed → response.create", case, answered, TURN, note))
        rows.append(row("first delta → media", case, [ms for call in done.calls for ms in passing_ms(call)], TURN))
    return rows


def _talks(turns_each: int) -> Caller:
    steps = [CallerStep(after_ms=300, say="It is twelve Oak Street.") for _ in range(turns_each)]
    return Caller(steps=(*steps, CallerStep(after_ms=300, hang_up=True)))


def turn_delays_ms(call: Seen) -> list[float]:
    """``committed`` sent by the model → ``response.create`` received by it, for every turn."""
    return answer_delays_ms(call.session.committed_ms, times_of(call.session.received, "response.create"))


def passing_ms(call: Seen) -> list[float]:
    """Each item's first audio, sent by the model → received by the phone."""
    sent: dict[str, float] = {}
    for delta in call.session.sent_audio:
        sent.setdefault(delta.item_id, delta.at_ms)
    items = [item for run in items_of(runs_of(call.timeline), call.session.sent_audio) for item in run]
    return [call.phone_ms(item.pieces[0].received_ms) - call.model_ms(sent[item.item_id]) for item in items]


# --- closing ---------------------------------------------------------------------------------------------------------------


async def closings(ends: FarEnds, program: Program, number: NumberOf) -> list[Row]:
    """Callers who say goodbye."""
    caller = Caller(steps=(CallerStep(after_ms=300, say=GOODBYE),))
    case = f"{CLOSING_CALLS} calls within {SPREAD_S:g} s"
    say(f"closings: {case}")
    ends.plays(Mind(otherwise=SHORT), ears=Ears.for_lines([GOODBYE], caller.voice))
    one_round = partial(ends.round, [caller] * CLOSING_CALLS, number, spread_s=SPREAD_S)
    done = await ends.rounds(CLOSING_ROUNDS, program, one_round)
    hung_up = [ms for call in done.calls if (ms := hang_up_ms(call)) is not None]
    note = f"{len(hung_up)} of {len(done.calls)} calls completed over REST; {done.conditions}"
    return [row("last sample played → completed", case, hung_up, NOT_BEFORE, note)]


def hang_up_ms(call: Seen) -> float | None:
    """The last sample of the closing was played → the REST request came; negative: it was cut off. ``None``: none came."""
    ended = next((seen for seen in call.timeline if isinstance(seen, CallEnded)), None)
    played_ms = last_sample_played_ms(runs_of(call.timeline))
    if ended is None or played_ms is None or ended.reason != "completed over REST":
        return None
    return ended.at_ms - played_ms


# --- all of it -------------------------------------------------------------------------------------------------------------


async def run(options: Options) -> tuple[list[Row], list[Check]]:
    """Everything. Raises ``Lost``, ``NotReady`` or ``UnreadableCall``."""
    async with scratch() as folder:
        shops.open_shops(folder / "shops", max(options.calls, RUNS * len(POLICIES), CLOSING_CALLS))
        async with (
            far_ends(options.seed) as ends,
            processes.bridge(folder, folder / "shops", ends.model.url, ends.cloud.rest_url) as program,
        ):
            number = served_by(program.url)
            await ends.round([stays_on_the_line(WARM_UP_MS)], number)  # the first call of a process imports and compiles
            rows, checks = await cuts(ends, program, number)
            rows += await closings(ends, program, number)
            rows += await turns(ends, program, number, options.calls)
    return rows, checks


def main() -> None:
    """The command."""
    options = command_line.read(__doc__)
    try:
        rows, checks = asyncio.run(run(options))
    except (Lost, processes.NotReady, UnreadableCall) as error:
        raise SystemExit(f"benchmark: {error}") from None
    show("turns and cuts", rows)
    show_checks("the right items, and nothing else", checks)
    if options.json is not None:
        write_json(options.json, command_line.facts(options), rows, checks)


if __name__ == "__main__":
    main()

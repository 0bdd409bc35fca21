"""What follows from the steps of a sweep: which hold, how many calls that is, what to try next, and when the figures are nobody's."""

import json
import random
from io import StringIO
from itertools import islice
from typing import Any

import msgspec
import pytest
from rich.console import Console

from benchmarks.load import report, sweep
from benchmarks.load.lines import Number
from benchmarks.load.pairing import Spread
from benchmarks.load.round import Measured
from benchmarks.load.step import FRONTDESK, RELAY, Capacity, Step, capacity_of, next_between
from benchmarks.load.sweep import Plan, course
from benchmarks.processes import Program
from tests.calls.virtual_loop import run_virtually

GOOD = Spread(1000, 0.5, 2.0, 9.0)
STEP = Step(
    program=FRONTDESK,
    calls=60,
    lasted_s=10.0,
    caller=GOOD,
    agent=GOOD,
    greeting=GOOD,
    turn=GOOD,
    cut=GOOD,
    cpu_ms=6.0,
    memory_mb=0.4,
    loop_lag_ms=0.3,
    frames=30_000,
    lost=0,
    lost_audio_ms=0.0,
    refused=0,
    dropped=0,
    generator_busy=0.3,
    generator_late=GOOD,
    others_busy=0.01,
)


def step(**changes: Any) -> Step:
    return msgspec.structs.replace(STEP, **changes)


def late(ms: float) -> Spread:
    return Spread(1000, 1.0, ms, ms)


def holding(*calls: int, **changes: Any) -> list[Step]:
    return [step(calls=count, **changes) for count in calls]


# --- whether a step holds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"caller": late(20.1)}, "p99 is 20.1 ms"),
        ({"agent": late(35)}, "p99 is 35.0 ms"),
        ({"lost": 1}, "1 frames lost"),
        ({"lost_audio_ms": 150.0}, "150 ms of the AI's audio lost"),
        ({"refused": 2, "refusal": "HTTP 503"}, "2 calls refused (HTTP 503)"),
        ({"refused": 2, "dropped": 1}, "2 calls refused, 1 calls dropped"),
        ({"caller": Spread(0, 0, 0, 0)}, "nothing came"),
    ],
)
def test_a_step_does_not_hold_if_anything_is_late_lost_or_turned_away_and_says_so(changes: dict[str, Any], why: str) -> None:
    assert not step(**changes).holds
    assert step(**changes).why_not == why


def test_a_step_holds_up_to_one_frame_of_delay() -> None:
    assert step(caller=late(20.0)).holds
    assert STEP.why_not == ""


def test_the_later_way_is_what_counts() -> None:
    assert step(caller=late(3), agent=late(7)).late_ms == 7


@pytest.mark.parametrize("changes", [{"generator_busy": 0.9}, {"generator_late": late(5.1)}])
def test_a_generator_without_time_to_spare_was_the_bottleneck(changes: dict[str, Any]) -> None:
    assert step(**changes).generator_was_the_limit


def test_a_generator_with_time_to_spare_was_not() -> None:
    assert not step(generator_busy=0.89, generator_late=late(5.0)).generator_was_the_limit


def test_a_late_generator_that_had_time_enough_was_disturbed_by_others() -> None:
    assert step(generator_busy=0.2, generator_late=late(9)).generator_was_disturbed
    assert not step(generator_busy=0.8, generator_late=late(9)).generator_was_disturbed
    assert not step(generator_busy=0.2, generator_late=late(4)).generator_was_disturbed


# --- how many calls that is ------------------------------------------------------------------------------------------------


def test_the_capacity_lies_between_the_last_step_that_held_and_the_first_that_did_not() -> None:
    steps = [*holding(60, 1, 120), step(calls=160, caller=late(30))]
    assert capacity_of(steps) == Capacity(holds=120, breaks=160, is_generators=False)


def test_a_step_that_held_above_one_that_did_not_is_not_counted() -> None:
    steps = [step(calls=60, lost=1), *holding(1, 120)]
    assert capacity_of(steps) == Capacity(holds=1, breaks=60, is_generators=False)


def test_a_step_that_the_generator_limited_says_nothing_of_the_program() -> None:
    steps = [*holding(1, 60), step(calls=120, caller=late(90), generator_busy=0.97)]
    assert capacity_of(steps) == Capacity(holds=60, breaks=None, is_generators=True)


def test_where_a_number_of_calls_was_measured_several_times_most_of_them_decide() -> None:
    missed, gave_in = step(caller=late(30)), step(caller=late(90), generator_busy=0.97)
    assert capacity_of([step(), missed, step()]) == Capacity(holds=60, breaks=None, is_generators=False)
    assert capacity_of([step(), missed]) == Capacity(holds=0, breaks=60, is_generators=False)
    assert capacity_of([missed, gave_in, gave_in]) == Capacity(holds=0, breaks=60, is_generators=False)
    assert capacity_of([step(), gave_in, gave_in]) == Capacity(holds=60, breaks=None, is_generators=False)


def test_a_program_that_carries_nothing_has_no_capacity() -> None:
    assert capacity_of([step(calls=1, lost=5)]) == Capacity(holds=0, breaks=1, is_generators=False)


@pytest.mark.parametrize(
    ("holds", "breaks", "wanted"),
    [(120, 160, 140), (140, 160, 150), (150, 160, None), (0, 4, None), (1, 20, 10), (60, None, None)],
)
def test_the_limit_is_looked_for_until_it_is_known_to_a_tenth(holds: int, breaks: int | None, wanted: int | None) -> None:
    assert next_between(Capacity(holds=holds, breaks=breaks, is_generators=False)) == wanted


# --- what to try next ------------------------------------------------------------------------------------------------------


def played(plan: Plan, carries: int, generator_carries: int = 10_000) -> list[int]:
    """What is tried with a program that carries so many calls."""
    done: list[Step] = []
    tried = []
    for calls in islice(course(plan, done), 50):
        tried.append(calls)
        busy = 0.95 if calls > generator_carries else 0.2
        done.append(step(calls=calls, caller=GOOD if calls <= carries else late(50), generator_busy=busy))
    return tried


def test_a_sweep_stops_at_the_first_step_that_does_not_hold_and_looks_for_the_limit_before_it() -> None:
    assert played(Plan(calls=(1, 20, 60, 120, 200)), carries=70) == [1, 20, 60, 120, 90, 75, 67, 71]


def test_each_number_of_calls_is_measured_as_often_as_asked_for() -> None:
    tried = played(Plan(calls=(1, 60), rounds=3), carries=30)
    assert tried == [calls for calls in (1, 60, 30, 45, 37, 33) for _ in range(3)]


def test_a_sweep_ends_with_its_list_if_everything_holds() -> None:
    assert played(Plan(calls=(1, 20)), carries=500) == [1, 20]


def test_a_sweep_without_refining_ends_at_the_first_step_that_does_not_hold() -> None:
    assert played(Plan(calls=(1, 60, 120), refines=False), carries=30) == [1, 60]


def test_a_sweep_ends_where_the_generator_gives_in() -> None:
    assert played(Plan(calls=(1, 60, 120)), carries=500, generator_carries=20) == [1, 60]


@pytest.mark.parametrize(("late_ms", "tries"), [((9.0, 2.0), 2), ((9.0, 9.0), 2), ((2.0, 9.0), 1)])
def test_a_step_that_others_disturbed_is_measured_once_more(
    late_ms: tuple[float, ...], tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = [step(generator_late=late(ms)) for ms in late_ms]
    given = iter(measured)

    async def measure(*_: object, **__: object) -> Step:
        return next(given)

    monkeypatch.setattr(sweep, "measure", measure)
    nobody = Measured(RELAY, Program("http://127.0.0.1:9", 0), Number("http://127.0.0.1:9", is_signed=False), 0.0, False)
    told: list[str] = []
    tried = sweep._tried(nobody, 60, Plan(), [], chance=random.Random(1), tell=told.append)
    assert run_virtually(tried) is measured[tries - 1]
    assert len(told) == tries - 1


# --- what is said ----------------------------------------------------------------------------------------------------------


def verdict(steps: list[Step], about: str) -> report.Verdict:
    return next(one for one in report.verdicts_of(steps) if about in one.what)


def test_processor_time_is_judged_as_a_ratio_at_each_number_of_calls_both_had() -> None:
    steps = [*holding(20, 60), *holding(60, 120, program=RELAY, cpu_ms=4.0)]
    judged = [one for one in report.verdicts_of(steps) if one.what.startswith("CPU")]
    assert [(one.what.split()[4], one.measured, one.met) for one in judged] == [("60", "1.50", False)]


def test_what_was_measured_at_the_same_time_is_judged_by_itself_and_counts_for_nothing_else() -> None:
    in_turns = [*holding(60, cpu_ms=6.0), *holding(60, program=RELAY, cpu_ms=4.0)]
    beside = [
        step(cpu_ms=6.0, beside=True, caller=late(99), lost=7, others_busy=0.8, memory_mb=9.0),
        step(cpu_ms=5.0, beside=True, program=RELAY, generator_busy=0.99),
    ]
    judged = [one for one in report.verdicts_of([*in_turns, *beside]) if one.what.startswith("CPU")]
    assert [(one.what.partition("relay")[2], one.measured, one.met) for one in judged] == [
        (", both at the same time", "1.20", True),
        ("", "1.50", False),
    ]
    others = [one for one in report.verdicts_of([*in_turns, *beside]) if not one.what.startswith("CPU")]
    assert others == [one for one in report.verdicts_of(in_turns) if not one.what.startswith("CPU")]
    assert report.doubts_of([*in_turns, *beside]) == report.doubts_of(in_turns)
    assert "both programs at the same time: CPU 6.00 ms" in report.line_of(beside[0])


def test_of_several_rounds_each_is_compared_with_its_own_and_the_median_counts() -> None:
    ours, theirs = (
        holding(60, cpu_ms=6.0) * 3,
        [*holding(60, program=RELAY, cpu_ms=4.0) * 2, *holding(60, program=RELAY, cpu_ms=5.0)],
    )
    assert verdict([*ours, *theirs], "CPU").measured == "1.50 (median of 3, 1.20 to 1.50)"
    assert verdict([*holding(60), *holding(60, caller=late(12))], "p99").met is False


def test_capacity_is_open_while_the_target_lies_between_the_steps() -> None:
    theirs = [*holding(200, program=RELAY), step(calls=240, program=RELAY, caller=late(99))]
    for holds, breaks, met in ((200, 220, True), (150, 170, None), (120, 150, False)):
        ours = [*holding(holds), step(calls=breaks, caller=late(99))]
        assert verdict([*ours, *theirs], "calls per core").met is met


def test_delay_is_not_judged_where_the_relay_is_late_itself() -> None:
    ours = step(caller=late(12))
    assert verdict([ours, step(program=RELAY, caller=late(9))], "p99").met is None
    assert verdict([ours, step(program=RELAY, caller=late(7))], "p99").met is False
    assert verdict([ours], "p99").met is False


def test_memory_is_judged_by_the_worst_crowded_step() -> None:
    assert verdict([step(calls=1, memory_mb=5.0), *holding(20, 60)], "memory").met is True
    assert verdict([*holding(20), step(calls=60, memory_mb=0.7)], "memory").measured == "0.70 MB"


def test_a_single_lost_frame_misses_the_target() -> None:
    assert verdict([step(), step(calls=120, lost=1)], "lost").met is False


def test_the_report_says_of_which_steps_the_generator_was_the_bottleneck_and_what_others_used() -> None:
    doubts = " ".join(report.doubts_of([step(generator_busy=0.96, others_busy=0.4)]))
    assert "The generator was the bottleneck at 60 calls (frontdesk): it used 96% of its core" in doubts
    assert "Other processes used up to 40% of a core" in doubts


def test_the_report_says_why_calls_were_refused_under_the_table_and_not_in_it() -> None:
    refused = step(refused=2, refusal="the call was answered with Say, Hangup instead of a stream")
    assert report.doubts_of([refused])[0].endswith("the call was answered with Say, Hangup instead of a stream.")
    assert "2 calls refused" in report.cells_of(refused)


def test_the_table_shows_every_step_and_both_capacities() -> None:
    out = StringIO()
    report.show(Console(file=out, width=report.PLAIN_COLUMNS), [*holding(20), step(program=RELAY, calls=20, loop_lag_ms=None)])
    text = out.getvalue()
    assert text.count("0.5 / 2.0 / 9.0") == 4
    assert "frontdesk carries, with p99 ≤ 20 ms and nothing lost: 20 calls or more" in text
    assert "bare relay carries" in text


def test_json_has_the_steps_the_capacities_and_the_verdicts() -> None:
    told = json.loads(report.as_json([step(), step(program=RELAY)], Plan(seconds=3)))
    assert told["seconds"] == 3
    assert [(one["program"], one["holds"], one["late_ms"]) for one in told["steps"]] == [
        (FRONTDESK, True, 2.0),
        (RELAY, True, 2.0),
    ]
    assert told["capacity"][FRONTDESK] == {"holds": 60, "breaks": None, "is_generators": False}
    assert {one["what"] for one in told["targets"]} >= {"lost by frontdesk"}


def test_a_step_in_a_line_says_what_is_wrong_with_it() -> None:
    line = report.line_of(step(lost=3, generator_busy=0.99))
    assert line.startswith("frontdesk, 60 calls: ")
    assert line.endswith(": does not hold (3 frames lost); the generator was the bottleneck")

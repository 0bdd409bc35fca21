"""The ladder between phone, bridge and model: its rungs, their times, and the way an interruption reads."""

from typing import Any, get_args

import pytest

from calls.events import AnyEvent
from console import ladder
from console.ladder import Rung, arrow, clock, delta, deltas_ms, errors, interruptions, next_of, previous_of, rungs_of
from console.protocol import Event
from tests.console import examples

SID = "CA" + "a" * 32
CUT = {"item_id": "a", "heard_ms": 3236, "reaction_ms": 307, "speech_ms": 14_886, "triggered_ms": 15_069, "clear_ms": 15_193,
       "truncate_ms": 15_198}  # fmt: skip


def event(seq: int, kind: str, ms: int, **fields: Any) -> Event:
    return examples.event(SID, seq, kind, ms=ms, **fields)


def rung(**fields: Any) -> Rung:
    known: dict[str, Any] = {"at_ms": 0, "source": "phone", "target": "bridge", "step": "dtmf", "words": "", "seq": 1}
    return Rung(**known | fields)


def test_an_interruption_reads_speech_trigger_cut_clear_truncate_with_its_milliseconds() -> None:
    rungs = rungs_of([event(1, "call.started", 0), event(2, "barge_in.cut", 20_000, **CUT)])[1:]
    assert [one.step for one in rungs] == ["speech", "trigger", "cut", "clear", "truncate"]
    assert [one.at_ms - rungs[0].at_ms for one in rungs] == [0, 183, 307, 307, 312]
    assert [one.words for one in rungs] == [
        "speech: the caller begins",
        "trigger after 183 ms",
        "cut after 307 ms, 3.24 s heard",
        "clear after 307 ms",
        "truncate after 312 ms",
    ]
    assert [(one.source, one.target) for one in rungs] == [
        ("phone", "bridge"),
        ("bridge", "bridge"),
        ("bridge", "bridge"),
        ("bridge", "phone"),
        ("bridge", "model"),
    ]
    assert rungs[-1].at_ms == 20_000, "the last of them is the event's own time"


def test_the_trigger_of_a_cut_is_not_told_twice() -> None:
    events = [
        event(1, "call.started", 0),
        event(2, "barge_in.triggered", 19_800, rms=900),
        event(3, "barge_in.cut", 20_000, **CUT),
    ]
    assert [one.step for one in rungs_of(events)] == ["call.started", "speech", "trigger", "cut", "clear", "truncate"]


def test_a_trigger_that_was_dismissed_stays() -> None:
    events = [
        event(1, "barge_in.triggered", 0, rms=900),
        event(2, "barge_in.dismissed", 120),
        event(3, "barge_in.cut", 20_000, **CUT),
    ]
    assert [one.step for one in rungs_of(events)][:3] == ["barge_in.triggered", "barge_in.dismissed", "speech"]


@pytest.mark.parametrize("missing", ["speech_ms", "triggered_ms", "clear_ms", "truncate_ms", "reaction_ms", "heard_ms"])
@pytest.mark.parametrize("value", [None, "x", -5, 1e14, [], True])
def test_an_interruption_with_an_odd_figure_still_has_five_rungs_in_order(missing: str, value: Any) -> None:
    rungs = rungs_of([event(1, "barge_in.cut", 20_000, **CUT | {missing: value})])
    assert {one.step for one in rungs} == {"speech", "trigger", "cut", "clear", "truncate"}
    assert [one.at_ms for one in rungs] == sorted(one.at_ms for one in rungs)
    assert rungs[0].step == "speech"


def test_every_kind_of_event_has_its_way() -> None:
    kinds = {body.__struct_config__.tag for body in get_args(AnyEvent)}
    assert kinds - ladder._WAYS.keys() == {"barge_in.cut"}
    assert ladder._WAYS.keys() <= kinds


def test_a_kind_nobody_knows_happens_at_the_bridge() -> None:
    (only,) = rungs_of([event(1, "something.new", 0, words="x")])
    assert (only.source, only.target, only.words) == ("bridge", "bridge", "something.new")


def test_times_count_from_the_beginning_of_the_call() -> None:
    assert [one.at_ms for one in rungs_of([event(1, "call.started", 5_000), event(2, "dtmf", 6_250, digit="1")])] == [0, 1_250]


def test_no_events_no_rungs() -> None:
    assert rungs_of([]) == []
    assert deltas_ms([]) == []


def test_deltas_count_from_the_rung_before_or_from_the_marked_one() -> None:
    rungs = [rung(at_ms=at_ms) for at_ms in (0, 100, 350)]
    assert deltas_ms(rungs) == [None, 100, 250]
    assert deltas_ms(rungs, rungs[1]) == [-100, 0, 250]


@pytest.mark.parametrize(
    ("source", "target", "drawn"),
    [
        ("phone", "bridge", "│──▶│   │"),
        ("bridge", "phone", "│◀──│   │"),
        ("bridge", "model", "│   │──▶│"),
        ("model", "bridge", "│   │◀──│"),
        ("phone", "model", "│───│──▶│"),
        ("model", "phone", "│◀──│───│"),
        ("bridge", "bridge", "│   ●   │"),
        ("phone", "phone", "●   │   │"),
    ],
)
def test_a_rung_is_drawn_from_lane_to_lane(source: str, target: str, drawn: str) -> None:
    assert arrow(rung(source=source, target=target), gap=3) == drawn


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, ""), (0, "+0 ms"), (180, "+180 ms"), (-40, "−40 ms"), (2_340, "+2.34 s"), (250_000, "+250 s"), (-0.2, "+0 ms")],
)
def test_deltas_are_written_short(ms: float | None, text: str) -> None:
    assert delta(ms) == text


@pytest.mark.parametrize(("ms", "text"), [(0, "0:00.000"), (15_198, "0:15.198"), (61_001.4, "1:01.001"), (-5, "0:00.000")])
def test_times_are_written_to_the_millisecond(ms: float, text: str) -> None:
    assert clock(ms) == text


def test_interruptions_and_errors_can_be_found() -> None:
    furnace, trouble = rungs_of(examples.events(examples.FURNACE)), rungs_of(examples.events(examples.TROUBLE))
    assert [furnace[place].step for place in interruptions(furnace)] == ["speech"]
    assert [trouble[place].step for place in errors(trouble)] == ["model.lost", "error"]


def test_the_next_and_the_previous_place() -> None:
    places = [3, 7, 9]
    assert [next_of(places, place) for place in (0, 3, 8, 9)] == [3, 7, 9, None]
    assert [previous_of(places, place) for place in (3, 4, 9, 20)] == [None, 3, 7, 9]
    assert next_of([], 0) is None
    assert previous_of([], 0) is None

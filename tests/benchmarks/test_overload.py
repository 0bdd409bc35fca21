"""What a run of too many calls comes to."""

from benchmarks.figures import Amount
from benchmarks.overload import Seen, amounts_of


def figures(*seen: Seen, wanted: int = 3, dropped: int = 0) -> dict[str, Amount]:
    return {one.figure: one for one in amounts_of(seen, wanted=wanted, taken=len(seen), dropped=dropped, case="case")}


def call(late_ms: float, *, lost: int = 0, agent_ms: float = 50.0) -> Seen:
    return Seen([late_ms] * 9 + [late_ms * 10], [agent_ms] * 10, lost, frames=10, messages=4)


def test_calls_are_late_alike_if_the_middle_of_the_worst_is_near_that_of_the_best() -> None:
    alike, uneven = figures(call(30), call(45)), figures(call(30), call(60))
    (name,) = (figure for figure in alike if "worst" in figure)
    assert (alike[name].value, alike[name].verdict) == (15, "met")
    assert (uneven[name].value, uneven[name].verdict) == (30, "missed")


def test_nothing_may_be_lost_dropped_or_heard_late_and_somebody_has_to_be_refused() -> None:
    assert {one.verdict for one in figures(call(30), call(30)).values()} == {"", "met"}
    missed = [
        figures(call(30, lost=1), call(30)),
        figures(call(30), call(30), dropped=1),
        figures(call(30, agent_ms=251), call(30)),
        figures(call(30), call(30), wanted=2),
    ]
    assert [sum(one.verdict == "missed" for one in each.values()) for each in missed] == [1, 1, 1, 1]


def test_frames_that_came_together_are_counted_by_the_message() -> None:
    assert figures(call(30), call(30))["frames in a message to the model"].value == 2.5

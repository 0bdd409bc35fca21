import json
from pathlib import Path

import pytest

from benchmarks.figures import Check, Target, percentile, row, write_json


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [40.0, 10.0, 30.0, 20.0]
    assert [percentile(values, share) for share in (0, 0.5, 0.51, 0.95, 1)] == [10, 20, 30, 40, 40]


def test_the_95th_percentile_of_a_hundred_leaves_the_five_worst_out() -> None:
    assert percentile([float(value) for value in range(1, 101)], 0.95) == 95


def test_a_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.5)


def test_a_median_target_does_not_mind_a_slow_tail() -> None:
    target = Target(statistic="p50", most=15)
    assert row("f", "c", [1, 2, 400], target).verdict == "met"
    assert row("f", "c", [1, 16, 16], target).verdict == "missed"


def test_a_span_target_minds_every_value() -> None:
    target = Target(statistic="span", least=260, most=340)
    assert row("f", "c", [260, 300, 340], target).verdict == "met"
    assert row("f", "c", [259.9, 300], target).verdict == "missed"
    assert row("f", "c", [300, 340.1], target).verdict == "missed"


def test_a_single_hang_up_too_early_misses_the_target() -> None:
    target = Target(statistic="min", least=0)
    assert row("f", "c", [0, 5], target).verdict == "met"
    assert row("f", "c", [-0.1, 5, 5, 5], target).verdict == "missed"


def test_nothing_measured_is_a_missed_target_and_says_so() -> None:
    empty = row("f", "c", [], Target(statistic="p50", most=15))
    assert (empty.n, empty.verdict, empty.note) == (0, "missed", "nothing was measured")


def test_checks_are_met_only_if_all_are_right_and_there_are_some() -> None:
    verdicts = [Check(case="c", what="w", good=good, n=n).verdict for good, n in ((15, 15), (14, 15), (0, 0))]
    assert verdicts == ["met", "missed", "missed"]


def test_the_json_says_what_was_measured_and_whether_it_will_do(tmp_path: Path) -> None:
    rows = [row("added", "50 calls", [4.0, 5.0, 90.0], Target(statistic="p50", most=15))]
    write_json(tmp_path / "f.json", {"cores": 2}, rows, [Check(case="c", what="w", good=1, n=2)])
    written = json.loads((tmp_path / "f.json").read_text())
    assert written["cores"] == 2
    assert [(line["p50"], line["max"], line["verdict"]) for line in written["rows"]] == [(5.0, 90.0, "met")]
    assert written["checks"] == [{"case": "c", "what": "w", "good": 1, "n": 2, "verdict": "missed"}]

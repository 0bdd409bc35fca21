"""The picture of a sweep, the verdict of a long run, and start-up as ratios."""

from pathlib import Path

import pytest

from benchmarks import long_run, start_up
from benchmarks.load.plot import files_of, write_plot
from benchmarks.load.step import RELAY
from benchmarks.long_run import Course, Look
from tests.benchmarks.test_load_steps import holding, late, step

STEPS = [*holding(1, 20, 60), step(calls=120, caller=late(40)), *holding(1, 20, 60, 120, program=RELAY, cpu_ms=4.0)]


# --- the picture -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bench.svg", "bench.png", "bench", "bench.PNG", "bench.2026"])
def test_both_files_are_drawn_whichever_was_named(name: str, tmp_path: Path) -> None:
    files = write_plot(tmp_path / name, STEPS)
    stem = "bench.2026" if name == "bench.2026" else "bench"
    assert [file.name for file in files] == [f"{stem}.svg", f"{stem}.png"]
    assert files[0].read_text("utf-8").startswith("<?xml")
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_the_picture_names_both_programs_and_what_is_drawn(tmp_path: Path) -> None:
    text = write_plot(tmp_path / "a.svg", STEPS)[0].read_text("utf-8")
    for words in ("frontdesk, phone → model", "bare relay, model → phone", "calls on one core", "Added delay, 99th percentile"):
        assert words in text


def test_the_same_figures_give_the_same_picture(tmp_path: Path) -> None:
    first, second = (write_plot(tmp_path / name, STEPS)[0].read_bytes() for name in ("a", "b"))
    assert first == second


def test_steps_that_the_generator_limited_are_not_drawn(tmp_path: Path) -> None:
    drawn = write_plot(tmp_path / "a", STEPS)[0].read_bytes()
    assert write_plot(tmp_path / "b", [*STEPS, step(calls=700, generator_busy=0.99)])[0].read_bytes() == drawn


def test_a_folder_in_the_name_is_kept() -> None:
    assert files_of(Path("out/x.y/bench.svg")) == (Path("out/x.y/bench.svg"), Path("out/x.y/bench.png"))


# --- a long run ------------------------------------------------------------------------------------------------------------


def test_growth_compares_the_last_quarter_with_the_second_and_lets_the_first_fill_caches() -> None:
    assert long_run.growth_of([10, 50, 100, 100, 100, 100, 100, 100]) == 0
    assert long_run.growth_of([100, 100, 100, 100, 110, 110, 120, 120]) == pytest.approx(0.2)


def test_a_single_high_look_is_no_growth() -> None:
    assert long_run.growth_of([100] * 11 + [180]) == 0


def test_growth_cannot_be_told_from_a_few_looks() -> None:
    with pytest.raises(ValueError, match="eight looks"):
        long_run.growth_of([1, 2, 3])


def verdicts(memory_mb: list[float], left: int = 0, refused: int = 0) -> list[str]:
    looks = [Look(nth * 100, value, 70) for nth, value in enumerate(memory_mb)]
    course = Course(looks=looks, before=Look(0, 90.0, 30), after=Look(1000, 95.0, 30 + left), refused=refused)
    return [amount.verdict for amount in long_run.amounts_of(course)]


def test_a_long_run_is_flat_if_neither_memory_nor_descriptors_grow() -> None:
    assert "missed" not in verdicts([100.0] * 8)


@pytest.mark.parametrize(
    ("memory_mb", "left", "refused", "where"),
    [([100.0] * 4 + [104.0] * 4, 0, 0, 0), ([100.0] * 8, 1, 0, 3), ([100.0] * 8, 0, 1, 5)],
)
def test_a_long_run_misses_by_memory_by_a_descriptor_and_by_a_refused_call(
    memory_mb: list[float], left: int, refused: int, where: int
) -> None:
    assert verdicts(memory_mb, left, refused)[where] == "missed"


# --- start-up --------------------------------------------------------------------------------------------------------------


def test_start_up_is_told_as_multiples_of_the_medians() -> None:
    took = {start_up.BARE: [10.0, 12.0, 90.0], "frontdesk --help": [24.0, 36.0, 25.0]}
    assert [(one.figure, one.value) for one in start_up.ratios_of(took)] == [("frontdesk --help", pytest.approx(25 / 12))]

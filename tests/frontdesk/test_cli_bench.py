"""``frontdesk bench`` at the command line; what it measures has tests of its own in tests/benchmarks."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.load import sweep
from benchmarks.load.step import RELAY
from benchmarks.load.sweep import CannotMeasure, Plan, Progress
from calls.exit_codes import ExitCode
from frontdesk.cli import frontdesk
from tests.benchmarks.test_load_steps import holding

Runs = Callable[[Plan, Progress], None]


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(frontdesk, ["bench", *arguments])


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What was to be measured; it is measured in no time."""
    given: list[Plan] = []

    def run(plan: Plan, progress: Progress) -> None:
        given.append(plan)
        progress.now("starting")
        for step in (*holding(20, 60), *holding(20, 60, program=RELAY)):
            progress.done(step)

    monkeypatch.setattr(sweep, "run", run)
    return given


def test_help_teaches_what_is_measured_how_long_it_takes_and_what_to_type() -> None:
    text = " ".join(bench("--help").output.split())
    for words in (
        "on a core of its own",
        "one operator attached",
        "until one frame in a hundred is more than 20 ms late",
        "takes 7 to 9 minutes",
        "frontdesk bench --calls 20,60,120 --rounds 5",
        "Exit codes: 0 measured",
    ):
        assert words in text


def test_the_list_of_commands_names_it() -> None:
    assert "bench" in CliRunner().invoke(frontdesk, ["--help"]).output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--calls", "many"], "'many' is not a list of numbers such as 20,60,120"),
        (["--calls", "20,,60"], "is not a list of numbers"),
        (["--calls", ""], "is not a list of numbers"),
        (["--calls", "0,20"], "between 1 and 1000"),
        (["--calls", "20,1001"], "between 1 and 1000"),
        (["--calls", "עשרים"], "is not a list of numbers"),
        (["--seconds", "0"], "--seconds"),
        (["--seconds", "nan seconds"], "--seconds"),
        (["--plot", "no/such/folder/bench.svg"], "make it first"),
        (["60"], "unexpected extra argument"),
    ],
)
def test_what_makes_no_sense_is_said_before_anything_is_measured(plans: list[Plan], arguments: list[str], words: str) -> None:
    result = bench(*arguments)
    assert (result.exit_code, words in result.output) == (ExitCode.USAGE, True)
    assert plans == []


def test_the_options_become_the_plan(plans: list[Plan]) -> None:
    bench("--calls", "60,20,60", "--seconds", "3", "--seed", "7", "--no-relay", "--no-refine", "--tls", "--rounds", "4")
    bench()
    assert plans == [Plan(calls=(20, 60), seconds=3, seed=7, with_relay=False, refines=False, rounds=4, with_tls=True), Plan()]


def test_the_table_goes_to_stdout_and_progress_to_stderr(plans: list[Plan]) -> None:
    result = bench()
    assert result.exit_code == ExitCode.OK
    assert "frontdesk bench" in result.stdout
    assert "frontdesk carries" in result.stdout
    assert "bare relay, 60 calls: " in result.stderr
    assert "bare relay, 60 calls: " not in result.stdout


def test_json_is_the_only_thing_on_stdout(plans: list[Plan]) -> None:
    told = json.loads(bench("--json").stdout)
    assert [one["calls"] for one in told["steps"]] == [20, 60, 20, 60]


def test_a_plot_is_drawn_as_svg_and_as_png(plans: list[Plan], tmp_path: Path) -> None:
    result = bench("--plot", str(tmp_path / "bench.png"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.png", "bench.svg"]
    assert "bench.svg" in result.stderr


def refuse(error: BaseException, *, after: int) -> Runs:
    def run(_plan: Plan, progress: Progress) -> None:
        for step in holding(20, 60)[:after]:
            progress.done(step)
        raise error

    return run


def test_a_program_that_does_not_come_up_is_one_sentence_and_exit_code_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "run", refuse(CannotMeasure("frontdesk took no call"), after=0))
    result = bench()
    assert result.exit_code == ExitCode.FAILED
    assert result.stderr.strip().endswith("Error: the benchmark could not be run: frontdesk took no call")


@pytest.mark.parametrize(("after", "shown"), [(1, True), (0, False)])
def test_ctrl_c_shows_what_there_is_and_ends_with_130(monkeypatch: pytest.MonkeyPatch, after: int, shown: bool) -> None:
    monkeypatch.setattr(sweep, "run", refuse(KeyboardInterrupt(), after=after))
    result = bench()
    assert result.exit_code == ExitCode.INTERRUPTED
    assert ("frontdesk carries" in result.stdout) is shown


@pytest.mark.parametrize("missing", ["benchmarks.load.sweep", "matplotlib"])
def test_without_a_checkout_it_says_what_is_needed(monkeypatch: pytest.MonkeyPatch, missing: str, plans: list[Plan]) -> None:
    hidden: dict[str, Any] = {name: None for name in sys.modules if name == missing or name.startswith(f"{missing}.")}
    for name in [missing, *hidden, *(["benchmarks.load.plot"] if missing == "matplotlib" else [])]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)  # to import it fails
    result = bench("--plot", "bench.svg")
    assert result.exit_code == ExitCode.FAILED
    assert "frontdesk bench needs a checkout of the repository" in " ".join(result.stderr.split())

"""The overview: what it says of examples, how it is moved and held."""

import pytest

from console.board import Board
from console.figures import Figures
from console.protocol import Snapshot
from console.screens.overview import OverviewScreen, calls_now, calls_per_task, interruptions, latencies, recent_errors
from tests.console import examples
from tests.console.scripted import (
    SIZE,
    ScriptedConnection,
    call,
    connected,
    console,
    examples_connection,
    lost,
    on_screen,
    press,
    settled,
)

NOW = examples.NOW


def board_of_examples() -> Board:
    board = Board()
    for sid in (examples.FURNACE, examples.GARAGE, examples.PRANK, examples.TROUBLE, examples.RINGING):
        for event in examples.events(sid):
            board.take(event, NOW)
    return board


def test_latencies_are_told_with_both_ends_and_those_that_were_late() -> None:
    text = latencies(board_of_examples().figures.greeting_ms, NOW, 40, 1_200).plain
    assert text.splitlines()[0].startswith("p50  0.42 s  ")
    assert text.splitlines()[1].startswith("p95  3.99 s! ")
    assert text.splitlines()[2] == "4 measured, 2 over 1.20 s"


def test_latencies_without_a_limit_are_not_judged() -> None:
    text = latencies(board_of_examples().figures.turn_ms, NOW, 40, None).plain
    assert "!" not in text
    assert text.splitlines()[2] == "3 measured"


def test_nothing_measured_is_said_as_such() -> None:
    text = latencies(Figures().greeting_ms, NOW, 40, 1_200).plain
    assert text.split() == ["p50", "–", "p95", "–", "0", "measured,", "0", "over", "1.20", "s"]


@pytest.mark.parametrize("room", [1, 10, 30, 200])
def test_no_line_of_history_is_longer_than_its_room(room: int) -> None:
    figures = board_of_examples().figures
    for text in (
        latencies(figures.greeting_ms, NOW, room, 1_200),
        interruptions(figures.barge_ins, figures.false_alarms, NOW, room),
    ):
        assert all(len(line) <= max(room, 26) for line in text.plain.splitlines())


def test_interruptions_are_told_from_noises() -> None:
    figures = board_of_examples().figures
    lines = interruptions(figures.barge_ins, figures.false_alarms, NOW, 60).plain.splitlines()
    assert [line[:20].split() for line in lines] == [["AI", "cut", "off", "1"], ["only", "a", "noise", "1"]]


def test_the_latest_errors_come_first_with_their_call() -> None:
    lines = recent_errors(board_of_examples(), NOW, 60).plain.splitlines()
    assert lines[0].split()[:3] == ["last", "hour", "2"]
    assert lines[1].endswith(f" {examples.TROUBLE[-6:]} twilio: odd message")
    assert lines[2].endswith("model: socket closed")


def test_calls_are_told_by_phase() -> None:
    assert "4" in calls_now(board_of_examples(), NOW, 60).plain.splitlines()[0].split()
    assert "1 connecting, 3 talking" in calls_now(board_of_examples(), NOW, 60).plain


def test_tasks_are_told_by_the_calls_they_hold_the_busiest_first() -> None:
    board = Board()
    board.take(Snapshot([call(number, owner=f"bridge-{number % 3}" if number < 9 else "") for number in range(10)]), NOW)
    lines = calls_per_task(board.by_owner(), 50).plain.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["bridge-0", "3"], ["bridge-1", "3"], ["bridge-2", "3"]]
    assert lines[3].startswith("no task")


def test_of_many_tasks_the_rest_is_counted() -> None:
    assert calls_per_task({f"t{number}": 1 for number in range(20)}, 50).plain.splitlines()[-1] == "and 12 more tasks"
    assert calls_per_task({}, 50).plain == "no live calls"


async def test_the_overview_is_painted_as_things_happen_and_held_by_a_pause() -> None:
    connection = ScriptedConnection([connected(call(1))])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        assert "1 talking" in on_screen(app)
        await press(pilot, "p")
        assert "PAUSED" in on_screen(app)
        connection.tell(connected(call(1), call(2)))
        await settled(pilot)
        assert "1 talking" in on_screen(app)
        await press(pilot, "p")
        assert "2 talking" in on_screen(app)


@pytest.mark.parametrize(("down", "up"), [("j", "k"), ("down", "up")])
async def test_the_overview_scrolls(down: str, up: str) -> None:
    app = console(examples_connection())
    async with app.run_test(size=(60, 12)) as pilot:
        await settled(pilot)
        await press(pilot, "2", down, down, up)
        assert app.screen.query_one("#panels").scroll_offset.y == 1


async def test_a_lost_connection_is_seen_on_the_overview_too() -> None:
    connection = ScriptedConnection([connected(call(1))])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        connection.tell(lost())
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        assert "▲ connection lost" in on_screen(app)
        assert app.screen.query_one("#panels").has_class("-stale")
        connection.tell(connected(call(1)))
        await settled(pilot)
        assert not app.screen.query_one("#panels").has_class("-stale")

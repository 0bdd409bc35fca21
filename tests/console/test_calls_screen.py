"""The live calls: every key, the cursor that stays with its call, follow, pause, filter, order, and what a lost connection looks like."""

from datetime import timedelta
from typing import Any

import pytest
from textual.widgets import Input

from console.actions import ActingScreen
from console.app import ConsoleApp
from console.board import ENDED_KEPT
from console.screens.calls import CallsScreen
from console.widgets.calls_columns import COLUMNS, fitting
from tests.console import examples
from tests.console.scripted import SIZE, Clock, ScriptedConnection, call, connected, console, lost, on_screen, press, settled

MANY = 60


def sid(number: int) -> str:
    return call(number).call_sid


def with_calls(*numbers: int) -> ScriptedConnection:
    return ScriptedConnection([connected(*map(call, numbers))])


def screen_of(app: ConsoleApp) -> CallsScreen:
    assert isinstance(app.screen, CallsScreen)
    return app.screen


def chosen(app: ConsoleApp) -> int | None:
    cursor = screen_of(app).table.cursor
    return None if cursor is None else int(cursor[2:], 16)


def listed(app: ConsoleApp) -> list[int]:
    return [int(row.call_sid[2:], 16) for row in screen_of(app).shown]


def ended(number: int, **fields: Any) -> Any:
    return examples.event(
        sid(number), 6, "call.ended", ms=100_000, **{"reason": "caller_hung_up", "duration_ms": 1_000, **fields}
    )


def line_of(app: ConsoleApp, number: int) -> str:
    return next(line for line in on_screen(app).splitlines() if f"+1500555{number:04}" in line)


# --- what is on a line


async def test_a_line_tells_all_an_operator_needs_at_eighty_columns() -> None:
    fields = {"greeting_latency_ms": 820, "barge_ins": 3, "cost_usd": 0.12, "last_line": "my furnace stopped"}
    app = console(ScriptedConnection([connected(call(1, **fields))]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        words = line_of(app, 1).split()
        assert words == ["+15005550001", "bobs-hvac", "talking", "1:59", "0.82", "s", "3", "$0.12", "my", "furnace", "stopped"]


@pytest.mark.parametrize(("latency_ms", "shown"), [(1_200, "1.20 s "), (1_201, "1.20 s!"), (3_992, "3.99 s!"), (None, "– ")])
async def test_a_late_greeting_is_marked_by_more_than_colour(latency_ms: int | None, shown: str) -> None:
    app = console(ScriptedConnection([connected(call(1, greeting_latency_ms=latency_ms))]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert shown in line_of(app, 1)


async def test_an_ended_call_stays_dimmed_below_the_live_ones_and_then_goes() -> None:
    connection, clock = with_calls(1, 2), Clock()
    app = console(connection, clock=clock)
    async with app.run_test(size=SIZE) as pilot:
        connection.tell(ended(1))
        await settled(pilot)
        assert listed(app) == [2, 1]
        assert "ended" in line_of(app, 1)
        assert "caller hung up" in line_of(app, 1)
        table = screen_of(app).table
        assert all(segment.style and segment.style.dim for segment in table.render_line(2) if segment.text.strip())
        assert not any(segment.style and segment.style.dim for segment in table.render_line(1) if "15005550002" in segment.text)
        clock.add(ENDED_KEPT.total_seconds() + 100)
        await settled(pilot)
        assert listed(app) == [2]


async def test_ages_go_on_without_anything_happening() -> None:
    clock = Clock()
    app = console(with_calls(1), clock=clock)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert " 1:59 " in line_of(app, 1)
        clock.add(3)
        await settled(pilot)
        assert " 2:02 " in line_of(app, 1)


async def test_a_line_being_said_is_shown_as_it_grows() -> None:
    connection = with_calls(1)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        connection.tell(examples.event(sid(1), 6, "agent.transcript", text="How can I"))
        await settled(pilot)
        assert "AI: How can I" in line_of(app, 1)


# --- moving


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("j",), 2),
        (("down", "down"), 3),
        (("j", "j", "k"), 2),
        (("j", "up", "up"), 1),
        (("G",), MANY),
        (("end",), MANY),
        (("G", "g"), 1),
        (("end", "home"), 1),
        (("pagedown",), 22),
        (("pagedown", "pagedown", "pageup"), 22),
        (("G", "j"), MANY),
        (("k",), 1),
    ],
)
async def test_the_cursor_moves(keys: tuple[str, ...], place: int) -> None:
    app = console(with_calls(*range(1, MANY + 1)))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, *keys)
        assert chosen(app) == place
        assert f"+1500555{place:04}" in on_screen(app)


async def test_the_cursor_stays_with_its_call_when_others_come_go_and_change_places() -> None:
    connection = with_calls(2, 3, 4)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "j")
        assert chosen(app) == 3
        connection.tell(connected(call(1), call(3), call(4)))
        await settled(pilot)
        assert (listed(app), chosen(app)) == ([1, 3, 4, 2], 3)
        await press(pilot, "I")
        assert (listed(app), chosen(app)) == ([4, 3, 1, 2], 3)
        connection.tell(ended(3))
        await settled(pilot)
        assert chosen(app) == 3


async def test_when_its_call_is_listed_no_more_no_call_has_the_cursor_until_a_key_moves_it() -> None:
    connection = with_calls(1, 2, 3)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"line", "enter", "j")
        assert chosen(app) == 2
        connection.tell(examples.event(sid(2), 6, "caller.transcript", text="other words"))
        await settled(pilot)
        assert (listed(app), chosen(app)) == ([1, 3], None)
        await press(pilot, "m", "ctrl+k", "enter")
        assert connection.commands == []
        await press(pilot, "j")
        assert chosen(app) == 3


async def test_a_second_click_opens_the_call() -> None:
    app = console(with_calls(1, 2, 3))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.click("#calls", offset=(5, 2), times=2)
        await settled(pilot)
        assert isinstance(app.screen, ActingScreen)
        assert not isinstance(app.screen, CallsScreen)
        assert app.screen.chosen_call() == sid(2)


async def test_a_click_chooses_a_call_and_a_header_orders() -> None:
    app = console(with_calls(1, 2, 3))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await pilot.click("#calls", offset=(5, 3))
        assert chosen(app) == 3
        await pilot.click("#calls", offset=(40, 0))
        assert screen_of(app).sort == "age"
        assert screen_of(app).inverted
        await pilot.click("#calls", offset=(2, 0))
        assert (screen_of(app).sort, screen_of(app).inverted) == ("caller", False)


# --- order


async def test_the_column_and_its_direction_are_chosen_with_keys_and_shown() -> None:
    app = console(with_calls(1, 2))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "Age▲" in on_screen(app)
        await press(pilot, "less_than_sign")
        assert screen_of(app).sort == "phase"
        assert "Phase▲" in on_screen(app)
        await press(pilot, "greater_than_sign", "greater_than_sign")
        assert "Greet▲" in on_screen(app)
        await press(pilot, "I")
        assert "Greet▼" in on_screen(app)
        await press(pilot, "less_than_sign", "I")
        assert (listed(app), "Age▼" in on_screen(app)) == ([2, 1], True)


# --- filter


async def test_a_filter_is_live_tells_how_many_and_escape_clears_it() -> None:
    app = console(with_calls(1, 2, 30))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"call 3")
        assert listed(app) == [30]
        assert "1 of 3" in on_screen(app)
        assert "call 3" in on_screen(app).splitlines()[-2]
        await press(pilot, "enter")
        assert app.focused is screen_of(app).table
        assert "1 of 3" in on_screen(app)
        await press(pilot, "escape")
        assert listed(app) == [1, 2, 30]
        assert " of 3" not in on_screen(app)


async def test_letters_typed_into_the_filter_do_nothing_else() -> None:
    connection = with_calls(1, 2)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"qmwsepfI123?:")
        assert screen_of(app).query_one("#filter", Input).value == "qmwsepfI123?:"
        assert connection.commands == []


async def test_the_cursor_moves_while_the_filter_is_typed() -> None:
    app = console(with_calls(1, 2, 3))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"call", "down")
        assert chosen(app) == 2


async def test_an_empty_filter_closes_with_enter() -> None:
    app = console(with_calls(1))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", "enter")
        assert not screen_of(app).query_one("#filter-line").has_class("-open")
        assert app.focused is screen_of(app).table


async def test_a_filter_that_nothing_matches_says_so() -> None:
    app = console(with_calls(1))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "slash", *"zzz")
        assert "No call matches" in on_screen(app)
        assert "0 of 1" in on_screen(app)


# --- follow and pause


async def test_follow_stays_on_the_newest_call_until_the_cursor_is_moved() -> None:
    connection = with_calls(1, 2)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "f")
        assert chosen(app) == 2
        assert "FOLLOW" in on_screen(app)
        connection.tell(connected(*map(call, range(1, 41))))
        await settled(pilot)
        assert chosen(app) == 40
        assert "+15005550040" in on_screen(app)
        await press(pilot, "k")
        assert "FOLLOW" not in on_screen(app)
        connection.tell(connected(*map(call, range(1, 42))))
        await settled(pilot)
        assert chosen(app) == 39


async def test_follow_is_taken_back_with_its_key() -> None:
    app = console(with_calls(1, 2))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "f", "f")
        assert "FOLLOW" not in on_screen(app)


async def test_a_pause_holds_the_screen_and_not_the_calls() -> None:
    connection = with_calls(1)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "p")
        assert "PAUSED" in on_screen(app)
        connection.tell(connected(call(1), call(2)))
        await settled(pilot)
        assert listed(app) == [1]
        assert sid(2) in app.board.rows
        await press(pilot, "p")
        assert listed(app) == [1, 2]
        assert "PAUSED" not in on_screen(app)


# --- the connection


async def test_a_lost_connection_is_seen_at_once_and_dims_what_is_known() -> None:
    connection, clock = with_calls(1), Clock()
    app = console(connection, clock=clock)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "● live  1 call" in on_screen(app)
        connection.tell(lost("nobody listens", 3))
        await settled(pilot)
        assert "▲ connection lost: nobody listens; retrying in 3 s" in on_screen(app)
        assert all(segment.style and segment.style.dim for segment in screen_of(app).table.render_line(1) if segment.text.strip())
        clock.add(1.5)
        await settled(pilot)
        assert "retrying in 2 s" in on_screen(app)
        clock.add(9)
        await settled(pilot)
        assert "retrying now" in on_screen(app)


async def test_a_connection_heals_by_itself() -> None:
    connection = with_calls(1)
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        connection.tell(lost(), connected(call(1), call(2)))
        await settled(pilot)
        assert "● live  2 calls" in on_screen(app)
        await press(pilot, "m")
        assert connection.commands == [(sid(1), "mute", None)]


async def test_without_calls_the_screen_says_so() -> None:
    connection = ScriptedConnection()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert "connecting…" in on_screen(app)
        assert "no connection to the bridge" in on_screen(app)
        connection.tell(connected())
        await settled(pilot)
        assert "No calls yet" in on_screen(app)


# --- strangers' text, and room


@pytest.mark.parametrize("text", examples.HOSTILE, ids=range(len(examples.HOSTILE)))
async def test_whatever_a_caller_says_is_shown_and_never_obeyed(text: str) -> None:
    fields = {"from": text, "business_id": text, "last_line": text, "phase": text, "owner": text}
    connection = ScriptedConnection([connected(call(1, **fields), call(2))])
    app = console(connection)
    async with app.run_test(size=(140, 24), notifications=True) as pilot:
        connection.tell(examples.event(sid(2), 6, "error", where=text, message=text))
        connection.error = text
        await settled(pilot)
        await press(pilot, "m", "w", "escape", "ctrl+k")
        lines = on_screen(app).splitlines()
        assert not any(character in line for line in lines for character in "\x1b\x07\x9b\u202e\u2066")
        await press(pilot, "escape", "2")
        await press(pilot, "1")
        assert listed(app) == [1, 2]


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_the_columns_fit_any_width(width: int) -> None:
    columns = fitting(width)
    assert sum(cells for _, cells in columns) + len(columns) - 1 <= width
    assert columns[0][0].sort == "caller"
    assert columns[-1][0].sort == "last line"


def test_narrow_terminals_lose_the_least_important_columns_first() -> None:
    assert [column.title for column, _ in fitting(80)] == [column.title for column in COLUMNS if column.width]
    assert [column.title for column, _ in fitting(60)] == ["Caller", "Phase", "Age", "Greet", "Last line"]
    assert [column.title for column, _ in fitting(140)] == [column.title for column in COLUMNS]


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (40, 8), (300, 80)])
async def test_any_size_of_terminal_will_do(size: tuple[int, int]) -> None:
    app = console(with_calls(*range(1, 30)))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await press(pilot, "j", "G", "2", "1", "question_mark", "escape", "ctrl+k", "escape")
        await pilot.resize_terminal(80, 24)
        await settled(pilot)
        assert chosen(app) == 29
        assert "+15005550029" in on_screen(app)


async def test_only_the_lines_that_changed_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = with_calls(*range(1, 20))
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        table = screen_of(app).table
        drawn: list[int] = []
        monkeypatch.setattr(table, "refresh", lambda *regions, **_: drawn.extend(region.y for region in regions))
        await settled(pilot)
        assert drawn == []
        connection.tell(examples.event(sid(3), 6, "caller.transcript", text="hello"))
        await connection.taken()
        app.flush()
        assert drawn == [3]


async def test_a_call_that_began_in_the_future_has_no_age_yet() -> None:
    app = console(with_calls(1), clock=Clock(examples.NOW - timedelta(days=1)))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        assert " 0:00 " in line_of(app, 1)

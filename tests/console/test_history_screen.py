"""Past calls, searched and ordered, and one of them played again: every key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console import past_calls
from console.app import ConsoleApp
from console.operator_http import OperatorApiError
from console.protocol import CallSummary
from console.screens.calls import CallsScreen
from console.screens.history import HistoryScreen
from console.screens.replay import ReplayScreen
from tests.console import examples
from tests.console.archived import ArchivedConnection, loaded
from tests.console.fake_bridge import START, stamp
from tests.console.scripted import Clock, call, connected, console, on_screen, press, settled

NARROW, WIDE = (80, 24), (130, 40)


def past(number: int, **fields: object) -> CallSummary:
    """A call that ended."""
    ended = {"phase": "ended", "ended_at": stamp(START), "end_reason": "farewell", "duration_ms": 1000 * number, "cost_usd": 0.1}
    return call(number, **ended | fields)


PAST = [
    past(1, greeting_latency_ms=400, barge_ins=3),
    past(2, **{"from": "+97235550001"}, business_id="dana-garage", end_reason="silence", last_line="אין צורך, תודה"),
    past(3, last_line=examples.MARKUP, greeting_latency_ms=2_400, cost_usd=None),
]


@asynccontextmanager
async def history(
    calls: list[CallSummary] | None = None, *, size: tuple[int, int] = NARROW, clock: Clock | None = None
) -> AsyncIterator[tuple[ConsoleApp, Pilot[ExitCode], ArchivedConnection]]:
    """The console with the past calls open."""
    connection = ArchivedConnection([connected()])
    connection.http.listed = PAST if calls is None else calls
    app = console(connection, clock=clock)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("3")
        await loaded(pilot)
        yield app, pilot, connection


@asynccontextmanager
async def replayed(
    *, size: tuple[int, int] = NARROW, call_sid: str = examples.FURNACE
) -> AsyncIterator[tuple[ConsoleApp, Pilot[ExitCode], Clock, ReplayScreen]]:
    """The console with one past call being replayed."""
    clock = Clock()
    listed = [past(1, call_sid=call_sid)]
    async with history(listed, size=size, clock=clock) as (app, pilot, _):
        await pilot.press("enter")
        await loaded(pilot)
        assert isinstance(app.screen, ReplayScreen)
        yield app, pilot, clock, app.screen


def screen(app: ConsoleApp) -> HistoryScreen:
    assert isinstance(app.screen, HistoryScreen)
    return app.screen


def listed(app: ConsoleApp) -> list[int]:
    """The numbers of the calls, as they are listed."""
    return [int(row.call_sid[2:]) for row in screen(app).table.calls]


def chosen(app: ConsoleApp) -> int:
    return int((screen(app).table.cursor or "CA0")[2:])


# --- past calls


async def test_only_calls_that_ended_are_asked_for_and_shown_newest_first() -> None:
    async with history([*PAST, call(9)]) as (app, _, connection):
        assert connection.http.asked == ["calls live=False limit=500"]
        assert listed(app) == [3, 2, 1]
        assert "3 past calls" in on_screen(app)


async def test_a_call_still_on_is_no_past_call_whatever_the_bridge_says() -> None:
    assert [row.call_sid for row in past_calls.rows_of([call(9), PAST[0]], examples.NOW)] == [PAST[0].call_sid]


async def test_before_the_answer_it_says_that_it_is_loading() -> None:
    connection = ArchivedConnection([connected()])
    connection.http.gate.clear()
    app = console(connection)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        await press(pilot, "3")
        assert "Loading past calls" in on_screen(app)
        connection.http.gate.set()
        await loaded(pilot)
        assert "Loading" not in on_screen(app)


async def test_without_past_calls_it_says_so() -> None:
    async with history([]) as (app, pilot, _):
        assert "No call has ended yet." in on_screen(app)
        await press(pilot, "enter", "j", "y", "G")
        assert isinstance(app.screen, HistoryScreen)


async def test_a_failure_is_a_sentence_and_r_tries_again() -> None:
    async with history() as (app, pilot, connection):
        connection.http.error = OperatorApiError("[/nope] no such token", "refused")
        await pilot.press("r")
        await loaded(pilot)
        assert "could not be loaded: [/nope] no such token" in " ".join(on_screen(app).split())
        connection.http.error = None
        connection.http.listed = [past(7)]
        await pilot.press("r")
        await loaded(pilot)
        assert listed(app) == [7]
        assert "could not" not in on_screen(app)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("dana", [2]),
        ("SILENCE", [2]),
        ("צורך", [2]),
        ("+97235550001", [2]),
        ("0003", [3]),
        ("[/nope]", [3]),
        ("!dana", [3, 1]),
        ("bobs farewell", [3, 1]),
        ("nothing like it", []),
    ],
)
async def test_the_filter_searches_caller_business_words_reason_and_id(typed: str, found: list[int]) -> None:
    async with history() as (app, pilot, _):
        await press(pilot, "slash")
        screen(app).query_one("#filter").value = typed  # type: ignore[attr-defined]
        await settled(pilot)
        assert listed(app) == found
        assert f"{len(found)} of 3" in on_screen(app)


async def test_the_filter_is_typed_kept_and_cleared() -> None:
    async with history() as (app, pilot, _):
        await press(pilot, "slash", *"dana", "enter")
        assert listed(app) == [2]
        assert app.focused is screen(app).table
        await press(pilot, "escape")
        assert listed(app) == [3, 2, 1]
        await press(pilot, "slash", "enter")
        assert not screen(app).query_one("#filter-line").has_class("-open")
        await press(pilot, "slash", *"zzz")
        assert "No call matches the filter" in on_screen(app)


async def test_escape_without_a_filter_goes_back_to_the_live_calls() -> None:
    async with history() as (app, pilot, _):
        await press(pilot, "slash", "escape")
        assert isinstance(app.screen, HistoryScreen)
        await press(pilot, "escape")
        assert isinstance(app.screen, CallsScreen)


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        (("j",), 2),
        (("down", "down"), 1),
        (("G",), 1),
        (("end", "k"), 2),
        (("end", "up"), 2),
        (("G", "g"), 3),
        (("end", "home"), 3),
        (("pagedown",), 1),
        (("end", "pageup"), 3),
        (("k",), 3),
    ],
)
async def test_keys_move_the_cursor(keys: tuple[str, ...], place: int) -> None:
    async with history() as (app, pilot, _):
        await press(pilot, *keys)
        assert chosen(app) == place


async def test_keys_order_by_column_and_the_cursor_stays_with_its_call() -> None:
    async with history(size=WIDE) as (app, pilot, _):
        await press(pilot, "j")
        assert chosen(app) == 2
        orders = []
        for _column in past_calls.SORTS[1:]:
            await press(pilot, "greater_than_sign")
            orders.append((screen(app).sort, listed(app)))
            assert chosen(app) == 2
        assert orders == [
            ("caller", [1, 3, 2]),
            ("business", [3, 1, 2]),
            ("length", [1, 2, 3]),
            ("greeting", [1, 3, 2]),
            ("cuts", [3, 2, 1]),
            ("cost", [2, 1, 3]),
            ("reason", [3, 1, 2]),
            ("last line", [3, 1, 2]),
        ]
        await press(pilot, "less_than_sign", "I")
        assert (screen(app).sort, listed(app)) == ("reason", [2, 3, 1])
        assert "Ended▼" in on_screen(app)


async def test_what_is_not_known_comes_last_whichever_way() -> None:
    rows = past_calls.rows_of(PAST, examples.NOW)
    for inverted in (False, True):
        assert past_calls.arranged(rows, sort="greeting", inverted=inverted)[-1].greeting_latency_ms is None


async def test_y_copies_the_id_of_the_call_with_the_cursor() -> None:
    async with history() as (app, pilot, _):
        await press(pilot, "j", "y")
        assert app.clipboard == PAST[1].call_sid


async def test_a_click_chooses_and_a_second_one_opens() -> None:
    async with history() as (app, pilot, _):
        table = screen(app).table
        await pilot.click(table, offset=(5, 2))
        await settled(pilot)
        assert chosen(app) == 2
        await pilot.click(table, offset=(5, 2), times=2)
        await loaded(pilot)
        assert isinstance(app.screen, ReplayScreen)


async def test_a_click_on_a_header_orders_by_it() -> None:
    async with history() as (app, pilot, _):
        await pilot.click(screen(app).table, offset=(14, 0))
        await settled(pilot)
        assert screen(app).sort == "caller"


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_columns_fit_and_the_last_line_is_never_dropped(width: int) -> None:
    columns = past_calls.fitting(width)
    assert columns[-1][0] is past_calls.LAST_LINE
    if width >= 60:
        assert sum(wide for _, wide in columns) + len(columns) - 1 == width


@pytest.mark.parametrize("year", [2000, 2026, 2199])
def test_a_call_of_any_year_can_be_listed(year: int) -> None:
    strange = past(1, started_at=stamp(datetime(year, 1, 1, tzinfo=UTC)), duration_ms=None)
    (row,) = past_calls.rows_of([strange], examples.NOW)
    assert all(column.cell(row) for column in past_calls.COLUMNS)
    assert past_calls.arranged([row]) == [row]


async def test_many_hostile_calls_are_listed_whole() -> None:
    calls = [past(number, last_line=text, **{"from": text}, business_id=text) for number, text in enumerate(examples.HOSTILE, 1)]
    async with history(calls, size=WIDE) as (app, _, _connection):
        assert len(listed(app)) == len(examples.HOSTILE)
        assert "\x1b" not in on_screen(app)


# --- replay


async def test_enter_replays_the_call_with_the_cursor() -> None:
    async with history([past(1, call_sid=examples.FURNACE)]) as (app, pilot, connection):
        await pilot.press("enter")
        await loaded(pilot)
        assert isinstance(app.screen, ReplayScreen)
        assert connection.http.asked[-1] == "events 0001 after=0"
        assert "REPLAY" in on_screen(app)
        assert "‖ HELD    ×1  0:00 / 0:26" in on_screen(app)
        await press(pilot, "escape")
        assert isinstance(app.screen, HistoryScreen)


async def test_space_plays_and_holds() -> None:
    async with replayed() as (app, pilot, clock, _replay):
        await press(pilot, "space")
        for _ in range(4):
            clock.add(1)
            app.flush()
        await settled(pilot)
        assert "▶ PLAYING ×1  0:04 / 0:26" in on_screen(app)
        assert "Hi, this is Bob's HVAC Service, how can I help you?" in on_screen(app)
        await press(pilot, "space")
        clock.add(1)
        await settled(pilot)
        assert "‖ HELD    ×1  0:04 / 0:26" in on_screen(app)


@pytest.mark.parametrize(
    ("keys", "speed"), [(("plus",), 2), (("plus", "equals_sign", "plus"), 8), (("plus", "plus", "minus"), 2)]
)
async def test_plus_and_minus_change_the_speed(keys: tuple[str, ...], speed: int) -> None:
    async with replayed() as (app, pilot, clock, replay):
        await press(pilot, *keys, "space")
        clock.add(0.5)
        await settled(pilot)
        assert f"×{speed}" in on_screen(app)
        assert replay.replay.position_ms == 500 * speed


@pytest.mark.parametrize(("keys", "position_ms"), [(("right",), 5_000), (("right", "right", "left"), 5_000), (("left",), 0),
                                                   (("end",), 26_000), (("end", "home"), 0)])  # fmt: skip
async def test_keys_go_through_the_time_of_the_call(keys: tuple[str, ...], position_ms: float) -> None:
    async with replayed() as (_, pilot, _clock, replay):
        await press(pilot, *keys)
        assert replay.replay.position_ms == position_ms


async def test_going_back_takes_back_what_came_later() -> None:
    async with replayed() as (app, pilot, _, _replay):
        await press(pilot, "end")
        assert "Thank you for calling, goodbye." in on_screen(app)
        assert "■ END" in on_screen(app)
        await press(pilot, "home", "right")
        assert "Thank you for calling" not in on_screen(app)
        assert "how can I help you?" in on_screen(app)


async def test_b_and_x_go_to_the_moments_of_interruptions_and_errors() -> None:
    async with replayed() as (app, pilot, _, replay):
        await press(pilot, "b")
        assert replay.replay.position_ms == 15_198
        await press(pilot, "tab")
        assert "truncate after 307 ms" in on_screen(app)
        await press(pilot, "B")
        assert app._notifications
        await press(pilot, "end", "B")
        assert replay.replay.position_ms == 15_198
    async with replayed(call_sid=examples.TROUBLE) as (app, pilot, _, replay):
        await press(pilot, "x", "x")
        assert replay.replay.position_ms == 3_500
        await press(pilot, "X")
        assert replay.replay.position_ms == 2_500


async def test_the_parts_are_moved_in_as_in_a_live_call() -> None:
    async with replayed() as (app, pilot, _, replay):
        await press(pilot, "end", "g")
        assert not replay.panes.transcript.follow
        await press(pilot, "G", "t", "tab", "k", "d", "shift+tab", "f", "f", "j", "pageup", "pagedown", "down", "up")
        assert replay.panes.pane == "transcript"
        assert replay.panes.transcript.timestamps
        await press(pilot, "y")
        assert app.clipboard == examples.FURNACE
        await press(pilot, "Y")
        assert "[⟂ cut at 3.2 s" in app.clipboard


async def test_a_machine_that_slept_does_not_skip_through_the_call() -> None:
    async with replayed() as (_, pilot, clock, replay):
        await press(pilot, "space")
        clock.add(3_600)
        await settled(pilot)
        assert replay.replay.position_ms == 2_000


async def test_a_call_that_cannot_be_loaded_says_why() -> None:
    async with history() as (app, pilot, connection):
        connection.http.error = OperatorApiError("there is no such call", "not_found")
        await pilot.press("enter")
        await loaded(pilot)
        assert "▲ the call could not be loaded: there is no such call" in " ".join(on_screen(app).split())
        await press(pilot, "space", "b", "right", "end", "d", "tab")
        assert "there is no such call" not in on_screen(app), "the ladder is in sight now"


async def test_a_call_with_nothing_on_record_says_so() -> None:
    async with history() as (app, pilot, connection):
        connection.http.stored[PAST[2].call_sid] = []
        await pilot.press("enter")
        await loaded(pilot)
        assert "nothing is on record of this call" in on_screen(app)
        assert "+15005550003" in on_screen(app)


@pytest.mark.parametrize("size", [(30, 8), NARROW, WIDE])
async def test_a_hostile_call_is_replayed_at_any_size(size: tuple[int, int]) -> None:
    async with replayed(size=size, call_sid=examples.PRANK) as (app, pilot, _, _replay):
        for key in ("end", "tab", "tab", "home"):
            await press(pilot, key)
            assert "\x1b" not in on_screen(app)

"""One call on the screen: every key, and what it shows of what was heard, cut and never heard."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.cells import cell_len
from textual.binding import Binding
from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console import call_keys, keys
from console.app import ConsoleApp
from console.operator_http import OperatorApiError
from console.protocol import Event, Levels, Partial
from console.screens.call import CallScreen
from console.screens.calls import CallsScreen
from console.widgets.call_panes import CallPanes
from tests.console import examples
from tests.console.archived import ArchivedConnection, loaded
from tests.console.examples import FURNACE, GARAGE, PRANK, TROUBLE
from tests.console.scripted import connected, console, lost, on_screen, press, settled

NARROW, WIDE = (80, 24), (130, 40)
SID = GARAGE


@asynccontextmanager
async def one_call(
    call_sid: str = GARAGE, *, size: tuple[int, int] = NARROW, read_only: bool = False
) -> AsyncIterator[tuple[ConsoleApp, Pilot[ExitCode], ArchivedConnection]]:
    """The console with one call open."""
    connection = ArchivedConnection([connected(*examples.calls(live=True))])
    app = console(connection, read_only=read_only)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        app.open_call(call_sid)
        await loaded(pilot)
        yield app, pilot, connection


def panes(app: ConsoleApp) -> CallPanes:
    assert isinstance(app.screen, CallScreen)
    return app.screen.panes


def line(seq: int, text: str) -> Event:
    return examples.event(SID, seq, "caller.transcript", ms=seq * 1000, item_id=f"n{seq}", text=text)


def toasts(app: ConsoleApp) -> list[tuple[str, str]]:
    return [(notification.title, notification.message) for notification in app._notifications]


async def many_lines(pilot: Pilot[ExitCode], connection: ArchivedConnection, first: int, last: int) -> None:
    connection.tell(*(line(seq, f"line number {seq}") for seq in range(first, last + 1)))
    await settled(pilot)


# --- what it shows


async def test_enter_on_the_list_opens_the_call_with_the_cursor() -> None:
    connection = ArchivedConnection([connected(*examples.calls(live=True))])
    app = console(connection)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        chosen = app.screen.chosen_call() if isinstance(app.screen, CallsScreen) else None
        await press(pilot, "enter")
        assert isinstance(app.screen, CallScreen)
        assert app.screen.call_sid == chosen


async def test_what_was_said_before_is_fetched_and_shown() -> None:
    async with one_call() as (app, _, connection):
        assert connection.http.asked == [f"events {GARAGE[-4:]} after=0"]
        assert "שלום, הגעתם למוסך של דנה" in on_screen(app)


async def test_only_what_this_console_has_not_seen_is_asked_for() -> None:
    connection = ArchivedConnection([connected(*examples.calls(live=True)), *examples.events(GARAGE)[:4]])
    app = console(connection)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        app.open_call(GARAGE)
        await loaded(pilot)
        assert connection.http.asked == [f"events {GARAGE[-4:]} after=4"]
        assert [event.seq for event in app.story(GARAGE).events] == list(range(1, 11))


async def test_while_the_past_is_being_fetched_it_says_so_and_shows_what_comes() -> None:
    connection = ArchivedConnection([connected(*examples.calls(live=True))])
    connection.http.gate.clear()
    app = console(connection)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        app.open_call(SID)
        await settled(pilot)
        connection.tell(line(20, "said meanwhile"))
        await settled(pilot)
        assert "loading what was said before" in on_screen(app)
        assert "said meanwhile" in on_screen(app)
        connection.http.gate.set()
        await loaded(pilot)
        assert "loading" not in on_screen(app)


async def test_a_past_that_cannot_be_had_is_said_in_a_sentence_and_the_call_goes_on() -> None:
    connection = ArchivedConnection([connected(*examples.calls(live=True))])
    connection.http.error = OperatorApiError("[/nope] the store is away", "failed")
    app = console(connection)
    async with app.run_test(size=NARROW) as pilot:
        await settled(pilot)
        app.open_call(SID)
        await loaded(pilot)
        connection.tell(line(20, "said meanwhile"))
        await settled(pilot)
        assert "could not be loaded: [/nope] the store is away" in " ".join(on_screen(app).split())
        assert "said meanwhile" in on_screen(app)


async def test_heard_cut_and_never_heard_are_told_apart_in_words() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        app.take(Partial(call_sid=FURNACE, side="agent", item_id="z", text="This was thrown away", heard_chars=0, over=True))
        await settled(pilot)
        text = " ".join(on_screen(app).split())
        assert "in Albany. Somebody ⟂ cut at 3.2 s (307 ms after the caller began) · never heard: will call you back" in text
        assert "AI never heard: This was thrown away" in text


async def test_a_line_grows_as_it_is_heard() -> None:
    async with one_call() as (app, pilot, connection):
        for heard_chars in (0, 5, 11):
            connection.tell(
                Partial(call_sid=SID, side="agent", item_id="z", text="Hello there", heard_chars=heard_chars, over=False)
            )
        await settled(pilot)
        assert "AI Hello there ▸ being said" in on_screen(app)


async def test_a_line_being_said_streams_word_by_word() -> None:
    async with one_call() as (app, pilot, connection):
        connection.tell(Partial(call_sid=SID, side="agent", item_id="z", text="Hello there", heard_chars=5, over=False))
        await settled(pilot)
        assert "AI Hello ▸ being said there" in on_screen(app)


async def test_nothing_is_drawn_for_a_message_only_for_a_paint() -> None:
    async with one_call() as (app, _, _connection):
        before = list(panes(app).lines)
        for seq in range(50, 60):
            app.take(line(seq, "not before the next paint"))
        assert panes(app).lines == before
        app.flush()
        assert len(panes(app).lines) == len(before) + 10


async def test_the_levels_of_both_sides_stand_against_the_threshold() -> None:
    async with one_call() as (app, pilot, connection):
        assert "levels: none yet" in on_screen(app)
        connection.tell(Levels(SID, 900, 40))
        await settled(pilot)
        meters = next(row for row in on_screen(app).splitlines() if "▕" in row)
        caller, agent = meters.split("AI")
        assert "┃" in caller, "above the threshold"
        assert "┊" in agent, "below it"
        assert "900" in caller
        assert "40" in agent


async def test_an_ended_call_has_no_levels_and_says_why_it_ended() -> None:
    async with one_call(FURNACE) as (app, _, _connection):
        assert "levels: the call has ended" in on_screen(app)
        assert "ended  0:26  said goodbye" in on_screen(app)


async def test_a_lost_connection_is_visible_here_too() -> None:
    async with one_call() as (app, pilot, connection):
        connection.tell(lost("cut"))
        await settled(pilot)
        assert "▲ connection lost: cut" in on_screen(app)


@pytest.mark.parametrize(
    ("call_sid", "size"), [(PRANK, NARROW), (PRANK, WIDE), (PRANK, (20, 5)), (TROUBLE, (40, 12)), (FURNACE, (20, 5))]
)
async def test_hostile_text_is_shown_and_never_obeyed_at_any_size(call_sid: str, size: tuple[int, int]) -> None:
    async with one_call(call_sid, size=size) as (app, pilot, _):
        for _ in range(3):
            await press(pilot, "tab")
            assert "\x1b" not in on_screen(app)
        if size == WIDE and call_sid == PRANK:
            assert "[/nope] [bold red]x[/]" in on_screen(app)


async def test_every_hostile_text_is_taken_in_every_place() -> None:
    async with one_call(size=WIDE) as (app, pilot, connection):
        for seq, text in enumerate(examples.HOSTILE, 100):
            connection.tell(
                line(seq, text),
                examples.event(SID, seq + 100, "error", where=text, message=text),
                examples.event(SID, seq + 200, "tool.called", name=text, arguments=text),
                examples.event(SID, seq + 300, "lead.captured", fields={text: text}),
                Partial(call_sid=SID, side="agent", item_id=f"h{seq}", text=text, heard_chars=3, over=False),
            )
        await settled(pilot)
        for _ in range(3):
            await press(pilot, "tab", "g")
            assert "\x1b" not in on_screen(app)


async def test_all_parts_are_side_by_side_where_there_is_room() -> None:
    async with one_call(FURNACE, size=WIDE) as (app, pilot, _):
        text = on_screen(app)
        assert "Transcript" in text
        assert "Ladder" in text
        assert "Outcome" in text
        await pilot.resize_terminal(*NARROW)
        await settled(pilot)
        assert "Tab: Ladder, Outcome" in on_screen(app)
        assert "bridge" not in on_screen(app)


# --- keys


async def test_tab_goes_through_the_parts_and_back() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        seen = []
        for key in ("tab", "tab", "tab", "shift+tab"):
            await press(pilot, key)
            seen.append(panes(app).pane)
            assert app.focused is panes(app).active
        assert seen == ["ladder", "facts", "transcript", "facts"]
        assert "name: Ann" in on_screen(app)


@pytest.mark.parametrize("up", ["k", "up", "pageup", "g", "home"])
async def test_going_up_stops_following_and_new_lines_are_counted(up: str) -> None:
    async with one_call() as (app, pilot, connection):
        await many_lines(pilot, connection, 11, 50)
        assert "FOLLOW" in on_screen(app)
        assert "line number 50" in on_screen(app)
        await press(pilot, up)
        assert "NOT FOLLOWING" in on_screen(app)
        top = panes(app).transcript.scroll_offset.y
        await many_lines(pilot, connection, 51, 62)
        assert "+12 new" in on_screen(app)
        assert panes(app).transcript.scroll_offset.y == top, "what is being read stays where it is"


@pytest.mark.parametrize("end", [("G",), ("end",), ("f",), ("pagedown", "pagedown"), ("j", "down")])
async def test_the_end_is_followed_again_once_it_is_reached(end: tuple[str, ...]) -> None:
    async with one_call() as (app, pilot, connection):
        await many_lines(pilot, connection, 11, 50)
        await press(pilot, "k", "up")
        assert not panes(app).transcript.follow
        await press(pilot, *end)
        assert panes(app).transcript.follow
        await many_lines(pilot, connection, 51, 60)
        assert "line number 60" in on_screen(app)


async def test_follow_is_also_a_switch_for_all_parts() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        await press(pilot, "f")
        assert (panes(app).transcript.follow, panes(app).ladder.follow) == (False, False)
        await press(pilot, "f")
        assert (panes(app).transcript.follow, panes(app).ladder.follow) == (True, True)


async def test_the_wheel_stops_following_as_well() -> None:
    async with one_call() as (app, pilot, connection):
        await many_lines(pilot, connection, 11, 50)
        panes(app).transcript.scroll_relative(y=-3, animate=False, immediate=True)
        await settled(pilot)
        assert "NOT FOLLOWING" in on_screen(app)


async def test_resizing_breaks_lines_anew_and_keeps_following() -> None:
    async with one_call() as (app, pilot, connection):
        words = "one two three four five six seven eight nine ten " * 5
        connection.tell(line(11, words.strip()), line(12, "the last line"))
        await settled(pilot)
        for size in ((50, 12), (150, 50), (60, 20)):
            await pilot.resize_terminal(*size)
            await settled(pilot)
            shown = [row for row in on_screen(app).splitlines() if "three" in row or "nine" in row]
            assert max(map(cell_len, shown)) <= size[0]
            assert "the last line" in on_screen(app)
            assert panes(app).transcript.follow


async def test_resizing_keeps_the_line_that_is_being_read() -> None:
    async with one_call() as (app, pilot, connection):
        connection.tell(*(line(seq, f"line number {seq} " + "and so on " * 12) for seq in range(11, 60)))
        await settled(pilot)
        await press(pilot, "g", *("pagedown",) * 3)
        reading = panes(app).transcript._top_line()
        await pilot.resize_terminal(60, 24)
        await settled(pilot)
        assert panes(app).transcript._top_line() is reading


async def test_t_begins_every_line_with_its_time() -> None:
    async with one_call() as (app, pilot, _):
        assert "0:06 caller" not in on_screen(app)
        await press(pilot, "t")
        assert "0:06 caller" in on_screen(app)
        await press(pilot, "t")
        assert "0:06 caller" not in on_screen(app)


async def test_b_and_x_go_to_interruptions_and_errors_on_the_ladder() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        await press(pilot, "B")
        chosen = panes(app).ladder.chosen
        assert chosen is not None
        assert (panes(app).pane, chosen.step) == ("ladder", "speech")
        rows = [row for row in on_screen(app).splitlines() if "after" in row]
        assert [word for row in rows for word in ("trigger", "cut", "clear", "truncate") if f"{word} after" in row]
        await press(pilot, "b")
        assert toasts(app)[-1] == ("", "There is no later interruption.")
    async with one_call(TROUBLE) as (app, pilot, _):
        await press(pilot, "X")
        assert getattr(panes(app).ladder.chosen, "step", "") == "error"
        await press(pilot, "X")
        assert getattr(panes(app).ladder.chosen, "step", "") == "model.lost"
        await press(pilot, "x")
        assert getattr(panes(app).ladder.chosen, "step", "") == "error"
        await press(pilot, "x")
        assert toasts(app)[-1] == ("", "There is no later error.")


async def test_d_counts_the_times_from_the_rung_with_the_cursor() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        await press(pilot, "B", "d")
        assert "◆ marked" in on_screen(app)
        truncate = next(row for row in on_screen(app).splitlines() if "truncate after" in row)
        assert "+307 ms" in truncate
        await press(pilot, "d")
        assert "◆ marked" not in on_screen(app)


async def test_the_cursor_of_the_ladder_stays_with_its_rung_while_rungs_come() -> None:
    async with one_call() as (app, pilot, connection):
        await press(pilot, "tab", "k", "k")
        chosen = panes(app).ladder.chosen
        await many_lines(pilot, connection, 11, 40)
        assert panes(app).ladder.chosen == chosen
        await press(pilot, "end")
        await many_lines(pilot, connection, 41, 42)
        assert getattr(panes(app).ladder.chosen, "seq", 0) == 42


@pytest.mark.parametrize(("key", "seq"), [("g", 1), ("home", 1), ("G", 10), ("end", 10), ("k", 9), ("up", 9)])
async def test_keys_move_the_cursor_of_the_ladder(key: str, seq: int) -> None:
    async with one_call() as (app, pilot, _):
        await press(pilot, "tab", key)
        assert getattr(panes(app).ladder.chosen, "seq", 0) == seq


async def test_keys_scroll_the_outcome() -> None:
    async with one_call(FURNACE, size=(80, 14)) as (app, pilot, _):
        await press(pilot, "tab", "tab")
        outcome = panes(app).active
        seen = []
        for key in ("j", "pagedown", "G", "k", "g"):
            await press(pilot, key)
            seen.append(outcome.scroll_offset.y)
        assert seen[0] == 1
        assert seen[0] < seen[1] <= seen[2]
        assert seen[3] == seen[2] - 1
        assert seen[4] == 0


async def test_p_holds_the_screen_still_while_the_call_goes_on() -> None:
    async with one_call() as (app, pilot, connection):
        await press(pilot, "p")
        assert "PAUSED" in on_screen(app)
        connection.tell(line(30, "said while paused"))
        await settled(pilot)
        assert "said while paused" not in on_screen(app)
        await press(pilot, "p")
        assert "said while paused" in on_screen(app)


async def test_y_copies_the_id_and_a_capital_one_the_transcript() -> None:
    async with one_call(FURNACE) as (app, pilot, _):
        await press(pilot, "y")
        assert app.clipboard == FURNACE
        await press(pilot, "Y")
        assert "0:15 AI: Thank you, I have 12 Oak Street in Albany. Somebody [⟂ cut at 3.2 s" in app.clipboard
        assert toasts(app)[-1][0] == "Copied"


@pytest.mark.parametrize(("key", "action"), [("ctrl+k", "hangup"), ("e", "escalate")])
async def test_ending_and_handing_over_are_about_this_call(key: str, action: str) -> None:
    async with one_call() as (app, pilot, connection):
        await press(pilot, key, "y")
        assert connection.commands == [(GARAGE, action, None)]
        assert isinstance(app.screen, CallScreen)


@pytest.mark.parametrize(("key", "action"), [("w", "whisper"), ("s", "say")])
async def test_whispering_and_saying_are_about_this_call(key: str, action: str) -> None:
    async with one_call() as (_, pilot, connection):
        await press(pilot, key, *"hi", "enter")
        assert connection.commands == [(GARAGE, action, "hi")]


async def test_muting_and_cutting_off_are_about_this_call() -> None:
    async with one_call() as (_, pilot, connection):
        await press(pilot, "m")
        await press(pilot, "ctrl+x", *GARAGE[-4:], "enter")
        assert connection.commands == [(GARAGE, "mute", None), (GARAGE, "force_hangup", None)]


@pytest.mark.parametrize("key", ["w", "s", "m", "e", "ctrl+k", "ctrl+x"])
async def test_nobody_steps_into_a_call_that_is_over_or_with_read_only(key: str) -> None:
    async with one_call(FURNACE) as (app, pilot, connection):
        await press(pilot, key)
        assert isinstance(app.screen, CallScreen)
        assert connection.commands == []
    async with one_call(read_only=True) as (app, pilot, connection):
        await press(pilot, key)
        assert isinstance(app.screen, CallScreen)
        assert connection.commands == []


async def test_l_tells_how_to_listen() -> None:
    async with one_call() as (app, pilot, _):
        await press(pilot, "l")
        assert f"frontdesk listen {GARAGE}" in app.clipboard


@pytest.mark.parametrize("key", ["escape", "q"])
async def test_escape_and_q_go_back_to_the_calls(key: str) -> None:
    async with one_call() as (app, pilot, _):
        await press(pilot, key)
        assert isinstance(app.screen, CallsScreen)


async def test_help_is_about_this_screen() -> None:
    async with one_call() as (app, pilot, _):
        await press(pilot, "question_mark")
        assert "an interruption reads speech" in on_screen(app)


def test_no_key_means_two_things() -> None:
    everywhere = [binding for binding in keys.EVERYWHERE if isinstance(binding, Binding)]
    for table in ([*call_keys.CALL, *keys.STEP_IN], call_keys.REPLAY, call_keys.HISTORY):
        bindings = [*everywhere, *(binding for binding in table if isinstance(binding, Binding))]
        pressed = [one for binding in bindings for one in binding.key.split(",")]
        assert len(pressed) == len(set(pressed))
        assert all(binding.tooltip and binding.id for binding in bindings)

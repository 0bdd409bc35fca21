"""Stepping into a call: what is asked first, what is sent, and that it is about the call that was pinned."""

from typing import Any

import pytest
from textual.widgets import Button, Input, Static

from console.app import ConsoleApp
from console.protocol import PhaseChanged
from console.screens.confirm import ConfirmScreen, ForceScreen
from console.screens.say import SayScreen
from tests.console import examples
from tests.console.scripted import SIZE, Clock, ScriptedConnection, call, connected, console, lost, on_screen, press, settled

ONE, TWO = call(1), call(2)
ENDED: dict[str, Any] = {"reason": "caller_hung_up", "duration_ms": 5_000}


def two_calls() -> ScriptedConnection:
    return ScriptedConnection([connected(ONE, TWO)])


def titles(app: ConsoleApp) -> list[str]:
    return [notification.title for notification in app._notifications]


def toasts(app: ConsoleApp) -> list[str]:
    return [notification.message for notification in app._notifications]


@pytest.mark.parametrize(("key", "action"), [("ctrl+k", "hangup"), ("e", "escalate")])
async def test_ending_or_handing_over_is_asked_first_and_cancel_has_the_focus(key: str, action: str) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, key)
        assert isinstance(app.screen, ConfirmScreen)
        assert app.focused is app.screen.query_one("#cancel")
        assert connection.commands == []
        await press(pilot, "enter")
        assert not isinstance(app.screen, ConfirmScreen)
        assert connection.commands == []
        await press(pilot, key, "y")
        assert connection.commands == [(ONE.call_sid, action, None)]


@pytest.mark.parametrize("keys", [("n",), ("escape",), ("enter",), ("tab", "tab", "enter")])
async def test_a_question_that_is_declined_sends_nothing(keys: tuple[str, ...]) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+k", *keys)
        assert not isinstance(app.screen, ConfirmScreen)
        assert connection.commands == []


@pytest.mark.parametrize("keys", [("y",), ("tab", "enter"), ("right", "enter"), ("left", "enter")])
async def test_a_question_that_is_agreed_to_sends_the_command(keys: tuple[str, ...]) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+k", *keys)
        assert connection.commands == [(ONE.call_sid, "hangup", None)]


async def test_the_question_names_caller_business_age_and_what_will_happen() -> None:
    app = console(two_calls())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "j", "ctrl+k")
        shown = on_screen(app)
        for words in (TWO.from_, "bobs-hvac", "1 min 58 s", TWO.call_sid, "The AI says goodbye"):
            assert words in shown


async def test_the_command_goes_to_the_call_that_was_chosen_though_the_lines_have_moved() -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "j", "ctrl+k")
        connection.tell(examples.event(ONE.call_sid, 6, "call.ended", **ENDED))
        connection.tell(connected(TWO, call(0), call(3)))
        await settled(pilot)
        await press(pilot, "y")
        assert connection.commands == [(TWO.call_sid, "hangup", None)]


async def test_a_call_that_ended_while_the_question_stood_gets_no_command() -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+k")
        connection.tell(examples.event(ONE.call_sid, 6, "call.ended", **ENDED))
        await settled(pilot)
        await press(pilot, "y")
        assert connection.commands == []
        assert toasts(app) == ["This call has ended meanwhile."]


async def test_a_forced_hang_up_needs_the_end_of_the_id_typed() -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "j", "ctrl+x")
        assert isinstance(app.screen, ForceScreen)
        assert app.focused is app.screen.query_one("#cancel")
        do = app.screen.query_one("#do", Button)
        await press(pilot, "0", "0", "0")
        assert do.disabled
        await press(pilot, "enter")
        assert connection.commands == []
        await press(pilot, "2")
        assert not do.disabled
        await press(pilot, "enter")
        assert connection.commands == [(TWO.call_sid, "force_hangup", None)]


@pytest.mark.parametrize("keys", [("enter",), ("escape",), ("y",), ("0", "0", "0", "9", "enter")])
async def test_a_forced_hang_up_without_the_right_id_sends_nothing(keys: tuple[str, ...]) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+x", *keys)
        assert connection.commands == []


@pytest.mark.parametrize(("key", "action"), [("w", "whisper"), ("s", "say")])
async def test_a_line_for_the_ai_is_written_and_sent(key: str, action: str) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, key, "enter")
        assert isinstance(app.screen, SayScreen)
        await press(pilot, "o", "k", "enter")
        assert connection.commands == [(ONE.call_sid, action, "ok")]


@pytest.mark.parametrize("key", ["w", "s"])
async def test_a_line_that_is_not_finished_is_not_sent(key: str) -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, key, "o", "k", "escape")
        assert not isinstance(app.screen, SayScreen)
        assert connection.commands == []


async def test_mute_needs_no_question_and_the_same_key_takes_it_back() -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "m")
        connection.tell(examples.event(ONE.call_sid, 6, "operator.command", operator="ann", action="mute"))
        await settled(pilot)
        assert "MUTED" in on_screen(app)
        await press(pilot, "m")
        assert connection.commands == [(ONE.call_sid, "mute", None), (ONE.call_sid, "unmute", None)]


async def test_a_command_the_bridge_refuses_is_told_with_its_sentence_as_it_is() -> None:
    connection = two_calls()
    connection.error = "[/nope] a viewer may not"
    app = console(connection)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "m")
        assert toasts(app) == ["[/nope] a viewer may not"]
        assert titles(app) == [f"Mute the AI: {ONE.from_}"]
        assert "[/nope] a viewer may not" in on_screen(app)


@pytest.mark.parametrize("key", ["w", "s", "m", "e", "ctrl+k", "ctrl+x"])
async def test_nothing_can_be_done_read_only(key: str) -> None:
    connection = two_calls()
    app = console(connection, read_only=True)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, key)
        assert not isinstance(app.screen, ConfirmScreen | SayScreen | ForceScreen)
        assert connection.commands == []


@pytest.mark.parametrize("told", [lost(), examples.event(ONE.call_sid, 6, "call.ended", **ENDED)], ids=["lost", "ended"])
@pytest.mark.parametrize("key", ["w", "s", "m", "e", "ctrl+k", "ctrl+x"])
async def test_nothing_can_be_done_to_a_call_that_is_out_of_reach(key: str, told: Any) -> None:
    connection = ScriptedConnection([connected(ONE), told])
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, key)
        assert not isinstance(app.screen, ConfirmScreen | SayScreen | ForceScreen)
        assert connection.commands == []


async def test_listening_tells_the_command_for_another_terminal() -> None:
    app = console(two_calls(), read_only=True)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "l")
        assert f"frontdesk listen {ONE.call_sid}" in toasts(app)[0]


async def test_the_id_of_the_call_is_copied_and_that_is_told() -> None:
    app = console(two_calls())
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await settled(pilot)
        await press(pilot, "j", "y")
        assert app.clipboard == TWO.call_sid
        assert titles(app) == ["Call id copied"]


async def test_a_caller_can_be_handed_to_somebody_else_than_the_businesss_own_human() -> None:
    connection = two_calls()
    app = console(connection)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "e", "shift+tab")
        app.screen.query_one("#to", Input).value = " client:dana "
        app.screen.query_one("#to", Input).focus()
        await press(pilot, "enter")
        assert connection.commands == [(ONE.call_sid, "escalate", None)]
        assert connection.targets == ["client:dana"]


async def test_a_dialog_tells_the_age_and_phase_of_its_call_as_they_are_now() -> None:
    connection, now = two_calls(), Clock()
    app = console(connection, clock=now)
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+k")
        before = on_screen(app)
        now.add(75)
        connection.tell(PhaseChanged(ONE.call_sid, "closing", muted=False))
        await settled(pilot)
        assert on_screen(app) != before
        assert "closing" in str(app.screen.query_one("#who", Static).content)

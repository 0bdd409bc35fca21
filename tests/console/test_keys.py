"""The keys: each named and explained, none bound twice, the footer short; the palette, the help and docs/keys.md know them all."""

import importlib.machinery
import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import cast

import pytest
from textual.binding import Binding
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.widgets import OptionList

from calls.exit_codes import ExitCode
from console import keys
from console.actions import ActingScreen
from console.screens.calls import CallsScreen
from console.screens.help import HelpScreen
from console.screens.overview import OverviewScreen
from console.screens.say import SayScreen
from tests.console.scripted import SIZE, ScriptedConnection, call, connected, console, on_screen, press, settled

ROOT = Path(__file__).resolve().parent.parent.parent


def script() -> ModuleType:
    """scripts/draw_keys as a module."""
    loader = importlib.machinery.SourceFileLoader("draw_keys", str(ROOT / "scripts" / "draw_keys"))
    spec = importlib.util.spec_from_loader("draw_keys", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    dont_write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = dont_write
    return module


SCREENS = cast("dict[str, type[DOMNode]]", script().SCREENS)
EVERYWHERE = [one for one in keys.EVERYWHERE if isinstance(one, Binding)]
MODAL = {"ConfirmScreen", "ForceScreen", "SayScreen", "HelpScreen"}


def bindings(title: str) -> list[Binding]:
    found = list(keys.bound_by(SCREENS[title]))
    return found if SCREENS[title].__name__ in MODAL else [*found, *EVERYWHERE]


@pytest.mark.parametrize("title", SCREENS)
def test_every_key_has_a_word_a_sentence_and_an_id(title: str) -> None:
    for binding in bindings(title):
        assert binding.description, binding
        assert binding.tooltip.endswith("."), binding
        assert binding.id, binding


@pytest.mark.parametrize("title", SCREENS)
def test_no_key_and_no_id_is_there_twice_on_one_screen(title: str) -> None:
    pressed = Counter(key.strip() for binding in bindings(title) for key in binding.key.split(","))
    assert [key for key, times in pressed.items() if times > 1] == []
    ids = Counter(binding.id for binding in bindings(title))
    assert [name for name, times in ids.items() if times > 1] == []


@pytest.mark.parametrize("title", SCREENS)
def test_the_footer_has_at_most_eight_entries(title: str) -> None:
    palette = SCREENS[title] in (CallsScreen, OverviewScreen)
    assert sum(binding.show for binding in bindings(title)) + palette <= 8


@pytest.mark.parametrize("title", SCREENS)
def test_every_key_does_something_that_exists(title: str) -> None:
    from console.app import ConsoleApp

    for binding in bindings(title):
        namespace, _, action = binding.action.rpartition(".")
        name = f"action_{action.partition('(')[0]}"
        owners = (ConsoleApp,) if namespace == "app" else (SCREENS[title], ConsoleApp)
        assert any(hasattr(owner, name) for owner in owners), binding


@pytest.mark.parametrize("title", [title for title, screen in SCREENS.items() if screen.__name__ not in MODAL])
def test_no_letter_that_moves_can_end_a_call(title: str) -> None:
    ending = {"step_in('hangup')", "step_in('force_hangup')", "step_in('escalate')"}
    for binding in bindings(title):
        if binding.action in ending:
            assert binding.key in ("ctrl+k", "ctrl+x", "e")


@pytest.mark.parametrize(
    ("pressed", "printed"),
    [
        ("question_mark,f1", "? F1"),
        ("ctrl+k", "Ctrl+k"),
        ("shift+tab", "Shift+Tab"),
        ("G,end", "G End"),
        ("pagedown", "PgDn"),
        ("plus,equals_sign", "+ ="),
    ],
)
def test_keys_are_printed_as_on_a_keyboard(pressed: str, printed: str) -> None:
    assert keys.shown(pressed) == printed


def test_the_page_about_the_keys_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "draw_keys", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def with_a_call() -> ScriptedConnection:
    return ScriptedConnection([connected(call(1))])


@pytest.mark.parametrize("key", ["question_mark", "f1"])
@pytest.mark.parametrize("close", ["escape", "q", "question_mark", "f1"])
async def test_help_tells_what_the_screen_is_for_and_closes_again(key: str, close: str) -> None:
    app = console(with_a_call())
    async with app.run_test(size=(100, 50)) as pilot:
        await settled(pilot)
        await press(pilot, key)
        shown = on_screen(app)
        assert "The calls of all your businesses" in shown
        for binding in bindings("Live calls"):
            assert binding.tooltip in shown
        await press(pilot, close)
        assert isinstance(app.screen, CallsScreen)


async def test_the_help_scrolls() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "question_mark", "j", "down", "j")
        text = app.screen.query_one("#help")
        assert text.scroll_offset.y == 3
        await press(pilot, "k", "up")
        assert text.scroll_offset.y == 1


async def test_help_is_about_the_screen_it_was_asked_on() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "2", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert "The last hour over all calls" in on_screen(app)


@pytest.mark.parametrize("key", ["ctrl+p", "colon"])
async def test_the_palette_lists_what_can_be_done_with_key_and_sentence(key: str) -> None:
    app = console(with_a_call())
    async with app.run_test(size=(100, 50)) as pilot:
        await settled(pilot)
        await press(pilot, key)
        assert isinstance(app.screen, CommandPalette)
        options = app.screen.query_one(OptionList)
        listed = "\n".join(str(options.get_option_at_index(index).prompt) for index in range(options.option_count))
        for binding in bindings("Live calls"):
            if binding.id != "palette":
                assert f"{binding.description}  ({keys.shown(binding.key)})" in listed
                assert binding.tooltip in listed


async def test_the_palette_does_not_offer_what_cannot_be_done() -> None:
    app = console(with_a_call(), read_only=True)
    async with app.run_test(size=(100, 50)) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p")
        options = app.screen.query_one(OptionList)
        listed = "\n".join(str(options.get_option_at_index(index).prompt) for index in range(options.option_count))
        assert "Open  (Enter)" in listed
        assert "Hang up" not in listed


async def test_a_command_chosen_in_the_palette_is_done_on_the_screen_below() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "ctrl+p", *"whisper")
        while app.screen.query_one(OptionList).option_count != 1:
            await pilot.pause()
        await press(pilot, "enter")
        assert isinstance(app.screen, SayScreen)


async def test_numbers_go_to_the_screens_and_back() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        for key, name in (("2", "OverviewScreen"), ("3", "HistoryScreen"), ("2", "OverviewScreen"), ("2", "OverviewScreen")):
            await press(pilot, key)
            assert type(app.screen).__name__ == name
            assert len(app.screen_stack) == 3
        await press(pilot, "1")
        assert isinstance(app.screen, CallsScreen)
        await press(pilot, "1")
        assert len(app.screen_stack) == 2


async def test_escape_leaves_the_overview() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "2", "escape")
        assert isinstance(app.screen, CallsScreen)


async def test_enter_opens_the_call_with_the_cursor() -> None:
    app = console(ScriptedConnection([connected(call(1), call(2))]))
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "j", "enter")
        assert isinstance(app.screen, ActingScreen)
        assert app.screen.chosen_call() == call(2).call_sid
        await press(pilot, "escape")
        assert isinstance(app.screen, CallsScreen)


async def test_q_goes_back_and_quits_only_from_the_first_screen() -> None:
    app = console(with_a_call())
    async with app.run_test(size=SIZE) as pilot:
        await settled(pilot)
        await press(pilot, "2")
        assert isinstance(app.screen, OverviewScreen)
        await press(pilot, "q")
        assert isinstance(app.screen, CallsScreen)
        assert app.is_running
        await pilot.press("q")
    assert app.return_value is ExitCode.OK

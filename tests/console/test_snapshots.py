"""How the screens look. When a picture changes, look at the report before `--snapshot-update`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console.app import ConsoleApp
from tests.console import examples
from tests.console.scripted import (
    SIZE,
    ScriptedConnection,
    call,
    connected,
    console,
    examples_connection,
    lost,
    press,
    settled,
)

LARGE = (120, 40)
NARROW = (60, 20)


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self,
        app: ConsoleApp,
        *,
        terminal_size: tuple[int, int],
        run_before: Callable[[Pilot[ExitCode]], Awaitable[None]],
    ) -> bool: ...


class Looks(Protocol):
    """Runs the app, presses keys, and says whether it looks as it did."""

    def __call__(
        self, connection: ScriptedConnection, *keys: str, size: tuple[int, int] = SIZE, read_only: bool = False
    ) -> bool: ...


@pytest.fixture
def looks(snap_compare: Compare) -> Looks:
    def compare(connection: ScriptedConnection, *keys: str, size: tuple[int, int] = SIZE, read_only: bool = False) -> bool:
        async def before(pilot: Pilot[ExitCode]) -> None:
            await settled(pilot)
            await press(pilot, *keys)

        return snap_compare(console(connection, read_only=read_only), terminal_size=size, run_before=before)

    return compare


def busy() -> ScriptedConnection:
    """More calls than fit on the screen, with every kind of line among them."""
    connection = examples_connection()
    phases = ("connecting", "greeting", "conversing", "conversing", "closing")
    calls = [
        call(
            number,
            phase=phases[number % 5],
            greeting_latency_ms=(None, 640, 1_310, 900, 1_180)[number % 5],
            barge_ins=number % 4,
            cost_usd=number / 100,
            owner=f"bridge-{number % 3}",
            muted=number % 7 == 0,
        )
        for number in range(11, 46)
    ]
    examples_on = [summary for summary in examples.calls(live=True)]
    connection.tell(connected(*calls, *examples_on))
    connection.tell(examples.event(calls[2].call_sid, 6, "error", where="model", message="slow"))
    connection.tell(examples.event(calls[3].call_sid, 6, "lead.captured", fields={"name": "Ann"}))
    return connection


@pytest.mark.parametrize("size", [SIZE, LARGE, NARROW], ids=["80x24", "120x40", "60x20"])
def test_live_calls(looks: Looks, size: tuple[int, int]) -> None:
    assert looks(busy(), "j", "j", size=size)


def test_live_calls_without_colour(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks(busy(), "j")


def test_ended_calls_are_dimmed_and_last(looks: Looks) -> None:
    assert looks(busy(), "G")


def test_hebrew_keeps_the_columns_straight(looks: Looks) -> None:
    lines = ("שָׁלוֹם, הגעתם למוסך של דנה", "הרכב שלי Mazda 3 לא מתניע (2019)", "12 דקות, $5", "abc אבג def")
    calls = [call(number, business_id="מוסך דנה", last_line=line) for number, line in enumerate(lines, 1)]
    assert looks(ScriptedConnection([connected(*calls, call(9))]))


def test_hostile_text_is_only_text(looks: Looks) -> None:
    texts = (examples.MARKUP, examples.ESCAPES, examples.TURNED, "👩‍👩‍👧 ☎️ 👍🏽 naïve", "z̷̛̪a̶̛l̴̛g̵̛ơ̶", "x" * 1_000, "日本語のテキスト")
    calls = [call(number, **{"from": text}, business_id=text, last_line=text, phase=text) for number, text in enumerate(texts, 1)]
    assert looks(ScriptedConnection([connected(*calls, call(9))]))


def test_a_filter(looks: Looks) -> None:
    assert looks(busy(), "slash", *"bobs !closing")


def test_a_filter_that_nothing_matches(looks: Looks) -> None:
    assert looks(busy(), "slash", *"zzz")


def test_follow_and_pause_have_pills(looks: Looks) -> None:
    assert looks(busy(), "f", "p")


def test_sorted_by_greeting_inverted(looks: Looks) -> None:
    assert looks(busy(), "greater_than_sign", "I")


def test_a_lost_connection(looks: Looks) -> None:
    connection = busy()
    connection.tell(lost("nobody listens at 127.0.0.1:8000", 3.0))
    assert looks(connection)


def test_before_the_first_connection(looks: Looks) -> None:
    assert looks(ScriptedConnection())


def test_no_calls(looks: Looks) -> None:
    assert looks(ScriptedConnection([connected()]))


def test_read_only(looks: Looks) -> None:
    assert looks(busy(), read_only=True)


@pytest.mark.parametrize("key", ["ctrl+k", "e", "ctrl+x", "w", "s"], ids=["hang-up", "escalate", "force", "whisper", "say"])
def test_a_dialog(looks: Looks, key: str) -> None:
    assert looks(busy(), key)


def test_a_forced_hang_up_being_typed(looks: Looks) -> None:
    assert looks(busy(), "ctrl+x", *"000b")


def test_a_dialog_about_a_hostile_caller(looks: Looks) -> None:
    text = f"{examples.MARKUP} {examples.ESCAPES} שלום"
    assert looks(ScriptedConnection([connected(call(1, **{"from": text}, business_id=text))]), "ctrl+k")


def test_a_dialog_on_a_small_terminal(looks: Looks) -> None:
    assert looks(busy(), "ctrl+x", size=(40, 14))


def test_a_refused_command(looks: Looks) -> None:
    connection = busy()
    connection.error = "A viewer may not step in [/nope]."
    assert looks(connection, "m")


@pytest.mark.parametrize("screen", ["1", "2"], ids=["live calls", "overview"])
def test_help(looks: Looks, screen: str) -> None:
    assert looks(busy(), screen, "question_mark")


@pytest.mark.parametrize("size", [SIZE, LARGE, NARROW], ids=["80x24", "120x40", "60x20"])
def test_the_overview(looks: Looks, size: tuple[int, int]) -> None:
    assert looks(busy(), "2", size=size)


def test_the_overview_before_anything_happened(looks: Looks) -> None:
    assert looks(ScriptedConnection([connected()]), "2")


def test_the_palette(looks: Looks) -> None:
    assert looks(busy(), "ctrl+p")

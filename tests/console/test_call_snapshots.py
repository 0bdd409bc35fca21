"""How one call, past calls and a replay look. When a picture changes, look at the report before `--snapshot-update`."""

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

import pytest
from textual.pilot import Pilot

from calls.exit_codes import ExitCode
from console.app import ConsoleApp
from console.operator_http import OperatorApiError
from console.protocol import Levels, Message, Partial
from tests.console import examples
from tests.console.archived import ArchivedConnection, loaded
from tests.console.examples import FURNACE, GARAGE, PRANK, TROUBLE
from tests.console.scripted import connected, console, lost, press, settled
from tests.console.test_history_screen import past

SMALL, LARGE, HUGE = (80, 24), (120, 40), (160, 50)
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "120x40"])


class Compare(Protocol):
    """The plugin's fixture."""

    def __call__(
        self,
        app: ConsoleApp,
        *,
        terminal_size: tuple[int, int],
        run_before: Callable[[Pilot[ExitCode]], Awaitable[None]],
    ) -> bool: ...


@pytest.fixture(autouse=True)
def _one_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Looks:
    """Runs the console, presses keys, and says whether it looks as it did."""

    def __init__(self, compare: Compare) -> None:
        self._compare = compare

    def call(
        self, call_sid: str, *keys: str, size: tuple[int, int] = SMALL, tell: tuple[Message, ...] = (), read_only: bool = False
    ) -> bool:
        """One call."""
        connection = ArchivedConnection([connected(*examples.calls(live=True))])

        async def before(pilot: Pilot[ExitCode]) -> None:
            await settled(pilot)
            assert isinstance(pilot.app, ConsoleApp)
            pilot.app.open_call(call_sid)
            await loaded(pilot)
            connection.tell(*tell)
            await settled(pilot)
            await press(pilot, *keys)

        return self._compare(console(connection, read_only=read_only), terminal_size=size, run_before=before)

    def past(self, connection: ArchivedConnection, *keys: str, size: tuple[int, int] = SMALL) -> bool:
        """Past calls; what follows an Enter is loaded."""

        async def before(pilot: Pilot[ExitCode]) -> None:
            await settled(pilot)
            for key in ("3", *keys):
                await pilot.press(key)
                await loaded(pilot)

        return self._compare(console(connection), terminal_size=size, run_before=before)


@pytest.fixture
def looks(snap_compare: Compare) -> Looks:
    return Looks(snap_compare)


TALKING: tuple[Message, ...] = (
    Partial(call_sid=GARAGE, side="agent", item_id="gone", text="רגע אחד, אני בודקת", heard_chars=0, over=True),
    Partial(call_sid=GARAGE, side="caller", item_id="h5", text="אולי ביום", heard_chars=9, over=False),
    Partial(
        call_sid=GARAGE, side="agent", item_id="h6", text="נשמח לעזור, נתראה ביום שלישי בשעה תשע", heard_chars=12, over=False
    ),
    Levels(GARAGE, 900, 140),
)


@SIZES
def test_a_call_with_a_cut_line(looks: Looks, size: tuple[int, int]) -> None:
    assert looks.call(FURNACE, size=size)


@SIZES
def test_a_hebrew_call_in_mid_word(looks: Looks, size: tuple[int, int]) -> None:
    assert looks.call(GARAGE, size=size, tell=TALKING)


@SIZES
def test_a_hostile_call(looks: Looks, size: tuple[int, int]) -> None:
    assert looks.call(PRANK, size=size)


def test_a_call_with_errors_and_room(looks: Looks) -> None:
    assert looks.call(TROUBLE, "t", size=HUGE)


def test_a_call_without_colour(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert looks.call(FURNACE, size=LARGE)


def test_the_ladder_of_an_interruption(looks: Looks) -> None:
    assert looks.call(FURNACE, "B", "d")


def test_the_outcome(looks: Looks) -> None:
    assert looks.call(FURNACE, "tab", "tab")


def test_not_following_with_new_lines(looks: Looks) -> None:
    lines = [examples.event(TROUBLE, seq, "caller.transcript", item_id=f"n{seq}", text=f"line {seq}") for seq in range(17, 60)]
    assert looks.call(TROUBLE, "k", "k", tell=tuple(lines))


def test_a_call_read_only_and_paused(looks: Looks) -> None:
    assert looks.call(GARAGE, "p", read_only=True)


def test_a_question_over_a_call(looks: Looks) -> None:
    assert looks.call(GARAGE, "ctrl+k")


def test_the_help_of_a_call(looks: Looks) -> None:
    assert looks.call(GARAGE, "question_mark")


def test_a_lost_connection_over_a_call(snap_compare: Compare) -> None:
    connection = ArchivedConnection([connected(*examples.calls(live=True)), lost("nobody listens at 127.0.0.1:8000")])
    connection.http.error = OperatorApiError("nobody listens at 127.0.0.1:8000", "unreachable")

    async def before(pilot: Pilot[ExitCode]) -> None:
        await settled(pilot)
        assert isinstance(pilot.app, ConsoleApp)
        pilot.app.open_call(GARAGE)
        await loaded(pilot)

    assert snap_compare(console(connection), terminal_size=SMALL, run_before=before)


def archive() -> ArchivedConnection:
    connection = ArchivedConnection([connected(*examples.calls(live=True))])
    connection.http.listed = [
        past(1, call_sid=FURNACE, greeting_latency_ms=420, barge_ins=1, last_line="Thank you for calling, goodbye."),
        past(2, business_id="dana-garage", end_reason="silence", last_line="אין צורך, תודה 🙏", **{"from": "+97235550001"}),
        past(3, last_line=examples.MARKUP, greeting_latency_ms=2_400, cost_usd=None, **{"from": examples.ESCAPES}),
        *(past(number, end_reason="caller_hung_up", duration_ms=number * 7_000) for number in range(4, 40)),
    ]
    return connection


@SIZES
def test_past_calls(looks: Looks, size: tuple[int, int]) -> None:
    assert looks.past(archive(), "j", size=size)


def test_past_calls_searched(looks: Looks) -> None:
    assert looks.past(archive(), "slash", *"dana")


def test_past_calls_that_cannot_be_loaded(looks: Looks) -> None:
    connection = archive()
    connection.http.error = OperatorApiError("nobody listens at 127.0.0.1:8000", "unreachable")
    assert looks.past(connection)


def test_no_past_calls(looks: Looks) -> None:
    connection = archive()
    connection.http.listed = []
    assert looks.past(connection)


@SIZES
def test_a_replay_at_an_interruption(looks: Looks, size: tuple[int, int]) -> None:
    assert looks.past(archive(), "G", "enter", "b", "plus", "space", size=size)


def test_a_replay_while_a_line_is_said(looks: Looks) -> None:
    assert looks.past(archive(), "G", "enter", "right", "right", "right", "left", "left", "left", "right", "right")


def test_the_help_of_a_replay(looks: Looks) -> None:
    assert looks.past(archive(), "G", "enter", "question_mark", size=LARGE)

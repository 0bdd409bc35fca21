"""What is seen of a call between its events, by whoever looks and while they look."""

import asyncio
import json
from typing import Any

import pytest

from bridge.operator.live_view import TICKS_A_BEAT, TICKS_A_LOOK, TICKS_A_PIECE, LiveView
from calls.operator import Glimpse
from tests.bridge.operator.doubles import Session, Sessions, read, reader
from tests.calls.examples import ONE_OF_EACH, answered, event, sid

LOUD, QUIET = b"\x00", b"\xff"  # μ-law: full scale, and zero
TICK_MS = 50


def line(text: str, heard: int = 0, *, item: str = "item_1", side: Any = "agent", over: bool = False) -> Glimpse:
    return Glimpse(side=side, item_id=item, text=text, heard_chars=heard, over=over)


class Look:
    """A view, and time that passes for all its calls."""

    def __init__(self, *sessions: Session) -> None:
        self.sessions = Sessions(*sessions)
        self.shown: list[dict[str, Any]] = []
        self.view = LiveView(self.sessions, lambda message: self.shown.append(json.loads(message)), "bridge-1")

    def passes(self, ticks: int = TICKS_A_BEAT) -> list[dict[str, Any]]:
        """What is shown while so much time passes."""
        before = len(self.shown)
        for _ in range(ticks):
            for session in self.sessions.sessions:
                session.call_ms += TICK_MS
            self.view.tick()
        return self.shown[before:]

    def of_kind(self, kind: str, ticks: int = TICKS_A_BEAT) -> list[dict[str, Any]]:
        return [message for message in self.passes(ticks) if message["kind"] == kind]


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def look(session: Session) -> Look:
    """A view that has just had its beat of the call."""
    look = Look(session)
    look.passes(TICKS_A_BEAT + 1)
    return look


def levels(look: Look) -> tuple[int, int]:
    (shown,) = look.of_kind("levels")
    assert (shown["type"], shown["call_sid"]) == ("live", sid())
    return shown["caller_rms"], shown["agent_rms"]


# --- levels ----------------------------------------------------------------------------------------------------------------


def test_every_call_is_shown_once_a_beat_and_never_all_at_once() -> None:
    look = Look(*(Session(sid(number)) for number in range(60)))
    look.passes()
    for _ in range(3):
        by_tick = [len(look.of_kind("levels", 1)) for _ in range(TICKS_A_BEAT)]
        assert by_tick == [10] * TICKS_A_BEAT


def test_the_caller_is_as_loud_as_they_arrived(session: Session, look: Look) -> None:
    session.watching.caller_audio([QUIET * 160], [session.call_ms])
    session.watching.caller_audio([LOUD * 160], [session.call_ms])
    caller, agent = levels(look)
    assert caller == pytest.approx(32124 / 2**0.5, abs=1)
    assert agent == 0
    assert levels(look) == (0, 0)


def test_the_ai_is_as_loud_as_it_is_heard_now_and_not_as_it_is_sent(session: Session, look: Look) -> None:
    beat_ms = TICK_MS * TICKS_A_BEAT
    session.watching.agent_audio(LOUD * 8 * beat_ms, session.call_ms)
    session.watching.agent_audio(QUIET * 8 * beat_ms, session.call_ms)
    assert [levels(look)[1] for _ in range(3)] == [32124, 0, 0]


def test_half_a_beat_of_speech_is_half_as_much_power(session: Session, look: Look) -> None:
    session.watching.agent_audio(LOUD * 8 * (TICK_MS * TICKS_A_BEAT // 2), session.call_ms)
    assert levels(look)[1] == pytest.approx(32124 / 2**0.5, abs=1)


def test_what_is_cleared_is_not_heard(session: Session, look: Look) -> None:
    session.watching.agent_audio(LOUD * 8 * 5000, session.call_ms)
    assert levels(look)[1] == 32124
    session.watching.cleared(session.call_ms)
    assert levels(look)[1] == 0


# --- lines -----------------------------------------------------------------------------------------------------------------


def test_a_line_is_shown_while_it_grows_and_once_when_it_is_over(session: Session, look: Look) -> None:
    seen = []
    for now in (line("Hel"), line("Hello", 2), line("Hello", 2), line("Hello", 5, over=True), line("Hello", 5, over=True)):
        session.lines = [now]
        seen += look.of_kind("partial")
    assert [(shown["text"], shown["heard_chars"], shown["over"]) for shown in seen] == [
        ("Hel", 0, False),
        ("Hello", 2, False),
        ("Hello", 5, True),
    ]
    assert all((shown["side"], shown["item_id"], shown["call_sid"]) == ("agent", "item_1", sid()) for shown in seen)


def test_a_line_that_is_on_the_record_is_being_said_no_more(session: Session, look: Look) -> None:
    session.lines = [line("Hello", 2)]
    look.passes()
    look.view.take(event(7, answered("Hello", item="item_1")))
    session.lines = [line("Hello", 5, over=True), line("Yes", side="caller", item="item_2")]
    assert [shown["item_id"] for shown in look.of_kind("partial")] == ["item_2"]


# --- phases ----------------------------------------------------------------------------------------------------------------


def test_a_phase_is_shown_at_once_when_an_event_brings_it_and_only_when_it_changes(session: Session, look: Look) -> None:
    shown_before = len(look.shown)
    look.view.take(event(3))
    assert len(look.shown) == shown_before
    session.phase = "closing"
    look.view.take(event(4))
    session.muted = True
    look.view.look(sid())
    assert [(one["kind"], one["phase"], one["muted"]) for one in look.shown[shown_before:]] == [
        ("phase", "closing", False),
        ("phase", "closing", True),
    ]
    assert look.of_kind("phase") == []


def test_a_phase_that_no_event_brings_is_shown_with_the_beat(session: Session, look: Look) -> None:
    session.phase = "closing"
    assert [shown["phase"] for shown in look.of_kind("phase")] == ["closing"]


def test_the_end_of_a_stream_is_not_the_end_of_its_call(session: Session, look: Look) -> None:
    session.phase = "ended"
    assert look.of_kind("phase") == []


# --- who is watched, and when ----------------------------------------------------------------------------------------------


async def test_nobody_is_watched_before_somebody_looks_or_after(session: Session) -> None:
    look = Look(session)
    assert session.observer is None
    look.view.begin()
    look.view.begin()
    assert look.view.is_on
    look.passes(1)
    assert session.observer is not None
    look.view.end()
    assert session.observer is None
    assert not look.view.is_on
    timers = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
    assert timers == []


def test_calls_come_and_go_while_somebody_looks(session: Session, look: Look) -> None:
    unknown, other = Session(), Session(sid(2))
    unknown.call_sid = None
    look.sessions.sessions = [unknown, other]
    look.passes(TICKS_A_LOOK)
    assert {shown["call_sid"] for shown in look.passes()} == {sid(2)}
    assert (session.observer, unknown.observer) == (None, None)


def test_a_call_that_another_stream_carries_on_is_watched_there(session: Session, look: Look) -> None:
    again = Session(sid(1))
    look.sessions.sessions = [again]
    look.passes()
    assert session.observer is None
    again.watching.caller_audio([LOUD * 160], [again.call_ms])
    assert levels(look)[0] == 32124


def test_a_call_that_cannot_be_looked_at_harms_no_other_and_complains_once() -> None:
    broken, sound = Session(sid(1)), Session(sid(2))
    look = Look(broken, sound)
    look.passes()
    broken.breaks = True
    for _ in range(3):
        assert sid(2) in {shown["call_sid"] for shown in look.of_kind("levels")}
    assert [shown["call_sid"] for shown in look.of_kind("levels")] == [sid(2)]


# --- listening -------------------------------------------------------------------------------------------------------------


async def test_who_listens_hears_both_sides_as_they_are_heard_and_nobody_else_does(session: Session) -> None:
    look = Look(session)
    look.passes()
    one, other = reader(), reader()
    for each in (one, other):
        each.begin(b'{"type":"snapshot"}', {})
    look.view.listen(session, sid(), one)
    began_ms = session.call_ms
    session.watching.agent_audio(LOUD * 8 * 250, began_ms)
    for _ in range(3):
        session.watching.caller_audio([QUIET * 8 * 100], [session.call_ms])
        look.passes(TICKS_A_PIECE)
    heard = [message for message in await read(one) if message["type"] == "audio"]
    agent = [message for message in heard if message["side"] == "agent"]
    caller = [message for message in heard if message["side"] == "caller"]
    assert [message["at_ms"] - began_ms for message in caller] == [0, 100, 200]
    assert sum(len(message["payload"]) for message in agent) == pytest.approx(2000 * 4 / 3, abs=12)
    assert [message["at_ms"] for message in agent] == sorted(message["at_ms"] for message in agent)
    assert len(agent) in (3, 4)
    assert {message["type"] for message in await read(other)} == {"snapshot"}


async def test_listening_ends_when_asked_to_when_the_reader_goes_and_with_the_call(session: Session) -> None:
    look = Look(session)
    readers = [reader() for _ in range(3)]
    for each in readers:
        look.view.listen(session, sid(), each)
    look.view.unlisten(sid(), readers[0])
    look.view.unlisten(sid(2), readers[0])
    look.view.forget(readers[1])
    session.watching.caller_audio([LOUD * 800], [session.call_ms])
    look.passes()
    look.view.take(event(9, ONE_OF_EACH[-1]))
    session.watching.caller_audio([LOUD * 800], [session.call_ms])
    look.passes()
    assert [len(await read(each)) for each in readers] == [0, 0, 1]


async def test_the_last_words_before_a_stream_ends_are_heard(session: Session) -> None:
    look = Look(session)
    look.passes()
    one = reader()
    look.view.listen(session, sid(), one)
    session.watching.caller_audio([LOUD * 80], [session.call_ms])
    look.sessions.sessions = []
    look.passes(1)
    assert [message["side"] for message in await read(one)] == ["caller"]


def test_where_a_call_stands_names_its_bridge_and_what_it_has_cost(session: Session, look: Look) -> None:
    session.cost_usd = 0.012345
    (shown,) = look.of_kind("phase")
    assert (shown["owner"], shown["cost_usd"]) == ("bridge-1", 0.012)

    session.cost_usd = 0.01239
    assert look.of_kind("phase") == []

    session.cost_usd = 0.0131
    assert [shown["cost_usd"] for shown in look.of_kind("phase")] == [0.013]


# --- somebody else looks too -----------------------------------------------------------------------------------------------


def test_who_begins_to_look_is_told_what_the_others_know_already(session: Session, look: Look) -> None:
    session.lines = [line("Hello")]
    assert look.of_kind("partial")
    assert look.of_kind("partial") == look.of_kind("phase") == []
    look.view.begin_again()
    shown = look.passes()
    assert [message.get("text") for message in shown if message["kind"] == "partial"] == ["Hello"]
    assert [message["phase"] for message in shown if message["kind"] == "phase"] == ["conversing"]


def test_it_is_known_who_hears_a_call(session: Session, look: Look) -> None:
    ear, other = reader(), reader()
    look.view.listen(session, sid(), ear)
    assert (look.view.hears(sid(), ear), look.view.hears(sid(), other), look.view.hears(sid(2), ear)) == (True, False, False)
    look.view.forget(ear)
    assert not look.view.hears(sid(), ear)


async def test_audio_of_before_anybody_listened_is_not_heard_and_moves_nothing(session: Session, look: Look) -> None:
    ear = reader()
    look.view.listen(session, sid(), ear)
    session.watching.caller_audio([LOUD * 160], [session.call_ms])
    look.passes(TICKS_A_PIECE)
    look.view.unlisten(sid(), ear)
    session.watching.caller_audio([LOUD * 160], [session.call_ms])
    look.passes(TICKS_A_BEAT)
    look.view.listen(session, sid(), ear)
    came_at_ms = session.call_ms
    session.watching.caller_audio([QUIET * 160], [came_at_ms])
    look.passes(TICKS_A_PIECE)
    pieces = [message for message in await read(ear) if message["type"] == "audio" and message["side"] == "caller"]
    assert [piece["at_ms"] for piece in pieces][-1] == round(came_at_ms)
    assert len(pieces) == 2

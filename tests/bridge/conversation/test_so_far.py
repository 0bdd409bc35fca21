"""What a further stream reads from the record: a table of records."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from bridge.conversation.resumption import Closing, DoneBefore, HeardLine, Resumed, Transfer
from bridge.conversation.so_far import resumed_from
from calls import events
from calls.events import AnyEvent, CallEvent, parse_timestamp
from calls.language import ENGLISH
from tests.bridge.conversation.line import CALL

BEGAN = parse_timestamp("2026-01-01T00:00:00.000Z")
STARTED = events.CallStarted(business_id="acme", from_="+15005550100", to="+15005550006", channel="pstn")
ASKS = events.CallerTranscript(item_id="u1", text="Do you sell tea?")
ANSWERS = events.AgentTranscript(item_id="a1", text="Green and black.", heard_ms=900, interrupted=False, previous_item_id="u1")
CUT = events.AgentTranscript(item_id="a1", text="Green and", heard_ms=500, interrupted=True, unheard="black tea.")
LEAD = events.LeadCaptured(fields={"name": "Noa", "reason": "tea"})
CLOSES = events.ClosingStarted(reason="farewell", phrase="no thanks")
TRANSFERS = events.TransferStarted(to="+15005550010")
MUTES = events.OperatorCommand(operator="dana", action="mute")
UNMUTES = events.OperatorCommand(operator="dana", action="unmute")
ASKS_AGAIN = events.AgentTranscript(item_id="a9", text=ENGLISH.still_there, heard_ms=900, interrupted=False)


def called(name: str = "send_sms", arguments: str = '{"text": "Hi"}') -> events.ToolCalled:
    return events.ToolCalled(name=name, arguments=arguments)


def finished(name: str = "send_sms", *, ok: bool = True) -> events.ToolFinished:
    return events.ToolFinished(name=name, ms=20, ok=ok)


def booked(number: str, starts_at: str) -> events.AppointmentBooked:
    return events.AppointmentBooked(appointment_id=number, starts_at=starts_at, ends_at=starts_at, summary="Tea")


def read(*bodies: AnyEvent, why: Any = "lost") -> Resumed:
    """The events came one a second; a second after the last the further stream was accepted."""
    record = [CallEvent(CALL, n, BEGAN + timedelta(seconds=n - 1), body) for n, body in enumerate([STARTED, *bodies], 1)]
    return resumed_from(record, why, record[-1].at, record[-1].at + timedelta(seconds=1), "en")


def test_the_time_of_the_call_goes_on() -> None:
    resumed = read(ASKS, ANSWERS)
    assert (resumed.has_lasted_ms, resumed.since_ms) == (3000, 1000)


def test_a_clock_that_is_behind_takes_no_time_away() -> None:
    record = [CallEvent(CALL, 1, BEGAN, STARTED)]
    resumed = resumed_from(record, "lost", BEGAN, BEGAN - timedelta(seconds=5), "en")
    assert (resumed.has_lasted_ms, resumed.since_ms) == (0, 0)


def test_a_record_without_events_says_nothing() -> None:
    assert resumed_from([], "lost", BEGAN, BEGAN, "en") == Resumed("lost", (), since_ms=0.0)


def test_lines_are_read_in_the_order_they_were_spoken() -> None:
    resumed = read(ANSWERS, ASKS)
    assert resumed.heard == (HeardLine("caller", "Do you sell tea?"), HeardLine("agent", "Green and black."))
    assert resumed.unanswered == 0


@pytest.mark.parametrize(
    ("bodies", "unanswered", "cut_off"),
    [
        ((), 0, None),
        ((ASKS,), 1, None),
        ((ASKS, events.CallerTranscript(item_id="u2", text="Hello?")), 2, None),
        ((ASKS, ANSWERS), 0, None),
        ((ASKS, CUT), 0, "Green and"),
        ((ASKS, msgspec.structs.replace(CUT, text="")), 1, None),
        ((CUT, ASKS), 1, None),
    ],
)
def test_the_last_line_says_who_is_owed_something(bodies: tuple[AnyEvent, ...], unanswered: int, cut_off: str | None) -> None:
    resumed = read(*bodies)
    assert (resumed.unanswered, resumed.cut_off) == (unanswered, cut_off)


@pytest.mark.parametrize(
    ("bodies", "ending"),
    [
        ((), None),
        ((CLOSES,), Closing("farewell")),
        ((CLOSES, events.ClosingReopened()), None),
        ((TRANSFERS,), Transfer("+15005550010")),
        ((TRANSFERS, events.CallResumed(ms=9)), None),
        ((events.ClosingStarted(reason="model_lost"),), None),
        ((events.ClosingStarted(reason="no_inbound_media"),), None),
    ],
)
def test_an_end_that_was_under_way_is_taken_up(bodies: tuple[AnyEvent, ...], ending: object) -> None:
    assert read(*bodies).ending == ending


def test_a_human_who_did_not_answer_is_not_dialled_again() -> None:
    assert read(TRANSFERS, why="no_answer").ending is None


@pytest.mark.parametrize(
    ("bodies", "tools"),
    [
        ((called(),), [(None, False)]),
        ((called(), finished()), [(True, False)]),
        ((called(), finished(ok=False)), [(False, False)]),
        ((called(), finished(), ANSWERS), [(True, True)]),
        ((called(), ANSWERS), [(None, False)]),
        ((called(), called(), finished()), [(True, False), (None, False)]),
        ((finished(),), []),
    ],
)
def test_what_became_of_each_tool_is_known(bodies: tuple[AnyEvent, ...], tools: list[tuple[bool | None, bool]]) -> None:
    done = [DoneBefore("send_sms", '{"text": "Hi"}', ok=ok, is_spoken_about=spoken) for ok, spoken in tools]
    assert list(read(*bodies).tools) == done


@pytest.mark.parametrize(
    ("bodies", "decided"),
    [
        ((LEAD,), "lead_captured"),
        ((LEAD, ANSWERS), None),
        ((LEAD, ASKS), None),
        ((called("end_call"), finished("end_call")), "end_call"),
        ((called("end_call"), finished("end_call", ok=False)), None),
    ],
)
def test_a_decision_holds_until_somebody_has_spoken(bodies: tuple[AnyEvent, ...], decided: str | None) -> None:
    assert read(*bodies).decided == decided


def test_lead_appointments_and_whispers_are_known() -> None:
    whisper = events.OperatorCommand(operator="dana", action="whisper", text="Offer 10 %.")
    resumed = read(LEAD, booked("1", "10:00"), booked("2", "11:00"), booked("1", "12:00"), whisper)
    assert resumed.lead == LEAD.fields
    assert [(one.appointment_id, one.starts_at) for one in resumed.appointments] == [("1", "12:00"), ("2", "11:00")]
    assert resumed.whispers == ("Offer 10 %.",)


@pytest.mark.parametrize(
    ("bodies", "muted_for_ms"),
    [((), None), ((MUTES,), 1000), ((MUTES, ASKS), 2000), ((MUTES, UNMUTES), None), ((UNMUTES, MUTES), 1000)],
)
def test_an_ai_that_was_told_to_be_silent_stays_so(bodies: tuple[AnyEvent, ...], muted_for_ms: float | None) -> None:
    assert read(*bodies).muted_for_ms == muted_for_ms


@pytest.mark.parametrize(
    ("bodies", "prompts"), [((ASKS_AGAIN,), 1), ((ASKS_AGAIN, ASKS_AGAIN), 2), ((ASKS_AGAIN, ASKS), 0), ((ANSWERS,), 0)]
)
def test_a_silent_caller_is_not_asked_for_ever(bodies: tuple[AnyEvent, ...], prompts: int) -> None:
    assert read(*bodies).prompts == prompts

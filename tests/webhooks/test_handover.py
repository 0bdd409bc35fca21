"""A human is rung: what they hear, what becomes of a caller they do not take, what a message leaves on the record."""

from typing import Any

import msgspec
import pytest

from calls.business import Escalation
from calls.events import CallEnded
from calls.language import phrases_of
from calls.record import Message
from tests.webhooks.doubles import BOB, DANA, SID, BrokenLedger, Desk, call, disposed, said, tree, verbs
from webhooks.handlers import dial_ended, recording_status, screen, stream_ended, voicemail
from webhooks.response import Response

HUMAN = "+15005550010"
TO_THE_AI = msgspec.structs.replace(BOB, escalation=Escalation(to=HUMAN, no_answer="ai"))


def human(**params: str) -> dict[str, Any]:
    """A request of the human's leg."""
    return {"CallSid": "CA" + "f" * 32, "From": "+15005550006", "To": HUMAN, "for_call": SID, "request": {}, **params}


# --- the human ---


@pytest.mark.parametrize("to", [HUMAN, "client:dana", "sip:dana@desk.example"])
def test_the_human_is_asked_before_the_call_is_theirs(to: str) -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", to=to))
    noun = tree(stream_ended.handler(desk.context, call()))[0][0]
    assert noun.get("url") == f"https://phone.example/screen?for_call={SID}"


def test_a_business_may_do_without_asking() -> None:
    desk = Desk(profiles=[msgspec.structs.replace(BOB, escalation=Escalation(to=HUMAN, screen=False))])
    desk.opened(disposition=disposed("dial", to=HUMAN))
    assert tree(stream_ended.handler(desk.context, call()))[0][0].get("url") is None


def test_the_human_hears_who_calls_and_why_and_what_to_press() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial", briefing="wants a refund. The boiler leaks <again> & again"))
    answer = screen.handler(desk.context, human())

    assert verbs(answer) == ["Gather", "Gather", "Hangup"]
    first = tree(answer)[0]
    assert first.attrib["numDigits"] == "1"
    assert first.attrib["action"] == f"https://phone.example/screen?for_call={SID}"
    spoken = " ".join(element.text or "" for element in first)
    assert "A call for Bob's HVAC from 1 5 0 0 5 5 5 0 0 0 1." in spoken
    assert "The boiler leaks <again> & again" in spoken
    assert spoken.endswith("Press 1 to take the call.")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"summary": "They want to book.", "last_line": "hello"}, "They want to book."),
        ({"last_line": "My heater is broken."}, "My heater is broken."),
        ({}, "from 1 5 0 0 5 5 5 0 0 0 1."),
    ],
)
def test_without_the_ai_s_words_the_human_hears_the_next_best(changes: dict[str, Any], told: str) -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial"), **changes)
    assert told in said(screen.handler(desk.context, human()))


def test_the_human_is_spoken_to_in_the_language_of_the_business() -> None:
    desk = Desk()
    desk.opened(profile=DANA, disposition=disposed("dial"))
    assert phrases_of("he").press_one in said(screen.handler(desk.context, human()))


def test_pressing_1_joins_the_two_and_any_other_key_hangs_up_on_the_human() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial"))
    assert verbs(screen.handler(desk.context, human(Digits="1"))) == []
    assert verbs(screen.handler(desk.context, human(Digits="2"))) == ["Hangup"]


@pytest.mark.parametrize("for_call", ["", "CAunknown", "../../etc", "x" * 5000])
def test_a_human_rung_for_a_call_nobody_knows_is_still_asked(for_call: str) -> None:
    assert verbs(screen.handler(Desk().context, human(for_call=for_call))) == ["Gather", "Hangup"]


def test_a_store_that_is_away_costs_the_introduction_and_not_the_human() -> None:
    desk = Desk(ledger=BrokenLedger())
    assert verbs(screen.handler(desk.context, human())) == ["Gather", "Hangup"]


# --- the caller ---


@pytest.mark.parametrize(
    "params",
    [
        {"DialCallStatus": "no-answer"},
        {"DialCallStatus": "busy"},
        {"DialCallStatus": "failed"},
        {"DialCallStatus": "completed", "DialBridged": "false"},  # a mailbox, or a human who did not press 1
    ],
)
def test_a_caller_nobody_took_goes_back_to_the_ai_where_the_business_wants_it(params: dict[str, str]) -> None:
    desk = Desk(profiles=[TO_THE_AI])
    desk.opened(disposition=disposed("dial"))
    answer = dial_ended.handler(desk.context, call(**params))

    assert verbs(answer) == ["Connect"]
    record = desk.ledger.records[SID]
    assert (record.disposition, record.resumed) == (None, "no_answer")


def test_and_leaves_a_message_otherwise() -> None:
    desk = Desk()
    desk.opened(disposition=disposed("dial"))
    answer = dial_ended.handler(desk.context, call(DialCallStatus="completed", DialBridged="false"))
    assert verbs(answer) == ["Say", "Record", "Hangup"]


def test_a_caller_who_talked_to_the_human_is_hung_up_on() -> None:
    desk = Desk(profiles=[TO_THE_AI])
    desk.opened(disposition=disposed("dial"))
    assert verbs(dial_ended.handler(desk.context, call(DialCallStatus="completed", DialBridged="true"))) == ["Hangup"]


def test_a_call_that_may_not_go_back_again_ends_in_a_message() -> None:
    desk = Desk(profiles=[TO_THE_AI])
    desk.opened(disposition=disposed("dial"), ended_at="2026-01-01T12:00:00.000Z")
    assert verbs(dial_ended.handler(desk.context, call(DialCallStatus="no-answer"))) == ["Say", "Record", "Hangup"]


def test_a_caller_who_hangs_up_while_it_rings_ends_the_call() -> None:
    desk = Desk(profiles=[TO_THE_AI])
    desk.opened(disposition=disposed("dial"))
    dial_ended.handler(desk.context, call(CallStatus="completed", DialCallStatus="canceled"))
    ended = desk.ledger.written[-1].body
    assert isinstance(ended, CallEnded)


# --- messages ---

RECORDING = "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1"


def test_a_message_is_noted_and_the_caller_thanked() -> None:
    desk = Desk()
    desk.opened()
    answer = voicemail.handler(desk.context, call(RecordingUrl=RECORDING, RecordingDuration="7"))

    assert verbs(answer) == ["Say", "Hangup"]
    assert desk.ledger.records[SID].messages == (Message(recording_url=RECORDING, duration_s=7),)


def test_a_caller_who_hangs_up_after_the_tone_has_left_a_message_too() -> None:
    desk = Desk()
    desk.opened()
    voicemail.handler(desk.context, call(CallStatus="completed", RecordingUrl=RECORDING, RecordingDuration="3", Digits="hangup"))
    assert desk.ledger.records[SID].messages[0].duration_s == 3


@pytest.mark.parametrize("url", ["", "ftp://x/y", "javascript:alert(1)", "http://evil.example/x"])
def test_what_is_no_recording_is_not_noted(url: str) -> None:
    desk = Desk()
    desk.opened()
    assert verbs(voicemail.handler(desk.context, call(RecordingUrl=url))) == ["Say", "Hangup"]
    assert desk.ledger.records[SID].messages == ()


def test_a_store_that_is_away_does_not_keep_the_caller_from_being_thanked() -> None:
    assert verbs(voicemail.handler(Desk(ledger=BrokenLedger()).context, call(RecordingUrl=RECORDING))) == ["Say", "Hangup"]


def test_what_became_of_a_recording_is_noted() -> None:
    desk = Desk()
    desk.opened()
    told = call(RecordingUrl=RECORDING, RecordingStatus="completed", RecordingDuration="7")
    assert recording_status.handler(desk.context, told) == Response(204)
    assert desk.ledger.records[SID].messages[0].status == "completed"


def test_a_report_that_comes_before_the_action_is_not_taken_back_by_it() -> None:
    desk = Desk()
    desk.opened()
    recording_status.handler(desk.context, call(RecordingUrl=RECORDING, RecordingStatus="completed", RecordingDuration="7"))
    voicemail.handler(desk.context, call(RecordingUrl=RECORDING, RecordingDuration="7"))
    assert [(left.status, left.duration_s) for left in desk.ledger.records[SID].messages] == [("completed", 7)]

"""The AI, or the caller's finger, asks for a human."""

import json
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.handover import MAX_BRIEFING
from bridge.conversation.phases import Phase
from bridge.conversation.resumption import MAX_CHARS, MAX_LINES, HeardLine, Resumed, heard_in
from calls import events
from calls.business import BusinessProfile, Escalation, Tools
from calls.events import CallEvent, parse_timestamp
from calls.record import CallRecord
from tests.bridge.conversation.line import CALL, LINES, PROFILE, RECORD, STREAM, Line

HUMAN = "+15005550010"
STAFFED = msgspec.structs.replace(
    PROFILE, escalation=Escalation(to=HUMAN, announce="I'll get Dana."), tools=Tools(builtin=("escalate_to_human", "create_lead"))
)


def answers(line: Line) -> list[dict[str, Any]]:
    items = [event["item"] for event in line.sent_to_model if event.get("item", {}).get("type") == "function_call_output"]
    return [json.loads(item["output"]) for item in items]


def press(line: Line, digit: str) -> None:
    line.twilio({"event": "dtmf", "streamSid": STREAM, "dtmf": {"track": "inbound_track", "digit": digit}})


def asks_for_a_human(line: Line, says: str = "", **arguments: Any) -> None:
    line.turn_begins("u1")
    line.turn_ends("u1", 1000)
    line.caller_text("u1", "Can I talk to a person?")
    line.begin_speaking()
    if says:
        line.audio(600)
        line.text_done(says)
    line.call_tool("escalate_to_human", arguments)
    line.response_done()


def announced(line: Line) -> wanted.StoreDisposition:
    line.speak("I'll get Dana.", 800)
    line.play(900)
    (stored,) = line.wanted(wanted.StoreDisposition)
    assert isinstance(stored, wanted.StoreDisposition)
    return stored


def test_the_ai_hands_over_with_what_the_human_is_to_know() -> None:
    line = Line(STAFFED).greeted()
    asks_for_a_human(line, reason="wants a refund", summary="Noa's boiler was repaired twice. It leaks.")

    assert answers(line) == [{"ok": True}]
    assert line.events_of(events.TransferStarted) == [events.TransferStarted(to=HUMAN)]
    disposition = announced(line).disposition
    assert (disposition.action, disposition.to) == ("dial", HUMAN)
    assert disposition.briefing == "wants a refund. Noa's boiler was repaired twice. It leaks"


def test_what_the_ai_says_with_the_call_is_heard_before_the_announcement() -> None:
    line = Line(STAFFED).greeted()
    asks_for_a_human(line, says="Of course.", reason="asked", summary="")
    line.play(700)
    announced(line)

    assert [said.text for said in line.events_of(events.AgentTranscript)][-2:] == ["Of course.", "I'll get Dana."]


def test_the_key_0_puts_the_caller_through() -> None:
    line = Line(STAFFED).greeted()
    press(line, "0")

    assert line.phase is Phase.CLOSING
    assert announced(line).disposition.to == HUMAN
    assert line.events_of(events.Dtmf)


def test_the_key_0_does_not_cut_the_greeting() -> None:
    line = Line(STAFFED).requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(2000)
    press(line, "0")
    line.text_done("Hello, this is Acme.")
    line.response_done()
    line.play(2000)

    assert "clear" not in [message["event"] for message in line.sent_to_twilio]
    assert line.played_ms == 2000
    assert announced(line).disposition.action == "dial"


@pytest.mark.parametrize("digit", ["1", "9", "*", "#"])
def test_other_keys_do_nothing(digit: str) -> None:
    line = Line(STAFFED).greeted()
    press(line, digit)
    assert line.phase is Phase.CONVERSING


def test_a_second_0_is_the_same_wish() -> None:
    line = Line(STAFFED).greeted()
    press(line, "0")
    press(line, "0")
    assert len(line.events_of(events.TransferStarted)) == 1


def test_without_a_human_the_key_0_is_a_key_like_any_other() -> None:
    line = Line(PROFILE).greeted()
    press(line, "0")
    assert line.phase is Phase.CONVERSING


def test_an_ai_that_cannot_hand_over_is_told_why_and_goes_on() -> None:
    line = Line(STAFFED)
    line.connected()
    line.start()
    line.model_opens()
    line.do(given.StreamAccepted(msgspec.structs.replace(RECORD, channel="whatsapp"), STAFFED, LINES))
    line.session_updated()
    line.speak("Hello.", 500)
    line.play(600)
    creates = line.creates
    asks_for_a_human(line, reason="x", summary="y")

    assert "WhatsApp caller" in answers(line)[0]["error"]
    assert "Offer to take a message" in answers(line)[0]["error"]
    assert line.phase is Phase.CONVERSING
    assert line.creates == creates + 2  # the response that called, and the one that tells the caller


@pytest.mark.parametrize("arguments", [{}, {"reason": None}, {"reason": 5, "summary": ["x"]}, {"reason": "", "summary": "  "}])
def test_a_handover_without_usable_words_still_happens(arguments: dict[str, Any]) -> None:
    line = Line(STAFFED).greeted()
    asks_for_a_human(line, **arguments)
    assert announced(line).disposition.action == "dial"


def test_a_briefing_is_one_line_of_bounded_length() -> None:
    line = Line(STAFFED).greeted()
    asks_for_a_human(line, reason="a\nb", summary="שלום " * 500)

    briefing = announced(line).disposition.briefing
    assert briefing is not None
    assert len(briefing) == MAX_BRIEFING
    assert "\n" not in briefing


# --- back again ---------------------------------------------------------------------------------------------------------------


def resumed_line(why: Any, *heard: HeardLine, profile: BusinessProfile = STAFFED, record: CallRecord = RECORD) -> Line:
    line = Line(profile)
    line.connected()
    line.start()
    line.model_opens()
    line.do(given.StreamAccepted(record, profile, LINES, Resumed(why, heard, since_ms=9000)))
    return line


HEARD = (HeardLine("agent", "Hello."), HeardLine("caller", "My name is Noa."))


def test_a_caller_whom_no_human_took_is_told_so_by_an_ai_that_remembers() -> None:
    line = resumed_line("no_answer", *HEARD)

    assert line.sent_kinds()[:4] == ["session.update", "conversation.item.create", "response.create"]
    items = [event["item"] for event in line.sent_to_model if event["type"] == "conversation.item.create"]
    assert [(item["role"], item["content"][0]["type"]) for item in items] == [
        ("assistant", "output_text"),
        ("user", "input_text"),
        ("system", "input_text"),
    ]
    assert "nobody could take your call" in items[-1]["content"][0]["text"]


def test_a_resumed_call_has_no_second_greeting_on_its_record() -> None:
    line = resumed_line("lost", *HEARD)
    line.session_updated()
    line.wait(400)
    line.speak("Sorry, we were cut off.", 900)
    line.play(1000)

    assert [kind for kind in line.kinds if kind.startswith("greeting")] == []
    (resumed,) = line.events_of(events.CallResumed)
    assert resumed.ms == 9000 + 400
    assert line.phase is Phase.CONVERSING
    assert [said.text for said in line.events_of(events.AgentTranscript)] == ["Sorry, we were cut off."]


def test_what_was_heard_before_is_nobodys_new_line() -> None:
    line = resumed_line("lost", *HEARD)
    line.session_updated()
    for number, role in enumerate(("assistant", "user"), 1):
        item = {"id": f"fd_heard_{number}", "type": "message", "role": role}
        line.model({"type": "conversation.item.added", "previous_item_id": None, "item": item})
    line.speak("Sorry.", 300)
    line.play(400)

    assert line.events_of(events.CallerTranscript) == []
    assert len(line.events_of(events.AgentTranscript)) == 1


def test_of_a_long_conversation_the_end_is_remembered() -> None:
    at = parse_timestamp("2026-01-01T00:00:00.000Z")
    record = [CallEvent(CALL, n, at, events.CallerTranscript(item_id=f"u{n}", text=f"{n} " + "x" * 400)) for n in range(1, 200)]

    heard = heard_in(record)
    assert heard[-1].text.startswith("199 ")
    assert len(heard) <= MAX_LINES
    assert sum(len(line.text) for line in heard) <= MAX_CHARS

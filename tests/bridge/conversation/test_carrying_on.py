"""A further stream of a call: what the caller hears, what the model knows, and what is not done twice."""

import json
from typing import Any

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.phases import Phase
from bridge.conversation.resumption import Closing, DoneBefore, HeardLine, Resumed, Transfer
from calls import events
from calls.business import BusinessProfile, Escalation, HttpTool, Limits, Tools
from calls.language import ENGLISH, phrases_of
from calls.operator import Command
from tests.bridge.conversation.line import CALL, LINES, PROFILE, RECORD, Line

HUMAN = "+15005550010"
SHOP = msgspec.structs.replace(
    PROFILE,
    escalation=Escalation(to=HUMAN, announce="I'll get Dana."),
    tools=Tools(
        builtin=("create_lead", "send_sms", "end_call"),
        lead_fields=("name",),
        http=(HttpTool(name="weather", description="w", url="https://weather.example"),),
    ),
)
HEARD = (HeardLine("agent", "Hello."), HeardLine("caller", "Text me, please."), HeardLine("agent", "Certainly."))
ASKED = HEARD[:2]
SMS = DoneBefore("send_sms", '{"text": "Hi"}', ok=True)


def resumed_line(profile: BusinessProfile = SHOP, heard: tuple[HeardLine, ...] = HEARD, why: Any = "lost", **more: Any) -> Line:
    """Up to the moment when the model is asked for the first sentence."""
    line = Line(profile)
    line.connected()
    line.start()
    line.model_opens()
    line.do(given.StreamAccepted(RECORD, profile, LINES, Resumed(why, heard, since_ms=900, **more)))
    line.session_updated()
    return line


def first_heard(line: Line) -> Line:
    """The caller has heard the first sentence."""
    line.speak("Sorry.", 500)
    line.play(600)
    return line


def told(line: Line) -> list[str]:
    """What the model was told as instructions, in order."""
    items = [event["item"] for event in line.sent_to_model if event["type"] == "conversation.item.create"]
    return [item["content"][0]["text"] for item in items if item.get("role") == "system"]


def answers(line: Line) -> list[dict[str, Any]]:
    items = [event.get("item", {}) for event in line.sent_to_model]
    return [json.loads(item["output"]) for item in items if item.get("type") == "function_call_output"]


@pytest.mark.parametrize(
    ("heard", "more", "sentence"),
    [
        (HEARD, {}, ENGLISH.back_again),
        (ASKED, {"unanswered": 1}, ENGLISH.cut_off),
        (HEARD, {"cut_off": "Certainly."}, ENGLISH.cut_off),
        (HEARD, {"ending": Closing("farewell")}, ENGLISH.cut_off),
        (HEARD, {"why": "no_answer"}, ENGLISH.nobody_answered),
    ],
)
def test_a_caller_who_is_owed_something_is_not_asked_to_go_on(
    heard: tuple[HeardLine, ...], more: dict[str, Any], sentence: str
) -> None:
    assert f"“{sentence}”" in told(resumed_line(heard=heard, **more))[-1]


def test_a_caller_who_has_heard_nothing_is_greeted() -> None:
    line = resumed_line(heard=())
    assert f"“{PROFILE.greeting_text}”" in told(line)[-1]
    first_heard(line)
    assert [kind for kind in line.kinds if kind.startswith("greeting")] == []
    assert len(line.events_of(events.CallResumed)) == 1


@pytest.mark.parametrize("language", ["he", "es", "fr", "ar", "ru"])
def test_every_language_has_a_sentence_for_it(language: str) -> None:
    phrases = phrases_of(language)
    assert phrases.cut_off in phrases.back_again
    assert 0 < len(phrases.cut_off) < len(phrases.back_again)


def test_what_the_caller_said_last_is_answered_once_the_sentence_is_over() -> None:
    line = resumed_line(heard=ASKED, unanswered=1)
    assert line.creates == 1
    first_heard(line)
    assert line.creates == 2
    assert line.phase is Phase.CONVERSING


def test_what_is_to_be_answered_is_the_last_thing_the_model_is_told() -> None:
    line = resumed_line(heard=ASKED, unanswered=1)
    before = len(line.sent_to_model)
    assert "Text me, please." not in str(line.sent_to_model)
    first_heard(line)
    item, create = [event for event in line.sent_to_model[before:] if event["type"] != "input_audio_buffer.append"]
    assert (item["item"]["role"], item["item"]["content"][0]["text"]) == ("user", "Text me, please.")
    assert create["type"] == "response.create"


def test_a_caller_whose_turn_it_is_is_left_to_speak() -> None:
    assert first_heard(resumed_line()).creates == 1


def test_a_line_that_broke_off_goes_on_from_there() -> None:
    line = first_heard(resumed_line(cut_off="Certainly."))
    assert line.creates == 2
    assert "“Certainly.”" in told(line)[-1]


def test_a_caller_who_speaks_meanwhile_is_answered_once() -> None:
    line = resumed_line(heard=ASKED, unanswered=1)
    line.begin_speaking()
    line.audio(500)
    line.turn_begins("u9")
    line.turn_ends("u9", 2500)
    line.text_done("Sorry.")
    line.response_done()
    line.play(600)
    assert line.creates == 2


# --- what was done -----------------------------------------------------------------------------------------------------------


def test_a_tool_that_was_done_and_not_spoken_about_is_not_run_again() -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, tools=(SMS,)))
    assert any("send_sms" in text and "do not call it again" in text for text in told(line))
    line.begin_speaking()
    line.call_tool("send_sms", {"text": "Hi"})
    line.response_done()
    assert line.wanted(wanted.RunTool) == []
    assert answers(line) == [{"ok": True}]
    assert line.events_of(events.ToolCalled) == []


@pytest.mark.parametrize(
    ("before", "arguments"),
    [
        (DoneBefore("send_sms", '{"text": "Hi"}', ok=True, is_spoken_about=True), {"text": "Hi"}),
        (DoneBefore("send_sms", '{"text": "Hi"}', ok=False), {"text": "Hi"}),
        (SMS, {"text": "Something else"}),
    ],
)
def test_a_tool_is_run_that_is_wanted_anew(before: DoneBefore, arguments: dict[str, Any]) -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, tools=(before,)))
    line.begin_speaking()
    line.call_tool("send_sms", arguments)
    line.response_done()
    assert [tool.name for tool in line.wanted(wanted.RunTool)] == ["send_sms"]


@pytest.mark.parametrize("name", ["weather", "get_current_time"])
def test_what_only_looked_something_up_is_nothing_to_tell_of(name: str) -> None:
    line = resumed_line(tools=(DoneBefore(name, "{}", ok=True),))
    assert not any(name in text for text in told(line))


def test_a_tool_nobody_saw_answered_is_told_of_as_such() -> None:
    line = resumed_line(tools=(DoneBefore("send_sms", '{"text": "Hi"}', ok=None),))
    assert any("not known whether" in text for text in told(line))


def test_a_lead_is_captured_once_however_often_it_is_saved() -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, lead={"name": "Noa"}))
    assert any("name: Noa" in text for text in told(line))
    line.begin_speaking()
    line.call_tool("create_lead", {"name": "Noa"})
    line.response_done()
    assert answers(line) == [{"ok": True}]
    assert line.events_of(events.LeadCaptured) == []


def test_another_lead_is_another_lead() -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, lead={"name": "Noa"}))
    line.begin_speaking()
    line.call_tool("create_lead", {"name": "Dana"})
    line.response_done()
    assert line.events_of(events.LeadCaptured) == [events.LeadCaptured(fields={"name": "Dana"})]


def test_the_model_knows_of_appointments_and_of_what_operators_whispered() -> None:
    booked = events.AppointmentBooked(appointment_id="12345678", starts_at="2026-11-23T10:00:00+02:00", ends_at="", summary="Tea")
    texts = told(resumed_line(appointments=(booked,), whispers=("Offer 10 %.",)))
    assert any("12345678" in text and "2026-11-23T10:00" in text for text in texts)
    assert any("Offer 10 %." in text for text in texts)


def test_a_later_session_of_the_stream_knows_it_too() -> None:
    line = first_heard(resumed_line(lead={"name": "Noa"}, whispers=("Offer 10 %.",)))
    line.do(given.ModelClosed("gone"))
    line.wait(200)
    before = len(told(line))
    line.session = 1
    line.model_opens()
    again = told(line)[before:]
    assert any("name: Noa" in text for text in again)
    assert any("Offer 10 %." in text for text in again)


# --- where it stood ----------------------------------------------------------------------------------------------------------


def test_a_goodbye_that_broke_off_is_said_again_and_the_call_ended() -> None:
    line = first_heard(resumed_line(ending=Closing("farewell")))
    assert line.phase is Phase.CLOSING
    line.speak("Goodbye.", 500)
    line.play(600)
    line.wait(2000)
    (stored,) = line.wanted(wanted.StoreDisposition)
    assert (stored.disposition.action, stored.disposition.reason) == ("hang_up", "farewell")


def test_a_caller_who_has_more_to_say_is_not_said_goodbye_to() -> None:
    line = resumed_line(ending=Closing("farewell"))
    line.begin_speaking()
    line.audio(500)
    line.turn_begins("u9")
    line.turn_ends("u9", 3000)
    line.text_done("Sorry.")
    line.response_done()
    line.play(600)
    assert line.phase is Phase.CONVERSING
    assert line.creates == 2


def test_a_handover_that_broke_off_is_carried_out() -> None:
    line = first_heard(resumed_line(ending=Transfer(HUMAN)))
    assert line.events_of(events.TransferStarted) == [events.TransferStarted(to=HUMAN)]
    line.speak("I'll get Dana.", 500)
    line.play(600)
    (stored,) = line.wanted(wanted.StoreDisposition)
    assert (stored.disposition.action, stored.disposition.to) == ("dial", HUMAN)


def test_a_handover_to_nobody_who_can_be_dialled_is_not_tried() -> None:
    assert first_heard(resumed_line(ending=Transfer("nobody"))).phase is Phase.CONVERSING


def test_a_lead_that_ended_the_call_still_does() -> None:
    line = first_heard(resumed_line(heard=ASKED, lead={"name": "Noa"}, decided="lead_captured"))
    line.speak("Thank you, Noa.", 500)
    line.play(600)
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["lead_captured"]


def test_an_ai_that_was_told_to_be_silent_says_the_sentence_and_no_more() -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, muted_for_ms=119_000.0))
    assert line.creates == 1
    line.wait(1500)
    assert line.creates == 2  # two minutes after the operator's last word it speaks again
    assert [command.action for command in line.events_of(events.OperatorCommand)] == ["unmute"]


def test_an_operator_may_have_a_muted_ai_speak_again() -> None:
    line = first_heard(resumed_line(heard=ASKED, unanswered=1, muted_for_ms=0.0))
    line.do(given.OperatorActs("dana", Command(call_sid=CALL, action="unmute")))
    assert line.creates == 2


def test_the_longest_call_is_as_long_over_all_its_streams() -> None:
    brief = msgspec.structs.replace(SHOP, limits=Limits(max_call_s=60))
    line = first_heard(resumed_line(brief, has_lasted_ms=50_000.0))
    line.wait(10_000)
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["max_duration"]


def test_a_silent_caller_who_was_asked_twice_is_not_asked_a_third_time() -> None:
    line = first_heard(resumed_line(prompts=2))
    line.wait(SHOP.limits.silence_s * 1000 + 1000)
    assert [closing.reason for closing in line.events_of(events.ClosingStarted)] == ["silence"]


def test_a_process_that_goes_leaves_the_stream_to_be_carried_on() -> None:
    line = first_heard(resumed_line())
    line.do(given.Draining())
    (closed,) = line.wanted(wanted.CloseStream)
    (released,) = line.wanted(wanted.Release)
    assert (closed.code, released.end_reason) == (1001, None)
    assert line.wanted(wanted.StoreDisposition) == []

"""Which session of the model a call is on, and how another one takes its place."""

from base64 import b64decode, b64encode
from itertools import pairwise

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.model_leg import GIVE_UP_MS, ONE_MOMENT_MS, rest_of
from bridge.conversation.phases import Phase
from calls import events
from calls.business import HttpTool, Limits, Tools
from calls.operator import Command
from tests.bridge.conversation.line import CALL, LINES, LOUDNESS_CODES, PROFILE, VOICEMAIL, Line

SPEECH_20_MS = b64encode(bytes([LOUDNESS_CODES[3000]]) * 160).decode()
SHOP = msgspec.structs.replace(
    PROFILE,
    tools=Tools(
        builtin=("create_lead", "end_call"),
        lead_fields=("name",),
        http=(HttpTool(name="weather", description="Weather", url="https://w.example"),),
    ),
)
ONE_MOMENT = LINES["one_moment"].text


def asked(line: Line, item: str = "c1", text: str | None = "Do you sell tea?") -> Line:
    """The caller has asked something, and a reply is on its way."""
    line.turn_begins(item, 1000)
    line.turn_ends(item, 3000)
    if text is not None:
        line.caller_text(item, text)
    return line


def told_since(line: Line, sent: int) -> list[tuple[str, str]]:
    """Who said what, as a new session is told, and what it is to do."""
    items = [event["item"] for event in line.sent_to_model[sent:] if event["type"] == "conversation.item.create"]
    return [(item["role"], item["content"][0]["text"]) for item in items if item["type"] == "message"]


def lines_said(line: Line) -> list[str]:
    return [body.text for body in line.events_of(events.AgentTranscript)]


def opens(line: Line) -> list[int]:
    return [output.session for output in line.wanted(wanted.OpenModel)]


# --- from one session to the next ---


def test_another_session_is_opened_at_once_and_is_told_what_was_heard_before_it_hears_the_caller() -> None:
    line = Line().greeted("Hello.")
    asked(line).speak("We do.", 600)
    line.play(600)
    line.model_closes()
    assert opens(line) == [1]
    sent = len(line.sent_to_model)
    line.media(SPEECH_20_MS)
    assert line.sent_to_model[sent:] == []
    line.model_is_replaced()
    kinds = [event["type"] for event in line.sent_to_model[sent:]]
    assert kinds == ["session.update", *["conversation.item.create"] * 3, "input_audio_buffer.append"]
    assert told_since(line, sent) == [("assistant", "Hello."), ("user", "Do you sell tea?"), ("assistant", "We do.")]
    assert line.wanted(wanted.UseModel) == [wanted.UseModel(1)]
    assert line.sent_to_model[0] == line.sent_to_model[sent]


def test_the_loss_and_the_return_are_on_the_record_with_the_time_between() -> None:
    line = Line().greeted()
    line.model_closes("gone")
    line.model_is_replaced(after_ms=730)
    assert line.events_of(events.ModelLost) == [events.ModelLost(reason="gone")]
    assert line.events_of(events.ModelResumed) == [events.ModelResumed(ms=730)]


def test_nobody_is_spoken_to_who_does_not_wait_for_an_answer() -> None:
    line = Line().greeted()
    creates = line.creates
    line.model_closes()
    line.model_is_replaced()
    assert line.creates == creates


def test_what_is_playing_plays_on_and_is_not_shortened_in_a_session_that_does_not_know_it() -> None:
    line = asked(Line().greeted())
    line.speak("one two three four", 4000)
    line.model_closes()
    line.model_is_replaced()
    assert not any(message["event"] == "clear" for message in line.sent_to_twilio)
    line.play(1000)
    line.loud(400)
    assert len(line.events_of(events.BargeInCut)) == 1
    assert not any(event["type"] == "conversation.item.truncate" for event in line.sent_to_model)
    assert "“one”" in told_since(line, 0)[-1][1]  # it was told of all four words


def test_a_noise_that_cut_the_ai_while_the_model_is_away_is_gone_on_after_once_it_is_back() -> None:
    line = asked(Line().greeted())
    line.speak("one two three four", 8000)
    line.quiet(2500)
    line.model_closes()
    line.loud(400)
    assert len(line.events_of(events.BargeInCut)) == 1
    line.wait(3000)
    assert line.events_of(events.BargeInResumed) == []
    line.session = 1
    line.model_opens()
    line.session_updated()
    line.wait(2100)
    assert len(line.events_of(events.BargeInResumed)) == 1


def test_what_the_lost_session_still_says_is_nobody_s() -> None:
    line = asked(Line().greeted())
    line.begin_speaking()
    line.model_closes()
    played_ms = line.played_ms
    line.audio(400)  # from the old session
    line.model_is_replaced()
    line.session, late = 0, line.session
    line.audio(400)
    line.response_done()
    line.model({"type": "error", "error": {"code": "session_expired"}})
    line.model_closes()
    line.session = late
    assert line.played_ms == played_ms
    assert len(line.events_of(events.ModelLost)) == 1


def test_usage_is_counted_over_all_sessions() -> None:
    usage = {"output_token_details": {"text_tokens": 5}}
    line = asked(Line().greeted())
    line.begin_speaking()
    line.audio(200)
    line.text_done("Yes.")
    line.response_done(usage=usage)
    line.model_closes()
    line.model_is_replaced()
    asked(line, "c2")
    line.begin_speaking()
    line.audio(200)
    line.response_done(usage=usage)
    line.stop()
    assert line.wanted(wanted.Release)[0].usage == {"output_text": 10}


# --- who waits for an answer gets it ---


def test_an_answer_of_which_nothing_was_heard_is_asked_for_again() -> None:
    line = asked(Line().greeted())
    line.begin_speaking()
    sent, creates = len(line.sent_to_model), line.creates
    line.model_closes()
    line.model_is_replaced()
    assert told_since(line, sent)[-1] == ("user", "Do you sell tea?")
    assert line.creates == creates + 1


def test_an_answer_that_breaks_off_is_gone_on_with_behind_what_is_playing() -> None:
    line = asked(Line().greeted("Hello.", 360))
    line.begin_speaking()
    line.model(
        {"type": "response.output_audio_transcript.delta", "response_id": line.current_response} | item_of(line, "one two three")
    )
    line.audio(480)  # at 60 ms a character as much as “one two ”
    sent = len(line.sent_to_model)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    *_, spoken, instruction = told_since(line, sent)
    assert spoken == ("assistant", "one two")
    assert instruction[0] == "system"
    assert "“one two”" in instruction[1]
    line.speak("three four", 500)
    line.play(1200)
    assert lines_said(line) == ["Hello.", "one two", "three four"]


def item_of(line: Line, delta: str) -> dict[str, str]:
    return {"item_id": line.current_item, "delta": delta}


def test_an_answer_that_was_spoken_in_full_is_not_asked_for_again_although_the_model_never_said_that_it_was_done() -> None:
    line = asked(Line().greeted())
    line.begin_speaking()
    line.audio(600)
    line.text_done("We do.")
    creates = line.creates
    line.model_closes()
    line.model_is_replaced()
    assert line.creates == creates


def test_a_turn_nobody_has_written_down_is_heard_again_from_its_first_sound() -> None:
    line = Line().greeted()
    heard_ms = line.core.ear.recent._end / 8
    for _ in range(10):
        line.media(SPEECH_20_MS)
    line.turn_begins("c1", heard_ms)
    for _ in range(90):
        line.media(SPEECH_20_MS)
    sent, creates = len(line.sent_to_model), line.creates
    line.model_closes()
    line.media(SPEECH_20_MS)
    line.model_is_replaced(after_ms=300)
    again = [b64decode(event["audio"]) for event in line.sent_to_model[sent:] if event["type"] == "input_audio_buffer.append"]
    assert b"".join(again) == b64decode(SPEECH_20_MS) * 101
    assert line.creates == creates
    line.turn_begins("d1", 0)
    line.turn_ends("d1", 2000)
    assert line.creates == creates + 1
    line.caller_text("d1", "Do you sell tea?")
    line.speak("We do.", 500)
    line.play(500)
    assert [body.text for body in line.events_of(events.CallerTranscript)] == ["Do you sell tea?"]


def test_a_turn_that_is_not_heard_again_is_asked_for() -> None:
    line = asked(Line().greeted(), text=None)
    line.media(SPEECH_20_MS)
    line.turn_begins("c2", 0)
    line.media(SPEECH_20_MS)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    creates = line.creates
    line.wait(1600)
    assert line.creates == creates + 1


def test_a_greeting_of_which_nothing_was_heard_is_asked_for_again_and_one_that_was_is_not() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    sent = len(line.sent_to_model)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    (request,) = told_since(line, sent)
    assert request[0] == "user"
    assert PROFILE.greeting_text in request[1]
    assert len(line.events_of(events.GreetingRequested)) == 1
    line.speak(PROFILE.greeting_text, 1000)
    sent = len(line.sent_to_model)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    assert told_since(line, sent) == [("assistant", PROFILE.greeting_text)]
    line.play(1000)
    assert line.phase is Phase.CONVERSING
    assert lines_said(line) == [PROFILE.greeting_text]


def test_the_rest_of_a_greeting_that_breaks_off_is_said_word_for_word_and_stays_protected() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.model(
        {"type": "response.output_audio_transcript.delta", "response_id": line.current_response}
        | item_of(line, "Hello, this is Acme")
    )
    line.audio(14 * 60 + 30)
    sent = len(line.sent_to_model)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    *_, spoken, instruction = told_since(line, sent)
    assert spoken == ("assistant", "Hello, this is")
    assert "“Acme, how can I help you?”" in instruction[1]
    line.loud(600)
    assert line.events_of(events.BargeInTriggered) == []
    line.speak("Acme, how can I help you?", 900)
    line.play(3000)
    assert line.phase is Phase.CONVERSING


def test_a_greeting_whose_last_word_had_come_is_not_gone_on_with() -> None:
    """The model had only not said yet that this was all."""
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.model(
        {"type": "response.output_audio_transcript.delta", "response_id": line.current_response}
        | item_of(line, PROFILE.greeting_text)
    )
    line.audio(len(PROFILE.greeting_text) * 60)
    sent = len(line.sent_to_model)
    line.model_closes()
    line.model_is_replaced(after_ms=100)
    assert told_since(line, sent) == [("assistant", PROFILE.greeting_text)]
    line.play(5000)
    assert line.phase is Phase.CONVERSING
    assert lines_said(line) == [PROFILE.greeting_text]


# --- tools ---


def test_what_a_tool_answers_while_the_model_is_away_is_told_to_the_next_session() -> None:
    line = asked(Line(SHOP).greeted())
    line.begin_speaking()
    line.call_tool("weather", {"city": "Haifa"})
    line.response_done()
    line.model_closes()
    line.do(given.ToolFinished("call_1", '{"sky": "clear"}', ok=True))
    sent, creates = len(line.sent_to_model), line.creates
    line.model_is_replaced()
    assert any('{"sky": "clear"}' in text for role, text in told_since(line, sent) if role == "system")
    assert line.creates == creates + 1


def test_what_a_tool_answers_after_the_return_is_told_then_and_spoken_about_once() -> None:
    line = asked(Line(SHOP).greeted())
    line.begin_speaking()
    line.call_tool("weather", {"city": "Haifa"})
    line.model_closes()
    line.model_is_replaced()
    sent, creates = len(line.sent_to_model), line.creates
    line.do(given.ToolFinished("call_1", '{"sky": "clear"}', ok=True))
    assert [role for role, _ in told_since(line, sent)] == ["system"]
    assert line.creates == creates + 1
    assert not any(event.get("item", {}).get("type") == "function_call_output" for event in line.sent_to_model)


@pytest.mark.parametrize("answered_first", [True, False])
def test_a_tool_that_the_next_session_calls_again_is_not_run_again(*, answered_first: bool) -> None:
    line = asked(Line(SHOP).greeted())
    line.begin_speaking()
    line.call_tool("weather", {"city": "Haifa"})
    line.response_done()
    line.model_closes()
    answer = given.ToolFinished("call_1", '{"sky": "clear"}', ok=True)
    if answered_first:
        line.do(answer)
    line.model_is_replaced()
    line.begin_speaking()
    line.call_tool("weather", {"city": "Haifa"}, call="call_2")
    line.response_done()
    if not answered_first:
        line.do(answer)
    assert len(line.wanted(wanted.RunTool)) == 1
    assert len(line.events_of(events.ToolCalled)) == len(line.events_of(events.ToolFinished)) == 1
    outputs = [e["item"] for e in line.sent_to_model if e.get("item", {}).get("type") == "function_call_output"]
    assert [(item["call_id"], item["output"]) for item in outputs] == [("call_2", '{"sky": "clear"}')]


# --- how long it may take ---


def test_a_caller_who_hears_nothing_is_told_so_after_a_second_and_a_half_and_once() -> None:
    line = asked(Line().greeted())
    line.model_closes()
    line.wait(ONE_MOMENT_MS - 1)
    assert line.core.voice.is_audible() is False
    line.wait(2)
    assert line.core.voice.is_audible()
    line.wait(2000)
    line.echo_marks()
    assert lines_said(line).count(ONE_MOMENT) == 1


def test_a_caller_who_is_still_listening_is_not_kept_waiting_yet() -> None:
    line = asked(Line().greeted())
    line.speak("one two three four", 3000)
    played_ms = line.played_ms
    line.model_closes()
    line.wait(3000 + ONE_MOMENT_MS - 1)
    assert line.played_ms == played_ms


def test_without_the_model_for_six_seconds_the_caller_gets_the_apology_and_the_fallback() -> None:
    line = asked(Line(VOICEMAIL).greeted())
    line.model_closes()
    line.wait(GIVE_UP_MS - 1)
    assert line.phase is Phase.CONVERSING
    line.wait(2)
    assert line.phase is Phase.CLOSING
    line.wait(1200)
    line.echo_marks()
    assert lines_said(line)[-1] == LINES["apology"].text
    assert [stored.disposition.action for stored in line.wanted(wanted.StoreDisposition)] == ["voicemail"]


def test_attempts_are_made_ever_more_seldom_and_each_call_s_at_other_moments() -> None:
    def attempts(chance: float) -> list[float]:
        line = Line()
        line.chance = chance
        line.greeted()
        line.model_closes()
        while line.phase is not Phase.CLOSING:
            line.wait(5)
            if line.session != opens(line)[-1:]:
                line.session = opens(line)[-1] if opens(line) else 0
                line.model_closes("refused")
        return [round(at) for at, output in line.outputs if isinstance(output, wanted.OpenModel)]

    first, second = attempts(0.1), attempts(0.9)
    assert first != second
    for at in (first, second):
        gaps = [later - sooner for sooner, later in pairwise(at)]
        assert 4 <= len(at) <= 8
        assert sum(gaps[2:]) > 3 * gaps[0]
        assert at[-1] - at[0] < GIVE_UP_MS


def test_where_another_session_would_fare_no_better_nobody_waits_for_one() -> None:
    line = Line(VOICEMAIL).greeted()
    line.model_closes("the handshake was refused with HTTP 401", hopeless=True)
    assert opens(line) == []
    assert line.phase is Phase.CLOSING


@pytest.mark.parametrize("code", ["invalid_api_key", "insufficient_quota", "model_not_found"])
def test_an_account_or_a_configuration_at_fault_is_told_from_a_session_that_is_over(code: str) -> None:
    line = Line().greeted()
    line.model({"type": "error", "error": {"code": code}})
    assert (opens(line), line.phase) == ([], Phase.CLOSING)
    line = Line().greeted()
    line.model({"type": "error", "error": {"code": "session_expired"}})
    assert (opens(line), line.phase) == ([1], Phase.CONVERSING)


def test_sessions_that_come_to_nothing_are_not_tried_for_ever() -> None:
    line = Line().greeted()
    asked(line)
    line.model_closes()
    for _ in range(10):
        if line.phase is not Phase.CONVERSING:
            break
        line.model_is_replaced(after_ms=700)
        line.model_closes()
    assert line.phase is Phase.CLOSING
    assert len(opens(line)) <= 4


def test_a_session_that_opens_late_is_used_although_another_one_was_asked_for_meanwhile() -> None:
    line = Line().greeted()
    line.model_closes()
    line.wait(3001)
    line.wait(500)
    assert opens(line) == [1, 2]
    line.session = 1
    line.model_opens()
    line.session_updated()
    assert line.wanted(wanted.UseModel) == [wanted.UseModel(1)]
    assert len(line.events_of(events.ModelResumed)) == 1


def test_a_model_lost_in_the_last_words_is_not_replaced() -> None:
    line = asked(Line().greeted(), text="no thanks")
    line.model_closes()
    assert line.phase is Phase.CLOSING
    assert opens(line) == []


def test_what_an_operator_whispered_is_told_to_every_session() -> None:
    line = Line().greeted()
    line.do(given.OperatorActs("dana", Command(call_sid=CALL, action="whisper", text="Offer the red one.")))
    sent = len(line.sent_to_model)
    line.model_closes()
    line.do(given.OperatorActs("dana", Command(call_sid=CALL, action="whisper", text="Or the blue one.")))
    line.model_is_replaced()
    told = " ".join(text for role, text in told_since(line, sent) if role == "system")
    assert "Offer the red one." in told
    assert "Or the blue one." in told


# --- in the same session ---


def test_a_response_that_ends_in_the_middle_is_gone_on_with_once() -> None:
    line = asked(Line().greeted("Hello.", 360))
    line.begin_speaking()
    line.audio(480)
    line.text_done("one two")
    sent, creates = len(line.sent_to_model), line.creates
    line.response_done("incomplete", status_details={"reason": "max_output_tokens"})
    ((role, instruction),) = told_since(line, sent)
    assert role == "system"
    assert "“one two”" in instruction
    assert line.creates == creates + 1
    line.begin_speaking()
    line.audio(480)
    line.response_done("incomplete", status_details={"reason": "max_output_tokens"})
    assert line.creates == creates + 1
    assert opens(line) == []


# --- before the sixty minutes are over ---


def aged(line: Line, minutes: float) -> Line:
    line.connected()
    line.start()
    line.model_opens(age_ms=minutes * 60_000)
    line.accept()
    line.session_updated()
    line.speak("Hello.", 1000)
    line.wait(1000)
    line.echo_marks()
    return line


def test_a_session_that_is_getting_old_is_replaced_in_a_pause_without_a_gap() -> None:
    line = aged(Line(), 49.99)
    assert opens(line) == []
    line.wait(1000)
    assert opens(line) == [1]
    line.media()
    assert line.sent_to_model[-1]["type"] == "input_audio_buffer.append"  # still the old one's
    assert line.wanted(wanted.UseModel) == []
    line.model_is_replaced(after_ms=200)
    assert line.wanted(wanted.UseModel) == [wanted.UseModel(1)]
    assert line.events_of(events.ModelLost) == []
    assert line.events_of(events.ModelResumed) == [events.ModelResumed(ms=0)]


def test_nobody_is_interrupted_for_it() -> None:
    line = aged(Line(), 49.99)
    line.turn_begins("c1", 0)
    line.wait(3000)
    assert opens(line) == []
    line.turn_ends("c1", 2000)
    line.speak("one two three four", 2000)
    line.wait(1000)
    assert opens(line) == []
    line.wait(1500)
    line.echo_marks()
    line.wait(300)
    assert opens(line) == [1]


def test_a_session_that_could_not_be_had_for_it_is_tried_again_later() -> None:
    line = aged(Line(msgspec.structs.replace(PROFILE, limits=Limits(silence_s=120))), 51)
    line.wait(300)
    line.session = 1
    line.model_closes("refused")
    line.wait(29_000)
    assert opens(line) == [1]
    line.wait(1500)
    assert opens(line) == [1, 2]
    assert line.events_of(events.ModelLost) == []


def test_the_session_that_was_to_be_next_takes_over_at_once_when_the_old_one_is_lost() -> None:
    line = aged(Line(), 51)
    line.wait(300)
    line.turn_begins("c1", 0)
    line.do(given.ModelOpened(40, session=1))
    line.session = 0
    line.model_closes()
    assert opens(line) == [1]
    assert line.wanted(wanted.UseModel) == [wanted.UseModel(1)]


@pytest.mark.parametrize(
    ("whole", "heard", "rest"),
    [
        ("one two three", "one two", "three"),
        ("one two", "one two", ""),
        ("one two", "two", ""),
        ("שלום לכם", "שלום", "לכם"),
        ("a", "", "a"),
    ],
)
def test_the_rest_of_a_text_is_what_follows_the_words_that_were_heard(whole: str, heard: str, rest: str) -> None:
    assert rest_of(whole, heard) == rest

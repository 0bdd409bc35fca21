"""The greeting: asked for at once, heard whole, and nothing said over it is lost."""

from base64 import b64decode, b64encode

import msgspec
import pytest

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.model_messages import GREETING_ITEM_ID
from bridge.conversation.phases import Phase
from calls import events
from calls.business import BusinessProfile, Tools, Turns
from tests.bridge.conversation.line import PROFILE, Line, mulaw

SEMANTIC = msgspec.structs.replace(PROFILE, turns=Turns(detector="semantic_vad"))


def test_the_model_is_sent_session_item_create_in_this_order_before_any_audio() -> None:
    line = Line()
    line.connected()
    line.start()
    line.media()
    line.media()
    line.model_opens()
    line.accept()
    line.media()
    assert line.sent_kinds() == ["session.update", "conversation.item.create", "response.create", "input_audio_buffer.append"]
    heard = [b64decode(event["audio"]) for event in line.sent_to_model if event["type"] == "input_audio_buffer.append"]
    assert [len(audio) for audio in heard] == [320, 160]  # what was held goes in one event


def test_the_greeting_is_requested_whichever_of_model_and_token_comes_last() -> None:
    model_first, token_first = Line(), Line()
    for line in (model_first, token_first):
        line.connected()
        line.start()
    model_first.model_opens()
    model_first.accept()
    token_first.accept()
    token_first.model_opens()
    assert model_first.sent_kinds() == token_first.sent_kinds() != []


def test_nothing_is_sent_to_the_model_before_the_token_checks_out() -> None:
    line = Line()
    line.connected()
    line.model_opens()
    line.start()
    for _ in range(10):
        line.media()
    assert line.sent_to_model == []
    assert [output.token for output in line.wanted(wanted.CheckToken)] == ["t0ken"]


@pytest.mark.parametrize("reason", ["missing", "forged", "expired", "replayed", "wrong_call", "store_unavailable"])
def test_a_refused_token_ends_the_stream_and_spends_nothing(reason: str) -> None:
    line = Line()
    line.connected()
    line.model_opens()
    line.start()
    line.do(given.StreamRefused(reason))
    assert line.phase is Phase.ENDED
    assert line.sent_to_model == []
    assert line.events == []
    assert line.wanted(wanted.CloseModel)
    assert line.wanted(wanted.CloseStream) == [wanted.CloseStream(1008)]
    assert line.wanted(wanted.Release) == []
    assert wanted.Log("stream_refused", reason) in line.wanted(wanted.Log)


def test_caller_audio_from_before_the_gate_follows_in_order_and_at_most_five_seconds_of_it() -> None:
    line = Line()
    line.connected()
    line.start()
    audio = [b64encode(f"{number:03d}".encode().ljust(160, b"\xff")).decode() for number in range(300)]
    for payload in audio:
        line.media(payload)
    line.model_opens()
    line.accept()
    line.media(audio[0])
    sent = [b64decode(event["audio"]) for event in line.sent_to_model if event["type"] == "input_audio_buffer.append"]
    assert b"".join(sent) == b"".join(map(b64decode, [*audio[-250:], audio[0]]))


def test_the_greeting_request_is_a_user_item_that_quotes_the_greeting_word_for_word() -> None:
    line = Line(msgspec.structs.replace(PROFILE, greeting=msgspec.structs.replace(PROFILE.greeting, text='Hi, "{name}" here')))
    line.requested()
    item = line.sent_to_model[1]["item"]
    assert (item["role"], item["id"]) == ("user", GREETING_ITEM_ID)
    assert '“Hi, "Acme" here”' in item["content"][0]["text"]
    assert line.sent_to_model[2] == {"type": "response.create"}


def test_latency_is_counted_from_start_to_the_first_audio_sent() -> None:
    line = Line()
    line.connected()
    line.wait(100)
    line.start()
    line.wait(30)
    line.model_opens()
    line.accept()
    line.session_updated()
    line.wait(520)
    line.begin_speaking()
    line.audio(300)
    line.audio(300)
    assert line.events_of(events.GreetingFirstAudio) == [events.GreetingFirstAudio(latency_ms=550)]


def test_the_greeting_is_over_when_its_text_its_response_and_its_last_mark_are_in() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(600, deltas=2)
    line.wait(600)
    line.echo_marks()
    assert line.phase is Phase.GREETING  # its text is not done, so there may be more
    line.text_done("Hello.")
    assert line.phase is Phase.GREETING  # the response may hold a second message
    line.response_done()
    assert line.phase is Phase.CONVERSING
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=600)]


def test_audio_of_the_greeting_that_comes_after_its_end_is_not_cut_either() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.text_done("Hello there.")  # ahead of its audio
    line.audio(400)
    line.wait(400)
    line.echo_marks()
    line.wait(2000)
    assert line.phase is Phase.CONVERSING  # the model never said that the response is done
    line.audio(2000)
    line.loud(600)
    assert line.events_of(events.BargeInTriggered) == []
    line.response_done()
    line.play(2000)
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("Yes?", 3000)
    line.loud(300)
    assert len(line.events_of(events.BargeInCut)) == 1


def test_the_greeting_waits_for_its_last_mark() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello there.", 600, deltas=2)
    line.wait(600)
    for name in line.marks_sent[:-1]:
        line.mark(name)
    assert line.phase is Phase.GREETING
    line.mark(line.marks_sent[-1])
    assert line.phase is Phase.CONVERSING


@pytest.mark.parametrize("kind", ["response.output_audio_transcript.done", "response.audio_transcript.done"])
def test_either_name_of_transcript_done_completes_the_greeting(kind: str) -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(400)
    line.text_done("Hello.", kind)
    line.response_done()
    line.wait(400)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING


def test_a_lost_mark_ends_the_greeting_two_seconds_after_its_audio() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 1000)
    line.wait(2999)
    assert line.phase is Phase.GREETING
    line.wait(2)
    assert line.phase is Phase.CONVERSING


def test_a_greeting_whose_text_never_comes_ends_two_seconds_after_its_audio() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.audio(1000)
    line.response_done()
    line.wait(1000)
    line.echo_marks()
    assert line.phase is Phase.GREETING
    line.wait(2001)
    assert line.phase is Phase.CONVERSING


# --- what the caller says meanwhile: (speech in ms, answered?) ---


@pytest.mark.parametrize(("speech_ms", "answered"), [(250, False), (699, False), (700, True), (2500, True)])
def test_a_turn_over_the_greeting_is_answered_once_if_substantial(speech_ms: int, answered: bool) -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 5000)
    line.turn_begins("item_c1", 1000)
    line.turn_ends("item_c1", 1000 + 300 + speech_ms + 500)
    line.caller_text("item_c1", "hello?")
    assert line.creates == 1
    line.wait(5000)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING
    assert line.creates == (2 if answered else 1)
    line.wait(5000)
    assert line.creates == (2 if answered else 1)


def test_several_turns_over_the_greeting_are_answered_by_one_reply() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 8000)
    for number, begin_ms in enumerate((500, 3000)):
        line.turn_begins(f"item_c{number}", begin_ms)
        line.turn_ends(f"item_c{number}", begin_ms + 1800)
    line.wait(8000)
    line.echo_marks()
    assert line.creates == 2


def test_a_turn_still_open_when_the_greeting_ends_is_answered_at_its_own_commit() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 2000)
    line.turn_begins("item_c1", 200)
    line.turn_ends("item_c1", 2200)  # substantial, but the caller goes on
    line.turn_begins("item_c2", 2300)
    line.wait(2000)
    line.echo_marks()
    assert line.creates == 1
    line.turn_ends("item_c2", 3800)
    assert line.creates == 2


def test_with_semantic_detection_the_bridge_counts_voiced_audio_itself() -> None:
    def answered(voiced_frames: int, profile: BusinessProfile) -> bool:
        line = Line(profile).requested()
        line.session_updated()
        line.speak("Hello.", 5000)
        line.turn_begins("item_c1", 0)
        for _ in range(voiced_frames):
            line.media(mulaw(20))  # 0x00 is the loudest code
        for _ in range(100):
            line.media()
        line.turn_ends("item_c1", 9999)
        line.wait(5000)
        line.echo_marks()
        return line.creates == 2

    assert answered(34, SEMANTIC) is False
    assert answered(35, SEMANTIC) is True


# --- formats ---


def test_audio_waits_for_session_updated_and_then_follows_whole() -> None:
    line = Line().requested()
    line.speak("Hello.", 900, deltas=3)
    assert line.played_ms == 0
    line.session_updated()
    assert line.played_ms == 900
    line.wait(900)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING


def test_a_model_that_wants_other_formats_is_never_piped_to_the_phone() -> None:
    line = Line().requested()
    line.begin_speaking()
    line.audio(300)
    line.session_updated(output="audio/pcm")
    assert line.events_of(events.ModelLost) == [events.ModelLost(reason="audio_format")]
    assert line.played_ms == 1000  # the apology alone
    assert line.wanted(wanted.CloseModel)


def refused(line: Line, code: str | None) -> None:
    line.model({"type": "error", "error": {"type": "invalid_request_error", "code": code, "message": "no"}})


@pytest.mark.parametrize("code", ["unknown_parameter", "invalid_value", "missing_required_parameter", "invalid_event"])
def test_a_configuration_that_is_refused_for_what_it_is_would_be_refused_again(code: str) -> None:
    line = Line().requested()
    refused(line, code)
    assert line.phase is Phase.CLOSING
    assert len(line.events_of(events.ErrorHappened)) == 1
    assert line.wanted(wanted.OpenModel) == []


@pytest.mark.parametrize("code", [None, "some_new_code", "server_error"])
def test_any_other_refusal_before_session_updated_ends_that_session(code: str | None) -> None:
    line = Line().requested()
    refused(line, code)
    assert line.phase is Phase.GREETING
    assert line.wanted(wanted.OpenModel) == [wanted.OpenModel(1)]
    assert len(line.events_of(events.ModelLost)) == 1


def test_a_session_that_is_never_confirmed_is_given_up_after_six_seconds() -> None:
    line = Line().requested()
    line.begin_speaking()
    line.audio(300)
    line.response_done()
    line.wait(6001)
    assert [lost.reason for lost in line.events_of(events.ModelLost)] == ["session_not_confirmed"]


# --- greetings that come to nothing ---


def test_a_greeting_that_only_calls_a_tool_is_asked_for_once_more() -> None:
    line = Line(msgspec.structs.replace(PROFILE, tools=Tools(builtin=("get_current_time",)))).requested()
    line.session_updated()
    line.begin_speaking()
    line.call_tool("get_current_time", {})
    line.response_done()
    assert line.creates == 1  # not before the tool has answered
    line.do(given.ToolFinished("call_1", "{}", ok=True))
    assert line.creates == 2
    line.begin_speaking()
    line.response_done()
    assert [lost.reason for lost in line.events_of(events.ModelLost)] == ["no_audio: completed"]  # twice nothing


def test_a_greeting_that_the_model_cancels_by_itself_is_asked_for_once_more() -> None:
    line = Line().requested()
    line.session_updated()
    line.begin_speaking()
    line.response_done("cancelled")
    assert line.creates == 2
    line.speak("Hello.", 500)
    line.wait(500)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING


def test_a_goodbye_said_over_the_greeting_ends_the_call_once_the_greeting_was_heard() -> None:
    line = Line().requested()
    line.session_updated()
    line.speak("Hello.", 2500)
    line.turn_begins("c1", 0)
    line.turn_ends("c1", 2500)
    line.caller_text("c1", "no thanks, I'm not interested")
    assert line.phase is Phase.GREETING
    line.wait(2500)
    line.echo_marks()
    assert [closing.phrase for closing in line.events_of(events.ClosingStarted)] == ["no thanks"]
    assert line.creates == 2  # the closing, and no reply


def test_a_second_message_of_the_greeting_is_protected_and_the_reply_behind_it_is_not() -> None:
    line = Line().requested()
    line.session_updated()
    response = line.begin_speaking()
    line.audio(800)
    line.text_done("Welcome.")
    line.play(1300)  # the first message is over, the second on its way
    assert line.phase is Phase.GREETING
    line.turn_begins("c1", 0)
    line.turn_ends("c1", 2500)
    line.current_item = "item_second"
    line.audio(1500)
    line.text_done("How can I help?")
    line.response_done()
    line.loud(400)
    assert response
    assert line.events_of(events.BargeInTriggered) == []
    line.play(1600)
    assert line.events_of(events.GreetingFinished) == [events.GreetingFinished(heard_ms=2300)]
    line.speak("We are open until five.", 6000)
    line.play(400)
    line.loud(300)
    assert len(line.events_of(events.BargeInCut)) == 1

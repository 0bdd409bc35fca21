"""Verbs besides ``<Connect>``: saying, recording, gathering, dialling people, and screening them."""

import wave
from pathlib import Path

import numpy as np
import pytest

from simulator import g711
from simulator.phone.call import NotInProgress
from simulator.phone.playout import is_speech
from simulator.phone.policies import Human, Policies
from simulator.phone.timeline import DialOver, HumanAnswered, Recorded, Said, VerbRun
from simulator.phone.verbs import tone, voice_of
from tests.simulator.phone_doubles import BASE, HANGUP, World, response, scenario, speak, step, world


def incoming(*verbs: str, **rest: object) -> dict[str, object]:
    return {"/incoming-call": response(*verbs), "/next": HANGUP, "/dial-ended": HANGUP, **rest}


def test_a_caller_hears_what_is_said_and_the_call_ends_with_the_document() -> None:
    made = world(incoming('<Say language="he-IL">שלום</Say>', '<Pause length="2"/>', '<Say loop="2">bye</Say>'))
    made.run()
    assert made.call.recording.heard[:320] == speak("שלום", voice_of("he-IL"))
    assert made.call.ended_ms == 40 + 2000 + 60
    assert [verb.verb for verb in made.seen(VerbRun)] == ["Say", "Pause", "Say"]


@pytest.mark.parametrize(
    ("language", "voice"), [("en-US", "en-us+f2"), ("en-GB", "en-gb+f2"), ("he-IL", "he+f2"), ("de", "de+f2"), ("en-AU", "en+f2")]
)
def test_languages_are_spoken_by_their_voices(language: str, voice: str) -> None:
    assert voice_of(language) == voice


def test_play_is_passed_over() -> None:
    made = world(incoming("<Play>http://bridge.example/a.wav</Play>", '<Play digits="1ww2"/>', "<Say>x</Say>"))
    made.run()
    assert made.call.ended_ms == 10


def test_a_message_is_recorded_until_the_caller_falls_silent() -> None:
    made = world(
        incoming(
            '<Record action="/next" timeout="3" recordingStatusCallback="/recording-status"/>',
            **{"/recording-status": (204, "", "")},
        ),
        policies=Policies(voicemail="x" * 400),
    )
    made.run()
    (request,) = made.requests("/next")
    # a beep of 400 ms, four seconds of words, three of silence
    assert request.params["RecordingDuration"] == "7"
    assert made.seen(Recorded)[0].duration_s == 7
    assert request.params["RecordingUrl"].endswith(request.params["RecordingSid"])
    (told,) = made.requests("/recording-status")
    assert told.params["RecordingStatus"] == "completed"
    assert told.params["CallSid"] == made.call.call_sid


def test_a_key_ends_a_recording_and_is_named() -> None:
    made = world(
        incoming('<Record action="/next" playBeep="false"/>'), step(when="answered", after_ms=0, say="x" * 200, dtmf="#")
    )
    made.run(1000)
    assert made.requests("/next") == []
    made = world(
        incoming('<Record action="/next" playBeep="false"/>'),
        step(when="answered", after_ms=0, say="x" * 200),
        step(when="previous", after_ms=0, dtmf="#"),
    )
    made.run()
    assert made.requests("/next")[0].params["Digits"] == "#"


def test_an_empty_message_is_no_message() -> None:
    made = world(incoming('<Record action="/next"/>', "<Say>nothing</Say>"))
    made.run()
    assert made.requests("/next") == []
    assert [said.text for said in made.seen(Said)] == ["nothing"]


def test_a_caller_who_hangs_up_leaves_the_message_said_so_far() -> None:
    made = world(
        incoming('<Record action="/next" playBeep="false"/>'), step(when="answered", after_ms=0, say="x" * 300, hang_up=True)
    )
    made.run()
    (request,) = made.requests("/next")
    assert (request.params["Digits"], request.params["CallStatus"]) == ("hangup", "completed")
    assert made.call.is_over


def test_a_recording_without_an_action_goes_back_to_its_document() -> None:
    answers = iter([response('<Record timeout="1"/>'), HANGUP])
    made = world({"/incoming-call": lambda params: next(answers)}, policies=Policies(voicemail="x" * 100))
    made.run()
    assert "RecordingUrl" in made.requests("/incoming-call")[1].params


def test_keys_are_gathered_while_the_prompt_is_still_on() -> None:
    gather = f'<Gather action="/next" numDigits="2"><Say>{"x" * 500}</Say></Gather>'
    made = world(incoming(gather), step(when="agent_speaking", after_ms=1000, dtmf="42"))
    made.run()
    (request,) = made.requests("/next")
    assert request.params["Digits"] == "42"
    assert made.call.ended_ms is not None
    assert made.call.ended_ms < 1500


def test_the_finishing_key_is_not_among_the_digits() -> None:
    made = world(incoming('<Gather action="/next"/>'), step(when="answered", after_ms=100, dtmf="123#"))
    made.run()
    assert made.requests("/next")[0].params["Digits"] == "123"


def test_a_gather_nobody_answers_falls_through() -> None:
    made = world(incoming('<Gather action="/next" timeout="4"><Say>key?</Say></Gather>', "<Say>well</Say>"))
    made.run()
    assert made.requests("/next") == []
    assert made.call.ended_ms == 40 + 4000 + 40
    asked = world(incoming('<Gather action="/next" actionOnEmptyResult="true"/>'))
    asked.run()
    assert asked.requests("/next")[0].params["Digits"] == ""


DIAL = '<Dial action="/dial-ended" timeout="10"><Number>+15005550010</Number></Dial>'
BOB = "+15005550010"


def dialled(human: Human, *steps: object, dial: str = DIAL, **rest: object) -> World:
    made = world(incoming(dial, **rest), policies=Policies(humans={BOB: human}))
    made.run()
    return made


def test_a_person_answers_talks_and_hangs_up() -> None:
    made = dialled(Human(after_ms=2000, says="0123456789", talks_ms=6000))
    (request,) = made.requests("/dial-ended")
    assert request.params["DialCallStatus"] == "completed"
    assert request.params["DialBridged"] == "true"
    assert request.params["DialCallDuration"] == "6"
    assert request.params["DialCallSid"].startswith("CA")
    assert made.call.ended_ms == 8000
    assert made.call.recording.heard[16000:16800] == speak("0123456789", "en-us+m7")


@pytest.mark.parametrize(
    ("human", "status", "at_ms"),
    [
        (Human(outcome="no-answer"), "no-answer", 15_000),
        (Human(outcome="busy", after_ms=1500), "busy", 1500),
        (Human(outcome="failed", after_ms=700), "failed", 700),
        (Human(after_ms=60_000), "no-answer", 15_000),
    ],
)
def test_people_who_do_not_answer_are_told_apart(human: Human, status: str, at_ms: int) -> None:
    made = dialled(human)
    (request,) = made.requests("/dial-ended")
    assert request.params["DialCallStatus"] == status
    assert request.params["DialBridged"] == "false"
    assert "DialCallDuration" not in request.params
    assert made.call.ended_ms == at_ms


def test_the_first_of_several_to_answer_wins() -> None:
    humans = {BOB: Human(after_ms=5000), "client:anna": Human(after_ms=1000), "sip:x@y": Human(outcome="busy")}
    dial = f'<Dial action="/dial-ended"><Number>{BOB}</Number><Client>anna</Client><Sip>sip:x@y;transport=tls</Sip></Dial>'
    made = world(incoming(dial), policies=Policies(humans=humans))
    made.run()
    assert [(answered.at_ms, answered.address) for answered in made.seen(HumanAnswered)] == [(1000, "client:anna")]


def test_a_whatsapp_call_cannot_be_connected_to_a_telephone() -> None:
    made = world(incoming(DIAL), script=scenario(from_="whatsapp:+15005550100", to="whatsapp:+15005550006"))
    made.run()
    assert made.requests("/dial-ended")[0].params["DialCallStatus"] == "failed"


def test_ringing_is_heard_but_is_nobody_speaking() -> None:
    made = dialled(Human(after_ms=1900))
    ringing = made.call.recording.heard[:15_200]
    assert np.abs(g711.decode(ringing)).max() > 100
    assert not any(is_speech(ringing[at : at + 160]) for at in range(0, 15_200, 160))
    assert not is_speech(tone(400, 1000))


def test_a_caller_who_hangs_up_ends_the_dialling_without_an_action() -> None:
    made = world(incoming(DIAL), step(when="answered", after_ms=5000, hang_up=True), policies=Policies(humans={BOB: Human()}))
    made.run()
    assert made.requests("/dial-ended") == []
    assert [(dial.status, dial.bridged) for dial in made.seen(DialOver)] == [("completed", True)]


SCREENED = f'<Dial action="/dial-ended"><Number url="/screen">{BOB}</Number></Dial>'
ASK = response('<Gather action="/screen?pressed=1" numDigits="1" timeout="5"><Say>press one</Say></Gather>', "<Hangup/>")


def screen(params: dict[str, str]) -> str:
    if "Digits" not in params:
        return ASK
    return response() if params["Digits"] == "1" else HANGUP


def test_a_person_who_accepts_is_connected_only_then() -> None:
    made = dialled(Human(after_ms=1000, presses="1"), dial=SCREENED, **{"/screen": screen})
    asked, pressed = made.requests("/screen")
    assert asked.params["ParentCallSid"] == made.call.call_sid
    assert asked.params["CallSid"] != made.call.call_sid
    assert asked.params["Direction"] == "outbound-dial"
    assert asked.params["To"] == BOB
    assert pressed.url == f"{BASE}/screen?pressed=1"
    # nine characters are heard, and half a second later the key
    assert [answered.at_ms for answered in made.seen(HumanAnswered)] == [1000 + 90 + 500]
    assert made.requests("/dial-ended")[0].params["DialBridged"] == "true"


@pytest.mark.parametrize("presses", [None, "2"])
def test_a_person_who_does_not_accept_is_completed_but_not_bridged(presses: str | None) -> None:
    made = dialled(Human(after_ms=1000, presses=presses), dial=SCREENED, **{"/screen": screen})
    assert made.seen(HumanAnswered) == []
    (request,) = made.requests("/dial-ended")
    assert (request.params["DialCallStatus"], request.params["DialBridged"]) == ("completed", "false")


def test_a_screening_document_that_cannot_be_had_connects_nobody() -> None:
    made = dialled(Human(), dial=SCREENED, **{"/screen": (500, "", "")})
    assert made.requests("/dial-ended")[0].params["DialBridged"] == "false"


def test_screening_that_is_answered_after_the_caller_left_changes_nothing() -> None:
    made = world(incoming(SCREENED, **{"/screen": response()}), step(when="answered", after_ms=2500, hang_up=True), web_ms=1000)
    made.run()
    assert made.seen(HumanAnswered) == []
    assert made.requests("/dial-ended") == []
    assert len(made.requests("/screen")) == 1


def test_rest_updates_are_refused_when_the_call_is_not_in_progress() -> None:
    ringing = world({"/incoming-call": None})
    with pytest.raises(NotInProgress, match="ringing"):
        ringing.call.rest_update(0, twiml=response())
    live = world()
    live.run(1000)
    with pytest.raises(NotInProgress, match="use completed"):
        live.call.rest_update(1000, status="canceled")
    live.do(live.call.rest_update(1000, status="completed"))
    with pytest.raises(NotInProgress, match="completed"):
        live.call.rest_update(1001, status="completed")


def test_a_rest_url_is_fetched_and_run() -> None:
    made = world({"/elsewhere": response("<Say>hi</Say>")})
    made.run(1000)
    made.do(made.call.rest_update(1000, url=f"{BASE}/elsewhere"))
    made.run()
    assert [said.text for said in made.seen(Said)] == ["hi"]


def test_a_recording_is_a_stereo_file_with_the_caller_on_the_left(tmp_path: Path) -> None:
    made = world(incoming("<Say>hello</Say>", "<Pause/>"), step(when="answered", after_ms=500, say="yes"))
    made.run()
    made.call.recording.write_wav(tmp_path / "call.wav")
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    assert len(samples) == 1050 * 8
    assert np.abs(samples[:400, 1]).max() > 3000 > np.abs(samples[:400, 0]).max()
    assert np.abs(samples[4000:4240, 0]).max() > 3000 > np.abs(samples[4000:4240, 1]).max()

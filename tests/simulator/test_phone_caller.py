"""The scripted caller: when steps begin, what goes out, and when the caller has had enough."""

import base64

import numpy as np
import pytest

from simulator import g711
from simulator.phone.mouth import Mouth, noise
from simulator.phone.timeline import CallEnded, StepBegan, StepOver
from tests.simulator.phone_doubles import World, scenario, speak, speech, step, world


def began(made: World) -> list[float]:
    return [observation.at_ms for observation in made.seen(StepBegan)]


def over(made: World) -> list[float]:
    return [observation.at_ms for observation in made.seen(StepOver)]


def test_a_step_waits_until_something_was_heard_and_then_for_quiet() -> None:
    made = world(None, step(say="hello"))
    made.run(3000)
    assert began(made) == []
    made.server_plays(speech(1000))
    made.run(8000)
    assert began(made) == [3000 + 1000 + 700]


def test_pauses_shorter_than_after_ms_do_not_count_as_quiet() -> None:
    made = world(None, step(say="hello", after_ms=700))
    made.run(1000)
    for _ in range(3):
        made.server_plays(speech(200) + b"\xff" * 8 * 600)
    made.run(10_000)
    assert began(made) == [1000 + 2 * 800 + 200 + 700]


def test_silence_and_comfort_noise_from_the_server_are_not_heard() -> None:
    made = world(None, step(say="hello"))
    made.run(1000)
    made.server_plays(b"\xff\x7f\xfe" * 4000)
    made.run(8000)
    assert began(made) == []


def test_a_step_may_interrupt_once_the_other_side_has_been_speaking_for_long_enough() -> None:
    made = world(None, step(when="agent_speaking", after_ms=600, say="wait"))
    made.run(1000)
    made.server_plays(speech(5000))
    made.run(3000)
    assert began(made) == [1600]


def test_an_utterance_begins_anew_after_a_real_pause() -> None:
    made = world(None, step(when="agent_speaking", after_ms=600, say="wait"))
    made.run(1000)
    made.server_plays(speech(400) + b"\xff" * 8 * 1000 + speech(2000))
    made.run(5000)
    assert began(made) == [1000 + 400 + 1000 + 600]


def test_what_was_heard_before_a_step_was_over_is_not_new_after_it() -> None:
    made = world(None, step(when="agent_speaking", after_ms=100, say="x" * 100), step(say="second"))
    made.run(1000)
    made.server_plays(speech(500))
    made.run(9000)
    assert len(began(made)) == 1
    made.server_plays(speech(500))
    made.run(20_000)
    assert began(made)[1] == 9000 + 500 + 700


def test_answered_and_previous_count_from_the_stream_and_from_the_step_before() -> None:
    made = world(
        None,
        step(when="answered", after_ms=500, say="0123456789"),
        step(when="previous", after_ms=300, dtmf="1"),
        step(when="previous", after_ms=0, hang_up=True),
        web_ms=400,
    )
    made.run()
    # answered 400 ms after dialling; ten characters are 100 ms
    assert began(made) == [900, 1300, 1320]
    assert over(made) == [1000, 1300, 1320]
    assert made.seen(CallEnded)[0].at_ms == 1320


def test_the_words_of_a_step_go_out_sample_for_sample() -> None:
    made = world(None, step(when="answered", after_ms=1000, say="good morning"))
    made.run(3000)
    sent = b"".join(base64.b64decode(frame["media"]["payload"]) for frame in made.events("media"))
    said = speak("good morning", "en-us+m3")
    assert said in sent
    assert made.call.recording.caller[8000 : 8000 + len(said)] == said


def test_noise_has_the_loudness_and_length_asked_for_and_is_seeded() -> None:
    burst = noise(500, 2000, seed=3)
    samples = g711.decode(burst).astype(float)
    assert len(burst) == 4000
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(2000, rel=0.02)
    assert burst == noise(500, 2000, seed=3)
    assert burst != noise(500, 2000, seed=4)
    assert noise(0, 2000, seed=1) == b""


def test_a_cough_is_a_step_as_long_as_its_noise() -> None:
    made = world(None, step(when="answered", after_ms=500, noise_ms=200, noise_rms=3000))
    made.run(3000)
    assert (began(made), over(made)) == ([500], [700])
    cough = g711.decode(made.call.recording.caller[4000:5600]).astype(float)
    assert np.sqrt(np.mean(cough**2)) == pytest.approx(3000, rel=0.1)


def test_keys_are_pressed_one_after_another() -> None:
    made = world(None, step(when="answered", after_ms=500, dtmf="12#"))
    made.run(3000)
    assert [message["dtmf"]["digit"] for message in made.events("dtmf")] == ["1", "2", "#"]
    assert (began(made), over(made)) == ([500], [700])


def test_a_step_may_say_something_and_then_hang_up() -> None:
    made = world(None, step(when="answered", after_ms=500, say="0123456789", hang_up=True))
    made.run()
    assert made.seen(CallEnded)[0].at_ms == 600
    assert made.seen(StepBegan)[0].what == "0123456789, hangs up"


def test_a_caller_whose_script_does_not_end_gives_up() -> None:
    made = world(script=scenario(step(say="never"), gives_up_after_s=7))
    made.run()
    (ended,) = made.seen(CallEnded)
    assert (ended.at_ms, ended.reason) == (7000, "the caller gave up")


def test_a_caller_whose_script_has_ended_stays_on_the_line() -> None:
    made = world(script=scenario(step(when="answered", after_ms=100, say="hi"), gives_up_after_s=2))
    made.run(30_000)
    assert not made.call.is_over


def test_hebrew_and_emoji_are_words_like_any_other() -> None:
    made = world(None, step(when="answered", after_ms=0, say="שלום 👋"))
    made.run(2000)
    assert made.seen(StepBegan)[0].what == "שלום 👋"
    assert made.seen(StepOver)[0].index == 0


def test_a_mouth_that_ends_inside_a_frame_fills_it_with_the_line() -> None:
    mouth = Mouth()
    mouth.say(b"\x00" * 200)
    assert mouth.frame().audio == b"\x00" * 160
    last = mouth.frame().audio
    assert last[:40] == b"\x00" * 40
    assert set(last[40:]) <= {0x7F, 0xFF, 0x7E, 0xFE}
    assert not mouth.is_talking


def test_a_poll_that_comes_late_makes_up_for_what_was_missed() -> None:
    slow, prompt = (
        world(None, step(when="answered", after_ms=300, say="hi")),
        world(None, step(when="answered", after_ms=300, say="hi")),
    )
    for made in (slow, prompt):
        made.run(0)
    slow.now = 2000
    slow.do(slow.call.poll(2000))
    prompt.run(2000)
    assert slow.sent == prompt.sent
    assert list(slow.call.timeline) == list(prompt.call.timeline)

import base64
from typing import Any

import numpy as np
import pytest
import soxr

from simulator import g711, voice
from simulator.model import ModelTiming
from simulator.scenario import Mind, Reply

from .model_driver import CALLER, MANUAL, PHONE, SECOND_OF_SILENCE, Driver, caller_says

LINE = "Hi, my furnace stopped working last night and the house is freezing."
SHORT = "Yes, please."
SPEECH_MS = voice.duration_ms(voice.speak(LINE, CALLER))
MIND = Mind(replies=(Reply(hears="furnace.*yes", say="Both at once."), Reply(hears="furnace", say="A cold house is no fun.")))
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
WINDOW_MS = 32


def listening(session: dict[str, Any] = PHONE, **options: Any) -> Driver:
    driver = Driver(MIND, lines=(LINE, SHORT), **options)
    driver.update(session)
    return driver


def with_detection(**fields: Any) -> dict[str, Any]:
    """A session that decides nothing, with this detection."""
    turn = {"type": "server_vad", "create_response": False, "interrupt_response": False, **fields}
    return {**MANUAL, "audio": {**MANUAL["audio"], "input": {**MANUAL["audio"]["input"], "turn_detection": turn}}}


def test_speech_between_silences_is_one_turn_in_the_recorded_order() -> None:
    driver = listening(MANUAL)
    driver.hear(caller_says(LINE))
    driver.run()
    assert driver.types(2)[:5] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    started = driver.last("input_audio_buffer.speech_started")
    item = driver.last("conversation.item.done")["item"]
    assert item == {
        "id": started["item_id"],
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    assert len(driver.of("input_audio_buffer.committed")) == 1


@pytest.mark.parametrize(("padding_ms", "silence_ms"), [(300, 500), (0, 200), (480, 704)])
def test_the_ms_of_a_turn_are_on_the_audio_clock_with_padding_and_silence(padding_ms: int, silence_ms: int) -> None:
    driver = listening(with_detection(prefix_padding_ms=padding_ms, silence_duration_ms=silence_ms))
    driver.hear(caller_says(LINE))
    start_ms = driver.last("input_audio_buffer.speech_started")["audio_start_ms"]
    end_ms = driver.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
    assert abs(start_ms - max(500 - padding_ms, 0)) <= 3 * WINDOW_MS
    assert abs(end_ms - (500 + SPEECH_MS + silence_ms)) <= 3 * WINDOW_MS
    assert abs((end_ms - start_ms - padding_ms - silence_ms) - SPEECH_MS) <= 5 * WINDOW_MS


def test_the_audio_clock_stands_still_when_no_audio_comes() -> None:
    driver = listening(MANUAL)
    driver.hear(SECOND_OF_SILENCE[:4_000] + voice.speak(LINE, CALLER))
    driver.run(60_000)
    assert not driver.of("input_audio_buffer.speech_stopped")
    driver.hear(SECOND_OF_SILENCE)
    assert driver.last("input_audio_buffer.speech_stopped")["audio_end_ms"] < 500 + SPEECH_MS + 600


def test_it_does_not_matter_how_audio_is_cut_into_frames() -> None:
    audio = caller_says(LINE)
    by_frame, at_once = listening(MANUAL), listening(MANUAL)
    by_frame.hear(audio)
    at_once.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())
    for boundary, field in (("speech_started", "audio_start_ms"), ("speech_stopped", "audio_end_ms")):
        kind = f"input_audio_buffer.{boundary}"
        assert by_frame.last(kind)[field] == at_once.last(kind)[field]


def test_the_caller_is_transcribed_after_the_reply_has_begun() -> None:
    driver = listening(PHONE)
    driver.hear(caller_says(LINE))
    driver.run()
    types = driver.types()
    assert types.index("response.created") < types.index(TRANSCRIBED) < types.index("response.done")
    completed = driver.last(TRANSCRIBED)
    assert completed["transcript"] == LINE
    assert completed["item_id"] == driver.last("input_audio_buffer.speech_started")["item_id"]
    assert completed["usage"] == {"type": "duration", "seconds": 5}
    deltas = driver.of("conversation.item.input_audio_transcription.delta")
    assert "".join(event["delta"] for event in deltas) == f" {LINE}"
    assert types.index(TRANSCRIBED) > types.index("conversation.item.input_audio_transcription.delta")


def test_a_transcript_may_come_after_the_response_is_done() -> None:
    driver = listening(PHONE, timing=ModelTiming(transcription_after_response=True))
    driver.hear(caller_says(LINE))
    driver.run()
    assert driver.types().index("response.done") < driver.types().index(TRANSCRIBED)


@pytest.mark.parametrize("off", ["timing", "session"])
def test_without_transcription_there_is_no_transcript(off: str) -> None:
    session = PHONE if off == "timing" else {**PHONE, "audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    driver = listening(session, timing=ModelTiming(transcription_delay_ms=None) if off == "timing" else None)
    driver.hear(caller_says(LINE))
    driver.run(60_000)
    assert driver.of("response.done")
    assert not any("transcription" in kind for kind in driver.types())


def test_the_model_answers_what_it_heard() -> None:
    driver = listening(PHONE)
    driver.hear(caller_says(LINE))
    driver.run()
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "A cold house is no fun."


def test_a_sentence_that_arrived_as_two_turns_is_answered_as_one() -> None:
    driver = listening(MANUAL)
    driver.hear(caller_says(LINE) + caller_says(SHORT))
    driver.send("response.create")
    driver.run()
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "Both at once."


def test_a_caller_who_goes_on_talking_is_answered_to_all_of_it() -> None:
    driver = listening(PHONE, timing=ModelTiming(realtime_factor=2))
    driver.hear(caller_says(LINE))
    driver.hear(caller_says(SHORT))
    driver.run()
    assert [event["response"]["status"] for event in driver.of("response.done")] == ["cancelled", "completed"]
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "Both at once."


def test_items_follow_one_another() -> None:
    driver = listening(PHONE)
    driver.hear(caller_says(LINE))
    driver.run()
    driver.hear(caller_says(SHORT))
    driver.run()
    added = driver.of("conversation.item.added")
    assert [event["previous_item_id"] for event in added] == [None, *(event["item"]["id"] for event in added[:-1])]
    committed = driver.last("input_audio_buffer.committed")
    assert committed["previous_item_id"] == added[-3]["item"]["id"]


def test_by_default_the_caller_interrupts_the_response() -> None:
    driver = listening(PHONE)
    driver.ask('Say "' + "A long story about nothing in particular. " * 12 + '"')
    driver.run(520)
    driver.send("input_audio_buffer.append", audio=base64.b64encode(voice.speak(LINE, CALLER)).decode())
    driver.run(0)
    done = driver.last("response.done")["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    types = driver.types()
    assert types.index("input_audio_buffer.speech_started") < types.index("response.done")


def test_a_client_that_decides_itself_is_not_interrupted_and_gets_no_reply_unasked() -> None:
    driver = listening(MANUAL)
    driver.ask('Say "' + "A long story about nothing in particular. " * 12 + '"')
    driver.run(520)
    driver.send("input_audio_buffer.append", audio=base64.b64encode(caller_says(LINE)).decode())
    driver.run()
    assert [event["response"]["status"] for event in driver.of("response.done")] == ["completed"]
    assert driver.last("input_audio_buffer.committed")


def noise(duration_ms: int, rms: float) -> bytes:
    return g711.encode(np.random.default_rng(2).normal(0, rms, duration_ms * 8))


def test_a_cough_is_a_turn_without_words() -> None:
    driver = listening(MANUAL)
    driver.hear(SECOND_OF_SILENCE + noise(200, 3_000) + SECOND_OF_SILENCE)
    driver.run()
    assert driver.last(TRANSCRIBED)["transcript"] == ""
    assert not driver.of("conversation.item.input_audio_transcription.delta")


def test_a_click_is_no_turn() -> None:
    driver = listening(MANUAL)
    driver.hear(SECOND_OF_SILENCE + noise(20, 9_000) + SECOND_OF_SILENCE)
    assert not driver.of("input_audio_buffer.speech_started")


@pytest.mark.parametrize(("threshold", "heard"), [(0.1, True), (0.5, True), (0.95, False)])
def test_a_higher_threshold_asks_for_louder_speech(threshold: float, heard: bool) -> None:
    driver = listening(with_detection(threshold=threshold))
    driver.hear(SECOND_OF_SILENCE + noise(400, 500) + SECOND_OF_SILENCE)
    assert bool(driver.of("input_audio_buffer.speech_started")) == heard


def test_a_steady_noise_stops_being_speech() -> None:
    driver = listening(MANUAL)
    driver.hear(noise(8_000, 1_000))
    assert len(driver.of("input_audio_buffer.speech_started")) == 1
    assert driver.last("input_audio_buffer.speech_stopped")["audio_end_ms"] < 4_000


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("high", 400), ("auto", 800), ("low", 1_600)])
def test_a_semantic_detector_waits_by_its_eagerness(eagerness: str, silence_ms: int) -> None:
    driver = listening(with_detection(type="semantic_vad", eagerness=eagerness))
    driver.hear(caller_says(SHORT) + SECOND_OF_SILENCE * 2)
    end_ms = driver.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
    speech_end_ms = 500 + voice.duration_ms(voice.speak(SHORT, CALLER))
    assert abs(end_ms - speech_end_ms - silence_ms) <= 3 * WINDOW_MS


def test_24_khz_audio_is_heard_as_well() -> None:
    driver = Driver(MIND, lines=(LINE,))
    driver.update({"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    wide = soxr.resample(g711.decode(caller_says(LINE)).astype(np.float32), 8_000, 24_000)
    driver.hear(np.clip(wide, -32_768, 32_767).astype("<i2").tobytes(), bytes_per_ms=48)
    driver.run()
    assert driver.last(TRANSCRIBED)["transcript"] == LINE
    assert abs(driver.last("input_audio_buffer.speech_started")["audio_start_ms"] - 200) <= 3 * WINDOW_MS


def test_without_a_detector_the_client_commits() -> None:
    driver = listening()
    driver.update({"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    driver.hear(caller_says(LINE))
    assert not driver.of("input_audio_buffer.speech_started", "input_audio_buffer.committed")
    driver.send("input_audio_buffer.commit")
    driver.run()
    assert driver.last(TRANSCRIBED)["transcript"] == LINE


def test_a_commit_in_the_middle_of_a_turn_keeps_its_id() -> None:
    driver = listening(MANUAL)
    driver.hear(SECOND_OF_SILENCE[:4_000] + voice.speak(LINE, CALLER))
    driver.send("input_audio_buffer.commit")
    driver.run()
    started = driver.last("input_audio_buffer.speech_started")
    assert driver.last("input_audio_buffer.committed")["item_id"] == started["item_id"]
    assert driver.last(TRANSCRIBED)["transcript"] == LINE


@pytest.mark.parametrize("audio", [b"", b"\xff" * 799])
def test_less_than_100_ms_cannot_be_committed(audio: bytes) -> None:
    driver = listening()
    driver.hear(audio)
    driver.send("input_audio_buffer.commit", event_id="early")
    driver.run()
    error = driver.error()
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "early")
    assert f"buffer only has {len(audio) / 8:.2f}ms of audio" in error["message"]


def test_cleared_audio_is_forgotten_and_the_clock_goes_on() -> None:
    driver = listening(MANUAL)
    driver.hear(voice.speak(LINE, CALLER))
    driver.send("input_audio_buffer.clear")
    driver.run()
    driver.hear(caller_says(SHORT))
    driver.run()
    assert driver.last("input_audio_buffer.cleared")
    assert driver.last(TRANSCRIBED)["transcript"] == SHORT
    assert driver.last("input_audio_buffer.speech_started")["audio_start_ms"] >= SPEECH_MS


@pytest.mark.parametrize("audio", ["!", "abc", "שלום", "YWJj\n"])
def test_audio_that_is_not_base64_is_refused(audio: str) -> None:
    driver = listening()
    driver.send("input_audio_buffer.append", audio=audio)
    driver.run()
    assert (driver.error()["code"], driver.error()["param"]) == ("invalid_value", "audio")


def test_a_detector_that_hears_nothing_keeps_little_audio() -> None:
    driver = listening(MANUAL)
    driver.hear(SECOND_OF_SILENCE * 5)
    driver.send("input_audio_buffer.commit")
    driver.run()
    driver.send("response.create")
    driver.run()
    usage = driver.last("response.done")["response"]["usage"]
    assert usage["input_token_details"]["audio_tokens"] <= 8

"""A model that hears or speaks 24 kHz PCM: what the core asks for, what reaches either side, and that positions stay true."""

from base64 import b64decode, b64encode
from typing import Literal

import msgspec
import numpy as np
import pytest

from bridge.conversation.model_audio import AgentFromPcm, CallerInPcm
from bridge.conversation.phases import Phase
from bridge.resampling import SoxrResampler
from calls.business import Audio
from calls.events import AgentTranscript, ErrorHappened, ModelLost
from tests.bridge.conversation.line import PROFILE, Line

Choice = Literal["pcmu", "pcm"]
NOISE = np.random.default_rng(6)


def on(*, hears: Choice = "pcmu", speaks: Choice = "pcmu") -> Line:
    return Line(msgspec.structs.replace(PROFILE, audio=Audio(input=hears, output=speaks)))


def some_pcm(ms: int) -> bytes:
    """Audio no two milliseconds of which are alike."""
    return NOISE.integers(-4_000, 4_000, ms * 24).astype("<i2").tobytes()


def deltas(line: Line, pcm: bytes, *sizes: int) -> None:
    at = 0
    for size in (*sizes, len(pcm)):
        if pcm[at : at + size]:
            line.delta(b64encode(pcm[at : at + size]).decode())
        at += size


def for_the_phone(pcm: bytes) -> bytes:
    """The whole of it converted at once."""
    stream = AgentFromPcm(SoxrResampler)
    return b"".join(ulaw for _, ulaw in [*stream.convert("", "", pcm), *stream.finish("")])


def phone_got(line: Line, since: int = 0) -> bytes:
    media = [message["media"]["payload"] for message in line.sent_to_twilio[since:] if message["event"] == "media"]
    return b"".join(map(b64decode, media))


def model_got(line: Line) -> bytes:
    return b"".join(b64decode(event["audio"]) for event in line.sent_to_model if event["type"] == "input_audio_buffer.append")


PCM = {"type": "audio/pcm", "rate": 24_000}
PCMU = {"type": "audio/pcmu"}


@pytest.mark.parametrize("hears", ["pcmu", "pcm"])
@pytest.mark.parametrize("speaks", ["pcmu", "pcm"])
def test_each_way_is_asked_for_by_itself(hears: Choice, speaks: Choice) -> None:
    line = on(hears=hears, speaks=speaks).requested()
    audio = line.sent_to_model[0]["session"]["audio"]
    assert audio["input"]["format"] == (PCM if hears == "pcm" else PCMU)
    assert audio["output"]["format"] == (PCM if speaks == "pcm" else PCMU)
    line.session_updated()
    assert line.core.session_is_confirmed


@pytest.mark.parametrize("confirmed", [PCMU, {"type": "audio/pcm", "rate": 16_000}, {"type": "audio/pcma"}, {}, "pcm16", None])
def test_a_model_that_speaks_anything_else_is_not_put_through(confirmed: object) -> None:
    line = on(speaks="pcm").requested()
    audio = {"input": {"format": PCMU}, "output": {"format": confirmed}}
    line.model({"type": "session.updated", "session": {"type": "realtime", "audio": audio}})
    assert not line.core.session_is_confirmed
    assert [lost.reason for lost in line.events_of(ModelLost)] == ["audio_format"]
    line.begin_speaking()
    since = len(line.sent_to_twilio)
    deltas(line, some_pcm(200))
    assert phone_got(line, since) == b""


@pytest.mark.parametrize("confirmed", [PCMU, {"type": "audio/pcm", "rate": 8_000}, None])
def test_nor_one_that_hears_anything_else(confirmed: object) -> None:
    line = on(hears="pcm", speaks="pcm").requested()
    line.model({"type": "session.updated", "session": {"audio": {"input": {"format": confirmed}, "output": {"format": PCM}}}})
    assert not line.core.session_is_confirmed
    assert [lost.reason for lost in line.events_of(ModelLost)] == ["audio_format"]


def test_the_record_says_at_what_rate_a_model_wanted_to_speak() -> None:
    line = on(speaks="pcm").requested()
    audio = {"input": {"format": PCMU}, "output": {"format": PCM | {"rate": 16_000}}}
    line.model({"type": "session.updated", "session": {"type": "realtime", "audio": audio}})
    (error,) = line.events_of(ErrorHappened)
    assert error.message == "the model wants to hear audio/pcmu and speak audio/pcm at 16000 Hz: not what was asked for"


def test_a_rate_that_is_not_mentioned_is_the_one_asked_for() -> None:
    line = on(speaks="pcm").requested()
    audio = {"input": {"format": PCMU}, "output": {"format": {"type": "audio/pcm"}}}
    line.model({"type": "session.updated", "session": {"type": "realtime", "audio": audio}})
    assert line.core.session_is_confirmed


def test_the_model_hears_the_caller_from_their_first_frame_across_the_gate() -> None:
    line = on(hears="pcm")
    line.connected()
    line.start()
    frames = [NOISE.integers(0, 256, 160, np.uint8).tobytes() for _ in range(60)]
    for frame in frames[:20]:
        line.media(b64encode(frame).decode())
    line.model_opens()
    line.accept()
    for frame in frames[20:]:
        line.media(b64encode(frame).decode())
    got = model_got(line)
    assert got == CallerInPcm(SoxrResampler).convert(b"".join(frames))[: len(got)]
    assert 60 * 20 - len(got) / 48 < 75
    assert all(event["audio"] for event in line.sent_to_model if event["type"] == "input_audio_buffer.append")


@pytest.mark.parametrize("sizes", [(), (9_600, 9_600), (1, 4_801, 7), (48, 48, 48)], ids=str)
def test_the_caller_hears_all_of_an_item_however_it_was_cut(sizes: tuple[int, ...]) -> None:
    line = on(speaks="pcm").requested()
    line.session_updated()
    line.begin_speaking()
    pcm = some_pcm(900)
    deltas(line, pcm, *sizes)
    assert len(phone_got(line)) < 900 * 8
    line.audio_done()
    assert phone_got(line) == for_the_phone(pcm)
    assert line.played_ms == 900
    line.response_done()
    assert line.played_ms == 900


def test_the_end_of_a_response_will_do_where_the_end_of_its_audio_was_not_announced() -> None:
    line = on(speaks="pcm").requested()
    line.session_updated()
    line.begin_speaking()
    pcm = some_pcm(500)
    deltas(line, pcm)
    line.text_done("Hello.")
    line.response_done()
    assert phone_got(line) == for_the_phone(pcm)
    line.wait(500)
    line.echo_marks()
    assert line.phase is Phase.CONVERSING
    assert [said.heard_ms for said in line.events_of(AgentTranscript)] == [500]


def test_the_rest_of_one_item_comes_before_the_next_and_once() -> None:
    line = on(speaks="pcm").requested()
    line.session_updated()
    line.begin_speaking(item="item_1")
    first, second = some_pcm(300), some_pcm(400)
    deltas(line, first + b"\x55", 5_000)  # half a sample too much: it is nobody's
    line.current_item = "item_2"
    deltas(line, second[:5_000])
    line.current_item = "item_1"
    line.audio_done()  # late: it may come behind audio of the next item
    line.current_item = "item_2"
    deltas(line, second[5_000:])
    line.audio_done()
    line.response_done()
    assert phone_got(line) == for_the_phone(first) + for_the_phone(second)


def test_audio_behind_the_announced_end_is_played_too() -> None:
    line = on(speaks="pcm").requested()
    line.session_updated()
    line.begin_speaking()
    first, late = some_pcm(300), some_pcm(250)
    deltas(line, first)
    line.audio_done()
    deltas(line, late)
    line.response_done()
    assert phone_got(line) == for_the_phone(first) + for_the_phone(late)


def test_after_a_cut_the_rest_of_what_was_cut_is_never_heard_and_the_answer_begins_clean() -> None:
    line = on(speaks="pcm").greeted()
    line.model({"type": "input_audio_buffer.speech_started", "item_id": "c1", "audio_start_ms": 0})
    line.turn_ends("c1", 4_000)
    line.begin_speaking()
    cut_item = line.current_item
    deltas(line, some_pcm(3_000) + b"\x55", 30_000, 31_111)
    line.quiet(1_000)
    line.loud(320)
    (truncate,) = [event for event in line.sent_to_model if event["type"] == "conversation.item.truncate"]
    assert truncate["item_id"] == cut_item
    assert 1_000 <= truncate["audio_end_ms"] <= 1_320
    since = len(line.sent_to_twilio)
    deltas(line, some_pcm(200))
    line.audio_done()
    line.response_done("cancelled")
    assert phone_got(line, since) == b""
    line.model({"type": "input_audio_buffer.speech_started", "item_id": "c2", "audio_start_ms": 5_000})
    line.turn_ends("c2", 9_000)
    line.begin_speaking()
    answer = some_pcm(600)
    deltas(line, answer, 777)
    line.audio_done()
    assert phone_got(line, since) == for_the_phone(answer)
    line.response_done()

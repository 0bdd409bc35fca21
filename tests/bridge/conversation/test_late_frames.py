"""Messages of the phone that come in one go: decided one by one, passed on together."""

import json
from base64 import b64decode, b64encode
from typing import Any

import msgspec
import pytest
from hypothesis import given as any_of
from hypothesis import settings
from hypothesis import strategies as some

from bridge.conversation import inputs as given
from bridge.conversation import outputs as wanted
from bridge.conversation.outbox import LONGEST_APPEND_BYTES
from bridge.conversation.phases import Phase
from calls import events
from calls.business import Audio, BusinessProfile
from tests.bridge.conversation.line import LOUDNESS_CODES, PROFILE, STREAM, Line

HEARS_PCM = msgspec.structs.replace(PROFILE, audio=Audio(input="pcm"))
LOUD = 3000
APPEND = "input_audio_buffer.append"


def speaking(profile: BusinessProfile = PROFILE, ms: float = 5000, *, watched: bool = False) -> Line:
    """In mid-conversation, the AI's reply of that length all sent and playing."""
    line = Line(profile).greeted()
    line.do(given.Watched(on=watched))
    line.turn_begins("c1", 1000)
    line.turn_ends("c1", 3000)
    line.speak("We are open from nine to five on every day of the week but Sunday.", ms)
    return line


def media(rms: int, ms: int = 20) -> str:
    payload = b64encode(bytes([LOUDNESS_CODES[rms]]) * ms * 8).decode()
    return json.dumps({"event": "media", "media": {"track": "inbound", "payload": payload}, "streamSid": STREAM})


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "mark": {"name": name}, "streamSid": STREAM})


def key(digit: str) -> str:
    return json.dumps({"event": "dtmf", "dtmf": {"digit": digit}, "streamSid": STREAM})


STOP = json.dumps({"event": "stop", "streamSid": STREAM})


def together(line: Line, frames: list[str]) -> list[dict[str, Any]]:
    """The appends that came of it."""
    outputs = line.do(given.TwilioFrames(frames))
    texts = [json.loads(output.text) for output in outputs if isinstance(output, wanted.SendModel)]
    return [text for text in texts if text["type"] == APPEND]


def said(line: Line) -> list[tuple[str, object]]:
    """All that was asked of the shell, audio that follows audio in one piece."""
    story: list[tuple[str, object]] = []
    model: list[tuple[str, object]] = []
    for _, output in line.outputs:
        if isinstance(output, wanted.CallerSounded):
            story += [("sounded", piece) for piece in zip(output.audios, output.at_ms, strict=True)]
            continue
        if not isinstance(output, wanted.SendModel):
            story.append(("", output))
            continue
        event = json.loads(output.text)
        if event["type"] != APPEND:
            model.append(("event", event))
        elif model and model[-1][0] == "audio":
            model[-1] = ("audio", model[-1][1] + b64decode(event["audio"]))  # type: ignore[operator]
        else:
            model.append(("audio", b64decode(event["audio"])))
    return story + model


FRAMES = some.one_of(
    some.builds(media, some.sampled_from(sorted(LOUDNESS_CODES)), some.sampled_from([20, 20, 20, 60, 7, 200])),
    some.builds(media, some.just(LOUD)),
    some.builds(mark, some.builds("{}.{}".format, some.integers(0, 2), some.integers(1, 40))),
    some.builds(key, some.sampled_from("0123*x")),
    some.sampled_from(["", "שלום", "{", STOP, json.dumps({"event": "media", "media": {"payload": "!"}, "streamSid": STREAM})]),
)
STRETCHES = some.one_of(FRAMES.map(lambda frame: [frame]), some.integers(1, 20).map(lambda count: [media(LOUD)] * count))
ARRIVALS = some.lists(STRETCHES, max_size=8).map(lambda stretches: [frame for stretch in stretches for frame in stretch])
GROUPS = some.lists(some.tuples(some.integers(0, 400), ARRIVALS), max_size=8)


@pytest.mark.parametrize("profile", [PROFILE, HEARS_PCM], ids=["mulaw", "pcm"])
@settings(max_examples=60, deadline=None)
@any_of(groups=GROUPS, watched=some.booleans(), speaks_ms=some.sampled_from([100, 3000]))
def test_frames_that_come_together_decide_what_they_decide_one_by_one(
    profile: BusinessProfile, groups: list[tuple[int, list[str]]], watched: bool, speaks_ms: int
) -> None:
    one_by_one, at_once = (speaking(profile, speaks_ms, watched=watched) for _ in range(2))
    for after_ms, frames in groups:
        for line in (one_by_one, at_once):
            line._wait_until(line.now_ms + after_ms)
        for frame in frames:
            one_by_one.do(given.TwilioFrame(frame))
        at_once.do(given.TwilioFrames(frames))
        assert at_once.core.wake_at_ms == one_by_one.core.wake_at_ms
        assert at_once.phase is one_by_one.phase
    for line in (one_by_one, at_once):
        line.do(given.Looked())
    assert said(at_once) == said(one_by_one)


def test_late_audio_goes_to_the_model_in_one_event() -> None:
    line = Line().greeted()
    (append,) = together(line, [media(0), media(LOUD), media(100)])
    assert b64decode(append["audio"]) == b"".join(bytes([LOUDNESS_CODES[rms]]) * 160 for rms in (0, LOUD, 100))


def test_audio_that_comes_alone_is_passed_on_as_it_came() -> None:
    line = Line().greeted()
    (append,) = together(line, [media(LOUD)])
    assert append["audio"] == json.loads(media(LOUD))["media"]["payload"]


def test_one_event_holds_no_more_than_a_few_seconds() -> None:
    line = Line().greeted()
    appends = together(line, [media(LOUD, 2000)] * 10)
    assert [len(b64decode(append["audio"])) for append in appends] == [LONGEST_APPEND_BYTES] * 3 + [16_000]


def test_a_caller_whose_words_come_late_and_together_cuts_the_ai_all_the_same_and_is_heard_in_order() -> None:
    line = speaking()
    line._wait_until(line.now_ms + 500)
    before = len(line.sent_to_model)
    together(line, [media(LOUD)] * 20)
    assert len(line.events_of(events.BargeInCut)) == 1
    heard = line.sent_to_model[before:]
    assert [event["type"] for event in heard] == [APPEND, "conversation.item.truncate", APPEND]
    assert [len(b64decode(event["audio"])) for event in (heard[0], heard[2])] == [15 * 160, 5 * 160]


def test_what_follows_the_end_of_the_stream_is_nobodys() -> None:
    line = Line().greeted()
    assert together(line, [STOP, media(LOUD), key("0")]) == []
    assert line.phase is Phase.ENDED
    assert line.events_of(events.Dtmf) == []

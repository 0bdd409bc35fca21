import json
from typing import Any

import pytest

from simulator.model import Faults, Wire
from simulator.scenario import Mind

from .model_driver import PHONE, Driver

LINE = "Thank you for calling, goodbye."
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created"},
    {"type": "response.output_audio.delta", "delta": "first"},
    {"type": "response.output_audio_transcript.delta", "delta": "Hi"},
    {"type": "response.output_audio.delta", "delta": "second"},
    {"type": "response.output_audio_transcript.done"},
    {"type": "response.done"},
]


def carried(faults: Faults, events: list[dict[str, Any]] = EVENTS, seed: int = 0) -> list[Any]:
    frames = []
    for frame in Wire(faults, seed).frames(events):
        try:
            frames.append(json.loads(frame))
        except ValueError:
            frames.append(frame)
    return frames


def spoken(faults: Faults) -> Driver:
    driver = Driver(Mind(), faults=faults)
    driver.update(PHONE)
    driver.ask(f'Say "{LINE}"')
    return driver


def test_a_sound_wire_carries_what_it_is_given() -> None:
    assert carried(Faults()) == EVENTS


def test_events_may_be_doubled() -> None:
    assert carried(Faults(duplicate_events=True)) == [event for event in EVENTS for _ in range(2)]


def test_unknown_events_and_fields_come_between() -> None:
    frames = carried(Faults(unknown_events=True))
    assert [frame["type"] for frame in frames[::2]] == ["response.mood.delta"] * len(EVENTS)
    assert [{name: value for name, value in frame.items() if name != "mood"} for frame in frames[1::2]] == EVENTS
    assert all("mood" in frame for frame in frames[1::2])


def test_garbage_comes_between_and_is_the_same_for_a_seed() -> None:
    frames = carried(Faults(garbage_frames=True))
    assert frames[1::2] == EVENTS
    assert frames == carried(Faults(garbage_frames=True))


def test_events_may_have_their_older_names() -> None:
    assert [frame["type"] for frame in carried(Faults(beta_names=True))] == [
        "response.created",
        "response.audio.delta",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio_transcript.done",
        "response.done",
    ]


def test_events_may_be_shuffled_but_audio_stays_in_order() -> None:
    orders = [carried(Faults(out_of_order=True), seed=seed) for seed in range(8)]
    for frames in orders:
        assert sorted(map(str, frames)) == sorted(map(str, EVENTS))
        assert [frame["delta"] for frame in frames if frame["type"] == "response.output_audio.delta"] == ["first", "second"]
    assert any(frames != EVENTS for frames in orders)


@pytest.mark.parametrize("limit", [0, 3])
def test_a_wire_breaks_after_so_many_frames(limit: int) -> None:
    wire = Wire(Faults(drop_after_events=limit))
    assert len(list(wire.frames(EVENTS))) == limit
    assert wire.lost


def test_a_wire_with_a_limit_holds_until_it_is_reached() -> None:
    wire = Wire(Faults(drop_after_events=len(EVENTS) + 1))
    assert len(list(wire.frames(EVENTS))) == len(EVENTS)
    assert not wire.lost


def test_a_wrong_format_is_confirmed_and_sent() -> None:
    driver = spoken(Faults(wrong_format="audio/pcm"))
    driver.run()
    output = driver.last("session.updated")["session"]["audio"]["output"]
    assert output["format"] == {"type": "audio/pcm", "rate": 24_000}
    sound = spoken(Faults())
    sound.run()
    assert len(driver.audio()) == 6 * len(sound.audio())


def test_the_models_words_may_never_be_told() -> None:
    driver = spoken(Faults(no_transcripts=True))
    driver.run()
    assert driver.audio()
    assert not any("output_audio_transcript" in kind for kind in driver.types())


def test_audio_may_go_on_after_a_cancel() -> None:
    driver = spoken(Faults(deltas_after_cancel=2))
    driver.run(520)
    driver.send("response.cancel")
    driver.run()
    types = driver.types()
    late = [event for event in driver.events[types.index("response.done") :] if event["type"] == "response.output_audio.delta"]
    assert len(late) == 2
    assert {event["response_id"] for event in late} == {driver.last("response.done")["response"]["id"]}


def test_without_the_fault_nothing_follows_a_cancel() -> None:
    driver = spoken(Faults())
    driver.run(520)
    driver.send("response.cancel")
    driver.run()
    assert driver.types()[-1] == "rate_limits.updated"
    assert driver.types()[-2] == "response.done"


def test_a_dropped_session_says_nothing_more() -> None:
    driver = spoken(Faults(drop_at_ms=620))
    driver.run(60_000)
    assert driver.session.close_code == 1006
    assert driver.session.wake_at_ms is None
    assert driver.of("response.output_audio.delta")
    assert not driver.of("response.done")


def test_an_expired_session_says_so() -> None:
    driver = spoken(Faults(expire_at_ms=620))
    driver.run(60_000)
    assert (driver.session.close_code, driver.events[-1]["error"]["code"]) == (1001, "session_expired")


def test_a_mute_session_keeps_its_connection() -> None:
    driver = spoken(Faults(mute_from_ms=0))
    driver.run()
    assert driver.types() == ["session.created"]
    assert driver.session.close_code is None

from copy import deepcopy
from typing import Any

import pytest

from simulator.model import Faults

from .model_driver import PHONE, Driver

BETA_NAMES = (
    "modalities",
    "voice",
    "input_audio_format",
    "output_audio_format",
    "input_audio_transcription",
    "input_audio_noise_reduction",
    "turn_detection",
    "max_response_output_tokens",
    "temperature",
    "speed",
)


def audio_in(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"input": fields}}


def audio_out(**fields: Any) -> dict[str, Any]:
    return {"type": "realtime", "audio": {"output": fields}}


def detection(**fields: Any) -> dict[str, Any]:
    return audio_in(turn_detection={"type": "server_vad", **fields})


def test_a_session_begins_with_openais_own_settings() -> None:
    driver = Driver()
    created = driver.events[0]
    assert created["type"] == "session.created"
    session = created["session"]
    assert session["id"].startswith("sess_")
    assert session["instructions"].startswith("Your knowledge cutoff is 2023-10.")
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert session["audio"]["input"]["transcription"] is None
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert list(session) == [
        "type", "object", "id", "model", "output_modalities", "instructions", "tools", "tool_choice", "max_output_tokens",
        "tracing", "truncation", "prompt", "expires_at", "audio", "include",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("model", "voice", "silence_ms"),
    [("gpt-realtime", "alloy", 200), ("gpt-realtime-2025-08-28", "alloy", 200), ("gpt-realtime-2.1-mini", "marin", 500)],
)
def test_models_differ_in_voice_and_patience(model: str, voice: str, silence_ms: int) -> None:
    session = Driver(model=model).events[0]["session"]
    assert session["audio"]["output"]["voice"] == voice
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == silence_ms


def test_an_update_is_answered_with_the_whole_configuration_after_its_time() -> None:
    driver = Driver()
    driver.update(PHONE)
    updated = driver.last("session.updated")["session"]
    assert driver.at_ms("session.updated") == 60
    assert updated["audio"]["input"]["format"] == updated["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert updated["audio"]["input"]["transcription"] == {"model": "gpt-realtime-whisper", "language": "en", "prompt": None}
    assert updated["audio"]["input"]["turn_detection"]["threshold"] == 0.5
    assert updated["expires_at"] == driver.events[0]["session"]["expires_at"]


def test_what_an_update_leaves_out_stays() -> None:
    driver = Driver()
    driver.update({**PHONE, "instructions": "Be brief."})
    driver.update(detection(threshold=0.7))
    driver.update(detection(create_response=False))
    turn = driver.session.configuration["audio"]["input"]["turn_detection"]
    assert (turn["threshold"], turn["create_response"], turn["interrupt_response"]) == (0.7, False, True)
    assert driver.session.configuration["instructions"] == "Be brief."
    assert driver.session.configuration["audio"]["input"]["format"] == {"type": "audio/pcmu"}


def test_another_kind_of_detector_begins_with_its_own_settings() -> None:
    driver = Driver()
    driver.update(detection(create_response=False))
    driver.update(audio_in(turn_detection={"type": "semantic_vad", "eagerness": "low"}))
    turn = driver.session.configuration["audio"]["input"]["turn_detection"]
    assert turn == {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True}


def test_a_change_of_format_begins_the_buffer_again() -> None:
    driver = Driver()
    driver.update(audio_in(turn_detection=None))
    driver.hear(b"\0" * 48 * 200, bytes_per_ms=48)
    driver.update(audio_in(format={"type": "audio/pcmu"}))
    driver.send("input_audio_buffer.commit")
    driver.run()
    assert driver.error()["code"] == "input_audio_buffer_commit_empty"


def test_null_switches_off() -> None:
    driver = Driver()
    driver.update(PHONE)
    driver.update(audio_in(turn_detection=None, transcription=None, noise_reduction=None))
    audio = driver.session.configuration["audio"]["input"]
    assert (audio["turn_detection"], audio["transcription"], audio["noise_reduction"]) == (None, None, None)


def test_empty_instructions_bring_back_openais_own() -> None:
    driver = Driver()
    driver.update({"type": "realtime", "instructions": "Be brief."})
    driver.update({"type": "realtime", "instructions": ""})
    assert driver.session.configuration["instructions"].startswith("Your knowledge cutoff")


FORMAT = "session.audio.output.format"
TURN = "session.audio.input.turn_detection"
HEARD = "session.audio.input.transcription"
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "missing_required_parameter", "session.type"),
    ({"type": "transcription"}, "invalid_value", "session.type"),
    ({"type": "realtime", "model": "gpt-realtime-mini"}, "invalid_value", "session.model"),
    ({"type": "realtime", "output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
    ({"type": "realtime", "output_modalities": ["video"]}, "invalid_value", "session.output_modalities[0]"),
    ({"type": "realtime", "instructions": None}, "invalid_type", "session.instructions"),
    ({"type": "realtime", "max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
    ({"type": "realtime", "max_output_tokens": 4_097}, "integer_above_max_value", "session.max_output_tokens"),
    ({"type": "realtime", "max_output_tokens": "many"}, "invalid_value", "session.max_output_tokens"),
    ({"type": "realtime", "truncation": "always"}, "invalid_value", "session.truncation"),
    ({"type": "realtime", "tool_choice": "some"}, "invalid_value", "session.tool_choice"),
    ({"type": "realtime", "tool_choice": {"type": "function"}}, "missing_required_parameter", "session.tool_choice.name"),
    ({"type": "realtime", "tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
    (
        {"type": "realtime", "tools": [{"type": "function", "name": "f", "strict": True}]},
        "unknown_parameter",
        "session.tools[0].strict",
    ),
    (
        {"type": "realtime", "tools": [{"type": "function", "function": {"name": "f"}}]},
        "unknown_parameter",
        "session.tools[0].function",
    ),
    (audio_out(format="pcm16"), "invalid_type", FORMAT),
    (audio_out(format={"type": "pcm16"}), "invalid_value", f"{FORMAT}.type"),
    (audio_out(format={"type": "g711_ulaw"}), "invalid_value", f"{FORMAT}.type"),
    (audio_out(format={"type": "audio/pcmu", "rate": 8_000}), "unknown_parameter", f"{FORMAT}.rate"),
    (audio_out(format={"type": "audio/pcm", "rate": 16_000}), "integer_below_min_value", f"{FORMAT}.rate"),
    (audio_out(voice="onyx"), "invalid_value", "session.audio.output.voice"),
    (audio_out(speed=2), "decimal_above_max_value", "session.audio.output.speed"),
    (audio_out(speed="1"), "invalid_type", "session.audio.output.speed"),
    (audio_out(speed=True), "invalid_type", "session.audio.output.speed"),
    (detection(threshold=1.1), "decimal_above_max_value", f"{TURN}.threshold"),
    (detection(silence_duration_ms=-1), "integer_below_min_value", f"{TURN}.silence_duration_ms"),
    (detection(silence_duration_ms=0.5), "invalid_type", f"{TURN}.silence_duration_ms"),
    (detection(idle_timeout_ms=4_999), "integer_below_min_value", f"{TURN}.idle_timeout_ms"),
    (detection(eagerness="high"), "unknown_parameter", f"{TURN}.eagerness"),
    (audio_in(turn_detection={"type": "semantic_vad", "threshold": 0.5}), "unknown_parameter", f"{TURN}.threshold"),
    (audio_in(turn_detection={"threshold": 0.5}), "missing_required_parameter", f"{TURN}.type"),
    (audio_in(turn_detection={"type": "none"}), "invalid_value", f"{TURN}.type"),
    (audio_in(noise_reduction="near_field"), "invalid_type", "session.audio.input.noise_reduction"),
    (audio_in(transcription={"model": "whisper-9"}), "invalid_value", f"{HEARD}.model"),
    (audio_in(transcription={"model": "whisper-1", "language": "English"}), "invalid_value", f"{HEARD}.language"),
    (audio_in(transcription={"model": "whisper-1", "delay": "low"}), "invalid_value", f"{HEARD}.delay"),
    (audio_in(transcription={"model": "gpt-realtime-whisper", "prompt": "x"}), "invalid_value", f"{HEARD}.prompt"),
    (audio_in(transcription={"model": "gpt-realtime-whisper", "keywords": ["x"]}), "invalid_value", f"{HEARD}.keywords"),
    *(({"type": "realtime", name: 1}, "unknown_parameter", f"session.{name}") for name in BETA_NAMES),
]


@pytest.mark.parametrize(("session", "code", "param"), REFUSED)
def test_one_bad_key_loses_the_whole_update(session: dict[str, Any], code: str, param: str) -> None:
    driver = Driver()
    before = driver.session.configuration
    driver.update({"instructions": "Must not stick.", **deepcopy(session)}, event_id="cfg-1")
    error = driver.error()
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
    assert error["event_id"] == "cfg-1"
    assert driver.session.configuration == before
    assert not driver.of("session.updated")


def test_the_well_known_messages_are_worded_as_the_server_words_them() -> None:
    driver = Driver()
    driver.update({"type": "realtime", "temperature": 0.8})
    driver.update(audio_out(format={"type": "pcm16"}))
    assert [event["error"]["message"] for event in driver.of("error")] == [
        "Unknown parameter: 'session.temperature'.",
        "Invalid value: 'pcm16'. Supported values are: 'audio/pcm', 'audio/pcmu', and 'audio/pcma'.",
    ]


@pytest.mark.parametrize("option", [{"reasoning": {"effort": "low"}}, {"parallel_tool_calls": False}])
def test_only_reasoning_models_take_reasoning_options(option: dict[str, Any]) -> None:
    old, new = Driver(model="gpt-realtime-1.5"), Driver(model="gpt-realtime-2.1")
    for driver in (old, new):
        driver.update({"type": "realtime", **option})
    assert old.error()["message"] == "Unsupported option for this model."
    assert new.session.configuration.items() >= option.items()


def test_the_voice_is_settled_once_the_model_has_spoken() -> None:
    driver = Driver()
    driver.update({**PHONE, "audio": {**PHONE["audio"], "output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"}}})
    driver.ask('Say "Hello there."')
    driver.run()
    driver.update(audio_out(voice="cedar", speed=1.1))
    assert not driver.of("error")
    driver.update({**audio_out(voice="marin"), "instructions": "Lost with it."})
    assert driver.error()["code"] == "cannot_update_voice"
    assert driver.session.configuration["audio"]["output"]["voice"] == "cedar"
    assert driver.session.configuration["instructions"] != "Lost with it."


def test_requests_sent_behind_an_update_wait_for_it() -> None:
    driver = Driver()
    driver.send("session.update", session=PHONE)
    driver.ask('Say "Hello there."')
    driver.run()
    assert driver.types()[:5] == [
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]


def test_a_server_that_refuses_updates_keeps_its_defaults() -> None:
    driver = Driver(faults=Faults(refuse_update=True))
    driver.update(PHONE)
    assert driver.error()["code"] == "server_error"
    assert driver.session.configuration["audio"]["output"]["format"]["type"] == "audio/pcm"

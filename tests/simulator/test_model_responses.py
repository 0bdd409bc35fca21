import base64
import json
from typing import Any

import pytest

from simulator import g711, voice
from simulator.ears import Ears
from simulator.model import Faults, ModelTiming
from simulator.scenario import Mind, Reply, ToolCall

from .model_driver import MANUAL, PHONE, Driver, folded

LINE = "Thank you for calling, goodbye."
WEATHER = {"type": "function", "name": "get_weather", "description": "Weather.", "parameters": {"type": "object"}}
MIND = Mind(
    replies=(
        Reply(
            hears="weather",
            say="Let me look.",
            call=(ToolCall(name="get_weather", arguments={"city": "לונדון"}), ToolCall(name="undeclared")),
            after_tools="It is foggy and twelve degrees.",
        ),
        Reply(hears="quietly", call=(ToolCall(name="get_weather", arguments='{"city": '),), after_tools="Done."),
        Reply(hears="once", say="The first time.", once=True),
        Reply(hears="once", say="Every other time."),
    ),
    otherwise="Sorry, could you repeat that?",
)


def asked(text: str = f'Say exactly: "{LINE}"', session: dict[str, object] = PHONE, **options: object) -> Driver:
    driver = Driver(MIND, **options)  # type: ignore[arg-type]
    driver.update(session)
    driver.ask(text)
    return driver


def test_a_spoken_response_has_the_recorded_order() -> None:
    driver = asked()
    driver.run()
    words = {"response.output_audio_transcript.delta", "response.output_audio.delta"}
    order = [kind for kind in driver.types() if kind not in words]
    assert order == [
        "session.created",
        "session.updated",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    types = driver.types()
    first, last = types.index("response.content_part.added"), types.index("response.output_audio.done")
    assert set(types[first + 1 : last]) == words
    assert types[first + 1] == "response.output_audio_transcript.delta"


def test_events_of_one_response_belong_together() -> None:
    driver = asked()
    driver.run()
    response = driver.last("response.done")["response"]
    item = driver.last("response.output_item.done")["item"]
    parts = [event for event in driver.events if event["type"].startswith("response.") and "item_id" in event]
    assert {event["response_id"] for event in parts} == {response["id"]}
    assert {(event["item_id"], event["output_index"], event["content_index"]) for event in parts} == {(item["id"], 0, 0)}
    assert response["output"] == [item]
    assert item["content"] == [{"type": "output_audio", "transcript": LINE}]
    assert item["status"] == response["status"] == "completed"
    assert "".join(event["delta"] for event in driver.of("response.output_audio_transcript.delta")) == LINE
    assert driver.last("response.output_audio_transcript.done")["transcript"] == LINE
    assert len({event["event_id"] for event in driver.events}) == len(driver.events)


def test_the_audio_is_the_quoted_sentence_in_mulaw() -> None:
    driver = asked()
    driver.run()
    assert driver.audio() == voice.speak(LINE, MIND.voice)
    assert Ears.for_lines([LINE], MIND.voice).hear(driver.audio()) == LINE


def test_the_audio_is_24_khz_pcm_unless_asked_otherwise() -> None:
    driver = Driver(MIND)
    driver.ask(f'Say: "{LINE}"')
    driver.run()
    assert len(driver.audio()) == len(voice.speak(LINE, MIND.voice)) * 6
    response = driver.last("response.done")["response"]
    assert response["audio"]["output"] == {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "marin"}


def test_alaw_is_spoken_too() -> None:
    driver = asked(session={"type": "realtime", "audio": {"output": {"format": {"type": "audio/pcma"}}}})
    driver.run()
    assert driver.audio() == g711.encode_alaw(g711.decode(voice.speak(LINE, MIND.voice)))


def test_audio_comes_in_large_deltas_many_times_faster_than_it_plays() -> None:
    driver = asked(f'Say "{LINE} {LINE} {LINE}"')
    driver.run()
    sizes_ms = [len(base64.b64decode(event["delta"])) / 8 for event in driver.of("response.output_audio.delta")]
    assert all(250 <= size <= 400 for size in sizes_ms[:-1])
    took_ms = driver.at_ms("response.done") - driver.at_ms("response.output_audio.delta")
    assert 8 <= sum(sizes_ms) / took_ms <= 16


def test_the_first_audio_comes_when_it_should_and_its_words_a_little_earlier() -> None:
    driver = asked(timing=ModelTiming(time_to_first_audio_ms=900))
    driver.run()
    # response.create was received at 100 ms.
    assert driver.at_ms("response.output_audio.delta") == 1_000
    assert driver.at_ms("response.output_audio_transcript.delta") == 880
    assert driver.at_ms("response.created") == 262


def test_obfuscation_pads_text_deltas_and_leaves_audio_alone() -> None:
    driver = asked()
    driver.run()
    for event in driver.of("response.output_audio_transcript.delta"):
        assert (len(event["delta"]) + len(event["obfuscation"])) % 16 == 0
    assert all("obfuscation" not in event for event in driver.of("response.output_audio.delta"))


@pytest.mark.parametrize(("model", "phase"), [("gpt-realtime-2.1", "final_answer"), ("gpt-realtime", None)])
def test_reasoning_models_name_the_phase_and_count_their_reasoning(model: str, phase: str | None) -> None:
    driver = asked(model=model)
    driver.run()
    response = driver.last("response.done")["response"]
    assert response["output"][0].get("phase") == phase
    assert ("reasoning_tokens" in response["usage"]["output_token_details"]) == (phase is not None)


def test_usage_adds_up_and_the_second_response_reads_from_the_cache() -> None:
    driver = asked()
    driver.run()
    driver.ask(f'Say: "{LINE}"')
    driver.run()
    first, second = (event["response"]["usage"] for event in driver.of("response.done"))
    for usage in (first, second):
        inside, outside = usage["input_token_details"], usage["output_token_details"]
        assert usage["input_tokens"] == inside["text_tokens"] + inside["audio_tokens"]
        assert usage["output_tokens"] == outside["text_tokens"] + outside["audio_tokens"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert inside["cached_tokens"] == sum(inside["cached_tokens_details"].values())
    assert first["input_token_details"]["cached_tokens"] == 0
    assert 0 < second["input_token_details"]["cached_tokens"] <= first["input_tokens"]
    assert first["output_token_details"]["audio_tokens"] == voice.duration_ms(driver.audio()) // 2 // 50


def test_instructions_of_a_response_break_the_cache() -> None:
    driver = asked()
    driver.run()
    driver.send("response.create", response={"instructions": 'Say "No cache."'})
    driver.run()
    assert driver.last("response.done")["response"]["usage"]["input_token_details"]["cached_tokens"] == 0
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "No cache."


def test_text_is_written_when_text_is_asked_for() -> None:
    driver = asked(session={"type": "realtime", "output_modalities": ["text"]})
    driver.run()
    assert not driver.of("response.output_audio.delta")
    assert "".join(event["delta"] for event in driver.of("response.output_text.delta")) == LINE
    assert driver.last("response.done")["response"]["output"][0]["content"] == [{"type": "output_text", "text": LINE}]
    assert driver.last("response.content_part.done")["part"] == {"type": "text", "text": LINE}


def test_a_second_response_in_the_conversation_is_refused_and_the_first_goes_on() -> None:
    driver = asked()
    driver.send("response.create", event_id="second")
    driver.run()
    error, response = driver.error(), driver.last("response.done")["response"]
    assert error["code"] == "conversation_already_has_active_response"
    assert error["message"].startswith(f"Conversation already has an active response in progress: {response['id']}.")
    assert error["event_id"] == "second"
    assert (response["status"], len(driver.of("response.done"))) == ("completed", 1)


def test_a_cancelled_response_ends_where_it_is_and_says_who_cancelled_it() -> None:
    driver = asked(f'Say "{LINE} {LINE} {LINE}"')
    driver.run(560)
    so_far = len(driver.audio())
    driver.send("response.cancel")
    driver.run()
    done = driver.last("response.done")["response"]
    assert 0 < so_far <= len(driver.audio()) < len(voice.speak(f"{LINE} {LINE} {LINE}", MIND.voice))
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["usage"]["output_token_details"]["audio_tokens"] == len(driver.audio()) // 400
    assert done["output"][0]["status"] == "incomplete"
    assert folded(driver.types())[-7:] == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    driver.ask(f'Say "{LINE}"')
    driver.run()
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_a_response_cancelled_before_it_spoke_has_no_output() -> None:
    driver = asked()
    driver.run(100)
    driver.send("response.cancel", response_id=driver.last("response.created")["response"]["id"])
    driver.run()
    assert driver.last("response.done")["response"]["output"] == []
    assert not driver.of("response.output_item.added")


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_unknown"}, {"response_id": None}])
def test_cancelling_nothing_is_a_harmless_error(fields: dict[str, str | None]) -> None:
    driver = Driver()
    driver.send("response.cancel", **fields)
    driver.run()
    assert (driver.error()["code"], driver.error()["message"]) == (
        "response_cancel_not_active",
        "Cancellation failed: no active response found",
    )


def test_a_response_beside_the_conversation_runs_in_parallel_and_leaves_no_item() -> None:
    driver = asked()
    driver.send("response.create", response={"conversation": "none", "metadata": {"for": "notes"}, "output_modalities": ["text"]})
    driver.run()
    aside, spoken = sorted((event["response"] for event in driver.of("response.done")), key=lambda done: done["metadata"] is None)
    assert (aside["conversation_id"], aside["metadata"]) == (None, {"for": "notes"})
    assert spoken["conversation_id"].startswith("conv_")
    added = [event["item"]["id"] for event in driver.of("conversation.item.added")]
    assert aside["output"][0]["id"] not in added
    assert spoken["output"][0]["id"] in added


def test_a_response_aside_is_cancelled_by_its_id_only() -> None:
    driver = Driver(MIND)
    driver.send("response.create", response={"conversation": "none"})
    driver.run(100)
    driver.send("response.cancel")
    driver.send("response.cancel", response_id=driver.last("response.created")["response"]["id"])
    driver.run()
    assert driver.error()["code"] == "response_cancel_not_active"
    assert driver.last("response.done")["response"]["status"] == "cancelled"


def test_a_response_may_have_its_own_input() -> None:
    driver = asked("What is the weather?")
    driver.run()
    content = [{"type": "input_text", "text": 'Say "Only this."'}]
    driver.send("response.create", response={"input": [{"type": "message", "role": "system", "content": content}]})
    driver.run()
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "Only this."


@pytest.mark.parametrize(
    ("response", "code", "param"),
    [
        ({"temperature": 1}, "unknown_parameter", "response.temperature"),
        ({"modalities": ["audio"]}, "unknown_parameter", "response.modalities"),
        ({"conversation": "other"}, "invalid_value", "response.conversation"),
        ({"tool_choice": {"type": "tool"}}, "invalid_value", "response.tool_choice.type"),
        ({"input": [{"type": "message"}]}, "missing_required_parameter", "response.input[0].role"),
        ({"audio": {"output": {"format": {"type": "audio/pcmu", "rate": 8000}}}}, "unknown_parameter",
         "response.audio.output.format.rate"),
    ],
)  # fmt: skip
def test_a_response_that_is_asked_for_wrongly_is_not_begun(response: dict[str, object], code: str, param: str) -> None:
    driver = Driver()
    driver.send("response.create", response=response)
    driver.run()
    assert (driver.error()["code"], driver.error()["param"]) == (code, param)
    assert not driver.of("response.created")


def test_a_tool_round_goes_as_recorded() -> None:
    driver = asked("What is the weather?", session={**MANUAL, "tools": [WEATHER]})
    driver.run()
    order = [kind for kind in folded(driver.types()) if "audio" not in kind][4:]
    assert order[order.index("response.output_item.done") :] == [
        "response.output_item.done",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    message, call = driver.last("response.done")["response"]["output"]
    assert (message["phase"], message["content"][0]["transcript"]) == ("commentary", "Let me look.")
    assert (call["name"], json.loads(call["arguments"])) == ("get_weather", {"city": "לונדון"})
    done = driver.last("response.function_call_arguments.done")
    assert (done["name"], done["call_id"], done["output_index"]) == ("get_weather", call["call_id"], 1)
    deltas = "".join(event["delta"] for event in driver.of("response.function_call_arguments.delta"))
    assert deltas == call["arguments"]

    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "foggy, 12"}
    driver.send("conversation.item.create", item=output)
    driver.send("response.create")
    driver.run()
    assert driver.last("response.output_audio_transcript.done")["transcript"] == "It is foggy and twelve degrees."


def test_a_call_without_a_word_may_have_malformed_arguments() -> None:
    driver = asked("Do it quietly.", session={**MANUAL, "tools": [WEATHER]})
    driver.run()
    (call,) = driver.last("response.done")["response"]["output"]
    assert call["arguments"] == '{"city": '
    assert driver.last("response.function_call_arguments.done")["output_index"] == 0


@pytest.mark.parametrize(
    "restriction", [{"tool_choice": "none"}, {"tools": []}, {"tool_choice": {"type": "function", "name": "f"}}]
)
def test_no_function_is_called_that_may_not_be(restriction: dict[str, Any]) -> None:
    driver = Driver(MIND)
    driver.update({**MANUAL, "tools": [WEATHER]})
    driver.ask("What is the weather?", **restriction)
    driver.run()
    assert [item["type"] for item in driver.last("response.done")["response"]["output"]] == ["message"]


def test_an_output_for_a_call_that_was_not_made_is_refused() -> None:
    driver = Driver()
    driver.send("conversation.item.create", item={"type": "function_call_output", "call_id": "call_x", "output": "1"})
    driver.run()
    assert driver.error()["message"] == "Tool call ID 'call_x' not found in conversation."


@pytest.mark.parametrize(
    ("fate", "status"),
    [("failed", "failed"), ("incomplete", "incomplete"), ("silent", "completed"), ("stalled", None), ("never", None)],
)
def test_responses_come_to_the_end_they_are_fated_to(fate: str, status: str | None) -> None:
    driver = asked(faults=Faults(fates={0: fate}))  # type: ignore[dict-item]
    driver.run(60_000)
    spoken = len(driver.audio())
    assert [event["response"]["status"] for event in driver.of("response.done")] == ([status] if status else [])
    assert bool(driver.of("response.created")) == (fate != "never")
    if fate in ("incomplete", "stalled"):
        assert 0 < spoken < len(voice.speak(LINE, MIND.voice))
    else:
        assert spoken == 0
    if status is None:
        driver.send("response.cancel")
        driver.run()
        assert driver.last("response.done")["response"]["status"] == "cancelled"
    driver.ask(f'Say "{LINE}"')
    driver.run()
    assert driver.last("response.done")["response"]["status"] == "completed"


def test_a_failed_response_says_why() -> None:
    driver = asked(faults=Faults(every_fate="failed"))
    driver.run()
    details = driver.last("response.done")["response"]["status_details"]
    assert (details["type"], details["error"]["code"]) == ("failed", "server_error")


def test_replies_for_once_are_used_once() -> None:
    driver = Driver(MIND)
    for _ in range(3):
        driver.ask("Just once.")
        driver.run()
    said = [event["transcript"] for event in driver.of("response.output_audio_transcript.done")]
    assert said == ["The first time.", "Every other time.", "Every other time."]


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    def story(seed: int) -> list[tuple[float, dict[str, object]]]:
        driver = asked(seed=seed, timing=ModelTiming(jitter_ms=50))
        driver.run()
        return driver.timed

    assert story(7) == story(7)
    assert story(7) != story(8)


def test_jitter_delays_and_never_reorders_audio() -> None:
    driver = asked(f'Say "{LINE} {LINE}"', timing=ModelTiming(jitter_ms=400), seed=3)
    driver.run(60_000)
    assert driver.audio() == voice.speak(f"{LINE} {LINE}", MIND.voice)
    assert driver.at_ms("response.output_audio.delta") > 600

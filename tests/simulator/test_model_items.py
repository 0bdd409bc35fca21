import base64
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import voice
from simulator.model.requests import EVENTS
from simulator.scenario import Mind

from .model_driver import CALLER, PHONE, Driver

LINE = "Thank you for calling, goodbye."
SPOKEN_MS = voice.duration_ms(voice.speak(LINE, Mind().voice))


def text_item(text: str = "Hello.", role: str = "user", **fields: Any) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **fields}


def created(*items: dict[str, Any], **fields: Any) -> Driver:
    driver = Driver()
    for item in items:
        driver.send("conversation.item.create", item=item, **fields)
    driver.run()
    return driver


def spoken(text: str = f'Say "{LINE}"') -> tuple[Driver, str]:
    driver = Driver()
    driver.update(PHONE)
    driver.ask(text)
    driver.run()
    return driver, driver.last("response.output_item.done")["item"]["id"]


@pytest.mark.parametrize("role", ["user", "system", "assistant"])
def test_an_item_is_added_and_done_as_it_was_given(role: str) -> None:
    driver = created(text_item("שלום 🙂", role))
    assert driver.types(1) == ["conversation.item.added", "conversation.item.done"]
    item = driver.last("conversation.item.done")["item"]
    assert item.pop("id").startswith("item_")
    assert item == {**text_item("שלום 🙂", role), "status": "completed"}


def test_seeded_items_make_a_chain() -> None:
    driver = created(text_item("One"), text_item("Two", "assistant"), text_item("Three"))
    added = driver.of("conversation.item.added")
    assert [event["previous_item_id"] for event in added] == [None, added[0]["item"]["id"], added[1]["item"]["id"]]


def test_a_client_may_choose_the_id_and_the_place() -> None:
    driver = created(text_item("A", id="a"), text_item("B", id="b"))
    driver.send("conversation.item.create", item=text_item("C", id="c"), previous_item_id="a")
    driver.send("conversation.item.create", item=text_item("D", id="d"), previous_item_id="root")
    driver.run()
    placed = {event["item"]["id"]: event["previous_item_id"] for event in driver.of("conversation.item.added")}
    assert placed == {"a": None, "b": "a", "c": "a", "d": None}


def test_an_id_is_taken_once() -> None:
    assert created(text_item(id="a"), text_item(id="a")).error()["param"] == "item.id"


def test_an_item_after_an_unknown_one_is_refused() -> None:
    driver = created(text_item(), previous_item_id="nowhere")
    assert driver.error()["code"] == "item_create_invalid_previous_item_id"
    assert not driver.of("conversation.item.added")


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({}, "missing_required_parameter", "item.type"),
        ({"type": "thought"}, "invalid_value", "item.type"),
        ({"type": "message"}, "missing_required_parameter", "item.role"),
        (text_item(role="narrator"), "invalid_value", "item.role"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        ({"type": "message", "role": "user", "content": "Hello."}, "invalid_type", "item.content"),
        ({"type": "message", "role": "user", "content": [{"type": "text", "text": "x"}]}, "invalid_value", "item.content[0].type"),
        (
            {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "x"}]},
            "invalid_value",
            "item.content[0].type",
        ),
        ({"type": "message", "role": "user", "content": [{"type": "input_text"}]}, "missing_required_parameter",
         "item.content[0].text"),
        (text_item(id="x" * 33), "string_above_max_length", "item.id"),
        (text_item(name="x"), "unknown_parameter", "item.name"),
        ({"type": "function_call_output", "call_id": "c", "output": {"a": 1}}, "invalid_type", "item.output"),
        ({"type": "function_call_output", "output": "x"}, "missing_required_parameter", "item.call_id"),
    ],
)  # fmt: skip
def test_an_item_of_the_wrong_shape_is_refused(item: dict[str, Any], code: str, param: str) -> None:
    driver = created(item)
    assert (driver.error()["code"], driver.error()["param"]) == (code, param)


def test_assistant_audio_cannot_be_seeded() -> None:
    content = [{"type": "output_audio", "transcript": "Hello."}]
    driver = created({"type": "message", "role": "assistant", "content": content})
    assert driver.error()["message"] == "Assistant audio messages cannot be populated by the client."


def test_audio_in_an_item_is_heard_like_a_turn() -> None:
    driver = Driver(Mind(otherwise="I did not hear you."), lines=[LINE])
    driver.update(PHONE)
    audio = base64.b64encode(voice.speak(LINE, CALLER)).decode()
    content = [{"type": "input_audio", "audio": audio}]
    driver.send("conversation.item.create", item={"type": "message", "role": "user", "content": content})
    driver.run()
    assert driver.last("conversation.item.done")["item"]["content"] == [{"type": "input_audio", "transcript": None}]


@pytest.mark.parametrize("request_kind", ["retrieve", "delete", "truncate"])
def test_an_unknown_item_is_an_error_that_names_the_request(request_kind: str) -> None:
    driver = Driver()
    cut = {"content_index": 0, "audio_end_ms": 0} if request_kind == "truncate" else {}
    driver.send(f"conversation.item.{request_kind}", item_id="item_nowhere", event_id="e1", **cut)
    driver.run()
    assert driver.error()["code"] == f"item_{request_kind}_invalid_item_id"
    assert driver.error()["event_id"] == "e1"


def test_an_item_can_be_retrieved_until_it_is_deleted() -> None:
    driver = created(text_item("Keep this.", id="note"))
    driver.send("conversation.item.retrieve", item_id="note")
    driver.send("conversation.item.delete", item_id="note")
    driver.send("conversation.item.retrieve", item_id="note")
    driver.run()
    assert driver.last("conversation.item.retrieved")["item"]["content"][0]["text"] == "Keep this."
    assert driver.last("conversation.item.deleted")["item_id"] == "note"
    assert driver.error()["code"] == "item_retrieve_invalid_item_id"


@pytest.mark.parametrize("audio_end_ms", [0, 300, SPOKEN_MS])
def test_a_spoken_item_is_truncated_to_what_was_heard(audio_end_ms: int) -> None:
    driver, item_id = spoken()
    driver.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms)
    driver.send("conversation.item.retrieve", item_id=item_id)
    driver.run()
    truncated = driver.last("conversation.item.truncated")
    assert (truncated["item_id"], truncated["content_index"], truncated["audio_end_ms"]) == (item_id, 0, audio_end_ms)
    assert "transcript" not in driver.last("conversation.item.retrieved")["item"]["content"][0]


def test_more_audio_than_there_is_cannot_be_kept() -> None:
    driver, item_id = spoken()
    driver.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=SPOKEN_MS + 60)
    driver.run()
    error = driver.error()
    assert error["message"] == f"Audio content of {SPOKEN_MS}ms is already shorter than {SPOKEN_MS + 60}ms"
    assert error["code"] == "invalid_value"


def test_while_an_item_is_being_spoken_it_is_as_long_as_it_got() -> None:
    driver = Driver()
    driver.update(PHONE)
    driver.ask(f'Say "{LINE}"')
    driver.run(520)
    so_far_ms = len(driver.audio()) // 8
    item_id = driver.last("response.output_item.added")["item"]["id"]
    driver.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=60_000)
    driver.run()
    assert 0 < so_far_ms < SPOKEN_MS
    assert driver.error()["message"].endswith("is already shorter than 60000ms")


@pytest.mark.parametrize("which", ["user", "assistant text", "not yet audible"])
def test_an_item_without_audio_cannot_be_truncated(which: str) -> None:
    driver = Driver()
    driver.update(PHONE)
    driver.send(
        "conversation.item.create", item=text_item(id="item_t", role="assistant" if which == "assistant text" else "user")
    )
    driver.run()
    item_id = "item_t"
    if which == "not yet audible":
        driver.ask(f'Say "{LINE}"')
        driver.run(390)
        item_id = driver.last("response.output_item.added")["item"]["id"]
    driver.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    driver.run(20)
    assert driver.error()["code"] == "unsupported_content_type"
    assert driver.error()["message"] == "Only model output audio messages can be truncated"


@pytest.mark.parametrize(
    ("field", "code"), [("audio_end_ms", "integer_below_min_value"), ("content_index", "integer_below_min_value")]
)
def test_truncating_below_zero_is_refused(field: str, code: str) -> None:
    driver, item_id = spoken()
    driver.send("conversation.item.truncate", **{"item_id": item_id, "content_index": 0, "audio_end_ms": 0, field: -1})
    driver.run()
    assert (driver.error()["code"], driver.error()["param"]) == (code, field)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("", "invalid_json"),
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ("null", "invalid_json"),
        (b"\xff\xfe", "invalid_json"),
        ('"session.update"', "invalid_json"),
        ("{}", "missing_required_parameter"),
        ('{"type":7}', "invalid_type"),
        ('{"type":"session.destroy"}', "invalid_value"),
        ('{"type":"transcription_session.update"}', "invalid_value"),
        ('{"type":"session.update"}', "missing_required_parameter"),
        ('{"type":"session.update","session":[]}', "invalid_type"),
        ('{"type":"input_audio_buffer.append"}', "missing_required_parameter"),
        ('{"type":"response.create","instructions":"x"}', "unknown_parameter"),
        ('{"type":"conversation.item.truncate","item_id":"x"}', "missing_required_parameter"),
        ('{"type":"output_audio_buffer.clear"}', "invalid_value"),
        ('{"type":"response.cancel","event_id":7}', "invalid_type"),
    ],
)
def test_a_frame_that_makes_no_sense_is_an_error_and_the_session_goes_on(frame: str | bytes, code: str) -> None:
    driver = Driver()
    driver.frame(frame)
    driver.run()
    assert driver.error()["code"] == code
    driver.ask(f'Say "{LINE}"')
    driver.run()
    assert driver.last("response.done")["response"]["status"] == "completed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = st.sampled_from(
    [
        "event_id",
        "session",
        "audio",
        "item",
        "previous_item_id",
        "item_id",
        "content_index",
        "audio_end_ms",
        "response",
        "response_id",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(EVENTS)), st.dictionaries(FIELD_NAMES, JSON, max_size=4)), max_size=6))
def test_no_request_however_odd_ends_the_session(odd: list[tuple[str, dict[str, Any]]]) -> None:
    driver = Driver()
    for kind, fields in odd:
        driver.send(kind, **fields)
    driver.run(60_000)
    driver.send("conversation.item.create", item=text_item("Still there?", id="the_last_word"))
    driver.run()
    assert driver.events[-1]["type"] == "conversation.item.done"

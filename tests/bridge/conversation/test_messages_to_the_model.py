"""Every event sent to the model, held against the API's published types with unknown keys rejected.

``openai.types.realtime`` are TypedDicts; a plain ``TypeAdapter`` drops unknown keys without a word, so each is rebuilt as a
closed model first and the union is entered by ``type`` (and ``role``), which makes one unknown key one error.
"""

import types
import typing
from functools import cache
from typing import Any, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec
import pytest
from openai.types.realtime import RealtimeClientEventParam
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model
from typing_extensions import is_typeddict

from bridge.conversation.model_messages import append_audio, encode, greeting_request, response_create, session_update
from calls.business import Audio, BusinessProfile, HttpTool, McpTool, Tools, Turns
from tests.bridge.conversation.line import PROFILE, Line


@cache
def closed(annotation: Any) -> Any:
    """The annotation with every TypedDict in it turned into a model that forbids unknown keys."""
    if is_typeddict(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        fields: dict[str, Any] = {}
        for name, hint in hints.items():
            required = get_origin(hint) is Required
            inner = closed(get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint)
            fields[name] = (inner, ...) if required else (inner | None, None)
        return create_model(annotation.__name__, __config__=ConfigDict(extra="forbid", protected_namespaces=()), **fields)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(closed(arg) for arg in args)]  # noqa: UP007  (built from a tuple)
    if origin is not None and isinstance(origin, type) and issubclass(origin, typing.Iterable) and origin is not dict and args:
        return list[closed(args[0])]  # type: ignore[misc]
    return annotation


def check(event: dict[str, Any]) -> None:
    """Raises ``ValidationError`` unless the event fits the published type of its kind."""
    kinds = {get_args(get_type_hints(kind, include_extras=True)["type"])[0]: kind for kind in get_args(RealtimeClientEventParam)}
    by_name = {
        get_args(literal)[0] if get_origin(literal) is typing.Literal else literal: kind for literal, kind in kinds.items()
    }
    TypeAdapter(closed(by_name[event["type"]])).validate_python(event, strict=False)


ALL_TOOLS = Tools(
    builtin=("create_lead", "end_call", "get_current_time"),
    lead_fields=("name", "phone"),
    http=(
        HttpTool(
            name="weather",
            description="Current weather in a city",
            url="https://weather.example/v1/now",
            parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        ),
        HttpTool(name="ping", description="Nothing to say", url="https://weather.example/ping"),
    ),
    mcp=(
        McpTool(server_label="calendar", server_url="https://mcp.example/sse", allowed_tools=("find_slot",)),
        McpTool(server_label="open", server_url="https://mcp.example/open"),
    ),
)
PROFILES: list[BusinessProfile] = [
    PROFILE,
    msgspec.structs.replace(PROFILE, language="he", name="דנה 🚗"),
    msgspec.structs.replace(PROFILE, turns=Turns(detector="semantic_vad", eagerness="low")),
    msgspec.structs.replace(PROFILE, audio=Audio(noise_reduction="off", transcription_language="auto", speed=1.25)),
    msgspec.structs.replace(PROFILE, audio=Audio(noise_reduction="far_field", transcription_model="whisper-1")),
    msgspec.structs.replace(PROFILE, audio=Audio(input="pcm", output="pcm")),
    msgspec.structs.replace(PROFILE, tools=ALL_TOOLS),
]


@pytest.mark.parametrize("profile", PROFILES)
def test_everything_a_call_sends_fits_the_published_types(profile: BusinessProfile) -> None:
    line = Line(profile).greeted()
    line.turn_begins("c1", 0)
    line.media()
    line.turn_ends("c1", 4000)
    line.begin_speaking()
    line.audio(3000)
    line.loud(300)  # cut: cancel and truncate
    line.call_tool("create_lead", {"name": "Anna"})
    line.response_done("cancelled")
    line.quiet(2100)  # nobody meant it: an instruction to go on
    line.speak("As I said.", 500)
    line.play(600)
    line.turn_begins("c2", 9000)
    line.turn_ends("c2", 12000)
    line.caller_text("c2", "no thanks")  # the closing
    line.begin_speaking()
    line.response_done("cancelled")
    assert {event["type"] for event in line.sent_to_model} == {
        "session.update",
        "conversation.item.create",
        "conversation.item.truncate",
        "response.create",
        "response.cancel",
        "input_audio_buffer.append",
    }
    for event in line.sent_to_model:
        check(event)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.create", "temperature": 0.8},
        {"type": "session.update", "session": {"type": "realtime", "temperature": 0.8}},
        {
            "type": "session.update",
            "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
        },
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [{"type": "audio_in"}]}},
        {"type": "input_audio_buffer.append"},
    ],
)
def test_the_check_itself_rejects_what_the_api_would_refuse(event: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        check(event)


def test_the_bridge_alone_decides_when_the_model_speaks_and_stops() -> None:
    for profile in PROFILES:
        detection = session_update(profile, [])["session"]["audio"]["input"]["turn_detection"]
        assert (detection["create_response"], detection["interrupt_response"]) == (False, False)


def test_formats_are_pcmu_without_a_rate_and_transcription_is_on_in_the_businesss_language() -> None:
    audio = session_update(PROFILES[1], [])["session"]["audio"]
    assert audio["input"]["format"] == audio["output"]["format"] == {"type": "audio/pcmu"}
    assert audio["input"]["transcription"] == {"model": "gpt-realtime-whisper", "language": "he"}
    assert "language" not in session_update(PROFILES[3], [])["session"]["audio"]["input"]["transcription"]


def test_semantic_detection_is_sent_without_the_settings_it_does_not_have() -> None:
    detection = session_update(PROFILES[2], [])["session"]["audio"]["input"]["turn_detection"]
    assert detection == {"type": "semantic_vad", "eagerness": "low", "create_response": False, "interrupt_response": False}


def test_the_persona_has_the_preamble_the_name_and_the_hours_filled_in() -> None:
    profile = msgspec.structs.replace(PROFILE, instructions="You answer for {name}, open {hours}. {unknown}")
    instructions = session_update(profile, [])["session"]["instructions"]
    assert "You answer for Acme, open " in instructions
    assert "{name}" not in instructions
    assert "{hours}" not in instructions
    assert "{unknown}" in instructions  # not ours to judge
    assert "Speak English unless" in instructions


def test_messages_are_compact_json_with_the_text_as_it_is() -> None:
    assert encode(response_create()) == '{"type":"response.create"}'
    assert "שלום" in encode(greeting_request("שלום"))
    assert append_audio("AAAA") == '{"type":"input_audio_buffer.append","audio":"AAAA"}'

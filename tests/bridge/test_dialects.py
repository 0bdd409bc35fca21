"""How an endpoint is addressed, and what it calls things. Both wires are literal here."""

import json
from typing import Any

import pytest
from rich.pretty import pretty_repr

from bridge.conversation import model_events as ev
from bridge.conversation.model_audio import agrees, format_of
from bridge.conversation.model_messages import append_audio, encode, instruction, response_create, session_update, truncate
from bridge.dialects import DIALECTS
from bridge.settings import ModelEndpoint
from calls.business import Audio, BusinessProfile

PROFILE = BusinessProfile(
    id="acme", name="Acme", numbers=("+15005550006",), language="en", voice="alloy", instructions="You answer."
)
AZURE = "wss://shop.openai.azure.com/openai/v1/realtime"
OLD_AZURE = "wss://shop.openai.azure.com/openai/realtime?api-version=2025-04-01-preview"


def sent(dialect: str, event: dict[str, Any]) -> Any:
    return json.loads(DIALECTS[dialect].outgoing(encode(event)))


@pytest.mark.parametrize(
    ("dialect", "url", "address", "headers"),
    [
        ("openai", "wss://api.openai.com/v1/realtime", "?model=m1", {"Authorization": "Bearer k3y"}),
        ("openai", "ws://localhost:9/v1/realtime?tenant=a", "&model=m1", {"Authorization": "Bearer k3y"}),
        ("azure", AZURE, "?model=m1", {"api-key": "k3y"}),
        ("preview", "wss://model.example/v1/realtime", "?model=m1", {"Authorization": "Bearer k3y"}),
        ("azure-preview", OLD_AZURE, "&deployment=m1", {"api-key": "k3y"}),
    ],
)
def test_each_dialect_has_its_address_and_its_header_for_the_key(
    dialect: str, url: str, address: str, headers: dict[str, str]
) -> None:
    endpoint = ModelEndpoint(url=url, api_key="k3y", default_model="m0", dialect=DIALECTS[dialect])
    assert endpoint.address_of("m1") == url + address
    assert endpoint.address_of(None) == url + address.replace("m1", "m0")
    assert endpoint.headers() == headers


def test_a_model_s_name_cannot_break_out_of_the_query() -> None:
    endpoint = ModelEndpoint(url=AZURE, api_key="k", default_model="my model&x=1/ö", dialect=DIALECTS["azure"])
    assert endpoint.address_of(None) == f"{AZURE}?model=my%20model%26x%3D1%2F%C3%B6"


def test_headers_of_one_s_own_come_beside_the_key_or_in_its_place() -> None:
    def headers(dialect: str, *extra: tuple[str, str]) -> dict[str, str]:
        return ModelEndpoint(
            url=AZURE, api_key="k3y", default_model="m", dialect=DIALECTS[dialect], extra_headers=extra
        ).headers()

    assert headers("openai", ("X-Tenant", "a")) == {"Authorization": "Bearer k3y", "X-Tenant": "a"}
    assert headers("azure", ("API-Key", "other")) == {"API-Key": "other"}
    assert headers("openai", ("authorization", "Basic x")) == {"authorization": "Basic x"}


def test_no_secret_of_an_endpoint_shows_when_it_is_printed() -> None:
    endpoint = ModelEndpoint(url=AZURE, api_key="k3y", default_model="m", extra_headers=(("x-secret", "hush"),))
    for shown in (repr(endpoint), pretty_repr([endpoint])):
        assert AZURE in shown
        assert "k3y" not in shown
        assert "hush" not in shown


EVENTS = [
    session_update(PROFILE, [{"type": "function", "name": "end_call"}]),
    response_create(),
    response_create(with_tools=False),
    instruction("Say אהלן 🚗."),
    truncate("item_1", 300),
]


@pytest.mark.parametrize("dialect", ["openai", "azure"])
def test_today_s_names_are_passed_on_byte_for_byte(dialect: str) -> None:
    for event in EVENTS:
        assert DIALECTS[dialect].outgoing(encode(event)) == encode(event)
    frame = b'{"type": "session.updated",  "session": {"input_audio_format": "pcm16"}}'
    assert DIALECTS[dialect].incoming(frame) is frame


@pytest.mark.parametrize("dialect", ["preview", "azure-preview"])
def test_an_older_session_is_one_flat_object(dialect: str) -> None:
    tools = [{"type": "function", "name": "end_call"}]
    event = sent(dialect, session_update(PROFILE, tools))
    session = event.pop("session")
    assert event == {"type": "session.update", "event_id": "fd_session"}
    assert session.pop("instructions")
    assert session == {
        "modalities": ["text", "audio"],
        "voice": "alloy",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "gpt-realtime-whisper", "language": "en"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": False,
            "interrupt_response": False,
        },
        "tools": tools,
        "tool_choice": "auto",
    }


def test_an_older_session_names_what_differs_from_the_usual_only() -> None:
    profile = BusinessProfile(
        id="a", name="A", numbers=(), language="en", voice="v", instructions="I.",
        audio=Audio(input="pcm", output="pcm", noise_reduction="off", speed=1.2),
    )  # fmt: skip
    session = sent("preview", session_update(profile, []))["session"]
    assert (session["input_audio_format"], session["output_audio_format"]) == ("pcm16", "pcm16")
    assert session["speed"] == 1.2
    assert "input_audio_noise_reduction" not in session


def test_no_turn_detection_at_all_is_said_in_so_many_words() -> None:
    update = {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"turn_detection": None}}}}
    assert sent("preview", update)["session"] == {"turn_detection": None}
    assert sent("preview", {"type": "session.update", "session": {"type": "realtime"}})["session"] == {}


def test_what_an_assistant_said_was_text_once_and_everything_else_is_as_it_was() -> None:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}
    item = sent("preview", {"type": "conversation.item.create", "item": said})["item"]
    assert item == said | {"content": [{"type": "text", "text": "Hello"}]}
    for event in EVENTS[1:]:
        assert sent("preview", event) == event
    assert DIALECTS["preview"].outgoing(append_audio("AAAA")) == append_audio("AAAA")
    output = {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "{}"}}
    assert sent("preview", output) == output
    asked = {"type": "response.create", "response": {"conversation": "none", "output_modalities": ["text"]}}
    assert sent("preview", asked) == {"type": "response.create", "response": {"conversation": "none", "modalities": ["text"]}}


@pytest.mark.parametrize(("older", "choice"), [("g711_ulaw", "pcmu"), ("pcm16", "pcm")])
def test_a_flat_session_confirms_the_formats_as_a_nested_one_does(older: str, choice: Any) -> None:
    flat = {"type": "session.updated", "session": {"input_audio_format": older, "output_audio_format": older, "voice": "alloy"}}
    event = ev.read(DIALECTS["preview"].incoming(json.dumps(flat).encode()))
    assert isinstance(event, ev.SessionUpdated)
    assert agrees(event.format_of("input"), format_of(choice))
    assert agrees(event.format_of("output"), format_of(choice))
    assert not agrees(event.format_of("output"), format_of("pcm" if choice == "pcmu" else "pcmu"))


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"response.audio.delta","delta":"AAAA"}',
        b'"session.updated"',
        b'{"type":"session.updated"',
        b'{"type":"session.updated","session":["audio"]}',
        b'{"type":"session.updated","session":{"audio":{"input":{}}}}',
        b'\xff\xfe"session.updated"',
    ],
)
def test_what_is_no_flat_session_is_left_as_it_came(frame: bytes) -> None:
    assert DIALECTS["preview"].incoming(frame) == frame


def test_a_flat_session_without_formats_confirms_none() -> None:
    event = ev.read(DIALECTS["preview"].incoming(b'{"type":"session.updated","session":{"input_audio_format":7}}'))
    assert isinstance(event, ev.SessionUpdated)
    assert not agrees(event.format_of("input"), format_of("pcmu"))
    assert not agrees(event.format_of("output"), format_of("pcmu"))

"""What a recording of a greeting must be to be kept, and what becomes of one that is not."""

import json
from base64 import b64encode

import msgspec
import pytest

from bridge import greeting_render
from bridge.greeting_render import NotRendered, Spoken, is_said, messages, render, trim, usable
from bridge.settings import ModelEndpoint
from calls.business import Audio, Tools
from simulator import voice
from simulator.ears import Ears
from simulator.model.faults import Fate, Faults
from simulator.model.server import ModelServer, SessionPlan
from simulator.scenario import Mind
from tests.bridge.conversation.line import PROFILE

TEXT = "Hello, this is Acme."
LOUD = b"\x80" * 8
SOFT = b"\xff" * 8
FAINT = b"\xd9" * 8
"""An amplitude of some 500 on the 16-bit scale."""


@pytest.mark.parametrize(
    ("said", "text", "same"),
    [
        ("hello this is acme", TEXT, True),
        ("Hello! This is ACME…", TEXT, True),
        ("Hello, this is Akme.", TEXT, True),
        ("Hello, this is Acme. How can I help you today?", TEXT, False),
        ("Sure! Hello.", TEXT, False),
        ("שלום, הגעתם למוסך", "שָׁלוֹם, הגעתם למוסך.", True),
        ("", TEXT, False),
    ],
)
def test_the_words_must_be_those_asked_for(said: str, text: str, same: bool) -> None:
    assert is_said(said, text) is same


def test_silence_is_taken_off_both_ends_but_for_a_little() -> None:
    trimmed = trim(SOFT * 500 + LOUD * 300 + SOFT * 50 + LOUD * 10 + SOFT * 700)
    assert trimmed == SOFT * 20 + LOUD * 300 + SOFT * 50 + LOUD * 10 + SOFT * 100
    assert trim(SOFT * 500) == b""
    assert trim(b"") == b""


@pytest.mark.parametrize(
    ("audio", "said", "why"),
    [
        (LOUD * 500, None, "did not say which words"),
        (LOUD * 500, "Goodbye.", "said “Goodbye.” instead"),
        (SOFT * 500, TEXT, "cannot be heard"),
        (FAINT * 500, TEXT, "cannot be heard"),
        (b"", TEXT, "cannot be heard"),
        (SOFT * 500 + LOUD * 10 + SOFT * 500, TEXT, "lasts 0.1 s"),
    ],
    ids=["no words", "other words", "silence", "faint", "nothing", "a click"],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(audio: bytes, said: str | None, why: str) -> None:
    with pytest.raises(NotRendered, match=why):
        usable(audio, said, TEXT)


def test_the_session_is_a_call_s_without_tools_in_the_format_of_calls() -> None:
    profile = msgspec.structs.replace(PROFILE, tools=Tools(builtin=("end_call",)), audio=Audio(output="pcm", speed=1.1))
    update, item, create = messages(profile, TEXT)
    assert update["session"]["tools"] == []
    assert update["session"]["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert update["session"]["audio"]["output"]["speed"] == 1.1
    assert f"“{TEXT}”" in item["item"]["content"][0]["text"]
    assert create == {"type": "response.create", "response": {"tool_choice": "none"}}


async def refused(*events: object) -> str:
    spoken = Spoken()
    for event in events:
        spoken.take(json.dumps(event).encode())
    with pytest.raises(NotRendered) as caught:
        await spoken.done
    return str(caught.value)


async def test_everything_a_session_may_say_instead_is_named() -> None:
    formats = {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 24000}}}}
    assert "audio/pcm, not audio/pcmu" in await refused({"type": "session.updated", "session": formats})
    assert "quota" in await refused({"type": "error", "error": {"code": "insufficient_quota", "message": "no"}})
    assert "not base64" in await refused({"type": "response.output_audio.delta", "delta": "§§"})
    assert "failed" in await refused({"type": "response.done", "response": {"id": "r", "status": "failed"}})


async def test_either_name_of_the_events_is_understood_and_rubbish_in_between_is_not_minded() -> None:
    spoken = Spoken()
    delta = b64encode(LOUD).decode()
    frames = [
        {"type": "response.audio.delta", "delta": delta},
        {"type": "response.output_audio.delta", "delta": delta},
        {"type": "response.audio_transcript.done", "transcript": TEXT},
        {"type": "response.done", "response": {"id": "r", "status": "completed"}},
        {"type": "error", "error": {"code": "late"}},
    ]
    spoken.take(b"\xff{not json")
    for frame in frames:
        spoken.take(json.dumps(frame).encode())
    await spoken.done
    assert (spoken.audio, spoken.said) == (LOUD * 2, TEXT)


def server(*fates: Fate | None, faults: Faults | None = None) -> ModelServer:
    """Sessions of which each does something else."""

    def plan(nth: int) -> SessionPlan:
        fate = fates[nth] if nth < len(fates) else None
        wrong = faults or Faults(fates={0: fate} if fate else {})
        return SessionPlan(mind=Mind(), ears=Ears({}), faults=wrong)

    return ModelServer(plan)


def endpoint(model: ModelServer) -> ModelEndpoint:
    return ModelEndpoint(url=model.url, api_key="k", default_model="m1")


async def test_the_model_s_own_voice_is_recorded() -> None:
    async with server() as model:
        greeting = await render(endpoint(model), PROFILE, TEXT)
        assert greeting.audio in voice.speak(TEXT, Mind().voice) + SOFT * 100
        assert greeting.duration_ms > 500
        assert (greeting.key.text, greeting.key.model, greeting.key.voice) == (TEXT, "m1", "alloy")
        assert model.sessions[0].types() == ["session.update", "conversation.item.create", "response.create"]


async def test_an_attempt_that_fails_is_followed_by_another() -> None:
    async with server("failed", "incomplete") as model:
        assert (await render(endpoint(model), PROFILE, TEXT)).audio
        assert len(model.sessions) == 3


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(no_transcripts=True), "did not say which words"),
        (Faults(every_fate="silent"), "did not say which words|cannot be heard"),
        (Faults(refuse_update=True), "refused: server_error"),
        (Faults(wrong_format="audio/pcm"), "audio/pcm, not audio/pcmu"),
        (Faults(drop_after_events=2), "ended early: closed by the model"),
    ],
)
async def test_after_three_attempts_it_is_given_up_with_a_sentence(faults: Faults, why: str) -> None:
    async with server(faults=faults) as model:
        with pytest.raises(NotRendered, match=why):
            await render(endpoint(model), PROFILE, TEXT)
        assert len(model.sessions) == greeting_render.ATTEMPTS


async def test_a_model_that_cannot_be_reached_is_said_to_be() -> None:
    nowhere = ModelEndpoint(url="ws://127.0.0.1:9/v1/realtime", api_key="k", default_model="m1")
    with pytest.raises(NotRendered, match="could not be reached"):
        await render(nowhere, PROFILE, TEXT)

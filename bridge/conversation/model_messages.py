"""The client events the bridge sends to the Realtime API (GA names only).

One unknown or invalid key makes the API discard a whole ``session.update``, so nothing goes into it that its types do not list;
``temperature`` is gone, and ``audio/pcmu`` takes no ``rate``. Tests check every message against the API's published types.
"""

import json
from typing import Any

from bridge.conversation.model_audio import format_of
from bridge.conversation.persona import persona_of
from calls.business import BusinessProfile

GREETING_ITEM_ID = "fd_greeting_request"
"""Our own name for the item that asks for the greeting, so that it is never taken for the caller's words."""
RECORDED_GREETING_ID = "fd_greeting"
"""Our own name for a greeting that was played from a recording: of its line, and of the item that tells the model of it."""


def encode(event: dict[str, Any]) -> str:
    """An event as it is sent."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def session_update(profile: BusinessProfile, tools: list[dict[str, Any]], *, has_called: bool = False) -> dict[str, Any]:
    """``session.update``: the whole configuration, once, before anything else. ``has_called``: the business has placed the call.

    The bridge decides when the model speaks and when it is cut, so ``create_response`` and ``interrupt_response`` are false for
    the whole call and the session never has to be changed in the middle of it.
    """
    return {
        "type": "session.update",
        "event_id": "fd_session",
        "session": {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": persona_of(profile, has_called=has_called),
            "audio": {"input": _audio_input(profile), "output": _audio_output(profile)},
            "tools": tools,
            "tool_choice": "auto",
        },
    }


def _audio_input(profile: BusinessProfile) -> dict[str, Any]:
    audio = profile.audio
    return {
        "format": format_of(audio.input),
        "noise_reduction": None if audio.noise_reduction == "off" else {"type": audio.noise_reduction},
        "transcription": _transcription(profile),
        "turn_detection": _turn_detection(profile),
    }


def _transcription(profile: BusinessProfile) -> dict[str, str]:
    language = profile.audio.transcription_language or profile.language
    wanted = {"model": profile.audio.transcription_model}
    return wanted if language == "auto" else wanted | {"language": language}


def _turn_detection(profile: BusinessProfile) -> dict[str, Any]:
    turns = profile.turns
    bridge_decides = {"create_response": False, "interrupt_response": False}
    if turns.detector == "semantic_vad":
        return {"type": "semantic_vad", "eagerness": turns.eagerness, **bridge_decides}
    return {
        "type": "server_vad",
        "threshold": turns.threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.silence_duration_ms,
        **bridge_decides,
    }


def _audio_output(profile: BusinessProfile) -> dict[str, Any]:
    return {"format": format_of(profile.audio.output), "voice": profile.voice, "speed": profile.audio.speed}


def greeting_request(text: str) -> dict[str, Any]:
    """The item that asks for the greeting, word for word. ``response.instructions`` would replace the persona."""
    request = (
        "The call has just been answered. Greet the caller now by saying exactly the following, word for word, "
        f"and nothing else: “{text}”"
    )
    return {
        "type": "conversation.item.create",
        "item": {
            "id": GREETING_ITEM_ID,
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": request}],
        },
    }


def greeting_spoken(text: str) -> dict[str, Any]:
    """Tells the model that it has greeted the caller with ``text``, which was a recording."""
    content = [{"type": "output_text", "text": text}]
    return {
        "type": "conversation.item.create",
        "item": {"id": RECORDED_GREETING_ID, "type": "message", "role": "assistant", "content": content},
    }


def response_create(*, with_tools: bool = True) -> dict[str, Any]:
    """Asks for the next response; what it should be about stands in the conversation. ``with_tools`` false: it may only speak."""
    if with_tools:
        return {"type": "response.create"}
    return {"type": "response.create", "response": {"tool_choice": "none"}}


def verbatim(text: str) -> str:
    """An instruction to say exactly ``text``."""
    return f"Say exactly the following to the caller, word for word, in one go, and nothing else: “{text}”"


def response_cancel(response_id: str) -> dict[str, Any]:
    """Stops a response that is being generated."""
    return {"type": "response.cancel", "response_id": response_id}


def truncate(item_id: str, audio_end_ms: int) -> dict[str, Any]:
    """Shortens the model's memory of what it said to what was heard."""
    return {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0, "audio_end_ms": audio_end_ms}


def instruction(text: str) -> dict[str, Any]:
    """Tells the model what to do next, where it does not replace the persona: a ``system`` item at the end of the conversation."""
    content = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.create", "item": {"type": "message", "role": "system", "content": content}}


def tool_output(call_id: str, output: str) -> dict[str, Any]:
    """The answer to a function call."""
    return {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": call_id, "output": output}}


def append_audio(payload: str) -> str:
    """A piece of the caller's audio, already encoded: ``payload`` is base64, as Twilio sent it."""
    return f'{{"type":"input_audio_buffer.append","audio":"{payload}"}}'

"""The client events of the GA interface and everything that may stand in them: OpenAI, *Realtime API reference: client events*.

Names of the retired beta interface are unknown parameters here, as they are there.
"""

import re
from typing import Any

import msgspec

from .refusals import Refused, missing_parameter, unsupported_value
from .shapes import (
    Shape,
    anything,
    array,
    boolean,
    decimal,
    integer,
    mapping,
    nullable,
    one_of,
    record,
    tagged,
    text,
    text_or,
)

VOICES = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
TRANSCRIPTION_MODELS = (
    "whisper-1",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-realtime-whisper",
)
_LANGUAGE = re.compile("[a-z]{2,3}")


def language(value: Any, path: str) -> None:
    """ISO 639-1."""
    text(value, path)
    if not _LANGUAGE.fullmatch(value):
        raise Refused("invalid_value", f"Invalid language '{value[:64]}'. Language must be in ISO-639-1 format.", path)


def modalities(value: Any, path: str) -> None:
    """``["audio"]`` or ``["text"]``; never both."""
    array(one_of("text", "audio"))(value, path)
    if len(value) != 1:
        raise Refused("invalid_value", f"Invalid modalities: {value}. Supported combinations are: ['text'] and ['audio'].", path)


def transcription(value: Any, path: str) -> None:
    """``audio.input.transcription``, with the options only some models have."""
    _TRANSCRIPTION(value, path)
    model = value.get("model")
    for option, models in _ONLY_WITH.items():
        if value.get(option) is not None and model is not None and model not in models:
            message = f"The '{option}' parameter is not supported with the transcription model '{model}'."
            raise Refused("invalid_value", message, f"{path}.{option}")


_TRANSCRIPTION = record(
    {
        "model": one_of(*TRANSCRIPTION_MODELS),
        "language": nullable(language),
        "languages": array(language),
        "keywords": array(text),
        "prompt": nullable(text),
        "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
_ONLY_WITH = {
    "languages": ("gpt-transcribe", "gpt-live-transcribe"),
    "keywords": ("gpt-transcribe", "gpt-live-transcribe"),
    "delay": ("gpt-realtime-whisper",),
    "prompt": tuple(model for model in TRANSCRIPTION_MODELS if model != "gpt-realtime-whisper"),
}

audio_format = tagged(
    "type",
    {
        "audio/pcm": record({"type": text, "rate": integer(24_000, 24_000)}, "type"),
        "audio/pcmu": record({"type": text}, "type"),
        "audio/pcma": record({"type": text}, "type"),
    },
)
_TURN_FLAGS: dict[str, Shape] = {"type": text, "create_response": boolean, "interrupt_response": boolean}
turn_detection = tagged(
    "type",
    {
        "server_vad": record(
            {
                **_TURN_FLAGS,
                "threshold": decimal(0, 1),
                "prefix_padding_ms": integer(),
                "silence_duration_ms": integer(),
                "idle_timeout_ms": nullable(integer(5_000, 30_000)),
            }
        ),
        "semantic_vad": record({**_TURN_FLAGS, "eagerness": one_of("low", "medium", "high", "auto")}),
    },
)
voice = text_or(VOICES, record({"id": text}, "id"))
_FUNCTION_TOOL = record({"type": text, "name": text, "description": text, "parameters": mapping}, "type", "name")
_MCP_TOOL = record(
    {
        "type": text,
        "server_label": text,
        **dict.fromkeys(("server_url", "connector_id", "tunnel_id", "authorization", "server_description"), text),
        "headers": nullable(mapping),
        "allowed_tools": anything,
        "require_approval": anything,
        "defer_loading": boolean,
    },
    "server_label",
)
tools = array(tagged("type", {"function": _FUNCTION_TOOL, "mcp": _MCP_TOOL}))
tool_choice = text_or(
    ("auto", "none", "required"),
    tagged(
        "type",
        {
            "function": record({"type": text, "name": text}, "name"),
            "mcp": record({"type": text, "server_label": text, "name": nullable(text)}, "server_label"),
        },
    ),
)
reasoning = record({"effort": one_of("none", "minimal", "low", "medium", "high", "xhigh")})
prompt = nullable(record({"id": text, "version": nullable(text), "variables": nullable(mapping)}, "id"))
max_output_tokens = text_or(("inf",), integer(1, 4_096))

session = record(
    {
        "type": one_of("realtime", "transcription"),
        "model": text,
        "output_modalities": modalities,
        "instructions": text,
        "audio": record(
            {
                "input": record(
                    {
                        "format": audio_format,
                        "noise_reduction": nullable(
                            record({"type": one_of("near_field", "far_field"), "strength": decimal(0, 1)}, "type")
                        ),
                        "transcription": nullable(transcription),
                        "turn_detection": nullable(turn_detection),
                    }
                ),
                "output": record({"format": audio_format, "voice": voice, "speed": decimal(0.25, 1.5)}),
            }
        ),
        "tools": tools,
        "tool_choice": tool_choice,
        "parallel_tool_calls": boolean,
        "reasoning": reasoning,
        "max_output_tokens": max_output_tokens,
        "truncation": text_or(
            ("auto", "disabled"),
            record(
                {
                    "type": one_of("retention_ratio"),
                    "retention_ratio": decimal(0, 1),
                    "token_limits": record({"post_instructions": integer()}),
                },
                "type",
                "retention_ratio",
            ),
        ),
        "tracing": nullable(
            text_or(("auto",), record({"workflow_name": text, "group_id": text, "metadata": anything})),
        ),
        "include": nullable(array(one_of("item.input_audio_transcription.logprobs"))),
        "prompt": prompt,
    },
    "type",
)


def item_id(value: Any, path: str) -> None:
    """An id the client chooses: at most 32 characters."""
    text(value, path)
    if not 1 <= len(value) <= 32:
        message = f"Invalid '{path}': expected a string of 1 to 32 characters, but got one of {len(value)} instead."
        raise Refused("string_above_max_length" if value else "string_below_min_length", message, path)


def _message(content: Shape) -> Shape:
    return record({**_ITEM_FIELDS, "role": text, "content": array(content)}, "content")


_ITEM_FIELDS: dict[str, Shape] = {
    "id": item_id,
    "type": text,
    "object": one_of("realtime.item"),
    "status": one_of("completed", "incomplete", "in_progress"),
}
_INPUT_TEXT = record({"type": text, "text": text}, "text")
_SYSTEM = tagged("type", {"input_text": _INPUT_TEXT})
_USER = tagged(
    "type",
    {
        "input_text": _INPUT_TEXT,
        "input_audio": record({"type": text, "audio": text, "transcript": nullable(text)}, "audio"),
        "input_image": record({"type": text, "image_url": text, "detail": one_of("auto", "low", "high")}, "image_url"),
    },
)


def _assistant(value: Any, path: str) -> None:
    tagged("type", {"output_text": record({"type": text, "text": text}, "text"), "output_audio": anything})(value, path)
    if value["type"] == "output_audio":
        raise Refused("invalid_value", "Assistant audio messages cannot be populated by the client.", path)


item = tagged(
    "type",
    {
        "message": tagged("role", {"system": _message(_SYSTEM), "user": _message(_USER), "assistant": _message(_assistant)}),
        "function_call": record(
            {**_ITEM_FIELDS, "name": text, "call_id": text, "arguments": text},
            "name",
            "arguments",
        ),
        "function_call_output": record({**_ITEM_FIELDS, "call_id": text, "output": text}, "call_id", "output"),
        "mcp_approval_response": record(
            {"id": item_id, "type": text, "approval_request_id": text, "approve": boolean, "reason": nullable(text)},
            "approval_request_id",
            "approve",
        ),
    },
)
response = record(
    {
        "audio": record({"output": record({"format": audio_format, "voice": voice})}),
        "conversation": one_of("auto", "none"),
        "input": array(item),
        "instructions": text,
        "max_output_tokens": max_output_tokens,
        "metadata": nullable(mapping),
        "output_modalities": modalities,
        "parallel_tool_calls": boolean,
        "prompt": prompt,
        "reasoning": reasoning,
        "tool_choice": tool_choice,
        "tools": tools,
    }
)


def _event(required: tuple[str, ...] = (), **fields: Shape) -> Shape:
    return record({"type": text, "event_id": text, **fields}, *required)


EVENTS: dict[str, Shape] = {
    "session.update": _event(("session",), session=session),
    "input_audio_buffer.append": _event(("audio",), audio=text),
    "input_audio_buffer.commit": _event(),
    "input_audio_buffer.clear": _event(),
    "output_audio_buffer.clear": _event(),
    "conversation.item.create": _event(("item",), item=item, previous_item_id=nullable(text)),
    "conversation.item.retrieve": _event(("item_id",), item_id=text),
    "conversation.item.truncate": _event(
        ("item_id", "content_index", "audio_end_ms"), item_id=text, content_index=integer(), audio_end_ms=integer()
    ),
    "conversation.item.delete": _event(("item_id",), item_id=text),
    "response.create": _event(response=nullable(response)),
    "response.cancel": _event(response_id=nullable(text)),
}


def parsed(frame: str | bytes) -> dict[str, Any]:
    """The JSON object of a frame. Raises :class:`~simulator.model.refusals.Refused`."""
    try:
        event = msgspec.json.decode(frame)
    except (msgspec.DecodeError, UnicodeError):
        message = "We could not parse the JSON body of your request. The API expects a JSON object in every text frame."
        raise Refused("invalid_json", message) from None
    if not isinstance(event, dict):
        raise Refused("invalid_json", "We expected a JSON object, but got something else.")
    return event


def check(event: dict[str, Any]) -> str:
    """The type of a client event that is as it should be. Raises :class:`~simulator.model.refusals.Refused`."""
    kind = event.get("type")
    if kind is None:
        raise missing_parameter("type")
    text(kind, "type")
    if kind not in EVENTS:
        raise unsupported_value(kind, tuple(EVENTS), "type")
    EVENTS[kind](event, "")
    return str(kind)

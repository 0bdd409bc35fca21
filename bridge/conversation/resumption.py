"""Carrying a call on: a new model session that knows what was said, and a short sentence in place of the greeting.

A stream may not be its call's first: the human who was rung did not answer, or the bridge that had the call is gone. The model is
told the conversation as it was *heard*, one text item a line (OpenAI Realtime, ``conversation.item.create``).
"""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from calls.events import AgentTranscript, CallerTranscript, CallEvent
from calls.language import phrases_of
from calls.operator import Side

MAX_LINES = 60
MAX_CHARS = 12_000
"""What of a long conversation the model is told: the end of it."""

Why = Literal["no_answer", "lost"]


class HeardLine(msgspec.Struct, frozen=True):
    """A line of the conversation as it was heard."""

    side: Side
    text: str


class Resumed(msgspec.Struct, frozen=True):
    """What a stream that carries a call on has to know."""

    why: Why
    heard: tuple[HeardLine, ...]
    since_ms: float
    """How long nobody had been speaking with the caller when this stream was accepted."""


def heard_in(record: Iterable[CallEvent]) -> tuple[HeardLine, ...]:
    """The lines of a call's events, the last of them if there are many."""
    lines: list[HeardLine] = []
    for event in record:
        match event.body:
            case CallerTranscript(text=text) if text:
                lines.append(HeardLine("caller", text))
            case AgentTranscript(text=text) if text:
                lines.append(HeardLine("agent", text))
    return end_of(lines)


def end_of(lines: list[HeardLine]) -> tuple[HeardLine, ...]:
    """The last of many lines."""
    kept: list[HeardLine] = []
    room = MAX_CHARS
    for line in reversed(lines[-MAX_LINES:]):
        room -= len(line.text)
        if room < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def items_of(heard: Iterable[HeardLine]) -> list[dict[str, Any]]:
    """The lines as items of the conversation, each with a name of our own so that none is taken for something new."""
    return [_item(f"fd_heard_{number}", line) for number, line in enumerate(heard, 1)]


def sentence(why: Why, language: str) -> str:
    """What is said first."""
    phrases = phrases_of(language)
    return phrases.nobody_answered if why == "no_answer" else phrases.back_again


def _item(item_id: str, line: HeardLine) -> dict[str, Any]:
    role, content = ("user", "input_text") if line.side == "caller" else ("assistant", "output_text")
    return {
        "type": "conversation.item.create",
        "item": {"id": item_id, "type": "message", "role": role, "content": [{"type": content, "text": line.text}]},
    }

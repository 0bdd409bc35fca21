"""Carrying a call on: a new model session that knows what was said, and a short sentence in place of the greeting.

A stream may not be its call's first: the human who was rung did not answer, or the bridge that had the call is gone. The model is
told the conversation as it was *heard*, one text item a line (OpenAI Realtime, ``conversation.item.create``).
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from calls.conversation import in_spoken_order
from calls.events import AgentTranscript, AppointmentBooked, CallerTranscript, CallEvent
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


class DoneBefore(msgspec.Struct, frozen=True):
    """A tool that was called on an earlier stream."""

    name: str
    arguments: str
    ok: bool | None = None
    """``None``: it is not known what became of it."""
    is_spoken_about: bool = False
    """The AI has gone on after its answer."""


class Closing(msgspec.Struct, frozen=True):
    """The call was being ended."""

    reason: str


class Transfer(msgspec.Struct, frozen=True):
    """The caller was being put through."""

    to: str


class Resumed(msgspec.Struct, frozen=True):
    """What a stream that carries a call on has to know. ``bridge.conversation.so_far`` reads it from the record."""

    why: Why
    heard: tuple[HeardLine, ...]
    since_ms: float
    """How long nobody had been speaking with the caller when this stream was accepted."""
    has_lasted_ms: float = 0.0
    """How long the call has been going on."""
    tools: tuple[DoneBefore, ...] = ()
    lead: dict[str, str] | None = None
    """What was captured last."""
    appointments: tuple[AppointmentBooked, ...] = ()
    whispers: tuple[str, ...] = ()
    """What operators have told the AI."""
    muted_for_ms: float | None = None
    """The AI has been told to be silent, and no operator has said anything for so long."""
    ending: Closing | Transfer | None = None
    """What was under way when the stream broke."""
    decided: str | None = None
    """A tool has ended the conversation, and the caller has not been told."""
    cut_off: str | None = None
    """What the caller heard of the AI's last line, if that was not all of it."""
    unanswered: int = 0
    """How many of the last lines are the caller's."""
    prompts: int = 0
    """How often a silent caller has been asked whether they are there."""


def heard_in(record: Sequence[CallEvent]) -> tuple[HeardLine, ...]:
    """The lines of a call's events in the order they were spoken, the last of them if there are many."""
    lines: list[HeardLine] = []
    for event in in_spoken_order(record):
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


def items_of(heard: Iterable[HeardLine], first: int = 1) -> list[dict[str, Any]]:
    """The lines as items of the conversation, each with a name of our own so that none is taken for something new; ``first``: the number
    of the first."""
    return [_item(f"fd_heard_{number}", line) for number, line in enumerate(heard, first)]


def sentence(resumed: Resumed, language: str) -> str:
    """What is said first. A caller who is owed something is not asked to go on."""
    phrases = phrases_of(language)
    if resumed.why == "no_answer":
        return phrases.nobody_answered
    is_owed = resumed.unanswered or resumed.ending or resumed.decided or resumed.cut_off
    return phrases.cut_off if is_owed else phrases.back_again


def _item(item_id: str, line: HeardLine) -> dict[str, Any]:
    role, content = ("user", "input_text") if line.side == "caller" else ("assistant", "output_text")
    return {
        "type": "conversation.item.create",
        "item": {"id": item_id, "type": "message", "role": role, "content": [{"type": content, "text": line.text}]},
    }

"""What an operator may ask of a live call, and what they may see of it while it is being said."""

from typing import Annotated, Literal

import msgspec

from calls.ids import CallSid

Role = Literal["viewer", "operator"]
"""A viewer watches; an operator may step in."""

Action = Literal["hangup", "force_hangup", "escalate", "whisper", "say", "mute", "unmute", "listen", "unlisten"]

Side = Literal["caller", "agent"]

MAX_ID_CHARS = 100
MAX_TEXT_CHARS = 2_000
MAX_TO_CHARS = 256


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for. ``id`` comes back with the result; ``text`` is what ``whisper`` tells the AI and what ``say``
    has it speak; ``to`` is whom ``escalate`` dials instead of the business's own human."""

    id: Annotated[str, msgspec.Meta(max_length=MAX_ID_CHARS)] = ""
    call_sid: CallSid
    action: Action
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT_CHARS)] | None = None
    to: Annotated[str, msgspec.Meta(max_length=MAX_TO_CHARS)] | None = None


class Glimpse(msgspec.Struct, frozen=True, kw_only=True):
    """A line while it is being said; the line itself follows as a transcript event with the same item."""

    side: Side
    item_id: str
    text: str
    """Of the AI: what it has generated so far. Of the caller: what has been transcribed so far."""
    heard_chars: int
    """How much of ``text`` the other side has heard."""
    over: bool
    """Nothing more of it will be heard: played to its end, or cut."""

"""Greetings: which one a call gets, and what makes two recordings of one the same."""

import hashlib
from datetime import datetime

import msgspec

from calls.business import BusinessProfile
from calls.events import parse_timestamp
from calls.hours import greeting_at
from calls.record import CallRecord

BYTES_PER_MS = 8
"""μ-law at 8 kHz."""


class GreetingKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording is known by. When any of these changes, it is another recording."""

    text: str
    voice: str
    model: str
    language: str
    speed: float = 1.0

    @property
    def digest(self) -> str:
        """The key in 64 hexadecimal digits."""
        parts = (self.text, self.voice, self.model, self.language, f"{self.speed:g}")
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class RecordedGreeting(msgspec.Struct, frozen=True, kw_only=True):
    """A greeting as the model once spoke it."""

    key: GreetingKey
    audio: bytes
    """μ-law, 8 kHz."""
    rendered_at: datetime

    @property
    def duration_ms(self) -> int:
        """How long it plays."""
        return len(self.audio) // BYTES_PER_MS


def greeting_for(profile: BusinessProfile, record: CallRecord | None) -> str:
    """The greeting of a call, as it is to be spoken: that of the hour, or that of calls the business places."""
    if record is not None and record.direction == "outbound":
        return profile.outbound_greeting_text
    accepted_at = record.accepted_at if record is not None else None
    return greeting_at(profile, parse_timestamp(accepted_at)) if accepted_at is not None else profile.greeting_text


def greetings_of(profile: BusinessProfile) -> dict[str, str]:
    """Every greeting a business may speak, by its occasion: ``greeting``, ``closed`` and ``outbound``, as far as they differ."""
    texts = {"greeting": profile.greeting_text}
    if profile.closed_text is not None:
        texts["closed"] = profile.closed_text
    if profile.outbound.greeting is not None:
        texts["outbound"] = profile.outbound_greeting_text
    return texts


def key_of(profile: BusinessProfile, text: str, default_model: str) -> GreetingKey:
    """What the recording of ``text`` in this business's voice is known by."""
    return GreetingKey(
        text=text,
        voice=profile.voice,
        model=profile.model or default_model,
        language=profile.language,
        speed=profile.audio.speed,
    )

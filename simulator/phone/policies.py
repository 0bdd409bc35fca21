"""How the simulated carrier is set up: the number that is called, the people that can be dialled, and the carrier's moods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from simulator.scenario import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """The webhooks of the number (or TwiML app) that is called; absolute URLs."""

    voice_url: str
    voice_method: Literal["GET", "POST"] = "POST"
    voice_fallback_url: str | None = None
    """Asked when a document cannot be fetched or run. Without it the caller hears a canned message."""
    status_callback: str | None = None
    """Told once the call is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Human:
    """A person the call can be dialled on to, and what they do."""

    outcome: Literal["answers", "busy", "no-answer", "failed"] = "answers"
    after_ms: int = 2000
    """How long it rings before they answer, or before ``busy`` or ``failed`` is known."""
    says: str = "Hello, you are talking to a person now. How can I help?"
    voice: str = "en-us+m7"
    talks_ms: int = 8000
    """From answering to hanging up, if the caller has not hung up before."""
    presses: str | None = "1"
    """The key they press when a screening document asks for one; ``None``: they press nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """Somebody an outbound call is made to, or the machine at their number."""

    outcome: Literal["answers", "busy", "no-answer", "failed"] = "answers"
    after_ms: int = 1000
    """How long it rings before they answer, or before ``busy`` or ``failed`` is known."""
    answered_by: Literal["human", "machine", "fax", "unknown"] = "human"
    """What the detection finds, if it was asked for."""
    detection_ms: int = 600
    """How long it listens for that; the real one needs two to four seconds."""
    announcement_ms: int = 1500
    """How long a machine speaks before its beep."""
    person: Caller = field(default_factory=Caller)
    """What they do once they have answered. Their number is the one that is called, whatever this says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jitter:
    """An unsteady line between carrier and server. Every frame's fate is drawn from the call's seed."""

    delay_ms: int = 40
    """Frames are delivered up to this much late, never out of order."""
    burst_chance: float = 0.0
    """Chance, per frame, that delivery stalls for ``burst_ms`` and then comes at once."""
    burst_ms: int = 200
    loss_chance: float = 0.0
    """Chance that a frame never arrives: ``chunk`` and ``timestamp`` show a gap, ``sequenceNumber`` does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The carrier's habits, above all those its documentation leaves open."""

    cleared_marks: Literal["echo", "drop", "late"] = "echo"
    """What becomes of outstanding marks at ``clear``: echoed at once (as documented), never, or ``late_ms`` later."""
    late_ms: int = 400
    forge: bool = False
    """Sign everything with a wrong token."""
    sign_with_slash: bool = False
    """Sign the WebSocket URL with a ``/`` at its end, as the real one sometimes does."""
    stream_setup_ms: int = 0
    """From the TwiML to the WebSocket handshake; a third party once measured 365 ms."""
    first_media_ms: tuple[int, int] = (100, 170)
    """Range of the first media frame's timestamp; captures show 102, 155 and 171."""
    jitter: Jitter | None = None
    dies_after_ms: int | None = None
    """The media connection is reset this long after ``start``, without ``stop``."""
    after_death: Literal["action", "silence"] = "action"
    """Then: ask the action what to do; or the whole call is gone and nobody says so."""
    action_after_hangup: bool = False
    """Whether ``<Connect action>`` is requested also when the caller hung up; undocumented."""
    humans: Mapping[str, Human] = field(default_factory=dict)
    """By dialled address (``+1…``, ``client:NAME``, ``sip:USER@HOST``)."""
    anyone: Human = Human()
    """Who answers at every other address."""
    voicemail: str | None = None
    """What the caller says after the beep of ``<Record>``; ``None``: the script goes on."""

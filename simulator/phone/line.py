"""What the parts of one simulated call share: its identity, ear and mouth, webhooks, timeline, and the list of outputs."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urljoin, urlsplit

from simulator.phone.identity import Identity
from simulator.phone.mouth import Frame, Mouth
from simulator.phone.outputs import Output
from simulator.phone.playout import SAMPLES_PER_MS, Playout
from simulator.phone.policies import Policies
from simulator.phone.requests import Requests
from simulator.phone.signing import Signer
from simulator.phone.timeline import DebuggerEntry, Observation
from simulator.phone.twiml import Method, TwimlError
from simulator.voice import VoiceError

Speak = Callable[[str, str], bytes]
"""Text and eSpeak NG voice to μ-law."""


@dataclass(slots=True)
class Line:
    """Shared by the activities of one call."""

    identity: Identity
    signer: Signer
    policies: Policies
    rng: random.Random
    speak: Speak
    observe: Callable[[Observation], None] | None = None
    epoch_ms: float = 0
    """Wall-clock ms when the call's clock shows 0, for the ``Timestamp`` of callbacks."""
    dialled_ms: float = 0
    base_url: str | None = None
    """The document that runs, against which relative URLs are resolved; ``None`` for one that came by REST."""
    ear: Playout = field(default_factory=Playout)
    mouth: Mouth = field(default_factory=Mouth)
    outputs: list[Output] = field(default_factory=list)
    timeline: list[Observation] = field(default_factory=list)
    requests: Requests = field(init=False)
    call_status: str = "ringing"

    def __post_init__(self) -> None:
        self.requests = Requests(self.signer, self.rng, self.outputs.append, self.note)

    def at_ms(self, now: float) -> float:
        """Since the caller dialled."""
        return round(now - self.dialled_ms, 3)

    def sample(self, now: float) -> int:
        """The position in both tracks."""
        # the little more keeps a position that time_of() turned into a time from becoming the one before it
        return int((now - self.dialled_ms) * SAMPLES_PER_MS + 0.001)

    def time_of(self, sample: int) -> float:
        """When the clock reaches a position in the tracks."""
        return self.dialled_ms + sample / SAMPLES_PER_MS

    def note(self, observation: Observation) -> None:
        """Adds to the timeline."""
        self.timeline.append(observation)
        if self.observe is not None:
            self.observe(observation)

    def debug(self, now: float, code: int, message: str, level: Literal["error", "warning"] = "error") -> None:
        """Adds to the carrier's debugger."""
        self.note(DebuggerEntry(at_ms=self.at_ms(now), code=code, message=message, level=level))

    def spoken(self, now: float, text: str, voice: str) -> bytes:
        """The text as audio; nothing when there is no such voice, which the debugger then shows."""
        try:
            return self.speak(text, voice)
        except VoiceError as error:
            self.debug(now, 13520, str(error))
            return b""

    def ear_dry_at_ms(self) -> float:
        """When what is being played to the caller will be over."""
        return self.time_of(self.ear.end)

    def absolute(self, url: str) -> str:
        """A URL of the running document; empty means the document itself. Raises :class:`TwimlError`."""
        resolved = urljoin(self.base_url, url) if self.base_url else url
        if urlsplit(resolved).scheme not in ("http", "https"):
            raise TwimlError(11100, f"{url!r} is no URL that can be requested; a document given by REST needs absolute ones")
        return resolved

    def callback(self, now: float, purpose: str, url: str, method: Method, params: dict[str, str]) -> None:
        """Tells a URL something without waiting for what it says. A URL that is empty or no URL is not told."""
        if not url:
            return
        try:
            self.requests.send(now, purpose, self.absolute(url), method, params=params)
        except TwimlError as error:
            self.debug(now, error.code, str(error))


@dataclass(frozen=True, slots=True)
class Continue:
    """The activity is over: the next verb runs."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """The activity is over: another document takes over."""

    url: str
    method: Method
    params: dict[str, str]
    purpose: str = "action"


@dataclass(frozen=True, slots=True)
class Vanish:
    """The call is gone, and nobody will be told."""


@dataclass(frozen=True, slots=True)
class Load:
    """The activity is over: a document that was given inline takes over."""

    twiml: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody has answered; the call is over with this status."""

    status: Literal["busy", "no-answer", "failed"]


After = Continue | Fetch | Vanish | Load | Unanswered
Done = Callable[[float, After], None]


class Activity(Protocol):
    """What a call is busy with. It ends by calling the ``Done`` it was given, once."""

    @property
    def wake_at_ms(self) -> float | None:
        """When :meth:`wake` wants to be called."""

    def begin(self, now: float) -> None:
        """Called once, first."""

    def wake(self, now: float) -> None:
        """``wake_at_ms`` has come."""

    def tick(self, now: float, frame: Frame) -> None:
        """The caller's last 20 ms."""

    def press(self, now: float, digit: str) -> None:
        """The caller pressed a key."""

    def hung_up(self, now: float) -> None:
        """The caller hung up; :meth:`stop` follows."""

    def stop(self, now: float) -> None:
        """The caller hung up, or the REST API moved the call. Must not call ``Done``."""


class Idle:
    """An activity that minds nothing; a base for those that mind little."""

    @property
    def wake_at_ms(self) -> float | None:
        """Never."""
        return None

    def begin(self, now: float) -> None:
        """Nothing to begin."""

    def wake(self, now: float) -> None:
        """Nothing to do."""

    def tick(self, now: float, frame: Frame) -> None:
        """Nobody listens."""

    def press(self, now: float, digit: str) -> None:
        """The key is lost."""

    def hung_up(self, now: float) -> None:
        """Nobody is told."""

    def stop(self, now: float) -> None:
        """Nothing to stop."""

"""The end of a call as far as the bridge decides it, as data: why, where it stands, and what becomes of the caller.

Last words are spoken in full; what the caller says meanwhile may reopen the conversation; what becomes of them is stored; then the
stream is left. Never in another order: ``/stream-ended`` reads the disposition, and must never have to guess.
"""

from enum import Enum, auto
from math import inf

import msgspec

from calls.business import BusinessProfile
from calls.record import Disposition

FIRST_AUDIO_WITHIN_MS = 6000
"""How long the model may take to begin the last words; the bridge's own recording takes their place."""
LISTEN_MS = 1500
"""How long a caller's turn that is still open, or has no text yet, is waited for after the last words."""
STORE_WITHIN_MS = 3000
"""The shell's bound on storing and on the REST call; after it the stream is left all the same."""


class Step(Enum):
    """Where a closing stands."""

    SPEAKING = auto()
    LISTENING = auto()
    STORING = auto()
    COMPLETING = auto()


class Closing(msgspec.Struct):
    """A closing under way."""

    reason: str
    disposition: Disposition
    may_reopen: bool = False
    """Whether the caller's words can take it back; not when an operator or the clock ends the call."""
    step: Step = Step.SPEAKING
    step_since_ms: float = 0.0
    asked_at_ms: float | None = None
    """When the model was asked for the last words; not before what it was saying is generated."""
    waits_for_model: bool = False
    """The model has been asked for the last words and has not said them all."""
    has_been_heard: bool = False
    """Some of the last words went out."""
    turns: list[str] = []
    """The caller's turns since the closing began."""
    announcement: str | None = None
    """What the caller is told before a human is dialled; Twilio says it if the model does not."""
    completed: bool = False
    """Twilio's REST API has confirmed the call's end."""

    def enter(self, step: Step, now_ms: float) -> None:
        """The next step has begun."""
        self.step, self.step_since_ms = step, now_ms

    @property
    def wake_at_ms(self) -> float:
        """When the present step is not waited for any longer."""
        match self.step:
            case Step.SPEAKING if self.waits_for_model and not self.has_been_heard and self.asked_at_ms is not None:
                return self.asked_at_ms + FIRST_AUDIO_WITHIN_MS
            case Step.LISTENING:
                return self.step_since_ms + LISTEN_MS
            case Step.STORING | Step.COMPLETING:
                return self.step_since_ms + STORE_WITHIN_MS + 500
        return inf

    @property
    def must_be_completed(self) -> bool:
        """Whether the call is ended by us: a hang-up with nothing left for Twilio to say or dial."""
        return self.disposition.action == "hang_up" and self.disposition.say is None


def fallback_disposition(profile: BusinessProfile, reason: str) -> Disposition:
    """What the business wants done with a caller the AI cannot answer."""
    fallback = profile.fallback
    if fallback.mode == "dial" and profile.escalation is not None:
        return Disposition(
            action="dial",
            reason=reason,
            say=profile.fallback_text,
            to=profile.escalation.to,
            timeout_s=profile.escalation.timeout_s,
        )
    if fallback.mode == "voicemail":
        return Disposition(action="voicemail", reason=reason, say=profile.fallback_text)
    return Disposition(action="hang_up", reason=reason, say=profile.fallback_text)

"""The end of a call as far as the bridge decides it: last words spoken in full, then what becomes of the caller is stored, then
the stream is left. Never in another order: ``/stream-ended`` reads the disposition, and must never have to guess.

The last words here are lines the bridge speaks by itself, because the model is gone or its time is up.
"""

from enum import Enum, auto
from math import inf

import msgspec

from calls.business import BusinessProfile
from calls.record import Disposition

STORE_WITHIN_MS = 3000
"""The shell's bound on storing and on the REST call; after it the stream is left all the same."""


class Step(Enum):
    """Where a closing stands."""

    SPEAKING = auto()
    STORING = auto()
    COMPLETING = auto()
    LEAVING = auto()


class Closing(msgspec.Struct):
    """A closing under way."""

    reason: str
    disposition: Disposition
    step: Step = Step.SPEAKING
    step_since_ms: float = 0.0
    completed: bool = False
    """Twilio's REST API has confirmed the call's end."""

    def enter(self, step: Step, now_ms: float) -> None:
        """The next step has begun."""
        self.step, self.step_since_ms = step, now_ms

    @property
    def wake_at_ms(self) -> float:
        """When a step that waits for an answer of the shell goes on without it."""
        if self.step in (Step.STORING, Step.COMPLETING):
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

"""The greeting: the first generated segment of a call, heard whole.

While it lasts nothing the caller does can stop it, and nothing they say is lost. It is over when its transcript and its response
are done *and* its last mark has come back; what of these is lost is covered by a deadline, two seconds after its audio. Audio of
it that still comes after that is protected like the rest. A turn the caller finished meanwhile is answered once the greeting is
over, if it was substantial: "hello?" is not, since the greeting answers it.

A recorded greeting is complete from its first moment and needs no model: it is played as soon as the call is ours, the model's
session is set up behind it, and it plays on whatever becomes of that session.
"""

from math import inf

SUBSTANTIAL_MS = 700
"""Speech this long, the detector's padding taken off, is more than a "hello?"."""


class Greeting:
    """How far the greeting has come, and what the caller said over it."""

    __slots__ = (
        "first_audio_ms",
        "has_late_audio",
        "has_substantial_turn",
        "is_recorded",
        "items",
        "response_is_done",
        "text_is_done",
        "turns",
    )

    def __init__(self) -> None:
        self.first_audio_ms: float | None = None
        self.items: list[str] = []
        """The conversation items it consists of."""
        self.text_is_done = False
        self.response_is_done = False
        self.is_recorded = False
        self.has_late_audio = False
        """Audio of it came after it had counted as over, and may still be playing."""
        self.turns: list[str] = []
        """The caller's turns that ended over it."""
        self.has_substantial_turn = False

    def is_a_recording(self) -> None:
        """There is no more of it to come than is played now."""
        self.is_recorded = self.text_is_done = self.response_is_done = True

    def broke_off(self, *, is_whole: bool) -> None:
        """The model says no more of it for now. ``is_whole``: its last word had come."""
        self.text_is_done = self.response_is_done = is_whole

    @property
    def is_complete(self) -> bool:
        """Whether the model has said that there is no more of it."""
        return self.text_is_done and self.response_is_done

    def is_over(self, *, audible: bool) -> bool:
        """Whether the caller has heard it to its end. ``audible``: something of it is still being played, its mark not back."""
        return self.first_audio_ms is not None and self.is_complete and not audible

    def gives_up_at_ms(self, playback_over_by_ms: float, last_audio_ms: float, lost_mark_ms: float) -> float:
        """When it counts as over although the model never said that it was.

        Args:
            playback_over_by_ms: the ledger's deadline for what has been sent; ``inf`` if all of that was confirmed.
            last_audio_ms: when the latest audio was sent.
            lost_mark_ms: the grace on top of it.
        """
        if self.first_audio_ms is None or self.is_complete:
            return inf
        return playback_over_by_ms if playback_over_by_ms != inf else last_audio_ms + lost_mark_ms

    def keep(self, item_id: str, speech_ms: float) -> None:
        """A turn of the caller ended while the greeting was on."""
        self.turns.append(item_id)
        if speech_ms >= SUBSTANTIAL_MS:
            self.has_substantial_turn = True

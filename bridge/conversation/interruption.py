"""What a barge-in does to the conversation: the AI is cut, and goes on if nobody meant it.

The gate (``barge_in.py``) says when; here is what follows. After a cut that no words came of, the AI resumes once it has been quiet
for ``resume_after_ms``. It is told where it was cut off; its audio is never played again.
"""

from collections.abc import Callable, Sequence
from math import inf

import msgspec

from bridge.conversation import model_messages
from bridge.conversation.agent_voice import STORED_LINE, AgentVoice
from bridge.conversation.barge_in import BargeInGate, Burst, Verdict
from bridge.conversation.outbox import Outbox
from bridge.conversation.playback import BYTES_PER_MS
from bridge.conversation.transcript import Transcript
from calls import events
from calls.business import BargeIn


class _Loudness(msgspec.Struct):
    """How much of a stretch was loud, and how much of that was dismissed as a cough."""

    loud_ms: float = 0.0
    dismissed_ms: float = 0.0


class Interruption:
    """One stream's interruptions."""

    __slots__ = (
        "_cut_off_after",
        "_outbox",
        "_quiet_since_ms",
        "_settings",
        "_so_far",
        "_stream_began_ms",
        "_transcript",
        "_turns",
        "_voice",
        "gate",
        "loudness_of",
        "pass_quiet",
    )

    def __init__(self, outbox: Outbox, voice: AgentVoice, transcript: Transcript) -> None:
        self._outbox = outbox
        self._voice = voice
        self._transcript = transcript
        self._settings = BargeIn()
        self._listen_with(BargeInGate(self._settings))
        self._stream_began_ms = 0.0
        self._so_far = _Loudness()
        self._turns: dict[str, _Loudness] = {}
        self._cut_off_after: str | None = None  # the words before a cut of which nothing has come yet
        self._quiet_since_ms = inf

    def configure(self, settings: BargeIn, stream_began_ms: float) -> None:
        """The business is known. ``stream_began_ms``: what the events' milliseconds count from."""
        self._settings = settings
        self._listen_with(BargeInGate(settings))
        self._stream_began_ms = stream_began_ms

    def _listen_with(self, gate: BargeInGate) -> None:
        self.gate = gate
        self.loudness_of: Callable[[bytes], float | None] = gate.loudness_of
        """The RMS of a frame; ``None`` if it is below every bar, however loud it is."""
        self.pass_quiet: Callable[[bytes], bool] = gate.pass_quiet
        """One frame of the caller that ``loudness_of`` knows nothing of. ``False``: it has to be heard all the same."""

    def hear(self, audio: bytes, loudness_rms: float | None, *, armed: bool) -> bool:
        """One frame of the caller, as loud as ``loudness_of`` says; ``True`` if it decided something. One of no known loudness
        was to be passed first."""
        if loudness_rms is None:
            verdict, waits_anew = self.gate.hear_quiet(audio, armed=armed), False
        else:
            audio_ms = len(audio) / BYTES_PER_MS
            verdict = self.gate.hear(loudness_rms, audio_ms, self._outbox.now_ms, armed=armed)
            waits_anew = self.gate.last_was_loud and self._loud_for(audio_ms)
        return waits_anew if verdict is None else self._judged(verdict)

    def passed(self, audios: Sequence[bytes], levels_rms: Sequence[float] | None) -> None:
        """Frames of the caller that could decide nothing: see :meth:`BargeInGate.overhear`."""
        self._so_far.loud_ms += self.gate.overhear(audios, levels_rms)

    @property
    def waits_for_quiet(self) -> bool:
        """Whether the AI was cut and goes on once it is quiet: then every loud frame matters."""
        return self._cut_off_after is not None and not self._turns

    def _loud_for(self, audio_ms: float) -> bool:
        """``True``: the AI waits anew for quiet before it goes on."""
        self._so_far.loud_ms += audio_ms
        if not self.waits_for_quiet:
            return False
        waits_anew = self._quiet_since_ms == inf
        self._quiet_since_ms = self._outbox.now_ms
        return waits_anew

    def _judged(self, verdict: Verdict) -> bool:
        burst = self.gate.burst
        if burst is None:
            return False
        match verdict:
            case Verdict.TRIGGERED:
                self._outbox.record(events.BargeInTriggered(rms=burst.rms))
            case Verdict.DISMISSED:
                self._so_far.dismissed_ms += burst.loud_ms
                self._outbox.record(events.BargeInDismissed())
            case Verdict.CUT:
                self._cut(burst)
        return True

    # --- turns -------------------------------------------------------------------------------------------------------------

    def turn_started(self, item_id: str) -> None:
        """The detector hears a turn: loudness counts for it from the burst under judgement on."""
        under_judgement_ms = self.gate.burst.loud_ms if self.gate.burst is not None and self.gate.hears_speech else 0.0
        self._turns.clear()  # a detector hears one turn at a time
        self._turns[item_id] = _Loudness(self._so_far.loud_ms - under_judgement_ms, self._so_far.dismissed_ms)
        self._quiet_since_ms = inf

    def turn_was_only_coughs(self, item_id: str) -> bool:
        """Whether a turn that is over held nothing but dismissed bursts. Asks once per turn."""
        before = self._turns.pop(item_id, None)
        if before is None:
            return False
        dismissed_ms = self._so_far.dismissed_ms - before.dismissed_ms
        other_ms = self._so_far.loud_ms - before.loud_ms - dismissed_ms
        return dismissed_ms > 0 and other_ms < self._settings.hold_ms

    def turn_forgotten(self) -> None:
        """An open turn is not believed in any more."""
        self._turns.clear()
        self.turn_ended(answered=False)

    def turn_ended(self, *, answered: bool) -> None:
        """A turn is over: an answer takes the place of going on; without one the quiet begins anew."""
        if answered:
            self.forget()
        elif self._cut_off_after is not None:
            self._quiet_since_ms = self._outbox.now_ms

    # --- after a cut -------------------------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Something else is said next."""
        self._cut_off_after = None
        self._quiet_since_ms = inf

    @property
    def resumes_at_ms(self) -> float:
        """When the AI goes on if it stays quiet; ``inf`` if there is nothing to go on with."""
        if self._cut_off_after is None or not self._settings.resume_after_ms:
            return inf
        return self._quiet_since_ms + self._settings.resume_after_ms

    def resume(self) -> bool:
        """Tells the model to go on, if its time has come."""
        if self._outbox.now_ms < self.resumes_at_ms:
            return False
        heard = self._cut_off_after or ""
        self.forget()
        self._outbox.model(model_messages.instruction(_GO_ON.format(heard=heard) if heard else _SAY_AGAIN))
        self._outbox.record(events.BargeInResumed())
        return True

    def _cut(self, burst: Burst) -> None:
        cut = self._voice.cut()
        if not cut:
            return
        audible = cut[0]
        now_ms = self._outbox.now_ms
        self._outbox.record(
            events.BargeInCut(
                item_id=audible.item_id,
                heard_ms=round(audible.heard_ms),
                reaction_ms=round(now_ms - burst.began_ms),
                speech_ms=self._since_start(burst.began_ms),
                triggered_ms=self._since_start(burst.triggered_at_ms or now_ms),
                clear_ms=self._since_start(now_ms),
                truncate_ms=self._since_start(now_ms),
            )
        )
        if audible.item_id.startswith(STORED_LINE):
            self.forget()  # of the bridge's own lines there is nothing to go on with
            return
        self._cut_off_after = self._transcript.heard_text_of(audible.item_id)
        self._quiet_since_ms = inf if self._turns else now_ms

    def _since_start(self, at_ms: float) -> int:
        return max(0, round(at_ms - self._stream_began_ms))


_GO_ON = (
    "A noise interrupted you; the caller said nothing. They heard you up to these words: “{heard}”. "
    "Go on from exactly there, in a natural way, without repeating what was heard and without mentioning the interruption."
)
_SAY_AGAIN = "A noise interrupted you before the caller heard anything; they said nothing. Say again what you were about to say."

"""The caller: follows the script with ear, mouth and keys."""

from collections import deque
from collections.abc import Callable

from simulator.phone.line import Line
from simulator.phone.mouth import FRAME_BYTES, noise
from simulator.phone.playout import is_speech
from simulator.phone.script import Script
from simulator.phone.timeline import Heard, StepBegan, StepOver
from simulator.scenario import Caller, CallerStep

_KEY_EVERY_MS = 100


class ScriptedCaller:
    """Does what the script says, when its moment has come."""

    def __init__(self, line: Line, caller: Caller) -> None:
        self.script = Script(caller.steps)
        self._line = line
        self._caller = caller
        self._step: CallerStep | None = None
        self._keys: deque[str] = deque()
        self._next_key_ms: float = 0

    @property
    def gives_up_ms(self) -> float | None:
        """When the caller hangs up if the script has not come to its end by then; ``None`` once it has."""
        if self.script.is_finished:
            return None
        return self._line.dialled_ms + self._caller.gives_up_after_s * 1000

    def listen(self, now: float) -> None:
        """Hears the newest 20 ms."""
        speech = is_speech(self._line.ear.heard[-FRAME_BYTES:])
        began_ms = self.script.hears(now, speech=speech)
        if began_ms is not None:
            self._note_heard(began_ms)

    def follow_script(self, now: float, press: Callable[[float, str], None]) -> bool:
        """Begins or goes on with a step. Returns whether the caller hangs up now.

        A key may end the activity it is pressed in; the step goes on all the same.
        """
        if self._step is None:
            self._step = self.script.due(now)
            if self._step is None:
                return False
            self._begin(now, self._step)
        if self._keys and now >= self._next_key_ms:
            self._next_key_ms = now + _KEY_EVERY_MS
            press(now, self._keys.popleft())
        if self._keys or self._line.mouth.is_talking:
            return False
        return self._end(now, self._step)

    def leave(self) -> None:
        """The call is over: what was being heard is noted, what was being said breaks off."""
        self._line.mouth.hush()
        if self.script.open_utterance_ms is not None:
            self._note_heard(self.script.open_utterance_ms)

    def _begin(self, now: float, step: CallerStep) -> None:
        line = self._line
        line.note(StepBegan(at_ms=line.at_ms(now), index=self.script.index, what=_described(step)))
        if step.say is not None:
            line.mouth.say(line.spoken(now, step.say, self._caller.voice))
        if step.noise_ms:
            line.mouth.say(noise(step.noise_ms, step.noise_rms, line.rng.getrandbits(32)))
        self._keys.extend(step.dtmf or "")

    def _end(self, now: float, step: CallerStep) -> bool:
        self._step = None
        self._line.note(StepOver(at_ms=self._line.at_ms(now), index=self.script.index))
        self.script.step_over(now)
        return step.hang_up

    def _note_heard(self, began_ms: float) -> None:
        line = self._line
        line.note(Heard(at_ms=line.at_ms(self.script.last_speech_ms), from_ms=line.at_ms(began_ms)))


def _described(step: CallerStep) -> str:
    parts = [step.say] if step.say is not None else []
    if step.noise_ms:
        parts.append("*noise*")
    if step.dtmf:
        parts.append(f"keys {step.dtmf}")
    if step.hang_up:
        parts.append("hangs up")
    return ", ".join(parts)

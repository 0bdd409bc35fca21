"""The smaller verbs: ``<Say>``, ``<Pause>``, ``<Play>``, ``<Record>`` and ``<Gather>``."""

import numpy as np

from simulator import g711
from simulator.phone.identity import new_sid
from simulator.phone.line import Continue, Done, Fetch, Idle, Line
from simulator.phone.mouth import Frame
from simulator.phone.playout import is_speech
from simulator.phone.timeline import Recorded, Said
from simulator.phone.twiml import Gather, Pause, Play, Record, Say

_BEEP_MS = 400
_SOFT = 260  # under what counts as speech: the caller does not answer a tone
_ENGLISH = {"en-gb": "en-gb", "en": "en-us", "en-us": "en-us"}


def tone(duration_ms: int, *frequencies_hz: int) -> bytes:
    """A soft tone of the carrier, μ-law."""
    t = np.arange(duration_ms * g711.SAMPLES_PER_MS) / (1000 * g711.SAMPLES_PER_MS)
    waves = [np.sin(2 * np.pi * hz * t) for hz in frequencies_hz]
    return g711.encode(np.sum(waves, axis=0) * _SOFT / len(waves))


def voice_of(language: str) -> str:
    """The eSpeak NG voice for a ``language`` attribute such as ``he-IL``."""
    tag = language.lower()
    return _ENGLISH.get(tag, tag.partition("-")[0]) + "+f2"


def say(now: float, line: Line, prompt: Say | Play | Pause) -> None:
    """Puts a prompt into the caller's ear. A ``<Play>`` is skipped: the simulated phone fetches no sound."""
    match prompt:
        case Say():
            line.note(Said(at_ms=line.at_ms(now), text=prompt.text))
            line.ear.append(line.spoken(now, prompt.text, voice_of(prompt.language)) * max(1, prompt.loop))
        case Pause():
            line.ear.append(bytes((g711.SILENCE,)) * int(prompt.length_s * 1000 * g711.SAMPLES_PER_MS))


class Saying(Idle):
    """``<Say>``, ``<Play>`` or ``<Pause>``: over when the ear runs dry."""

    def __init__(self, line: Line, prompt: Say | Play | Pause, done: Done) -> None:
        self._line, self._prompt, self._done = line, prompt, done

    @property
    def wake_at_ms(self) -> float | None:
        """The end of the prompt."""
        return self._line.ear_dry_at_ms()

    def begin(self, now: float) -> None:
        """Speaks."""
        say(now, self._line, self._prompt)

    def wake(self, now: float) -> None:
        """Over."""
        self._done(now, Continue())


class Recorder(Idle):
    """``<Record>``: a beep, the caller's words, and the action once the caller is silent, presses a key or has had enough time."""

    def __init__(self, line: Line, verb: Record, done: Done) -> None:
        self._line, self._verb, self._done = line, verb, done
        self._began_ms: float = 0
        self._last_speech_ms: float = 0
        self._spoke = False
        self._prompted = line.policies.voicemail is None
        self._over = False

    @property
    def wake_at_ms(self) -> float | None:
        """The end of the caller's silence, or of the time there is."""
        if not self._prompted:
            return self._began_ms
        silent_ms = self._last_speech_ms + self._verb.timeout_s * 1000
        return min(silent_ms, self._began_ms + self._verb.max_length_s * 1000)

    def begin(self, now: float) -> None:
        """Beeps."""
        if self._verb.beep:
            self._line.ear.append(tone(_BEEP_MS, 1000))
        self._began_ms = self._last_speech_ms = max(now, self._line.ear_dry_at_ms())

    def wake(self, now: float) -> None:
        """Time for the scripted message, or time over."""
        if not self._prompted:
            self._prompted = True
            text = self._line.policies.voicemail or ""
            self._line.mouth.say(self._line.spoken(now, text, "en-us+m3"))
            return
        self._finish(now, {})

    def tick(self, now: float, frame: Frame) -> None:
        """Listens for speech."""
        if now > self._began_ms and is_speech(frame.audio):
            self._spoke, self._last_speech_ms = True, now

    def press(self, now: float, digit: str) -> None:
        """A key ends the message."""
        if digit in self._verb.finish_on_key and now > self._began_ms:
            self._finish(now, {"Digits": digit})

    def hung_up(self, now: float) -> None:
        """The message is kept, and the action is told."""
        if self._spoke and not self._over:
            self._over = True
            params = self._line.identity.params("completed") | self._params(now, {"Digits": "hangup"})
            self._line.callback(now, "action", self._verb.action or self._line.base_url or "", self._verb.method, params)

    def _finish(self, now: float, digits: dict[str, str]) -> None:
        self._over = True
        if not self._spoke:
            # an empty message is no message: the real one runs the next verb
            self._done(now, Continue())
            return
        self._done(now, Fetch(self._verb.action, self._verb.method, self._params(now, digits)))

    def _params(self, now: float, digits: dict[str, str]) -> dict[str, str]:
        line, identity = self._line, self._line.identity
        duration_s = max(1, round((now - self._began_ms) / 1000))
        line.note(Recorded(at_ms=line.at_ms(now), duration_s=duration_s))
        sid = new_sid("RE", line.rng)
        params = {
            "RecordingSid": sid,
            "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{identity.account_sid}/Recordings/{sid}",
            "RecordingDuration": str(duration_s),
        }
        facts = {"AccountSid": identity.account_sid, "CallSid": identity.call_sid, "RecordingStatus": "completed"}
        facts |= {"RecordingChannels": "1", "RecordingSource": "RecordVerb"}
        verb = self._verb
        line.callback(now, "recording-status", verb.status_callback, verb.status_callback_method, params | facts)
        return params | digits


class Gathering(Idle):
    """``<Gather>`` of keys: prompts first, which a key cuts short."""

    def __init__(self, line: Line, verb: Gather, done: Done) -> None:
        self._line, self._verb, self._done = line, verb, done
        self._digits = ""
        self._deadline_ms: float = 0

    @property
    def wake_at_ms(self) -> float | None:
        """The end of the caller's patience."""
        return self._deadline_ms

    def begin(self, now: float) -> None:
        """Speaks the prompts."""
        for prompt in self._verb.prompts:
            say(now, self._line, prompt)
        self._deadline_ms = self._line.ear_dry_at_ms() + self._verb.timeout_s * 1000

    def press(self, now: float, digit: str) -> None:
        """Collects; the last key asked for, or the finishing key, ends it."""
        self._line.ear.clear()
        self._deadline_ms = now + self._verb.timeout_s * 1000
        if digit in self._verb.finish_on_key:
            self._finish(now, digit)
            return
        self._digits += digit
        if len(self._digits) == self._verb.num_digits:
            self._finish(now, "")

    def wake(self, now: float) -> None:
        """Time over."""
        self._finish(now, "")

    def _finish(self, now: float, finished_on: str) -> None:
        if not self._digits and not self._verb.action_on_empty:
            self._done(now, Continue())
            return
        params = {"Digits": self._digits, "FinishedOnKey": finished_on}
        self._done(now, Fetch(self._verb.action, self._verb.method, params))

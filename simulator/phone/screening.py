"""``<Number url>``: a document that runs on the person's leg before the caller is connected.

The person listens to its ``<Say>``, presses the key they are set to press at a ``<Gather>``, and is connected when a document
runs to its end; ``<Hangup>``, or a document that cannot be had, leaves the caller unconnected (Twilio, *TwiML: Number*).
"""

from collections import deque
from collections.abc import Callable
from urllib.parse import urljoin

from simulator import g711
from simulator.phone.line import Line
from simulator.phone.policies import Human
from simulator.phone.requests import Answer
from simulator.phone.twiml import Gather, Hangup, Method, Pause, Redirect, Say, TwimlError, Verb, parse
from simulator.phone.verbs import voice_of

_PRESSES_AFTER_MS = 500

Decided = Callable[[float, bool], None]


class Screening:
    """Whether a person takes the call."""

    def __init__(self, line: Line, human: Human, address: str, child_sid: str, decided: Decided) -> None:
        self._line, self._human, self._decided = line, human, decided
        self._address, self._child_sid = address, child_sid
        self._verbs: deque[Verb] = deque()
        self._base_url: str = ""
        self._busy_until_ms: float | None = None
        self._gather: Gather | None = None
        self._abandoned = False

    @property
    def wake_at_ms(self) -> float | None:
        """When the person has heard what is being said, or has pressed a key."""
        return self._busy_until_ms

    def fetch(self, now: float, url: str, method: Method, extra: dict[str, str]) -> None:
        """Asks for a document with the parameters of the person's leg."""
        line = self._line
        try:
            absolute = line.absolute(urljoin(self._base_url, url))
        except TwimlError as error:
            line.debug(now, error.code, str(error))
            self._decided(now, False)
            return
        self._base_url = absolute
        params = line.identity.params("in-progress") | {
            "CallSid": self._child_sid,
            "ParentCallSid": line.identity.call_sid,
            "Direction": "outbound-dial",
            "To": self._address,
            "Called": self._address,
        }
        line.requests.send(now, "screen", absolute, method, params=params | extra, then=self._answered)

    def abandon(self) -> None:
        """The caller is gone: whatever is still answered does not matter."""
        self._abandoned = True

    def _answered(self, now: float, answer: Answer) -> None:
        if self._abandoned:
            return
        if answer.error_code is not None:
            self._line.debug(now, answer.error_code, f"{answer.url}: {answer.error}")
            self._decided(now, False)
            return
        try:
            self._verbs = deque(parse(answer.body))
        except TwimlError as error:
            self._line.debug(now, error.code, f"{answer.url}: {error}")
            self._decided(now, False)
            return
        self._next(now)

    def wake(self, now: float) -> None:
        """A key is pressed, or the next verb runs."""
        if self._busy_until_ms is None or now < self._busy_until_ms:
            return
        self._busy_until_ms = None
        gather, self._gather = self._gather, None
        if gather is not None and self._human.presses is not None:
            self.fetch(now, gather.action, gather.method, {"Digits": self._human.presses})
        else:
            self._next(now)

    def _next(self, now: float) -> None:
        if not self._verbs:
            self._decided(now, True)
            return
        verb = self._verbs.popleft()
        match verb:
            case Say() | Pause():
                self._busy_until_ms = now + self._length_ms(now, verb)
            case Gather():
                self._gather = verb
                waits_ms = verb.timeout_s * 1000 if self._human.presses is None else _PRESSES_AFTER_MS
                prompts = (prompt for prompt in verb.prompts if isinstance(prompt, Say | Pause))
                self._busy_until_ms = now + sum(self._length_ms(now, prompt) for prompt in prompts) + waits_ms
            case Redirect():
                self.fetch(now, verb.url, verb.method, {})
            case Hangup():
                self._decided(now, False)
            case _:
                self._line.debug(now, 13255, f"a screening document cannot run {type(verb).__name__}")
                self._decided(now, False)

    def _length_ms(self, now: float, prompt: Say | Pause) -> float:
        if isinstance(prompt, Pause):
            return prompt.length_s * 1000
        spoken = self._line.spoken(now, prompt.text, voice_of(prompt.language))
        return len(spoken) * max(1, prompt.loop) / g711.SAMPLES_PER_MS

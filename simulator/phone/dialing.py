"""``<Dial>``: people who can be rung, who answer or do not, who may be asked first whether they take the call, and who talk.

Follows Twilio, *TwiML: Dial*. All targets ring at once and the first to answer wins; the time limit is the verb's ``timeout``
and the five seconds the real one adds. Callbacks of the child leg are not sent.
"""

from dataclasses import dataclass
from typing import Literal

from simulator.phone.identity import new_sid
from simulator.phone.line import Continue, Done, Fetch, Idle, Line
from simulator.phone.policies import Human
from simulator.phone.screening import Screening
from simulator.phone.timeline import DialOver, HumanAnswered, HumanRang
from simulator.phone.twiml import Dial, Target
from simulator.phone.verbs import tone

_ADDED_MS = 5000
_RING_MS = 2000
_RING_EVERY_MS = 6000
_RINGBACK = tone(_RING_MS, 440, 480)
_DialStatus = Literal["completed", "busy", "no-answer", "failed"]


@dataclass(frozen=True, slots=True)
class _Leg:
    target: Target
    human: Human


class Dialing(Idle):
    """One ``<Dial>``."""

    def __init__(self, line: Line, verb: Dial, done: Done) -> None:
        self._line, self._verb, self._done = line, verb, done
        self._legs = [_Leg(target, self._who(target)) for target in verb.targets]
        self._child_sid = new_sid("CA", line.rng)
        self._began_ms: float = 0
        self._answered_ms: float | None = None
        self._hangs_up_ms: float | None = None
        self._rings_at_ms: float = 0
        self._screening: Screening | None = None
        self._winner: _Leg | None = None
        self._over = False

    def _who(self, target: Target) -> Human:
        """Who answers; a WhatsApp call cannot be connected to the telephone network."""
        if target.kind == "number" and self._line.identity.from_.startswith("whatsapp:"):
            return Human(outcome="failed", after_ms=0)
        bare = target.address.partition(";")[0].partition("?")[0]
        return self._line.policies.humans.get(bare, self._line.policies.anyone)

    @property
    def wake_at_ms(self) -> float | None:
        """Whatever happens next: a ring, an answer, the end of patience, the person hanging up."""
        if self._hangs_up_ms is not None:
            return self._hangs_up_ms
        times = [self._rings_at_ms]
        if self._screening is None:
            times.append(self._decided_at_ms()[0])
        elif self._screening.wake_at_ms is not None:
            times.append(self._screening.wake_at_ms)
        return min(times)

    def _decided_at_ms(self) -> tuple[float, _DialStatus, _Leg | None]:
        """When the ringing ends, how, and who answers."""
        gives_up_ms = self._began_ms + self._verb.timeout_s * 1000 + _ADDED_MS
        answers = [leg for leg in self._legs if leg.human.outcome == "answers"]
        if answers:
            first = min(answers, key=lambda leg: leg.human.after_ms)
            if self._began_ms + first.human.after_ms < gives_up_ms:
                return self._began_ms + first.human.after_ms, "completed", first
        refusals = [leg.human for leg in self._legs if leg.human.outcome in ("busy", "failed")]
        if len(refusals) < len(self._legs):
            return gives_up_ms, "no-answer", None
        last = max(refusals, key=lambda human: human.after_ms, default=Human(outcome="failed", after_ms=0))
        return self._began_ms + last.after_ms, "busy" if last.outcome == "busy" else "failed", None

    def begin(self, now: float) -> None:
        """Rings everybody."""
        self._began_ms = self._rings_at_ms = now
        for leg in self._legs:
            self._line.note(HumanRang(at_ms=self._line.at_ms(now), address=leg.target.address))

    def wake(self, now: float) -> None:
        """The next thing happens."""
        if self._hangs_up_ms is not None:
            if now >= self._hangs_up_ms:
                self._finish(now, "completed", bridged=True)
            return
        if self._screening is not None:
            self._screening.wake(now)
        elif now >= self._decided_at_ms()[0]:
            self._decide(now)
        if self._hangs_up_ms is None and not self._over and now >= self._rings_at_ms:
            self._rings_at_ms += _RING_EVERY_MS
            self._line.ear.append(_RINGBACK)

    def _decide(self, now: float) -> None:
        _, status, self._winner = self._decided_at_ms()
        if self._winner is None:
            self._finish(now, status, bridged=False)
            return
        self._answered_ms = now
        target = self._winner.target
        if not target.screen_url:
            self._bridge(now)
            return
        self._screening = Screening(self._line, self._winner.human, target.address, self._child_sid, self._screened)
        self._screening.fetch(now, target.screen_url, target.screen_method, {})

    def _screened(self, now: float, accepted: bool) -> None:
        if accepted:
            self._bridge(now)
        else:
            # somebody answered, so the status says so; only DialBridged tells that no one took the call
            self._finish(now, "completed", bridged=False)

    def _bridge(self, now: float) -> None:
        assert self._winner is not None  # noqa: S101 - bridged only after _decide
        human, line = self._winner.human, self._line
        line.ear.clear()
        line.ear.append(line.spoken(now, human.says, human.voice))
        line.note(HumanAnswered(at_ms=line.at_ms(now), address=self._winner.target.address))
        self._hangs_up_ms = now + human.talks_ms

    def stop(self, now: float) -> None:
        """The caller is gone: everybody stops ringing or talking."""
        if not self._over:
            self._over = True
            if self._screening is not None:
                self._screening.abandon()
            status = "completed" if self._hangs_up_ms is not None else "canceled"
            self._line.note(DialOver(at_ms=self._line.at_ms(now), status=status, bridged=self._hangs_up_ms is not None))

    def _finish(self, now: float, status: _DialStatus, *, bridged: bool) -> None:
        self._over = True
        self._line.ear.clear()
        self._line.note(DialOver(at_ms=self._line.at_ms(now), status=status, bridged=bridged))
        if not self._verb.action:
            self._done(now, Continue())
            return
        params = {"DialCallStatus": status, "DialCallSid": self._child_sid, "DialBridged": str(bridged).lower()}
        if self._answered_ms is not None:
            params["DialCallDuration"] = str(round((now - self._answered_ms) / 1000))
        self._done(now, Fetch(self._verb.action, self._verb.method, params))

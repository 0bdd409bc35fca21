"""One simulated phone call, as a machine without sockets, tasks or clock.

Inputs are methods that take the time in ms, on any clock that does not go back; each returns what the shell must do, in order.
Between inputs the shell calls :meth:`PhoneCall.poll` at :attr:`PhoneCall.wake_at_ms`, or later: what was missed is made up for.
After :class:`CloseStream` or :class:`AbortStream` the shell reports nothing more of that WebSocket.

The same machine runs over real sockets (:mod:`simulator.phone.cloud`) and in process under a virtual clock. It never raises on
what a server sends; only :meth:`PhoneCall.rest_update` refuses, as the REST API does.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

from simulator import voice
from simulator.phone.caller import ScriptedCaller
from simulator.phone.dialing import Dialing
from simulator.phone.identity import Identity
from simulator.phone.line import Activity, After, Fetch, Line, Load, Speak, Unanswered, Vanish
from simulator.phone.mouth import FRAME_MS, Mouth
from simulator.phone.outgoing import Detection, Outgoing, Ringing, document_of
from simulator.phone.outputs import CallOver, Output
from simulator.phone.policies import Callee, Number, Policies
from simulator.phone.recording import Recording
from simulator.phone.requests import Answer
from simulator.phone.signing import Signer
from simulator.phone.stream import MediaStream
from simulator.phone.timeline import CallEnded, DebuggerEntry, Observation, VerbRun
from simulator.phone.twiml import (
    Connect,
    Dial,
    Gather,
    Hangup,
    Method,
    Pause,
    Play,
    Record,
    Redirect,
    Reject,
    Say,
    TwimlError,
    Unsupported,
    Verb,
    document,
)
from simulator.phone.verbs import Gathering, Recorder, Saying
from simulator.scenario import Scenario

ERROR_MESSAGE = "We are sorry, an application error has occurred. Goodbye."
_ANSWERING = (Say, Play, Record, Dial, Gather, Connect)


class NotInProgress(Exception):
    """The REST API cannot do this to the call any more, or not yet (Twilio error 21220)."""


class PhoneCall:
    """A caller with a script, the carrier between, and what the caller heard.

    Args:
        scenario: who calls, what they do, and which number.
        number: the webhooks of that number.
        auth_token: signs webhooks and the handshake; ``None`` leaves them unsigned.
        seed: the same seed gives the same SIDs, noise, delays and losses.
        speak: text and eSpeak NG voice to μ-law at 8 kHz.
        observe: told of every observation as it is made.
        epoch_ms: wall-clock ms when the clock of the inputs shows 0; it dates the callbacks.
        outgoing: the call is not the caller's: it was asked for over REST, and the scenario's caller is who is called.
        callee: how they pick up then.
    """

    def __init__(
        self,
        scenario: Scenario,
        number: Number,
        *,
        account_sid: str,
        auth_token: str | None,
        policies: Policies = Policies(),  # noqa: B008 - frozen
        seed: int | str = 0,
        speak: Speak = voice.speak,
        observe: Callable[[Observation], None] | None = None,
        epoch_ms: float = 0,
        outgoing: Outgoing | None = None,
        callee: Callee = Callee(),  # noqa: B008 - frozen
    ) -> None:
        rng = random.Random(f"phone {seed}")
        if outgoing is None:
            identity = Identity.draw(account_sid, scenario.caller.from_, scenario.to, rng)
        else:
            identity = Identity.draw(account_sid, outgoing.from_, outgoing.to, rng, "outbound-api")
        signer = Signer(auth_token, forge=policies.forge)
        self._line = Line(identity, signer, policies, rng, speak, observe, epoch_ms)
        if scenario.caller.line_noise_rms:
            self._line.mouth = Mouth(scenario.caller.line_noise_rms, rng.getrandbits(32))
        self._number = number
        self._caller = ScriptedCaller(self._line, scenario.caller)
        self._activity: Activity | None = None
        self._verbs: deque[Verb] = deque()
        self._turn = 0
        self._on_fallback = False
        self._answered_ms: float | None = None
        self._ticks = 0
        self._ended_ms: float | None = None
        self._told = 0
        self._outgoing, self._callee = outgoing, callee
        self._detection: Detection | None = None
        if outgoing is not None:
            self._line.call_status = "queued"
            if outgoing.detection is not None:
                self._detection = Detection(outgoing, callee, self._answerer_known)

    # what can be asked

    @property
    def call_sid(self) -> str:
        """``CA`` and 32 hex digits."""
        return self._line.identity.call_sid

    @property
    def stream_sid(self) -> str | None:
        """The media stream there is now; ``None`` without one."""
        return self._activity.stream_sid if isinstance(self._activity, MediaStream) else None

    @property
    def identity(self) -> Identity:
        """The call as its webhooks name it."""
        return self._line.identity

    @property
    def status(self) -> str:
        """CallStatus: ``ringing``, ``in-progress``, or how the call ended."""
        return self._line.call_status

    @property
    def answered_by(self) -> str | None:
        """What the detection of machines has found; ``None`` without one, and until it has."""
        return self._detection.answered_by if self._detection is not None else None

    @property
    def is_over(self) -> bool:
        """Whether the call has ended; webhooks may still be on their way."""
        return self._ended_ms is not None

    @property
    def dialled_ms(self) -> float:
        """When the caller dialled, on the clock of the inputs; observations count from here."""
        return self._line.dialled_ms

    @property
    def ended_ms(self) -> float | None:
        """When the call ended, on the clock of the inputs."""
        return self._ended_ms

    @property
    def duration_s(self) -> int:
        """From the answer to the end, as ``CallDuration`` has it; 0 while the call lasts or if nobody answered."""
        if self._answered_ms is None or self._ended_ms is None:
            return 0
        return round((self._ended_ms - self._answered_ms) / 1000)

    @property
    def timeline(self) -> Sequence[Observation]:
        """Everything that happened so far."""
        return self._line.timeline

    @property
    def warnings(self) -> list[DebuggerEntry]:
        """What the carrier's debugger would warn of: messages it refused, once per stream and code."""
        return [entry for entry in self.debugger if entry.level == "warning"]

    @property
    def debugger(self) -> list[DebuggerEntry]:
        """All entries of the carrier's debugger."""
        return [entry for entry in self.timeline if isinstance(entry, DebuggerEntry)]

    @property
    def recording(self) -> Recording:
        """Both tracks up to the last whole frame, or to the end of the call."""
        said, heard = self._line.mouth.said, self._line.ear.heard
        length = min(len(said), len(heard))
        return Recording(bytes(said[:length]), bytes(heard[:length]))

    @property
    def wake_at_ms(self) -> float | None:
        """When :meth:`poll` must be called next; ``None``: only an input can go on."""
        requests_ms = self._line.requests.wake_at_ms
        if self._ended_ms is not None:
            return requests_ms
        times = [] if requests_ms is None else [requests_ms]
        if self._answered_ms is not None:
            times.append(self._next_tick_ms)
        if self._activity is not None and (activity_ms := self._activity.wake_at_ms) is not None:
            times.append(activity_ms)
        if (gives_up_ms := self._gives_up_ms) is not None:
            times.append(gives_up_ms)
        if self._detection is not None and self._detection.wake_at_ms is not None:
            times.append(self._detection.wake_at_ms)
        return min(times, default=None)

    @property
    def _gives_up_ms(self) -> float | None:
        """Nobody gives up a call they have not answered yet."""
        return None if self._outgoing is not None and self._answered_ms is None else self._caller.gives_up_ms

    @property
    def _next_tick_ms(self) -> float:
        assert self._answered_ms is not None  # noqa: S101 - asked only of an answered call
        return self._answered_ms + FRAME_MS * (self._ticks + 1)

    # inputs

    def dial(self, now: float) -> list[Output]:
        """The caller dials: the voice webhook goes out. Or the carrier does: somebody's phone rings. The first input."""
        self._line.dialled_ms = self._line.requests.dialled_ms = now
        if self._outgoing is not None:
            tell, picked_up = self._tell, self._picked_up
            self._begin(now, Ringing(self._line, self._outgoing, self._callee, tell=tell, picked_up=picked_up, done=self._done))
            return self._drain()
        self._fetch(now, Fetch(self._number.voice_url, self._number.voice_method, {}, "voice"))
        return self._drain()

    def poll(self, now: float) -> list[Output]:
        """It is ``now``."""
        self._advance(now)
        return self._drain()

    def http_answered(self, now: float, request_id: int, status: int, content_type: str, body: str) -> list[Output]:
        """A webhook was answered."""
        self._advance(now)
        self._line.requests.answered(now, request_id, status, content_type, body)
        return self._drain()

    def http_failed(self, now: float, request_id: int, reason: Literal["connect", "broken"], detail: str = "") -> list[Output]:
        """A webhook was not: ``connect``: no connection came about; ``broken``: it broke before the answer was whole."""
        self._advance(now)
        self._line.requests.failed(now, request_id, reason, detail)
        return self._drain()

    def stream_opened(self, now: float) -> list[Output]:
        """The media WebSocket was accepted (101)."""
        self._advance(now)
        if isinstance(self._activity, MediaStream):
            self._activity.opened(now)
            self._caller.script.answered(now)
        return self._drain()

    def stream_refused(self, now: float, status: int | None, reason: str = "") -> list[Output]:
        """The media WebSocket was not accepted; ``status`` is ``None`` when no HTTP answer came."""
        self._advance(now)
        if isinstance(self._activity, MediaStream):
            self._activity.refused(now, status, reason)
        return self._drain()

    def stream_message(self, now: float, message: str | bytes) -> list[Output]:
        """The server sent a message; ``bytes`` stands for a binary one."""
        self._advance(now)
        if isinstance(self._activity, MediaStream):
            self._activity.message(now, message)
        return self._drain()

    def stream_closed(self, now: float, code: int) -> list[Output]:
        """The server closed the media WebSocket with this code; 1006 when its connection broke."""
        self._advance(now)
        if isinstance(self._activity, MediaStream):
            self._activity.closed(now, code)
        return self._drain()

    def rest_update(
        self,
        now: float,
        *,
        status: Literal["completed", "canceled"] | None = None,
        twiml: str | None = None,
        url: str | None = None,
        method: Method = "POST",
    ) -> list[Output]:
        """``POST Calls/{sid}``: ends the call, or gives it another document. Raises :class:`NotInProgress`."""
        self._advance(now)
        if self.is_over:
            raise NotInProgress(f"call {self.call_sid} is {self.status}")
        ringing = self._answered_ms is None
        if status is not None:
            if status == "canceled" and not ringing:
                raise NotInProgress(f"call {self.call_sid} was answered and cannot be canceled any more; use completed")
            self._stop_activity(now)
            self._finish(now, "canceled" if ringing else "completed", f"{status} over REST")
        elif ringing:
            raise NotInProgress(f"call {self.call_sid} is ringing and cannot be redirected yet")
        elif twiml is not None:
            self._stop_activity(now)
            self._load(now, None, "text/xml", twiml)
        elif url is not None:
            self._stop_activity(now)
            self._line.base_url = None
            self._fetch(now, Fetch(url, method, {}, "redirect"))
        return self._drain()

    def hang_up(self, now: float) -> list[Output]:
        """The caller hangs up, whatever the script says."""
        self._advance(now)
        self._hang_up(now, "the caller hung up")
        return self._drain()

    def drop_stream(self, now: float) -> list[Output]:
        """The media connection is reset now, without ``stop``; see ``Policies.after_death``."""
        self._advance(now)
        if isinstance(self._activity, MediaStream):
            self._activity.die(now)
        return self._drain()

    def _drain(self) -> list[Output]:
        outputs = self._line.outputs[:]
        self._line.outputs.clear()
        return outputs

    # time

    def _advance(self, now: float) -> None:
        while (at_ms := self.wake_at_ms) is not None and at_ms <= now:
            self._at(at_ms)
        if self._ended_ms is None:
            self._line.ear.play_until(self._line.sample(now))

    def _at(self, now: float) -> None:
        self._line.requests.wake(now)
        if self._ended_ms is not None:
            return
        self._line.ear.play_until(self._line.sample(now))
        if self._activity is not None and (due_ms := self._activity.wake_at_ms) is not None and due_ms <= now:
            self._activity.wake(now)
        if self._ended_ms is None and self._answered_ms is not None and self._next_tick_ms <= now:
            self._tick(now)
        if self._detection is not None and (known_ms := self._detection.wake_at_ms) is not None and known_ms <= now:
            self._detection.wake(now)
        gives_up_ms = self._gives_up_ms
        if self._ended_ms is None and gives_up_ms is not None and gives_up_ms <= now:
            self._hang_up(now, "the caller gave up")

    def _tick(self, now: float) -> None:
        self._ticks += 1
        frame = self._line.mouth.frame()
        if self._activity is not None:
            self._activity.tick(now, frame)
        self._caller.listen(now)
        if self._caller.follow_script(now, self._press) and not self.is_over:
            self._hang_up(now, "the caller hung up")

    def _press(self, now: float, key: str) -> None:
        if self._activity is not None:
            self._activity.press(now, key)

    def _hang_up(self, now: float, reason: str) -> None:
        if self.is_over:
            return
        answered = self._answered_ms is not None
        if self._activity is not None:
            self._activity.hung_up(now)
        self._stop_activity(now)
        self._finish(now, "completed" if answered else "no-answer", reason)

    # documents

    def _fetch(self, now: float, fetch: Fetch) -> None:
        self._activity = None
        self._turn += 1
        turn = self._turn
        try:
            url = self._line.absolute(fetch.url)
        except TwimlError as error:
            self._fail(now, error.code, str(error), fetch.url)
            return
        self._on_fallback = fetch.purpose == "fallback"

        def then(at: float, answer: Answer) -> None:
            # an answer that comes after the call was moved elsewhere is nobody's
            if turn == self._turn and not self.is_over:
                self._take(at, answer)

        params = self._line.identity.params(self._line.call_status) | fetch.params
        self._line.requests.send(now, fetch.purpose, url, fetch.method, params=params, then=then)

    def _take(self, now: float, answer: Answer) -> None:
        if answer.error_code is not None:
            self._fail(now, answer.error_code, answer.error, answer.url)
        else:
            self._load(now, answer.url, answer.content_type, answer.body)

    def _load(self, now: float, url: str | None, content_type: str, body: str) -> None:
        self._line.base_url = url
        try:
            self._verbs = deque(document(content_type, body))
        except TwimlError as error:
            self._fail(now, error.code, str(error), url or "")
            return
        self._next(now)

    def _fail(self, now: float, code: int, message: str, url: str) -> None:
        self._line.debug(now, code, f"{url}: {message}" if url else message)
        self._activity = None
        if self._number.voice_fallback_url and not self._on_fallback:
            params = {"ErrorCode": str(code), "ErrorUrl": url}
            self._fetch(now, Fetch(self._number.voice_fallback_url, "POST", params, "fallback"))
            return
        self._verbs = deque((Say(ERROR_MESSAGE), Hangup()))
        self._next(now)

    def _next(self, now: float) -> None:
        self._activity = None
        if not self._verbs:
            self._finish(now, "completed", "the document came to its end")
            return
        verb = self._verbs.popleft()
        self._line.note(VerbRun(at_ms=self._line.at_ms(now), verb=type(verb).__name__, what=str(verb)))
        if isinstance(verb, _ANSWERING):
            self._answer(now, to_stream=isinstance(verb, Connect))
        self._run(now, verb)

    def _run(self, now: float, verb: Verb) -> None:
        match verb:
            case Hangup():
                self._finish(now, "completed", "the document hung up")
            case Reject():
                self._finish(now, "busy" if verb.reason == "busy" else "no-answer", "the document rejected the call")
            case Redirect():
                self._fetch(now, Fetch(verb.url, verb.method, {}, "redirect"))
            case Unsupported():
                self._fail(now, 12100, f"the simulated phone cannot run <{verb.name}>", self._line.base_url or "")
            case Connect():
                self._begin(now, MediaStream(self._line, verb, self._done))
            case Say() | Play() | Pause():
                self._begin(now, Saying(self._line, verb, self._done))
            case Dial():
                self._begin(now, Dialing(self._line, verb, self._done))
            case Record():
                self._begin(now, Recorder(self._line, verb, self._done))
            case Gather():
                self._begin(now, Gathering(self._line, verb, self._done))

    def _begin(self, now: float, activity: Activity) -> None:
        self._activity = activity
        activity.begin(now)

    def _done(self, now: float, after: After) -> None:
        match after:
            case Fetch():
                self._fetch(now, after)
            case Vanish():
                self._vanish(now)
            case Load():
                self._load(now, None, "text/xml", after.twiml)
            case Unanswered():
                self._finish(now, after.status, "nobody answered")
            case _:
                self._next(now)

    def _answer(self, now: float, *, to_stream: bool) -> None:
        if self._answered_ms is None:
            self._answered_ms = now
            self._line.call_status = "in-progress"
            self._line.mouth.stay_silent_until(self._line.sample(now))
        if not to_stream:
            self._caller.script.answered(now)

    def _picked_up(self, now: float) -> None:
        """The one who is called has answered."""
        assert self._outgoing is not None  # noqa: S101 - somebody was called
        self._answer(now, to_stream=False)
        if self._detection is not None:
            self._detection.begin(now)
        if self._detection is None or self._outgoing.is_async:
            self._done(now, document_of(self._outgoing, None))

    def _answerer_known(self, now: float, answered_by: str) -> None:
        assert self._outgoing is not None  # noqa: S101 - somebody was called
        if self.is_over:
            return
        if not self._outgoing.is_async:
            self._done(now, document_of(self._outgoing, answered_by))
            return
        params = {"CallSid": self.call_sid, "AccountSid": self.identity.account_sid, "AnsweredBy": answered_by}
        self._line.callback(now, "amd", self._outgoing.async_callback, "POST", params)

    # the end

    def _stop_activity(self, now: float) -> None:
        activity, self._activity = self._activity, None
        self._turn += 1
        self._on_fallback = False
        if activity is not None:
            activity.stop(now)
        self._line.ear.clear()

    def _finish(self, now: float, status: str, reason: str) -> None:
        self._close_tracks(now, status, reason)
        lasted = {"CallDuration": str(self.duration_s), "Duration": str(-(-self.duration_s // 60))}
        self._tell(now, "completed", status, lasted)
        self._line.outputs.append(CallOver(reason))

    def _tell(self, now: float, event: str, status: str, more: dict[str, str] | None = None) -> None:
        """The status callback, if it is told of such."""
        if self._outgoing is not None and event not in self._outgoing.events:
            return
        found = {"AnsweredBy": self.answered_by} if self.answered_by is not None else {}
        params = self._line.identity.params(status) | found | (more or {})
        params |= {
            "Timestamp": format_datetime(datetime.fromtimestamp((self._line.epoch_ms + now) / 1000, UTC)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._told),
        }
        self._told += 1
        self._line.callback(now, "status", self._number.status_callback or "", "POST", params)

    def _vanish(self, now: float) -> None:
        self._close_tracks(now, "completed", "the line went dead")
        self._line.outputs.append(CallOver("the line went dead"))

    def _close_tracks(self, now: float, status: str, reason: str) -> None:
        line = self._line
        self._activity = None
        self._ended_ms = now
        line.call_status = status
        line.ear.clear()
        line.ear.play_until(line.sample(now))
        self._caller.leave()
        line.mouth.stay_silent_until(line.ear.position)
        line.note(CallEnded(at_ms=line.at_ms(now), reason=reason, status=status))

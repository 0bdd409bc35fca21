"""Outbound calls: what was asked for over REST, somebody's phone ringing, and who or what picks up.

Follows Twilio, *Call resource: create a call*, and *Answering machine detection*: without it the document is asked for as soon as
somebody answers, with it once it is known who has; with ``AsyncAmd`` at once, and the finding goes to a callback.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import urlsplit

from calls.address import channel_of, is_e164
from simulator.phone.line import Done, Fetch, Idle, Line, Load, Unanswered
from simulator.phone.policies import Callee, Number
from simulator.phone.refused import Refused
from simulator.phone.twiml import Method

MAX_TWIML_CHARACTERS = 4000
_RINGS_S = 60
_ERRORS = {
    10004: "Your account has reached its limit of concurrent calls",
    20003: "Authenticate",
    20429: "Too Many Requests",
    21201: "No 'To' number is specified",
    21205: "Url is not a valid URL: {url}",
    21210: "The source phone number provided, {from_}, is not yet verified for your account. You may only make calls from "
    "phone numbers that you've verified or purchased from Twilio.",
    21211: "The phone number you are attempting to call, {to}, is not valid.",
    21212: "The source phone number provided, {from_}, is not valid.",
    21213: "No 'From' number is specified",
    21215: "Account not authorized to call {to}. Perhaps you need to enable some international permissions.",
    21219: "The number {to} is unverified. Trial accounts may only make calls to verified numbers.",
}
_STATUSES = {20003: 401, 20429: 429}
_Detection = Literal["Enable", "DetectMessageEnd"]
_DETECTIONS: tuple[_Detection, ...] = get_args(_Detection)
_EVENTS = ("initiated", "ringing", "answered", "completed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A call that was asked for."""

    to: str
    from_: str
    twiml: str | None
    """The document itself, where it was given instead of an address."""
    number: Number
    """The addresses that were given."""
    timeout_s: int = _RINGS_S
    detection: _Detection | None = None
    is_async: bool = False
    async_callback: str = ""
    events: frozenset[str] = frozenset(("completed",))
    """What the status callback is told of."""


def outgoing_of(form: Mapping[str, str], events: list[str], *, owned: frozenset[str], fails: Mapping[str, int]) -> Outgoing:
    """The call of ``POST Calls``.

    Args:
        events: each ``StatusCallbackEvent``.
        owned: the account's numbers; without any, every number is taken for one of them.
        fails: by number, Twilio's code why it cannot be called.

    Raises:
        Refused: Twilio would not take it.
    """
    to, from_, url, twiml = form.get("To", ""), form.get("From", ""), form.get("Url", ""), form.get("Twiml")
    _check_document(url, twiml)
    _check_numbers(to, from_, owned, fails)
    method: Method = "GET" if form.get("Method", "POST").upper() == "GET" else "POST"
    number = Number(
        voice_url=url,
        voice_method=method,
        voice_fallback_url=form.get("FallbackUrl") or None,
        status_callback=form.get("StatusCallback") or None,
    )
    asked = form.get("MachineDetection", "")
    told = frozenset(event for given in events for event in given.split() if event in _EVENTS)
    timeout = form.get("Timeout", "")
    return Outgoing(
        to=to,
        from_=from_,
        twiml=twiml,
        number=number,
        timeout_s=min(int(timeout), 600) if timeout.isdecimal() else _RINGS_S,
        detection=next((known for known in _DETECTIONS if known.lower() == asked.lower()), None),
        is_async=form.get("AsyncAmd", "").lower() == "true",
        async_callback=form.get("AsyncAmdStatusCallback", ""),
        events=told or frozenset(("completed",)),
    )


def _check_document(url: str, twiml: str | None) -> None:
    if (bool(url)) == (twiml is not None):
        raise Refused(400, 20001, "Exactly one of Url and Twiml has to be given")
    if twiml is not None and len(twiml) > MAX_TWIML_CHARACTERS:
        raise Refused(400, 32018, f"Twiml is over {MAX_TWIML_CHARACTERS} characters")
    if url and not _is_url(url):
        raise Refused(400, 21205, _ERRORS[21205].format(url=url))


def _check_numbers(to: str, from_: str, owned: frozenset[str], fails: Mapping[str, int]) -> None:
    wrong = (
        (not to, 21201),
        (not from_, 21213),
        (to in fails, fails.get(to, 0)),
        (not _can_call(to), 21211),
        (not _can_call(from_), 21212),
        (bool(owned) and is_e164(from_) and from_ not in owned, 21210),
    )
    for is_wrong, code in wrong:
        if is_wrong:
            message = _ERRORS.get(code, "The call cannot be made").format(to=to, from_=from_)
            raise Refused(_STATUSES.get(code, 400), code, message)


def _can_call(address: str) -> bool:
    return is_e164(address) or channel_of(address) != "pstn"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


class Detection:
    """Listens who has answered, and says so once."""

    def __init__(self, outgoing: Outgoing, callee: Callee, found: Callable[[float, str], None]) -> None:
        self._outgoing, self._callee, self._found = outgoing, callee, found
        self.wake_at_ms: float | None = None
        self.answered_by: str | None = None
        """``AnsweredBy``, once it is known."""

    def begin(self, now: float) -> None:
        """Somebody has answered."""
        waits_for_end = self._outgoing.detection == "DetectMessageEnd" and self._callee.answered_by == "machine"
        self.wake_at_ms = now + (self._callee.announcement_ms if waits_for_end else self._callee.detection_ms)

    def wake(self, now: float) -> None:
        """It is known now."""
        self.wake_at_ms = None
        self.answered_by = self._answered_by()
        self._found(now, self.answered_by)

    def _answered_by(self) -> str:
        if self._callee.answered_by != "machine":
            return self._callee.answered_by
        return "machine_start" if self._outgoing.detection == "Enable" else "machine_end_beep"


class Ringing(Idle):
    """Somebody's phone, until it is known who answers, or that nobody does."""

    def __init__(
        self,
        line: Line,
        outgoing: Outgoing,
        callee: Callee,
        *,
        tell: Callable[[float, str, str], None],
        picked_up: Callable[[float], None],
        done: Done,
    ) -> None:
        self._line, self._outgoing, self._callee = line, outgoing, callee
        self._tell, self._picked_up, self._done = tell, picked_up, done
        self._decided_at_ms: float | None = None

    @property
    def wake_at_ms(self) -> float | None:
        """When somebody picks up, or will not any more."""
        return self._decided_at_ms

    def begin(self, now: float) -> None:
        """It rings."""
        self._tell(now, "initiated", "initiated")
        self._line.call_status = "ringing"
        self._tell(now, "ringing", "ringing")
        gives_up_ms = self._outgoing.timeout_s * 1000
        waits_ms = gives_up_ms if self._callee.outcome == "no-answer" else min(self._callee.after_ms, gives_up_ms)
        self._decided_at_ms = now + waits_ms

    def wake(self, now: float) -> None:
        """Somebody picks up, or that's that."""
        self._decided_at_ms = None
        if self._callee.outcome != "answers":
            self._done(now, Unanswered(self._callee.outcome))
        elif self._callee.after_ms > self._outgoing.timeout_s * 1000:
            self._done(now, Unanswered("no-answer"))
        else:
            self._picked_up(now)
            self._tell(now, "answered", "in-progress")


def document_of(outgoing: Outgoing, answered_by: str | None) -> Fetch | Load:
    """What the call runs first."""
    if outgoing.twiml is not None:
        return Load(outgoing.twiml)
    params = {"AnsweredBy": answered_by} if answered_by is not None else {}
    return Fetch(outgoing.number.voice_url, outgoing.number.voice_method, params, "voice")

"""Webhooks on their way: time limits, retries and who waits for the answer.

Follows Twilio, *Webhooks: connection overrides*: 15 s at most for a request with all its attempts, one retry and only when no
connection came about, unless the fragment of the URL (``#rc=2&rp=5xx,ct,rt``) says otherwise. Redirects (3xx) are not
followed and count as failures.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from simulator.phone.identity import new_sid
from simulator.phone.outputs import CancelRequest, HttpRequest, Output
from simulator.phone.signing import Signer
from simulator.phone.timeline import Observation, WebhookAnswered, WebhookFailed, WebhookPosted
from simulator.phone.twiml import Method

TOTAL_MS = 15_000
_OK = range(200, 300)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a document, or the ``error_code`` Twilio's debugger gives for what came instead."""

    url: str
    content_type: str = ""
    body: str = ""
    error_code: int | None = None
    error: str = ""


Then = Callable[[float, Answer], None]


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a URL's fragment sets."""

    connect_ms: int = 5000
    read_ms: int = TOTAL_MS
    total_ms: int = TOTAL_MS
    retries: int = 1
    retry_on: frozenset[str] = frozenset(("ct",))

    @classmethod
    def of(cls, url: str) -> "Overrides":
        """Unknown keys and values that are no numbers are ignored."""
        given = dict(parse_qsl(urlsplit(url).fragment))
        numbers = {key: int(value) for key, value in given.items() if value.isdecimal()}
        return cls(
            connect_ms=min(numbers.get("ct", 5000), 10_000),
            read_ms=min(numbers.get("rt", TOTAL_MS), TOTAL_MS),
            total_ms=min(numbers.get("tt", TOTAL_MS), TOTAL_MS),
            retries=min(numbers.get("rc", 1), 5),
            retry_on=frozenset(given.get("rp", "ct").split(",")),
        )

    def retries_after(self, failure: str) -> bool:
        """``failure`` is one of ``4xx``, ``5xx``, ``ct``, ``rt``."""
        return "all" in self.retry_on or failure in self.retry_on


class _Failure(NamedTuple):
    kind: str
    code: int
    detail: str


@dataclass(slots=True)
class _Pending:
    purpose: str
    url: str
    method: Method
    params: dict[str, str]
    headers: dict[str, str]
    overrides: Overrides
    then: Then | None
    first_sent_ms: float
    sent_ms: float = 0
    attempts: int = 0

    @property
    def deadline_ms(self) -> float:
        return min(self.first_sent_ms + self.overrides.total_ms, self.sent_ms + self.overrides.read_ms)


@dataclass(slots=True)
class Requests:
    """All webhooks of one call."""

    signer: Signer
    rng: random.Random
    emit: Callable[[Output], None]
    note: Callable[[Observation], None]
    dialled_ms: float = 0
    _pending: dict[int, _Pending] = field(default_factory=dict)
    _count: int = 0

    @property
    def wake_at_ms(self) -> float | None:
        """When the first of the requests runs out of time."""
        return min((pending.deadline_ms for pending in self._pending.values()), default=None)

    def send(
        self, now: float, purpose: str, url: str, method: Method, *, params: dict[str, str], then: Then | None = None
    ) -> None:
        """Sends a webhook to an absolute ``url``. ``then`` gets the answer, whatever it is; ``None``: nobody waits for it."""
        overrides, bare = Overrides.of(url), url.partition("#")[0]
        if method == "GET":
            bare, params = f"{bare}{'&' if '?' in bare else '?'}{urlencode(params)}", {}
        headers = {
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "X-Home-Region": "us1",
            # the same on every attempt, so that a server can tell a retry from a second event
            "I-Twilio-Idempotency-Token": new_sid("", self.rng),
            **self.signer.webhook(bare, params),
        }
        self._attempt(now, _Pending(purpose, bare, method, params, headers, overrides, then, first_sent_ms=now))

    def _attempt(self, now: float, pending: _Pending) -> None:
        self._count += 1
        pending.sent_ms, pending.attempts = now, pending.attempts + 1
        self._pending[self._count] = pending
        self.note(
            WebhookPosted(
                at_ms=now - self.dialled_ms,
                request_id=self._count,
                purpose=pending.purpose,
                url=pending.url,
                params=pending.params,
            )
        )
        self.emit(
            HttpRequest(self._count, pending.method, pending.url, pending.params, pending.headers, pending.overrides.connect_ms)
        )

    def answered(self, now: float, request_id: int, status: int, content_type: str, body: str) -> None:
        """The server answered. An answer nobody waits for any more is ignored."""
        pending = self._pending.pop(request_id, None)
        if pending is None:
            return
        self.note(
            WebhookAnswered(
                at_ms=now - self.dialled_ms,
                request_id=request_id,
                purpose=pending.purpose,
                url=pending.url,
                status=status,
                took_ms=now - pending.sent_ms,
                body=body,
            )
        )
        if status in _OK:
            self._done(now, pending, Answer(pending.url, content_type, body))
        elif not self._again(now, pending, f"{status // 100}xx"):
            self._done(now, pending, Answer(pending.url, error_code=11200, error=f"HTTP status {status}"))

    def failed(self, now: float, request_id: int, reason: Literal["connect", "broken"], detail: str = "") -> None:
        """No answer: ``connect``: no connection came about; ``broken``: it broke before the answer was whole."""
        pending = self._pending.pop(request_id, None)
        if pending is None:
            return
        code = 11205 if reason == "connect" else 11200
        self._failed(now, request_id, pending, _Failure("ct" if reason == "connect" else "5xx", code, detail or reason))

    def wake(self, now: float) -> None:
        """Gives up on requests whose time is over."""
        for request_id, pending in list(self._pending.items()):
            if pending.deadline_ms <= now:
                del self._pending[request_id]
                self.emit(CancelRequest(request_id))
                waited_s = (now - pending.sent_ms) / 1000
                self._failed(now, request_id, pending, _Failure("rt", 11205, f"no answer within {waited_s:g} s"))

    def _failed(self, now: float, request_id: int, pending: _Pending, failure: _Failure) -> None:
        retried = self._may_retry(now, pending, failure.kind)
        self.note(
            WebhookFailed(
                at_ms=now - self.dialled_ms,
                request_id=request_id,
                purpose=pending.purpose,
                url=pending.url,
                reason=failure.detail,
                retried=retried,
            )
        )
        if not self._again(now, pending, failure.kind):
            self._done(now, pending, Answer(pending.url, error_code=failure.code, error=failure.detail))

    def _may_retry(self, now: float, pending: _Pending, failure: str) -> bool:
        overrides = pending.overrides
        in_time = now < pending.first_sent_ms + overrides.total_ms
        return in_time and pending.attempts <= overrides.retries and overrides.retries_after(failure)

    def _again(self, now: float, pending: _Pending, failure: str) -> bool:
        retry = self._may_retry(now, pending, failure)
        if retry:
            self._attempt(now, pending)
        return retry

    def _done(self, now: float, pending: _Pending, answer: Answer) -> None:
        if pending.then is not None:
            pending.then(now, answer)

"""From an HTTP request to a handler and back, without a server: what the Quart routes call, and whatever else serves these
webhooks.

A request is checked before a handler sees it; whatever a handler raises, the caller hears a sentence.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.cookies import CookieError, SimpleCookie
from time import perf_counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from twilio.twiml.voice_response import VoiceResponse

from calls.ids import CallSid
from calls.log_context import About, known_facts, note
from calls.signature import SIGNATURE_HEADER, is_signed_request
from webhooks.context import Answered, Context
from webhooks.event import Event, call_at_hand
from webhooks.handlers import fallback
from webhooks.log import explained, shown
from webhooks.response import Response, plain
from webhooks.routes import Handler, handler_at

MAX_BODY_BYTES = 64 * 1024
MAX_FIELDS = 500

_FORM = "application/x-www-form-urlencoded"

Pairs = Sequence[tuple[str, str]]


def _no_newer_one() -> None:
    """The token is what it was at start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioAuth:
    """How requests are known to be Twilio's.

    Raises:
        ValueError: requests are to be verified and there is no token to do it with.
    """

    auth_token: str = field(repr=False)
    """The account's primary auth token; API keys sign nothing."""
    verify: bool = True
    """Off: unsigned requests are served. Only for a server that nobody else can reach."""
    newer: Callable[[], str | None] = _no_newer_one
    """Asked when a signature is wrong: the token, if it has been changed meanwhile."""

    def __post_init__(self) -> None:
        if self.verify and not self.auth_token:
            raise ValueError(
                "TWILIO_AUTH_TOKEN is not set, so no request can be known to be Twilio's; "
                "set it to the account's primary auth token"
            )

    def knows(self, url: str, form: Mapping[str, Sequence[str]], signature: str | None) -> bool:
        """Whether the request is Twilio's."""
        if not self.verify or is_signed_request(url, form, signature, self.auth_token):
            return True
        newer = self.newer() if signature else None
        return newer is not None and is_signed_request(url, form, signature, newer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came over the wire."""

    method: str
    path: str
    """Percent-encoded as received, with or without the path of ``PUBLIC_URL``: some proxies strip it."""
    raw_query: str = ""
    """Without the question mark."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class _Parameters:
    query: Pairs
    form: Pairs

    @property
    def signed(self) -> dict[str, list[str]]:
        """The form as it is signed: every value of every name."""
        values: dict[str, list[str]] = {}
        for name, value in self.form:
            values.setdefault(name, []).append(value)
        return values


def dispatch(context: Context, auth: TwilioAuth, request: Request) -> Response:
    """Answers a request. Never raises."""
    path = _relative_path(context, request.path)
    headers = {name.lower(): value for name, value in request.headers.items()}
    handler = handler_at(path)
    if handler is None:
        return plain(404, "There is no webhook at this path.")
    began_at, began_s = context.now(), perf_counter()
    with About(**known_facts()) as about:
        response = _checked(context, auth, replace(request, headers=headers), path=path, handler=handler)
        ms = round((perf_counter() - began_s) * 1000, 1)
        sid = about.facts.get("call_sid")
        call_sid = CallSid(sid) if sid is not None else None
        answered = Answered(path=path, status=response.status, began_at=began_at, ms=ms, call_sid=call_sid, facts=about.facts)
        context.answered(answered)
    return response


def _checked(context: Context, auth: TwilioAuth, request: Request, *, path: str, handler: Handler) -> Response:
    """The handler's answer, if the request, its headers in lower case, is one that a handler may see."""
    headers = request.headers
    parameters = _parameters(request, headers)
    if isinstance(parameters, Response):
        context.log("warning", "webhook refused", path=path, reason=parameters.body.strip())
        return parameters
    event = _event(headers, parameters)
    note(call_sid=call_at_hand(event))
    if not auth.knows(_signed_url(context, path, request.raw_query), parameters.signed, headers.get(SIGNATURE_HEADER)):
        reason = "wrong signature" if headers.get(SIGNATURE_HEADER) else "no signature"
        context.log("warning", "webhook refused", path=path, reason=reason, caller=shown(event.get("From")))
        return plain(
            403,
            "The request does not carry Twilio's signature for this address. If Twilio did send it, check that PUBLIC_URL is the "
            "address Twilio calls and TWILIO_AUTH_TOKEN the account's primary auth token.",
        )
    return _answer(context, path, handler, event)


def twiml(document: VoiceResponse) -> Response:
    """TwiML as an answer. Raises ``TypeError`` for anything else."""
    if not isinstance(document, VoiceResponse):
        raise TypeError(f"a handler answered {type(document).__name__}, not TwiML and not a Response")
    return Response(200, {"content-type": "text/xml; charset=utf-8"}, str(document))


def public_path(public_url: str) -> str:
    """The path of ``PUBLIC_URL``, ``""`` for a bare origin."""
    return urlsplit(public_url).path.rstrip("/")


def _answer(context: Context, path: str, handler: Handler, event: Event) -> Response:
    try:
        answer = handler(context, event)
        return answer if isinstance(answer, Response) else twiml(answer)
    except Exception as error:
        # Twilio answers a 500 with a recording of its own and a hang-up.
        note(failed=type(error).__name__)
        context.log("error", "webhook failed", path=path, error=explained(error), caller=shown(event.get("From")))
        return twiml(fallback.handler(context, event))


def _relative_path(context: Context, path: str) -> str:
    prefix = public_path(context.public_url)
    return path.removeprefix(prefix) if prefix and path.startswith(f"{prefix}/") else path


def _signed_url(context: Context, path: str, raw_query: str) -> str:
    return context.webhook_url(path) + (f"?{raw_query}" if raw_query else "")


def _parameters(request: Request, headers: Mapping[str, str]) -> _Parameters | Response:
    """The parameters of a request, or why it has none that can be used."""
    if request.method not in ("GET", "POST"):
        return Response(405, {"allow": "GET, POST", "content-type": "text/plain; charset=utf-8"}, "Webhooks take GET and POST.\n")
    if max(len(request.body), len(request.raw_query)) > MAX_BODY_BYTES:
        return plain(413, f"The request is larger than {MAX_BODY_BYTES // 1024} KiB.")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.method == "POST" and request.body and content_type not in ("", _FORM):
        return plain(415, f"Webhooks take {_FORM}.")
    try:
        form = _pairs(request.body.decode("utf-8", "replace")) if request.method == "POST" else []
        return _Parameters(_pairs(request.raw_query), form)
    except ValueError:
        return plain(400, f"The request has more than {MAX_FIELDS} parameters.")


def _pairs(encoded: str) -> Pairs:
    # Blank values are signed with the rest.
    return parse_qsl(encoded, keep_blank_values=True, max_num_fields=MAX_FIELDS)


def _event(headers: Mapping[str, str], parameters: _Parameters) -> dict[str, Any]:
    """The parameters, body over query, in the shape a Twilio Function gets them; a field named ``request`` gives way."""
    return {
        **dict(parameters.query),
        **dict(parameters.form),
        "request": {"headers": dict(headers), "cookies": _cookies(headers.get("cookie", ""))},
    }


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}

"""From the wire to a handler and back: signatures, limits, odd bodies, failing handlers."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from twilio.request_validator import RequestValidator

from calls.language import phrases_of
from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SECRET, SID, Desk
from webhooks import dispatch as dispatching
from webhooks.context import Context
from webhooks.dispatch import MAX_BODY_BYTES, MAX_FIELDS, Request, TwilioAuth, dispatch
from webhooks.log import write
from webhooks.response import Response
from webhooks.routes import ROUTES

AUTH = TwilioAuth(auth_token=AUTH_TOKEN)
OPEN = TwilioAuth(auth_token="", verify=False)
PARAMS = {
    "CallSid": SID,
    "From": "+15005550001",
    "To": "+15005550006",
    "FromZip": "",
    "FromCity": "תל אביב 🔧",
    "CallStatus": "ringing",
}


def sign(url: str, params: Any = None, token: str = AUTH_TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, params or {}))


def post(
    path: str = "/incoming-call", params: Mapping[str, str] = PARAMS, *, signature: str | None = None, **changes: Any
) -> Request:
    """A POST as Twilio sends it; signed for ``PUBLIC_URL`` unless a signature is given."""
    signed = sign(PUBLIC_URL + path, params) if signature is None else signature
    fields: dict[str, Any] = {
        "method": "POST",
        "path": path,
        "headers": {
            "Host": "10.0.0.7:8000",
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signed,
        },
        "body": urlencode(params).encode(),
    }
    return Request(**{**fields, **changes})


def root(response: Response) -> ElementTree.Element:
    assert response.status == 200
    assert response.headers["content-type"] == "text/xml; charset=utf-8"
    return ElementTree.fromstring(response.body.encode())


def verbs(response: Response) -> list[str]:
    return [element.tag for element in root(response)]


def test_a_signed_webhook_is_answered_with_twiml_whatever_its_host_header() -> None:
    assert verbs(dispatch(Desk().context, AUTH, post())) == ["Connect"]


@pytest.mark.parametrize("path", ["/incoming-call", "/api/realtime/incoming", "/api/twiml", "/incoming-call/"])
def test_an_incoming_call_is_answered_at_all_its_paths(path: str) -> None:
    assert verbs(dispatch(Desk().context, AUTH, post(path))) == ["Connect"]


@pytest.mark.parametrize("path", [path for path in ROUTES if path not in ("/stream-status", "/call-status", "/recording-status")])
def test_every_webhook_that_speaks_ends_in_a_hangup_or_an_action(path: str) -> None:
    last = root(dispatch(Desk().context, AUTH, post(path)))[-1]
    assert last.tag == "Hangup" or last.get("action")


def test_a_status_callback_is_answered_with_nothing() -> None:
    assert dispatch(Desk().context, AUTH, post("/call-status")) == Response(204)


def test_a_get_is_signed_by_its_url_alone() -> None:
    query = urlencode(PARAMS)
    signature = sign(f"{PUBLIC_URL}/incoming-call?{query}")
    request = Request(
        method="GET", path="/incoming-call", raw_query=query, headers={"x-twilio-signature": signature}, body=b"ignored"
    )
    assert verbs(dispatch(Desk().context, AUTH, request)) == ["Connect"]


def test_a_post_s_query_is_part_of_its_signed_url() -> None:
    signature = sign(f"{PUBLIC_URL}/incoming-call?a=%20b&c=", PARAMS)
    assert verbs(dispatch(Desk().context, AUTH, post(raw_query="a=%20b&c=", signature=signature))) == ["Connect"]
    assert dispatch(Desk().context, AUTH, post(raw_query="c=&a=%20b", signature=signature)).status == 403


@pytest.mark.parametrize("path", ["/incoming-call", "/phone/incoming-call"])
def test_a_proxy_may_strip_the_path_of_the_public_url_or_leave_it(path: str) -> None:
    desk = Desk(public_url="https://h.example/phone")
    signature = sign("https://h.example/phone/incoming-call", PARAMS)
    response = dispatch(desk.context, AUTH, post(path, signature=signature))
    assert root(response)[0].get("action") == "https://h.example/phone/stream-ended"


@pytest.mark.parametrize("signed", ["https://h.example/incoming-call", "https://h.example:8443/incoming-call"])
def test_a_public_url_with_a_port_is_signed_with_or_without_it(signed: str) -> None:
    desk = Desk(public_url="https://h.example:8443")
    assert verbs(dispatch(desk.context, AUTH, post(signature=sign(signed, PARAMS)))) == ["Connect"]


@pytest.mark.parametrize(
    ("signature", "reason"),
    [
        ("", "no signature"),
        ("x" * 28, "wrong signature"),
        ("é", "wrong signature"),
        (sign(f"{PUBLIC_URL}/incoming-call", PARAMS, token="other"), "wrong signature"),
        (sign(f"{PUBLIC_URL}/stream-ended", PARAMS), "wrong signature"),
        (sign("http://10.0.0.7:8000/incoming-call", PARAMS), "wrong signature"),
        (sign(f"{PUBLIC_URL}/incoming-call", {**PARAMS, "From": "+1"}), "wrong signature"),
    ],
    ids=["missing", "forged", "not ascii", "wrong token", "other path", "host header", "changed"],
)
def test_what_twilio_has_not_signed_is_refused_and_leaves_no_trace(signature: str, reason: str) -> None:
    desk = Desk()
    response = dispatch(desk.context, AUTH, post(signature=signature))

    assert (response.status, response.headers["content-type"]) == (403, "text/plain; charset=utf-8")
    assert desk.ledger.written == []
    assert [(event, fields["reason"], fields["path"]) for _, event, fields in desk.lines] == [
        ("webhook refused", reason, "/incoming-call")
    ]


@pytest.mark.parametrize("path", list(ROUTES))
def test_no_webhook_is_served_unsigned(path: str) -> None:
    assert dispatch(Desk().context, AUTH, post(path, signature="")).status == 403


def test_an_unsigned_request_is_served_when_that_is_asked_for() -> None:
    assert verbs(dispatch(Desk().context, OPEN, post(signature=""))) == ["Connect"]


def test_verification_without_a_token_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="TWILIO_AUTH_TOKEN is not set"):
        TwilioAuth(auth_token="")


def test_no_secret_and_no_whole_number_is_logged_or_shown(capsys: pytest.CaptureFixture[str]) -> None:
    context = replace(Desk().context, log=write)
    dispatch(context, AUTH, post(signature="forged-signature"))
    dispatch(context, AUTH, post(params={**PARAMS, "To": "+15005557777"}))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [line["level"] for line in lines] == ["warning", "warning"]
    told = repr(lines) + repr(context) + repr(AUTH) + repr(post(signature="forged-signature"))
    assert lines[0]["caller"] == "+*********01"
    for secret in (AUTH_TOKEN, SECRET, "forged-signature", "+15005550001", "+15005557777"):
        assert secret not in told


@pytest.mark.parametrize(
    "path", ["/", "", "/incoming", "/incoming-call/x", "/../incoming-call", "/INCOMING-CALL", "/incoming%2Dcall"]
)
def test_any_other_path_is_not_found(path: str) -> None:
    assert dispatch(Desk().context, AUTH, post(path)).status == 404


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "post"])
def test_any_other_method_is_refused(method: str) -> None:
    response = dispatch(Desk().context, AUTH, post(method=method))
    assert (response.status, response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"body": b"a" * (MAX_BODY_BYTES + 1)}, 413),
        ({"raw_query": "a" * (MAX_BODY_BYTES + 1)}, 413),
        ({"body": b"a=&" * MAX_FIELDS + b"a="}, 400),
        ({"headers": {"content-type": "application/json"}, "body": b"{}"}, 415),
        ({"headers": {"content-type": "multipart/form-data; boundary=x"}, "body": b"--x--"}, 415),
    ],
    ids=["body", "query", "fields", "json", "multipart"],
)
def test_what_no_webhook_sends_is_refused(changes: dict[str, Any], status: int) -> None:
    assert dispatch(Desk().context, OPEN, post(**changes)).status == status


@pytest.mark.parametrize(
    "body",
    [b"", b"&&&", b"=", b"%", b"%ff%fe=%80", b"\xff\xfe\x00", "To=+15005550006".encode("utf-16"), b"a" * MAX_BODY_BYTES],
    ids=lambda body: ascii(body)[:20],
)
@pytest.mark.parametrize("path", list(ROUTES))
def test_a_body_of_any_bytes_is_answered(path: str, body: bytes) -> None:
    assert dispatch(Desk().context, OPEN, post(path, body=body)).status in (200, 204)
    assert dispatch(Desk().context, AUTH, post(path, body=body)).status == 403


def test_a_body_without_a_content_type_is_read_as_a_form() -> None:
    assert verbs(dispatch(Desk().context, OPEN, post(headers={}))) == ["Connect"]


def seen(monkeypatch: pytest.MonkeyPatch, request: Request) -> dict[str, Any]:
    """The event a handler gets for a request."""
    events: list[dict[str, Any]] = []

    def spy(_: Context, event: Any) -> Response:
        events.append(event)
        return Response(204)

    served_by(monkeypatch, spy)
    dispatch(Desk().context, OPEN, request)
    return events[0]


def served_by(monkeypatch: pytest.MonkeyPatch, handler: Callable[..., Any]) -> None:
    monkeypatch.setattr(dispatching, "handler_at", lambda path: handler)


def test_the_event_has_the_shape_of_a_twilio_function(monkeypatch: pytest.MonkeyPatch) -> None:
    request = post(raw_query="a=query&From=query&b=")
    headers = {"X-Home-Region": "us1", "Content-Type": "application/x-www-form-urlencoded", "Cookie": "k=v; l=%20"}
    event = seen(monkeypatch, Request(method="POST", path="/x", raw_query=request.raw_query, headers=headers, body=request.body))

    assert {name: event[name] for name in (*PARAMS, "a", "b")} == {**PARAMS, "a": "query", "b": ""}
    assert event["request"] == {
        "headers": {
            "x-home-region": "us1",
            "content-type": "application/x-www-form-urlencoded",
            "cookie": "k=v; l=%20",
        },
        "cookies": {"k": "v", "l": "%20"},
    }


def test_a_field_called_request_does_not_hide_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    event = seen(monkeypatch, post(params={"request": "mine"}, raw_query="request=mine"))
    assert set(event["request"]) == {"headers", "cookies"}


@pytest.mark.parametrize("cookie", ["=", ";;", "a b=c", "k=\x00", "$=1; [=2", "x" * 10_000])
def test_a_cookie_header_of_any_shape_is_taken(monkeypatch: pytest.MonkeyPatch, cookie: str) -> None:
    event = seen(monkeypatch, post(headers={"cookie": cookie}))
    assert isinstance(event["request"]["cookies"], dict)


def test_fields_that_come_twice_are_signed_with_both_values() -> None:
    class Twice(dict[str, list[str]]):
        def getall(self, name: str) -> list[str]:
            return self[name]

    fields = Twice({**{name: [value] for name, value in PARAMS.items()}, "SipHeader_X-Tag": ["b", "a"]})
    signature = sign(f"{PUBLIC_URL}/incoming-call", fields)
    body = urlencode(fields, doseq=True).encode()
    assert verbs(dispatch(Desk().context, AUTH, post(signature=signature, body=body))) == ["Connect"]


@pytest.mark.parametrize("answer", [None, "text", 7, RuntimeError("+15005550001 and a secret")], ids=repr)
def test_a_handler_that_fails_is_answered_for_with_a_sentence(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    def failing(context: Context, event: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    served_by(monkeypatch, failing)
    desk = Desk()
    response = dispatch(desk.context, AUTH, post(params={**PARAMS, "To": "+97235550006"}))

    assert verbs(response) == ["Say", "Hangup"]
    assert root(response)[0].text == phrases_of("he").cannot_answer
    assert desk.lines[-1][:2] == ("error", "webhook failed")
    assert "+15005550001" not in desk.log_text


def test_a_repeated_request_gets_the_same_answer() -> None:
    desk = Desk()
    assert dispatch(desk.context, AUTH, post()) == dispatch(desk.context, AUTH, post())
    assert desk.ledger.kinds() == ["call.started"]

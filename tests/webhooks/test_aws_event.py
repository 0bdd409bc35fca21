"""Events of payload format 2.0, from an HTTP API or a Function URL, and the answers to them."""

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.webhooks.aws import CALL, Pairs, http_event, signature, with_
from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SID, Desk
from webhooks.aws_event import NotARequest, event_answer, request_of
from webhooks.dispatch import MAX_BODY_BYTES, TwilioAuth, dispatch
from webhooks.response import NO_CONTENT, Response
from webhooks.routes import ROUTES

AUTH = TwilioAuth(auth_token=AUTH_TOKEN)


_FIELDS = ("version", "rawPath", "rawQueryString", "headers", "cookies", "requestContext", "body", "isBase64Encoded")


def _nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["http", "method", "stage", "content-type", "a"]), inner)


def answered(event: Any, desk: Desk | None = None) -> Response:
    return dispatch((desk or Desk()).context, AUTH, request_of(event))


@pytest.mark.parametrize("is_base64", [True, False], ids=["base64", "plain"])
def test_a_body_is_taken_in_both_ways_it_may_come(is_base64: bool) -> None:
    request = request_of(http_event(is_base64=is_base64))
    assert request.body == urlencode(CALL).encode()
    assert answered(http_event(is_base64=is_base64)).status == 200


def test_blank_values_and_names_that_come_twice_are_signed_with_the_rest() -> None:
    twice: Pairs = (*CALL, ("Digits", "1"), ("Digits", "2"), ("Digits", ""))
    assert answered(http_event(params=twice)).status == 200
    event = http_event(params=twice)
    event["body"] = b64encode(urlencode([pair for pair in twice if pair[1]]).encode()).decode()
    assert answered(event).status == 403


@pytest.mark.parametrize("path", [*ROUTES])
def test_every_webhook_is_found_below_a_stage_of_any_name(path: str) -> None:
    for stage in ("$default", "prod", "api", "incoming-call"):
        assert answered(http_event(path, stage=stage)).status in (200, 204)


def test_behind_a_domain_of_its_own_a_stage_has_no_part_in_the_path() -> None:
    event = http_event("/api/twiml")
    event["requestContext"]["stage"] = "api"
    assert answered(event).status == 200


@pytest.mark.parametrize("raw_path", ["/incoming-call", "/prod/incoming-call"])
def test_the_path_of_public_url_may_be_the_stage(raw_path: str) -> None:
    event = http_event(public_url=f"{PUBLIC_URL}/prod", stage="prod", rawPath=raw_path)
    assert answered(event, Desk(public_url=f"{PUBLIC_URL}/prod")).status == 200


def test_the_path_of_public_url_may_go_on_behind_the_stage() -> None:
    public_url = f"{PUBLIC_URL}/prod/voice"
    event = http_event(public_url=public_url, rawPath="/prod/voice/incoming-call")
    event["requestContext"]["stage"] = "prod"
    assert answered(event, Desk(public_url=public_url)).status == 200


def test_the_host_of_a_request_has_no_say_in_its_signature() -> None:
    event = http_event()
    event["headers"]["host"] = "phone.example"
    event["headers"]["x-twilio-signature"] = signature("https://abc123.execute-api.us-east-1.amazonaws.com/incoming-call", CALL)
    assert answered(event).status == 403


def test_a_query_is_signed_and_reaches_the_handler() -> None:
    desk = Desk()
    desk.opened()
    event = http_event("/screen", query=f"for_call={SID}")
    assert answered(event, desk).status == 200
    assert answered({**event, "rawQueryString": "for_call=CA9"}, desk).status == 403


def test_escapes_in_a_query_are_signed_as_they_came() -> None:
    assert answered(http_event("/screen", query="for_call=CA%31&note=%D7%A9+%F0%9F%94%A7")).status == 200


def test_escapes_in_a_path_lead_nowhere() -> None:
    assert answered(http_event("/incoming%2Dcall")).status == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"rawPath": "/nowhere"}, 404),
        ({"rawPath": ""}, 404),
        ({"requestContext": {"http": {"method": "DELETE"}}}, 405),
        ({"body": b64encode(b"a" * (MAX_BODY_BYTES + 1)).decode()}, 413),
        ({"body": ""}, 403),
        ({"body": None}, 403),
        ({"headers": None}, 403),
        ({"headers": {}}, 403),
        ({"headers": {"content-type": "application/json"}}, 415),
    ],
)
def test_what_is_no_webhook_request_is_refused(changes: dict[str, Any], status: int) -> None:
    desk = Desk()
    assert answered(http_event(**changes), desk).status == status
    assert desk.ledger.written == []


def test_headers_are_lower_case_and_cookies_where_a_browser_had_them() -> None:
    event = http_event(cookies=["a=1", "b=2"])
    event["headers"]["X-Odd"] = "x"
    headers = request_of(event).headers
    assert (headers["cookie"], headers["x-odd"], "X-Odd" in headers) == ("a=1; b=2", "x", False)


def test_a_get_is_answered_by_its_query() -> None:
    query = urlencode(with_(FromZip=""))
    event = http_event(params=(), query=query, body=None, requestContext={"http": {"method": "get"}})
    assert answered(event).status == 200


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (None, "NoneType"),
        ("text", "str"),
        ([], "list"),
        ({}, "payload format 2.0"),
        ({"version": "1.0", "httpMethod": "POST", "requestContext": {"http": {}}}, "payload format 2.0"),
        ({"version": "2.0", "requestContext": {"http": "POST"}}, "payload format 2.0"),
        ({"version": "2.0"}, "payload format 2.0"),
        (http_event(body="not base64!"), "base64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_that_is_no_request_says_so(event: object, word: str) -> None:
    with pytest.raises(NotARequest, match=word):
        request_of(event)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), _nested, max_leaves=8), st.sampled_from(_FIELDS)
)
def test_fields_of_any_other_shape_never_raise_anything_else(value: object, name: str) -> None:
    try:
        answer = answered({**http_event(), name: value})
    except NotARequest:
        return
    assert answer.status in (200, 400, 403, 404, 405, 413, 415)


def test_an_answer_has_its_status_headers_and_text() -> None:
    assert event_answer(Response(200, {"content-type": "text/xml"}, "<Say>שלום 🔧</Say>")) == {
        "statusCode": 200,
        "headers": {"content-type": "text/xml"},
        "body": "<Say>שלום 🔧</Say>",
        "isBase64Encoded": False,
    }
    assert event_answer(NO_CONTENT)["body"] == ""

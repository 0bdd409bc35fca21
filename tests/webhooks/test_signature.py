"""Signatures, made by Twilio's own SDK and checked by ours."""

from typing import Any

import pytest
from twilio.request_validator import RequestValidator

from calls.signature import HandshakeForm, is_signed_handshake, is_signed_request

TOKEN = "auth-token"
PARAMS = {"CallSid": "CA1", "From": "+15005550001", "FromZip": "", "CallerName": "דנה 🔧"}


def signature(url: str, params: Any = None, token: str = TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(url, params or {}))


def test_the_example_of_twilio_s_documentation_is_signed() -> None:
    params = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://example.com/myapp.php?foo=1&bar=2"
    assert is_signed_request(url, params, "L/OH5YylLD5NRKLltdqwSvS0BnU=", "12345")


@pytest.mark.parametrize(
    ("ours", "twilio_s"),
    [
        ("https://h.example/a?b=1", "https://h.example/a?b=1"),
        ("https://h.example/a", "https://h.example:443/a"),
        ("https://h.example:8443/a", "https://h.example/a"),
        ("https://h.example:8443/a", "https://h.example:8443/a"),
        ("https://h.example/a#rc=2&rp=5xx", "https://h.example/a"),
        ("https://user:pass@h.example:8443/a", "https://h.example:8443/a"),
        ("https://user:pass@h.example/a", "https://h.example/a"),
        ("http://127.0.0.1:8000/a", "http://127.0.0.1:8000/a"),
        ("https://[::1]:8443/a", "https://[::1]:8443/a"),
    ],
)
def test_a_webhook_is_signed_whatever_twilio_does_to_its_url(ours: str, twilio_s: str) -> None:
    assert is_signed_request(ours, PARAMS, signature(twilio_s, PARAMS), TOKEN)


@pytest.mark.parametrize(
    "changed",
    [{}, {**PARAMS, "CallSid": "CA2"}, {**PARAMS, "Extra": ""}, {name: PARAMS[name] for name in PARAMS if name != "FromZip"}],
    ids=["none", "other value", "one more", "one less"],
)
def test_changed_parameters_are_not_signed(changed: dict[str, str]) -> None:
    url = "https://h.example/a"
    assert not is_signed_request(url, changed, signature(url, PARAMS), TOKEN)


def test_another_address_or_another_token_is_not_signed() -> None:
    signed = signature("https://h.example/a", PARAMS)
    assert not is_signed_request("https://h.example/b", PARAMS, signed, TOKEN)
    assert not is_signed_request("https://evil.example/a", PARAMS, signed, TOKEN)
    assert not is_signed_request("https://h.example/a", PARAMS, signed, "other")


def test_a_field_that_comes_twice_is_signed_with_both_values() -> None:
    class Twice(dict[str, list[str]]):
        def getall(self, name: str) -> list[str]:
            return self[name]

    params = Twice(MediaUrl=["b", "a"], CallSid=["CA1"])
    signed = signature("https://h.example/a", params)
    assert is_signed_request("https://h.example/a", {"MediaUrl": ["b", "a"], "CallSid": "CA1"}, signed, TOKEN)
    assert not is_signed_request("https://h.example/a", {"MediaUrl": ["b", "c"], "CallSid": "CA1"}, signed, TOKEN)


@pytest.mark.parametrize("empty", ["", None])
def test_without_a_token_nothing_is_signed(empty: str | None) -> None:
    signed = signature("https://h.example/a", {}, token="")
    assert not is_signed_request("https://h.example/a", {}, signed, empty)
    assert is_signed_handshake("wss://h.example/a", signature("wss://h.example/a", {}, token=""), empty) is None


ODD_SIGNATURES: list[Any] = [None, "", "=", "x" * 28, "é" * 28, "\x00", "\ud800", "x" * 1_000_000, b"bytes", 7, ["x"]]


@pytest.mark.parametrize("odd", ODD_SIGNATURES, ids=lambda odd: ascii(odd)[:20])
def test_an_odd_signature_is_none(odd: Any) -> None:
    assert is_signed_request("https://h.example/a", PARAMS, odd, TOKEN) is False
    assert is_signed_handshake("wss://h.example/a", odd, TOKEN) is None


@pytest.mark.parametrize(
    "params",
    [
        {"a": None},
        {"a": [None]},
        {"a": 1},
        {1: "a", "b": "c"},
        {"a": {"b": "c"}},
        {"a": "x" * 1_000_000},
        {"\ud800": "\udfff"},
        {str(number): "" for number in range(10_000)},
    ],
    ids=lambda params: ascii(params)[:20],
)
def test_odd_parameters_are_not_signed(params: Any) -> None:
    assert is_signed_request("https://h.example/a", params, "x" * 28, TOKEN) is False


@pytest.mark.parametrize("url", ["", "h", "https://", "https://h:port/a", "https://[::1/a", "wss://h:99999/a", "\ud800", "🔧"])
def test_an_odd_url_is_not_signed(url: str) -> None:
    assert is_signed_request(url, PARAMS, "x" * 28, TOKEN) is False
    assert is_signed_handshake(url, "x" * 28, TOKEN) is None


@pytest.mark.parametrize(
    ("ours", "twilio_s", "form"),
    [
        ("wss://h.example/media-stream/bob", "wss://h.example/media-stream/bob", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example/media-stream/bob", "wss://h.example:443/media-stream/bob", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example:8443/m", "wss://h.example:8443/m", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example:8443/m", "wss://h.example/m", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example:443/m", "wss://h.example/m", HandshakeForm.AS_CONFIGURED),
        ("ws://127.0.0.1:8000/m", "ws://127.0.0.1:8000/m", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example/m#rc=2", "wss://h.example/m", HandshakeForm.AS_CONFIGURED),
        ("wss://h.example/m", "wss://h.example/m/", HandshakeForm.OTHER_SLASH),
        ("wss://h.example/m#x", "wss://h.example/m/", HandshakeForm.OTHER_SLASH),
        ("wss://h.example/m/", "wss://h.example/m", HandshakeForm.OTHER_SLASH),
        ("wss://h.example:8443/m", "wss://h.example/m/", HandshakeForm.OTHER_SLASH),
        ("ws://127.0.0.1:8000/m", "ws://127.0.0.1:8000/m/", HandshakeForm.OTHER_SLASH),
        ("wss://h.example/m", "https://h.example/m", HandshakeForm.HTTP_TWIN),
        ("wss://h.example/m", "https://h.example/m/", HandshakeForm.HTTP_TWIN),
        ("ws://127.0.0.1:8000/m", "http://127.0.0.1:8000/m", HandshakeForm.HTTP_TWIN),
        ("wss://h.example/m", "wss://h.example/n", None),
        ("wss://h.example/m", "wss://h.example/m//", None),
        ("wss://h.example/m", "ws://h.example/m", None),
        ("wss://h.example/m", "wss://h.example.evil/m", None),
    ],
)
def test_a_handshake_is_signed_in_the_form_it_says(ours: str, twilio_s: str, form: HandshakeForm | None) -> None:
    assert is_signed_handshake(ours, signature(twilio_s), TOKEN) is form

"""Addresses and tokens as people give them."""

import pytest

from console.endpoint import Endpoint, EndpointError, endpoint_from


@pytest.mark.parametrize(
    ("given", "url", "websocket_url"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "ws://127.0.0.1:8000/operator"),
        ("https://phone.example.com/", "https://phone.example.com", "wss://phone.example.com/operator"),
        ("https://example.com/frontdesk/", "https://example.com/frontdesk", "wss://example.com/frontdesk/operator"),
        ("wss://phone.example.com/operator", "https://phone.example.com", "wss://phone.example.com/operator"),
        ("ws://localhost:9", "http://localhost:9", "ws://localhost:9/operator"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", "ws://127.0.0.1:8000/operator"),
        (" http://[::1]:8000 ", "http://[::1]:8000", "ws://[::1]:8000/operator"),
    ],
)
def test_an_address_may_be_written_in_several_ways(given: str, url: str, websocket_url: str) -> None:
    endpoint = endpoint_from(given, "token")
    assert (endpoint.url, endpoint.websocket_url) == (url, websocket_url)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "http://",
        "ftp://a",
        "http://a:99999",
        "http://a:x",
        "http://a:0",
        "http://a?x=1",
        "http://a#b",
        "http://a\nb",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_said_to_be_none(given: str) -> None:
    with pytest.raises(EndpointError, match="is no address of a bridge; give one such as"):
        endpoint_from(given, "token")


def test_a_token_in_the_address_is_not_taken() -> None:
    with pytest.raises(EndpointError, match="--token or FRONTDESK_TOKEN") as refused:
        endpoint_from("http://ann:secret@example.com", "")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("token", ["a\nb", "two words", "סוד", "\x00", "a\r\nX-Admin: 1"])
def test_a_token_no_header_can_carry_is_refused_and_not_repeated(token: str) -> None:
    with pytest.raises(EndpointError, match="no header can carry") as refused:
        endpoint_from("http://a", token)
    assert token not in str(refused.value)


def test_the_token_travels_as_bearer_and_stays_out_of_what_is_printed() -> None:
    endpoint = endpoint_from("http://a", " secret\n".strip())
    assert endpoint.headers == {"Authorization": "Bearer secret"}
    assert "secret" not in repr(endpoint)


@pytest.mark.parametrize(
    ("url", "in_clear"),
    [
        ("http://127.0.0.1:1", False),
        ("http://localhost:1", False),
        ("https://a", False),
        ("http://a", True),
        ("http://127.0.0.1.evil", True),
    ],
)
def test_only_http_beyond_this_machine_is_in_clear(url: str, in_clear: bool) -> None:
    assert Endpoint(url, "token").in_clear is in_clear

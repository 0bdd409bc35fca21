"""Headers from the environment: what is read, and one sentence without the value for what cannot be sent."""

import pytest

from bridge.handshake_headers import HeadersUnusable, parse_headers

ENVIRON = {"AZURE_KEY": "s3cret, with a comma", "TENANT": "a", "EMPTY": "", "SPLIT": "s3cret\r\nX-Evil: 1", "HEBREW": "שלום"}


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", ()),
        (" , ,", ()),
        ("api-key: ${AZURE_KEY}", (("api-key", "s3cret, with a comma"),)),
        ("X-Tenant:a,  X-Zone : b:c ", (("X-Tenant", "a"), ("X-Zone", "b:c"))),
        ("Authorization: Basic ${TENANT}-${TENANT}", (("Authorization", "Basic a-a"),)),
    ],
)
def test_entries_are_read_and_variables_filled_in(text: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert parse_headers(text, ENVIRON) == headers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("X-A: 1, s3cret", 'entry 2 is not "name: value"'),
        (": s3cret", 'entry 1 is not "name: value"'),
        ("x y: s3cret", 'entry 1 is not "name: value"'),
        ("X-A: ${NOBODY}", "X-A wants the environment variable NOBODY, which is not set"),
        ("X-A: ${EMPTY}", "X-A wants the environment variable EMPTY, which is not set"),
        ("X-A: ${SPLIT}", "the value of X-A is empty, or has characters in it"),
        ("X-A: ${HEBREW}", "the value of X-A is empty, or has characters in it"),
        ("X-A:", "the value of X-A is empty"),
        ("Host: s3cret", "Host belongs to the WebSocket handshake itself"),
        ("sec-websocket-key: s3cret", "sec-websocket-key belongs to the WebSocket handshake itself"),
        ("X-A: s3cret, x-a: s3cret", "x-a is there twice"),
    ],
)
def test_what_cannot_be_sent_is_said_without_its_value(text: str, complaint: str) -> None:
    with pytest.raises(HeadersUnusable) as refused:
        parse_headers(text, ENVIRON)
    assert complaint in str(refused.value)
    assert "s3cret" not in str(refused.value)

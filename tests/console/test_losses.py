"""Why a bridge cannot be reached, in words."""

import socket
import ssl

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from console.losses import why, why_closed, why_status

URL = "https://phone.example:8443"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)"), "nobody listens at phone.example:8443"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 1), …"), "nobody listens at phone.example:8443"),
        (socket.gaierror(-2, "Name or service not known"), "the name phone.example:8443 cannot be resolved"),
        (ssl.SSLCertVerificationError("self-signed certificate"), "phone.example:8443 cannot prove who it is: "),
        (TimeoutError(), "phone.example:8443 does not answer"),
        (ConnectionResetError(104, "Connection reset by peer"), "the connection was cut"),
        (ValueError("odd \x1b[31m answer"), "phone.example:8443 cannot be spoken to: odd [31m answer"),
        (RuntimeError(), "phone.example:8443 cannot be spoken to: RuntimeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)  # fmt: skip
def test_an_error_says_what_to_look_at(error: Exception, words: str) -> None:
    assert why(error, URL).startswith(words)


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (401, "This token is not known.", "This token is not known."),
        (403, "", "phone.example:8443 does not take this token (HTTP 403); see OPERATOR_TOKENS of the bridge"),
        (404, "", "phone.example:8443 has no operator API (HTTP 404); is that a Frontdesk bridge?"),
        (503, "draining\x1b", "phone.example:8443 answers HTTP 503: draining"),
        (502, "", "phone.example:8443 answers HTTP 502"),
    ],
)
def test_a_status_says_what_to_look_at(status: int, said: str, words: str) -> None:
    assert why_status(status, said, URL) == words


@pytest.mark.parametrize(
    ("received", "sent", "words"),
    [
        (Close(1001, ""), None, "the bridge is going down"),
        (Close(1013, "slow\x1b"), None, "the bridge let this console go: it does not keep up (slow)"),
        (Close(4000, ""), None, "the bridge closed the connection with code 4000"),
        (None, Close(1009, ""), "the bridge sent a message of more than 4 MiB"),
        (None, Close(1011, "keepalive ping timeout"), "the bridge does not answer any more"),
        (None, Close(1002, ""), "what came was no WebSocket"),
        (None, None, "the connection was cut"),
    ],
)
def test_a_close_says_who_ended_it_and_why(received: Close | None, sent: Close | None, words: str) -> None:
    assert why_closed(ConnectionClosedError(received, sent)) == words

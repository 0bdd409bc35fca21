"""Why a bridge cannot be reached or was lost, in words that say what to look at."""

import socket
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from console.protocol import safe

if TYPE_CHECKING:
    from websockets.exceptions import ConnectionClosed

MAX_WORDS = 200
"""Characters taken of what somebody else says."""

_CLOSE_CODES = {
    1000: "the bridge closed the connection",
    1001: "the bridge is going down",
    1008: "the bridge ended the connection: not allowed",
    1011: "the bridge failed",
    1012: "the bridge restarts",
    1013: "the bridge let this console go: it does not keep up",
}
_OWN_CODES = {
    1002: "what came was no WebSocket",
    1007: "what came was no WebSocket",
    1009: "the bridge sent a message of more than 4 MiB",
    1011: "the bridge does not answer any more",
}


def why(error: BaseException, url: str) -> str:
    """What ``error`` means for who wants to reach ``url``: half a sentence, safe for a terminal."""
    place = urlsplit(url).netloc
    text = safe(str(error))[:MAX_WORDS]
    match error:
        case TimeoutError():
            return f"{place} does not answer"
        case socket.gaierror():
            return f"the name {place} cannot be resolved"
        case ssl.SSLError():
            return f"{place} cannot prove who it is: {text}"
        case ConnectionRefusedError():
            return f"nobody listens at {place}"
        case OSError() if "Connect call failed" in text or "refused" in text.lower():
            return f"nobody listens at {place}"
        case ConnectionResetError() | BrokenPipeError():
            return "the connection was cut"
    return f"{place} cannot be spoken to: {text or type(error).__name__}"


def why_status(status: int, said: str, url: str) -> str:
    """What an HTTP status instead of a WebSocket, or of an answer, means."""
    place = urlsplit(url).netloc
    said = safe(said)[:MAX_WORDS]
    if status in (401, 403):
        # The bridge has a sentence of its own for this; a proxy between may have none.
        return said or f"{place} does not take this token (HTTP {status}); see OPERATOR_TOKENS of the bridge"
    if status == 404 and not said:
        return f"{place} has no operator API (HTTP 404); is that a Frontdesk bridge?"
    return f"{place} answers HTTP {status}{f': {said}' if said else ''}"


def why_closed(closed: "ConnectionClosed") -> str:
    """Why an open connection ended, told from its close frames."""
    if closed.rcvd is None:
        return _own_reason(closed.sent.code if closed.sent is not None else 0)
    known = _CLOSE_CODES.get(closed.rcvd.code, f"the bridge closed the connection with code {closed.rcvd.code}")
    said = safe(closed.rcvd.reason)[:MAX_WORDS]
    return f"{known} ({said})" if said else known


def _own_reason(code: int) -> str:
    """Why this side gave up."""
    return _OWN_CODES.get(code, "the connection was cut")

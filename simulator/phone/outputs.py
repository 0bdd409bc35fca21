"""What the simulated phone asks its shell to do. The machine returns these in order; the shell does them in that order."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Send a webhook. Answer with :meth:`PhoneCall.http_answered` or :meth:`PhoneCall.http_failed` and the same ``request_id``."""

    request_id: int
    method: Literal["GET", "POST"]
    url: str
    """Without fragment and, for ``GET``, with the parameters in its query."""
    params: dict[str, str]
    """The form of a ``POST``, blank values included; empty for ``GET``."""
    headers: dict[str, str] = field(repr=False)
    connect_timeout_ms: int = 5000


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """Give up on a webhook: its time is over. An answer that comes anyway is ignored."""

    request_id: int


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open the media WebSocket. Answer with :meth:`PhoneCall.stream_opened` or :meth:`PhoneCall.stream_refused`."""

    url: str
    headers: dict[str, str] = field(repr=False)
    """``User-Agent``, ``Accept-Encoding`` and the signature; the handshake's own headers are the shell's."""


@dataclass(frozen=True, slots=True)
class SendStream:
    """Send one text message on the media WebSocket."""

    text: str


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close the media WebSocket, or give up opening it."""

    code: int = 1000


@dataclass(frozen=True, slots=True)
class AbortStream:
    """Reset the media WebSocket's TCP connection: no ``stop``, no close frame."""


@dataclass(frozen=True, slots=True)
class CallOver:
    """The call is over. Requests sent before, the status callback among them, may still be answered."""

    reason: str


Output = HttpRequest | CancelRequest | OpenStream | SendStream | CloseStream | AbortStream | CallOver

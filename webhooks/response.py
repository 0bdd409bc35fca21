"""What a webhook answers when it is not TwiML."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Response:
    """A status, headers in lower case, and a text that is sent as UTF-8: Twilio Functions' ``Twilio.Response``."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


def plain(status: int, sentence: str) -> Response:
    """A sentence for whoever reads the answer by eye."""
    return Response(status, {"content-type": "text/plain; charset=utf-8"}, sentence + "\n")


NO_CONTENT = Response(204)
"""Twilio's status callbacks expect this."""

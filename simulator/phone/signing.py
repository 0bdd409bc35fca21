"""The ``X-Twilio-Signature`` of webhooks and of the media WebSocket's handshake (Twilio, *Security*)."""

from urllib.parse import urlsplit, urlunsplit

from twilio.request_validator import RequestValidator


class Signer:
    """Signs as the account with this token does. No token: nothing is signed. ``forge``: with a token that is not the account's."""

    def __init__(self, auth_token: str | None, *, forge: bool = False) -> None:
        token = f"not {auth_token}" if forge else auth_token
        self._validator = None if token is None else RequestValidator(token)

    def webhook(self, url: str, params: dict[str, str]) -> dict[str, str]:
        """The signature header of a webhook; ``params`` is the form of a ``POST``."""
        return self._header(_signed_form(url), params)

    def stream(self, url: str, *, with_slash: bool) -> dict[str, str]:
        """The signature header of a WebSocket handshake: the ``wss://`` URL, nothing else."""
        return self._header(url.rstrip("/") + "/" if with_slash else url, {})

    def _header(self, url: str, params: dict[str, str]) -> dict[str, str]:
        if self._validator is None:
            return {}
        return {"X-Twilio-Signature": str(self._validator.compute_signature(url, params))}


def _signed_form(url: str) -> str:
    """Voice requests are signed without user and password and, over HTTPS, without the port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    if parts.scheme == "https" and parts.port is not None:
        host = host.rpartition(":")[0]
    return urlunsplit((parts.scheme, host, parts.path, parts.query, ""))

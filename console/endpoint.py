"""Where the bridge is and with what token it is spoken to (docs/reference/operator-api.md)."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

DEFAULT_URL = "http://127.0.0.1:8000"
"""Where ``frontdesk serve`` listens unless told otherwise."""

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EndpointError(ValueError):
    """The address or the token cannot be used; the text is one sentence that says why."""


@dataclass(frozen=True)
class Endpoint:
    """One bridge, or the load balancer before several, as operators reach it."""

    url: str
    """An http or https origin without a slash at its end; it may have a path, for a bridge behind a proxy."""
    token: str = field(repr=False)

    @property
    def websocket_url(self) -> str:
        """The address of the operator WebSocket."""
        scheme, rest = self.url.split("://", 1)
        return f"{_SCHEMES[scheme]}://{rest}/operator"

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def local(self) -> bool:
        """Whether the bridge is on this machine; then no proxy is asked."""
        return urlsplit(self.url).hostname in _LOOPBACK

    @property
    def in_clear(self) -> bool:
        """Whether token and conversations would cross a network unencrypted."""
        return not self.local and self.url.startswith("http://")


def endpoint_from(url: str, token: str) -> Endpoint:
    """Reads what a person gave: http, https, ws or wss, with or without a slash at its end, or only ``host:port``.

    Raises :class:`EndpointError` for an address that is none, and for a token no header can carry.
    """
    parts = _split(url.strip() if "://" in url else f"http://{url.strip()}")
    if not token.isascii() or not token.isprintable() or " " in token.strip():
        raise EndpointError(
            "the token holds characters no header can carry; give it as it stands in OPERATOR_TOKENS (the third part)"
        )
    scheme = "https" if parts.scheme in ("https", "wss") else "http"
    path = parts.path.rstrip("/").removesuffix("/operator")
    return Endpoint(f"{scheme}://{parts.netloc}{path}", token.strip())


def _split(url: str) -> SplitResult:
    wrong = EndpointError(f"{url!r} is no address of a bridge; give one such as {DEFAULT_URL} or https://phone.example.com")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        raise wrong from None
    if parts.username is not None:
        raise EndpointError("the address holds a user name; give the token with --token or FRONTDESK_TOKEN instead")
    if not usable or parts.query or parts.fragment or not url.isprintable():
        raise wrong
    return parts

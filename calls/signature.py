"""Whether Twilio sent it: the ``X-Twilio-Signature`` of webhooks and of the media socket's handshake.

Follows Twilio, *Webhooks security*. The URL is the caller's to rebuild, from the configured public origin and the raw path and
query of the request; the ``Host`` header is not to be trusted, and behind a proxy not even right. Nothing here raises: what
cannot be checked is not signed.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from urllib.parse import urlsplit

from twilio.request_validator import RequestValidator

SIGNATURE_HEADER = "x-twilio-signature"

_TLS_SCHEMES = {"wss", "https"}
_HTTP_TWIN = {"wss": "https", "ws": "http"}


class HandshakeForm(Enum):
    """The form of the Stream URL that a handshake's signature matched."""

    AS_CONFIGURED = "as configured"
    OTHER_SLASH = "with the trailing slash added or removed"
    HTTP_TWIN = "with http(s) in place of ws(s)"
    """Nobody has documented it; worth a line in the log."""


class _Form:
    """Form parameters as the SDK reads multi-dicts: a name that comes twice has both values signed."""

    def __init__(self, params: Mapping[str, str | Sequence[str]]) -> None:
        self._params = params

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def getall(self, name: str) -> list[str]:
        value = self._params[name]
        return [value] if isinstance(value, str) else list(value)


def is_signed_request(
    url: str, params: Mapping[str, str | Sequence[str]] | None, signature: str | None, auth_token: str | None
) -> bool:
    """Whether a webhook's signature is Twilio's.

    Args:
        url: as Twilio was told it, query included; a fragment and ``user:password@`` are not signed and dropped.
        params: all form parameters of a POST, blank ones too; empty for a GET.
        auth_token: the account's primary token. Without one nothing is signed.
    """
    return _is_signed(_forms_of(url)[:1], params or {}, signature, auth_token)


def is_signed_handshake(url: str, signature: str | None, auth_token: str | None) -> HandshakeForm | None:
    """The form of the Stream URL whose signature a WebSocket handshake carries, ``None`` if it carries none of them.

    Twilio signs the ``wss://`` URL without parameters, and may have added a slash to its end (*Webhooks security*, "A few
    notes").
    """
    for form, candidate in _handshake_urls(url):
        if _is_signed(_forms_of(candidate), {}, signature, auth_token):
            return form
    return None


def _handshake_urls(url: str) -> Iterator[tuple[HandshakeForm, str]]:
    bare, separator, query = url.partition("#")[0].partition("?")
    other_slash = (bare[:-1] if bare.endswith("/") else bare + "/") + separator + query
    yield HandshakeForm.AS_CONFIGURED, url
    yield HandshakeForm.OTHER_SLASH, other_slash
    yield HandshakeForm.HTTP_TWIN, _http_twin(url)
    yield HandshakeForm.HTTP_TWIN, _http_twin(other_slash)


def _is_signed(
    urls: Sequence[str], params: Mapping[str, str | Sequence[str]], signature: str | None, auth_token: str | None
) -> bool:
    # An empty key would make a signature that anybody can compute.
    if not auth_token or not signature:
        return False
    try:
        validator = RequestValidator(auth_token)
        return any(validator.validate(url, _Form(params), signature) is True for url in urls)
    except Exception:  # the SDK raises whatever odd input makes it stumble over
        return False


def _forms_of(url: str) -> list[str]:
    """The URL and, without a port, the URL with its scheme's own; the validator removes a port, but it adds 80 to ``wss``."""
    try:
        parts = urlsplit(url.partition("#")[0])
        netloc = parts.netloc.rpartition("@")[2]
        bare = parts._replace(netloc=netloc)
        default_port = 443 if parts.scheme in _TLS_SCHEMES else 80
        if parts.port is not None:
            return [bare.geturl()]
        return [bare.geturl(), bare._replace(netloc=f"{netloc}:{default_port}").geturl()]
    except (ValueError, AttributeError):
        return []


def _http_twin(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return _HTTP_TWIN.get(scheme.lower(), scheme) + separator + rest

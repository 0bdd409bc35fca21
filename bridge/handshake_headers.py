"""Headers for the handshake with the model's endpoint, as a person writes them into the environment."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110."""
_VALUE = re.compile(r"[\x20-\x7e]+")
_NOT_OURS = ("connection", "content-length", "host", "transfer-encoding", "upgrade")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class HeadersUnusable(Exception):
    """``str()`` says which header and why, and holds no value of any."""


def parse_headers(text: str, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """``name: value`` entries separated by commas; ``${NAME}`` in a value is that variable's, commas and all.

    Raises:
        HeadersUnusable: the first entry that cannot be sent.
    """
    entries = [entry.strip() for entry in text.split(",")]
    headers = [_header(entry, place, environ) for place, entry in enumerate(entries, start=1) if entry]
    names = [name.lower() for name, _ in headers]
    for name in names:
        if names.count(name) > 1:
            raise HeadersUnusable(f"{name} is there twice.")
    return tuple(headers)


def _header(entry: str, place: int, environ: Mapping[str, str]) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in entry.partition(":"))
    if not colon or not _NAME.fullmatch(name):
        raise HeadersUnusable(f'entry {place} is not "name: value". Separate entries by commas.')
    if name.lower() in _NOT_OURS or name.lower().startswith("sec-websocket-"):
        raise HeadersUnusable(f"{name} belongs to the WebSocket handshake itself. Remove it.")
    for variable in _VARIABLE.findall(value):
        if not environ.get(variable):
            raise HeadersUnusable(f"{name} wants the environment variable {variable}, which is not set.")
    filled = _VARIABLE.sub(lambda found: environ[found[1]], value)
    if not _VALUE.fullmatch(filled):
        raise HeadersUnusable(f"the value of {name} is empty, or has characters in it that a header cannot carry.")
    return name, filled

"""What of a log line may be written: no secrets, no callers' numbers, nothing that was said.

Numbers are masked wherever they stand, in a library's message too. An exception is shown by its kind and where it was raised: its
message may quote what it failed on.
"""

import re
from collections.abc import MutableMapping
from traceback import format_tb
from typing import Any

from calls.address import masked
from calls.store.base import StoreError

_SECRET_KEYS = frozenset({"token", "signature", "authorization", "auth_token", "api_key", "secret"})
_ADDRESS_KEYS = frozenset({"from", "from_", "to", "caller", "called", "address"})
_NUMBER = re.compile(r"(?:\+|%2[Bb])\d{6,15}(?!\d)|(?<![\w.:-])\d{9,15}(?![\w.:-])")
"""A telephone number: after a plus, or long enough and on its own, which no time, port, SID or version is."""
_LONGEST_CHAIN = 10


def keep_private(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blanks secrets, masks addresses under their own names and numbers in any text. A structlog processor by its shape."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "…"
        elif key in _ADDRESS_KEYS and isinstance(value, str):
            event[key] = masked(value)
        elif key not in ("timestamp", "call_sid"):
            event[key] = _without_numbers(value)
    return event


def told_of(error: BaseException | None) -> str:
    """An exception and those behind it: kinds and places, without what they say but where that is about files and the system."""
    told: list[str] = []
    while error is not None and len(told) < _LONGEST_CHAIN:
        told.append("".join(format_tb(error.__traceback__)) + type(error).__name__ + _harmless_words(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(told)


def _harmless_words(error: BaseException) -> str:
    """What an exception says, where that is about files and the system only."""
    if isinstance(error, StoreError):
        return f": {error}"
    return f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""


def _without_numbers(value: Any) -> Any:
    match value:
        case str():
            return _NUMBER.sub(lambda found: masked(found[0]), value)
        case dict():
            return {key: _without_numbers(one) for key, one in value.items()}
        case list() | tuple():
            return [_without_numbers(one) for one in value]
    return value

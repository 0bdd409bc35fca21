"""The log: one JSON object a line on stderr, or coloured lines on a terminal.

Secrets, callers' numbers and what was said do not get into it. Numbers are masked wherever they stand, in a library's message
too. An exception is shown by its kind and where it was raised: its message may quote what it failed on.
"""

import logging
import re
import sys
from collections.abc import MutableMapping, Sequence
from traceback import format_tb
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from calls.address import masked
from calls.store.base import StoreError

_SECRET_KEYS = frozenset({"token", "signature", "authorization", "auth_token", "api_key", "secret"})
_ADDRESS_KEYS = frozenset({"from", "from_", "to", "caller", "called", "address"})
_NUMBER = re.compile(r"(?:\+|%2[Bb])\d{6,15}(?!\d)|(?<![\w.:-])\d{9,15}(?![\w.:-])")
"""A telephone number: after a plus, or long enough and on its own, which no time, port, SID or version is."""
_LONGEST_CHAIN = 10


def set_up_logs(*, level: int = logging.INFO, stream: TextIO = sys.stderr) -> None:
    """Configures structlog for the process, and what libraries log, from warnings on, likewise."""
    renderer = structlog.dev.ConsoleRenderer() if stream.isatty() else structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *PRIVATE, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[library_handler(renderer, stream)], force=True)
    # The Twilio SDK logs whole requests at INFO.
    logging.getLogger("twilio").setLevel(logging.WARNING)


def library_handler(renderer: Processor, stream: TextIO) -> logging.Handler:
    """Writes what libraries log through the standard library in the shape of our own lines."""
    handler = logging.StreamHandler(stream)
    finish: Sequence[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    before = [structlog.stdlib.add_logger_name, first_line, *PRIVATE]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=finish))
    return handler


def first_line(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: of a message of several lines the first. asyncio shows on the others what a task has failed with."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def keep_private(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: blanks secrets, masks addresses under their own names and numbers in any text."""
    for key, value in event.items():
        if key in _SECRET_KEYS:
            event[key] = "…"
        elif key in _ADDRESS_KEYS and isinstance(value, str):
            event[key] = masked(value)
        elif key not in ("timestamp", "call_sid"):
            event[key] = _without_numbers(value)
    return event


def name_exception(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: an exception's kind and place in place of all it says."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "\n".join(_chain(error))
    return event


def _chain(error: BaseException | None) -> list[str]:
    told: list[str] = []
    while error is not None and len(told) < _LONGEST_CHAIN:
        told.append("".join(format_tb(error.__traceback__)) + type(error).__name__ + _harmless_words(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told


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


PRIVATE: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    name_exception,
    keep_private,
)
"""What every line goes through before it is rendered."""

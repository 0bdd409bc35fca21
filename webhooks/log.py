"""What the webhooks write into the log: facts about a request, never its token, its signature or a whole number."""

import logging
from pathlib import Path
from traceback import extract_tb
from typing import Literal, Protocol

import structlog

from calls.address import masked
from calls.store.base import StoreError

Level = Literal["info", "warning", "error"]

_LEVELS: dict[Level, int] = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_SHOWN = 80


class Log(Protocol):
    """Takes one line: what happened, and the fields that say where."""

    def __call__(self, level: Level, event: str, /, **fields: object) -> None:
        """Writes the line."""


def write(level: Level, event: str, /, **fields: object) -> None:
    """The log of the process, as structlog is configured."""
    structlog.get_logger("webhooks").log(_LEVELS[level], event, **fields)


def shown(address: object) -> str:
    """An address of a request as a log may show it: masked, and no longer than a line."""
    return masked(str(address or "")[:_SHOWN])


def explained(error: Exception) -> str:
    """What went wrong, without what the request said: a store speaks for itself, of other errors only kind and place."""
    if isinstance(error, StoreError):
        return str(error)
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"

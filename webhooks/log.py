"""What the webhooks write into the log: facts about a request, never its token, its signature or a whole number.

One JSON object a line, in the shape of the bridge's lines and with nothing but the standard library, which is all that a Lambda
function has to load for it. Where the webhooks are mounted beside the bridge, the lines go the bridge's way instead.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from traceback import extract_tb
from typing import Literal, Protocol

from calls.address import masked
from calls.log_context import known_facts
from calls.log_privacy import keep_private
from calls.store.base import StoreError

Level = Literal["info", "warning", "error"]

_SHOWN = 80


class Log(Protocol):
    """Takes one line: what happened, and the fields that say where."""

    def __call__(self, level: Level, event: str, /, **fields: object) -> None:
        """Writes the line."""


def write(level: Level, event: str, /, **fields: object) -> None:
    """Writes a line to stderr."""
    sys.stderr.write(line(level, event, datetime.now(UTC), **fields) + "\n")
    sys.stderr.flush()


def line(level: Level, event: str, at: datetime, /, **fields: object) -> str:
    """A line of the log, without its end. What it is about comes from :mod:`calls.log_context`."""
    told = {name: fact for name, fact in fields.items() if fact is not None}
    stamp = at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    whole = keep_private(None, level, {"event": event, **known_facts(), **told, "level": level, "timestamp": stamp})
    return json.dumps(whole, ensure_ascii=False, default=repr)


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

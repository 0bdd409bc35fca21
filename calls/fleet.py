"""What the bridges of a deployment say of themselves, so that a webhook that runs elsewhere knows whether a caller would be answered."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

NOTED_EVERY_S = 5.0
"""How often a bridge says it anew; at once when the answer to ``accepting`` changes."""
FRESH = timedelta(seconds=15)
"""A bridge that has said nothing for longer does not count: it is gone, or cannot reach the store."""


class TaskLoad(msgspec.Struct, frozen=True, kw_only=True):
    """One bridge at one moment."""

    owner: str
    """Its name among those that may own a call."""
    at: datetime
    """When it said so, aware."""
    started_at: datetime
    live_calls: int
    max_calls: int
    accepting: bool
    """Whether it takes a new stream."""

    def is_fresh(self, now: datetime) -> bool:
        """Whether it still counts. A clock that is ahead of ours does no harm."""
        return now - self.at <= FRESH


def somebody_accepts(loads: Iterable[TaskLoad], now: datetime) -> bool:
    """Whether a bridge is known that would take a new call."""
    return any(load.accepting and load.is_fresh(now) for load in loads)


def nobody_accepts(loads: Iterable[TaskLoad], now: datetime) -> bool:
    """Whether a new call would find no bridge. ``False`` if that is not known: no bridge has said anything lately."""
    fresh = [load for load in loads if load.is_fresh(now)]
    return bool(fresh) and not somebody_accepts(fresh, now)

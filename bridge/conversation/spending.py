"""What a call has used and cost so far, and whether that is all it may.

Counted from what the model reports, response by response; a call that reaches its limit is ended like one whose time is up, with
a goodbye spoken in full, which is therefore on top of the limit.
"""

from math import inf
from typing import Any

from bridge.conversation.usage import add_transcription, add_usage
from calls.business import Limits
from calls.events import Usage
from calls.rate import NO_PRICES, Rate
from calls.record import CallRecord


class Spending:
    """The usage and cost of one stream, and with what earlier streams of the call have cost, of the call."""

    __slots__ = ("_before", "_call_cost_usd", "_counted", "_is_unlooked_at", "_limit_usd", "_rate", "usage")

    def __init__(self) -> None:
        self.usage: Usage = {}
        """Of this stream."""
        self._rate: Rate | None = None
        self._before: CallRecord | None = None
        self._limit_usd = inf
        self._is_unlooked_at = True  # since something was added
        self._counted: set[str] = set()  # responses and turns whose usage is in the sum
        self._call_cost_usd: tuple[float | None] | None = None  # as it was summed up last, until something is added

    def configure(self, rate: Rate | None, limits: Limits, record: CallRecord) -> None:
        """The call is ours. ``record`` says what it has cost before; without ``rate`` nothing has a price."""
        self._rate, self._before, self._limit_usd = rate, record, limits.max_cost_usd
        self._call_cost_usd = None
        self._is_unlooked_at = True

    def response_done(self, response_id: str, usage: dict[str, Any] | None) -> None:
        """A response reports what it used; the same response again counts once."""
        if self._is_new(f"response {response_id}"):
            add_usage(self.usage, usage)

    def transcribed(self, item_id: str, usage: dict[str, Any] | None) -> None:
        """A turn of the caller has its text; the same turn again counts once."""
        if self._is_new(f"turn {item_id}"):
            add_transcription(self.usage, usage)

    @property
    def cost_usd(self) -> float | None:
        """What this stream has cost; ``None`` where that is not known."""
        return self._rate.cost_usd(self.usage) if self._rate is not None else None

    @property
    def call_cost_usd(self) -> float | None:
        """What the call has cost with all its streams; ``None`` where that is not known."""
        if self._call_cost_usd is None:
            own_usd = self.cost_usd
            self._call_cost_usd = (own_usd if self._before is None else self._before.cost_with(self.usage, own_usd),)
        return self._call_cost_usd[0]

    @property
    def at_least_usd(self) -> float:
        """What the part of this stream's usage that has prices has cost."""
        return (self._rate or NO_PRICES).at_least_usd(self.usage)

    def is_over_limit(self) -> bool:
        """Whether the call has cost all it may, as far as its usage has prices; ``True`` once."""
        if not self._is_unlooked_at:
            return False
        self._is_unlooked_at = False
        before_usd = self._before.cost_usd if self._before is not None else None
        if (before_usd or 0.0) + self.at_least_usd < self._limit_usd:
            return False
        self._limit_usd = inf
        return True

    def _is_new(self, name: str) -> bool:
        if name in self._counted:
            return False
        self._counted.add(name)
        self._is_unlooked_at = True
        self._call_cost_usd = None
        return True

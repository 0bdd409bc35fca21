"""What a call's usage costs at given prices (OpenAI Realtime, ``usage``).

Cached tokens are a subset of the input tokens of the same kind and replace their price; reasoning tokens are inside the
output's text tokens. Cost is only ever counted from what the API has reported: how earlier audio is billed again varies from
response to response.
"""

from collections.abc import Mapping

import msgspec

from calls.events import Usage

_CACHED = "input_cached_"
_DIGITS = 6
"""A millionth of a dollar: the smallest amount a token costs is about that."""


class Rate(msgspec.Struct, frozen=True):
    """US dollars for one of each count that :data:`calls.events.Usage` may hold: a token, a millisecond of transcription."""

    usd: Mapping[str, float]

    def cost_usd(self, usage: Usage) -> float | None:
        """What ``usage`` costs; ``None`` if any of it has no price, since a part of the cost is not the cost."""
        if any(count and key not in self.usd for key, count in usage.items()):
            return None
        return self.at_least_usd(usage)

    def at_least_usd(self, usage: Usage) -> float:
        """What the part of ``usage`` that has a price costs."""
        total = 0.0
        for key, count in usage.items():
            total += self.usd.get(key, 0.0) * (count - self._cached_of(key, usage))
        return round(max(total, 0.0), _DIGITS)

    def _cached_of(self, key: str, usage: Usage) -> int:
        """How much of an input count is billed as cached instead."""
        if not key.startswith("input_") or key.startswith(_CACHED):
            return 0
        cached = _CACHED + key.removeprefix("input_")
        return min(usage.get(cached, 0), usage[key]) if cached in self.usd else 0


NO_PRICES = Rate({})
"""Nothing is known to cost anything: every usage is of unknown cost."""

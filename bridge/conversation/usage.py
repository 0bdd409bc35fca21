"""Token counts of a call, summed over its responses.

Cached tokens are a subset of the input tokens of the same kind, and reasoning tokens are inside the output's text tokens (OpenAI
Realtime, ``response.done.response.usage``). A cancelled response reports usage too.
"""

from typing import Any

from calls.events import Usage


def add_usage(total: Usage, usage: dict[str, Any] | None) -> None:
    """Adds one response's ``usage`` to ``total``. Counts that are missing or no numbers add nothing."""
    if not isinstance(usage, dict):
        return
    for side in ("input", "output"):
        details = usage.get(f"{side}_token_details")
        if isinstance(details, dict):
            _add_kinds(total, side, details)
            cached = details.get("cached_tokens_details")
            if isinstance(cached, dict):
                _add_kinds(total, f"{side}_cached", cached)


def _add_kinds(total: Usage, prefix: str, details: dict[str, Any]) -> None:
    for kind in ("text", "audio", "image"):
        count = details.get(f"{kind}_tokens")
        if isinstance(count, int) and count > 0:
            total[f"{prefix}_{kind}"] = total.get(f"{prefix}_{kind}", 0) + count

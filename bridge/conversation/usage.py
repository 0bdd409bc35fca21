"""Token counts of a call, summed over its responses and its transcribed turns.

Cached tokens are a subset of the input tokens of the same kind, and reasoning tokens are inside the output's text tokens (OpenAI
Realtime, ``response.done.response.usage``). A cancelled response reports usage too. Transcription is billed on its own and
reported by the turn, in seconds or in tokens (``conversation.item.input_audio_transcription.completed.usage``).
"""

from math import ceil, isfinite
from typing import Any

from calls.events import Usage

LARGEST = 10**9
"""No response and no turn has that many tokens or milliseconds; what says so is wrong and counts as nothing."""


def add_usage(total: Usage, usage: dict[str, Any] | None) -> None:
    """Adds one response's ``usage`` to ``total``. Counts that are missing or no numbers add nothing."""
    _add_details(total, "", usage)


def add_transcription(total: Usage, usage: dict[str, Any] | None) -> None:
    """Adds one turn's ``usage`` to ``total``, under names that begin with ``transcription_``."""
    if not isinstance(usage, dict):
        return
    seconds = usage.get("seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and isfinite(seconds):
        _add(total, "transcription_ms", ceil(seconds * 1000))
    else:
        _add_details(total, "transcription_", usage)
        output = usage.get("output_tokens")
        if not isinstance(usage.get("output_token_details"), dict):  # it is all text
            _add(total, "transcription_output_text", output)


def _add_details(total: Usage, prefix: str, usage: dict[str, Any] | None) -> None:
    if not isinstance(usage, dict):
        return
    for side in ("input", "output"):
        details = usage.get(f"{side}_token_details")
        if isinstance(details, dict):
            _add_kinds(total, f"{prefix}{side}", details)
            cached = details.get("cached_tokens_details")
            if isinstance(cached, dict):
                _add_kinds(total, f"{prefix}{side}_cached", cached)


def _add_kinds(total: Usage, prefix: str, details: dict[str, Any]) -> None:
    for kind in ("text", "audio", "image"):
        _add(total, f"{prefix}_{kind}", details.get(f"{kind}_tokens"))


def _add(total: Usage, key: str, count: object) -> None:
    if isinstance(count, int) and not isinstance(count, bool) and 0 < count < LARGEST:
        total[key] = total.get(key, 0) + count

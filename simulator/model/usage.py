"""What a response costs, in tokens, counted as the real API is seen to count: 100 ms of the caller's audio or 50 ms of the model's
a token; everything so far is read again by every response."""

import json
from collections.abc import Sequence
from typing import Any, Final

from .conversation import Item

_CACHE_STEP: Final = 64
_REASONING: Final = 24


class Meter:
    """Counts for one session; it remembers what the last response read, for that is cached now."""

    def __init__(self) -> None:
        self._cacheable = (0, 0)

    def usage(
        self, prompt: tuple[str, list[Any]], items: Sequence[Item], output: Sequence[Item], *, reasoning: bool, cached: bool
    ) -> dict[str, Any]:
        """The ``usage`` of a response that read a prompt (instructions, tools) and items and made others.

        ``cached`` is false when the response replaced the session's instructions: then nothing matches the cache.
        """
        read = _read(prompt, items)
        text_cached, audio_cached = (_in_cache(now, before) for now, before in zip(read, self._cacheable, strict=True))
        self._cacheable = read
        thought = _REASONING if reasoning else 0
        written, spoken = sum(_written(item) for item in output) + thought, sum(_spoken(item) for item in output)
        return {
            "total_tokens": sum(read) + written + spoken,
            "input_tokens": sum(read),
            "output_tokens": written + spoken,
            "input_token_details": _details(*read, (text_cached, audio_cached) if cached else (0, 0)),
            "output_token_details": {
                "text_tokens": written,
                "audio_tokens": spoken,
                **({"reasoning_tokens": thought} if reasoning else {}),
            },
        }


def _in_cache(now: int, before: int) -> int:
    return min(now, before) // _CACHE_STEP * _CACHE_STEP


def _details(text: int, audio: int, cached: tuple[int, int]) -> dict[str, Any]:
    return {
        "text_tokens": text,
        "audio_tokens": audio,
        "image_tokens": 0,
        "cached_tokens": sum(cached),
        "cached_tokens_details": {"text_tokens": cached[0], "audio_tokens": cached[1], "image_tokens": 0},
    }


def _read(prompt: tuple[str, list[Any]], items: Sequence[Item]) -> tuple[int, int]:
    instructions, tools = prompt
    text = _tokens(instructions) + (_tokens(json.dumps(tools)) if tools else 0)
    text += sum(_tokens(_content(item)) for item in items)
    return text, sum(item.audio_ms // 100 + _spoken(item) for item in items)


def _content(item: Item) -> str:
    return item.text or str(item.body.get("arguments") or item.body.get("output") or "")


def _written(item: Item) -> int:
    return _tokens(item.spoken if item.spoken_bytes else _content(item))


def _spoken(item: Item) -> int:
    return item.spoken_ms // 50


def _tokens(text: str) -> int:
    return -(-len(text.encode()) // 4)

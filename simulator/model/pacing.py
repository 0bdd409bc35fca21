"""When the parts of a response are due: a literal schedule, in milliseconds after ``response.create`` arrived."""

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from simulator.scenario import ToolCall

from .answers import Answer
from .faults import Fate
from .response import Event, Response
from .timing import ModelTiming

Step = tuple[float, Callable[[], list[Event]]]
"""Milliseconds after ``response.create``, and what is sent then."""
Finish = Callable[[str, dict[str, Any] | None], list[Event]]
"""Ends the response with a status and its details."""
Called = Callable[[str], None]
"""A function call has begun and has this ``call_id``."""

_TOKEN: Final = re.compile(r"\s*(?:\w+|[^\w\s]+)|\s+")
_CALL_MS: Final = 15
_CLOSING_MS: Final = 5
_FAILURE: Final = {
    "type": "failed",
    "error": {
        "type": "server_error",
        "code": "server_error",
        "message": "The server had an error while processing your request.",
    },
}
_LIMIT: Final = {"type": "incomplete", "reason": "max_output_tokens"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How one response is delivered."""

    timing: ModelTiming
    chance: random.Random
    fate: Fate | None
    finish: Finish
    called: Called


def tokens(line: str) -> list[str]:
    """A line as deltas bring it: words and marks, with the space before them. Together they are the line."""
    return _TOKEN.findall(line)


def schedule(response: Response, answer: Answer, audio: bytes, delivery: Delivery) -> list[Step]:
    """The whole response, in order. ``audio`` is the line in the response's format; empty for text."""
    if delivery.fate == "never":
        return []
    created: Step = (delivery.timing.created_ms, response.created)
    if delivery.fate == "failed":
        return [created, (delivery.timing.first_item_ms, lambda: delivery.finish("failed", _FAILURE))]
    if delivery.fate == "silent":
        return [created, (delivery.timing.first_item_ms, lambda: delivery.finish("completed", None))]
    steps = [created, *_message(response, answer, audio, delivery)] if answer.say else [created]
    if delivery.fate in ("incomplete", "stalled"):
        return [*steps, *_breaking_off(response, steps[-1][0], delivery)] if delivery.fate == "incomplete" else steps
    if answer.say:
        steps.append((steps[-1][0] + _CLOSING_MS, response.item_closed))
    for call in answer.calls:
        steps += _call(response, call, max(steps[-1][0], delivery.timing.first_item_ms), delivery)
    return [*steps, (steps[-1][0] + _CLOSING_MS, lambda: delivery.finish("completed", None))]


def _breaking_off(response: Response, last_ms: float, delivery: Delivery) -> Iterator[Step]:
    yield last_ms + _CLOSING_MS, response.interrupted
    yield last_ms + _CLOSING_MS, lambda: delivery.finish("incomplete", _LIMIT)


def _message(response: Response, answer: Answer, audio: bytes, delivery: Delivery) -> list[Step]:
    phase = "commentary" if answer.calls else "final_answer"
    written, sounded = list(_written(response, answer.say, audio, delivery)), list(_sounded(response, audio, delivery))
    if delivery.fate is not None:
        written, sounded = written[: -(-len(written) // 2)], sounded[: -(-len(sounded) // 2)]
    opened: Step = (delivery.timing.first_item_ms, lambda: response.message_opened(answer.say, phase))
    return [opened, *sorted([*written, *sounded], key=lambda step: step[0])]


def _written(response: Response, line: str, audio: bytes, delivery: Delivery) -> Iterator[Step]:
    """The transcript leads at first and is through when four fifths of the audio are."""
    deltas = tokens(line) if response.options.transcript else []
    first_ms = max(delivery.timing.time_to_first_audio_ms - delivery.timing.transcript_lead_ms, delivery.timing.first_item_ms)
    last_ms = delivery.timing.time_to_first_audio_ms + 0.8 * _generation_ms(response, audio, delivery)
    for index, delta in enumerate(deltas):
        yield first_ms + (last_ms - first_ms) * index / len(deltas), partial(response.written, delta)


def _sounded(response: Response, audio: bytes, delivery: Delivery) -> Iterator[Step]:
    due_ms, start = delivery.timing.time_to_first_audio_ms, 0
    audio_format = response.options.audio_format
    while start < len(audio):
        delta_ms = delivery.chance.randint(delivery.timing.shortest_delta_ms, delivery.timing.longest_delta_ms)
        delta = audio[start : start + delta_ms * audio_format.bytes_per_ms]
        due_ms += delivery.chance.uniform(0, delivery.timing.jitter_ms)
        yield due_ms, partial(response.sounded, delta)
        due_ms += len(delta) / audio_format.bytes_per_ms / delivery.timing.realtime_factor
        start += len(delta)


def _generation_ms(response: Response, audio: bytes, delivery: Delivery) -> float:
    return len(audio) / response.options.audio_format.bytes_per_ms / delivery.timing.realtime_factor


def _call(response: Response, call: ToolCall, after_ms: float, delivery: Delivery) -> Iterator[Step]:
    arguments = call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
    yield after_ms + _CALL_MS, partial(response.call_opened, call, delivery.called)
    for delta in tokens(arguments):
        yield after_ms + 2 * _CALL_MS, partial(response.argued, delta)
    yield after_ms + 3 * _CALL_MS, response.item_closed

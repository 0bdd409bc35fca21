"""A frame must not cost more than it did: the guard of the media path. See docs/performance.md."""

import json
import sys
from math import ceil
from typing import Any

import msgspec
import pytest

from bridge.conversation import model_messages, twilio_messages
from tests.bridge import frame_cost
from tests.bridge.frame_cost import Cost

SLACK = 1.05
"""Of instructions. There is none for steps: behind one of them any amount of work may hide."""
MEASURED = {
    (3, 11): {
        "frame, AI silent": Cost(472, 47.6),
        "delta": Cost(1387, 128.0),
        "frame, AI speaking": Cost(472, 47.6),
        "mark": Cost(811, 56.3),
        "frame, watched": Cost(474, 47.9),
    },
    (3, 12): {
        "frame, AI silent": Cost(414, 47.6),
        "delta": Cost(1252, 127.0),
        "frame, AI speaking": Cost(414, 47.6),
        "mark": Cost(742, 55.1),
        "frame, watched": Cost(416, 47.9),
    },
    (3, 13): {
        "frame, AI silent": Cost(404, 45.3),
        "delta": Cost(1211, 120.9),
        "frame, AI speaking": Cost(414, 46.5),
        "mark": Cost(694, 50.5),
        "frame, watched": Cost(417, 46.8),
    },
}
"""What ``python -m tests.bridge.frame_cost`` says, by the version of Python: each compiles to other instructions."""
WHAT_TO_DO = (
    "Every call pays this fifty times a second. Find what was added with `git diff` on the path in docs/performance.md, and do it once a "
    "call, or once a turn, instead of once a frame. If it has to be, run `python -m tests.bridge.frame_cost`, put what it prints into "
    "MEASURED in this file, and say in docs/performance.md what it is for and what it costs."
)
VERSION = sys.version_info[:2]


def excesses(costs: dict[str, Cost], measured: dict[str, Cost]) -> list[str]:
    """What costs more than it may by what was measured once, in sentences."""
    limits = {work: Cost(cost.instructions * SLACK, ceil(cost.steps)) for work, cost in measured.items()}
    return [
        f"{work}: {getattr(cost, unit):.1f} {unit}, {getattr(limits[work], unit):.1f} are allowed"
        for work, cost in costs.items()
        for unit in ("instructions", "steps")
        if getattr(cost, unit) > getattr(limits[work], unit)
    ]


def worse_for(costs: dict[str, Cost], before: dict[str, Cost]) -> set[str]:
    """The pieces of work that a change is noticed by."""
    return {text.partition(":")[0] for text in excesses(costs, before)}


@pytest.fixture(scope="module")
def now() -> dict[str, Cost]:
    """What everything costs as it is."""
    return frame_cost.costs()


@pytest.mark.skipif(
    VERSION not in MEASURED, reason="no bound is written down for this version of Python; tests/bridge/frame_cost.py measures one"
)
def test_no_frame_mark_or_delta_costs_more_than_is_written_down(now: dict[str, Cost]) -> None:
    too_much = excesses(now, MEASURED[VERSION])
    assert not too_much, "; ".join(too_much) + ". " + WHAT_TO_DO


def test_the_same_call_counts_the_same_every_time(now: dict[str, Cost]) -> None:
    assert frame_cost.costs() == now


def test_a_needless_parse_of_each_frame_is_noticed(now: dict[str, Cost], monkeypatch: pytest.MonkeyPatch) -> None:
    read = twilio_messages.read

    def reads_twice(frame: str | bytes) -> Any:
        msgspec.json.decode(frame)
        return read(frame)

    monkeypatch.setattr(twilio_messages, "read", reads_twice)
    assert worse_for(frame_cost.costs(), now) == {"frame, AI silent", "frame, AI speaking", "frame, watched", "mark"}


def test_a_needless_copy_of_each_frame_is_noticed(now: dict[str, Cost], monkeypatch: pytest.MonkeyPatch) -> None:
    append = model_messages.append_audio
    monkeypatch.setattr(model_messages, "append_audio", lambda payload: append(bytes(payload, "ascii").decode()))
    assert worse_for(frame_cost.costs(), now) == {"frame, AI silent", "frame, AI speaking", "frame, watched"}


def test_work_that_adds_instructions_and_hardly_a_step_is_noticed(now: dict[str, Cost], monkeypatch: pytest.MonkeyPatch) -> None:
    append = model_messages.append_audio

    def counts_itself(payload: str) -> str:
        total = 0
        for character in payload:
            total += character == "="
        return append(payload) if total < 1000 else ""

    monkeypatch.setattr(model_messages, "append_audio", counts_itself)
    too_much = excesses(frame_cost.costs(), now)
    assert any(text.startswith("frame, AI silent: ") and " instructions, " in text for text in too_much)


def test_what_became_cheaper_is_no_excess(now: dict[str, Cost]) -> None:
    assert excesses(now, {work: Cost(cost.instructions + 100, cost.steps + 9) for work, cost in now.items()}) == []


def test_the_replay_passes_the_audio_of_each_frame_on_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []
    texts_of = frame_cost.texts_of

    def noted(data: bytes) -> list[bytes]:
        texts = texts_of(data)
        passed.extend(event["audio"] for event in map(json.loads, texts) if event.get("type") == "input_audio_buffer.append")
        return texts

    monkeypatch.setattr(frame_cost, "texts_of", noted)
    frame_cost.replayed()
    assert len(passed) >= frame_cost.COUNTED_FRAMES
    assert len(set(passed)) == len(passed)

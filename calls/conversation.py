"""The two sides of a call in the order they were spoken.

A caller's words are transcribed while the AI already answers, so their event often comes after the answer's. The Realtime
API's ``previous_item_id`` tells the order.
"""

from collections.abc import Sequence

from calls.events import AgentTranscript, CallerTranscript, CallEvent


def in_spoken_order(events: Sequence[CallEvent]) -> list[CallEvent]:
    """The transcript events among ``events``, each behind the item it followed; where that is not on record (a tool's item
    has no words), by their numbers."""
    spoken: dict[str, list[CallEvent]] = {}
    before: dict[str, str | None] = {}
    for event in sorted(events, key=lambda event: event.seq):
        if isinstance(event.body, AgentTranscript | CallerTranscript):
            spoken.setdefault(event.body.item_id, []).append(event)
            before.setdefault(event.body.item_id, event.body.previous_item_id)
    return [event for item_id in _chained(before) for event in spoken[item_id]]


def _chained(before: dict[str, str | None]) -> list[str]:
    followers: dict[str, list[str]] = {}
    for item_id, previous in before.items():
        followers.setdefault(previous if previous in before else "", []).append(item_id)
    order: dict[str, None] = {}
    # A ring of items has no first one: whatever the walk from the beginnings did not reach begins a walk of its own.
    for start in [*followers.get("", ()), *before]:
        to_visit = [start]
        while to_visit:
            item_id = to_visit.pop()
            if item_id not in order:
                order[item_id] = None
                to_visit.extend(reversed(followers.get(item_id, ())))
    return list(order)

"""A past call, played again in its own time: which of its events have happened at a moment, and what was just being said.

Only whole lines are on record, with how long each was heard. While a line of the AI was sounding it is shown growing, evenly, so
that one can read along; that is close to how it was, not exact. Levels are not on record at all.
"""

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from console.facts import began_at, since
from console.ladder import MarkKind
from console.protocol import Event, Partial
from console.story import Story

SPEEDS = (1, 2, 8)
STEP_MS = 5_000
"""How far one key press goes."""

_MARKED: dict[str, MarkKind] = {"barge_in.cut": "barge-in", "error": "error", "model.lost": "error"}


class Mark(msgspec.Struct, frozen=True):
    """A moment worth going to."""

    at_ms: float
    kind: MarkKind


class _Spoken(msgspec.Struct, frozen=True):
    """A line of the AI: from when to when it was heard, what was heard of it, and all of it."""

    begin_ms: float
    end_ms: float
    item_id: str
    heard: str
    text: str


class Replay:
    """Plays ``events`` from the beginning of the call. Time passes only through :meth:`advance`."""

    def __init__(self, call_sid: str, events: Sequence[Event]) -> None:
        self.call_sid = call_sid
        self._events = sorted((event for event in events if event.call_sid == call_sid), key=lambda event: event.seq)
        began = began_at(self._events)
        self._times = _never_back([since(began, event.at) for event in self._events])
        self._spoken = _lines_of_the_ai(self._events, self._times)
        self._shown = 0
        self._story = Story(call_sid)
        self.position_ms = 0.0
        self.playing = False
        self.speed = SPEEDS[0]
        self.marks = [
            Mark(at_ms, _MARKED[event.kind])
            for event, at_ms in zip(self._events, self._times, strict=True)
            if event.kind in _MARKED
        ]
        self._show()

    @property
    def duration_ms(self) -> float:
        """From the first event to the last."""
        return self._times[-1] if self._times else 0.0

    @property
    def story(self) -> Story:
        """The call as it stood at this moment. Going back makes it another object."""
        return self._story

    @property
    def at_end(self) -> bool:
        """Whether everything has happened."""
        return self.position_ms >= self.duration_ms

    def advance(self, elapsed_ms: float) -> None:
        """So much time has passed for the operator; for the call, ``speed`` times that. Stops at the end."""
        if self.playing and elapsed_ms > 0:
            self.go_to(self.position_ms + elapsed_ms * self.speed)
            self.playing = not self.at_end

    def toggle(self) -> None:
        """Plays, or holds; at the end, plays from the beginning."""
        if not self.playing and self.at_end:
            self.go_to(0)
        self.playing = not self.playing and not self.at_end

    def change_speed(self, by: int) -> None:
        """The next speed up, or down."""
        place = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]

    def seek(self, by_ms: float) -> None:
        """So far on, or back."""
        self.go_to(self.position_ms + by_ms)

    def go_to(self, at_ms: float) -> None:
        """To this moment of the call, or the nearest there is."""
        before, self.position_ms = self.position_ms, min(max(at_ms, 0.0), self.duration_ms)
        if self.position_ms < before:
            self._story, self._shown = Story(self.call_sid), 0
        self._show()

    def jump(self, kind: MarkKind, *, back: bool) -> bool:
        """To the next moment of this kind, or the last one; false if there is none."""
        times = [mark.at_ms for mark in self.marks if mark.kind == kind]
        found = [at_ms for at_ms in times if (at_ms < self.position_ms if back else at_ms > self.position_ms)]
        if found:
            self.go_to(found[-1] if back else found[0])
        return bool(found)

    def _show(self) -> None:
        happened = bisect_right(self._times, self.position_ms)
        for event in self._events[self._shown : happened]:
            self._story.take(event)
        self._shown = happened
        for line in self._spoken:
            if line.begin_ms <= self.position_ms < line.end_ms:
                self._story.take(_partial(self.call_sid, line, self.position_ms))


def _never_back(times_ms: list[float]) -> list[float]:
    """Events of two writers may be a little out of step; their numbers say which came first."""
    latest = 0.0
    steady: list[float] = []
    for at_ms in times_ms:
        latest = max(latest, at_ms)
        steady.append(latest)
    return steady


def _lines_of_the_ai(events: Sequence[Event], times_ms: Sequence[float]) -> list[_Spoken]:
    lines: list[_Spoken] = []
    for event, end_ms in zip(events, times_ms, strict=True):
        heard_ms = event.number("heard_ms")
        if event.kind == "agent.transcript" and heard_ms is not None and heard_ms > 0:
            heard, item_id = event.text("text"), event.text("item_id")
            text = f"{heard} {event.text('unheard')}".strip()
            lines.append(_Spoken(max(0.0, end_ms - heard_ms), end_ms, item_id, heard, text))
    return lines


def _partial(call_sid: str, line: _Spoken, at_ms: float) -> Partial:
    share = (at_ms - line.begin_ms) / (line.end_ms - line.begin_ms)
    heard_chars = round(len(line.heard) * share)
    return Partial(call_sid=call_sid, side="agent", item_id=line.item_id, text=line.text, heard_chars=heard_chars, over=False)

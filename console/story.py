"""What is known of one call, in whatever order it was told: its events, the lines being said now, its levels.

Events may come twice, late or with gaps (a console that opens in mid-call fetches what it missed); a :class:`Story` sorts them
by their numbers and keeps so many at most, whatever a bridge sends. How its events read is told elsewhere: as a conversation in
``console/transcript.py``, as a ladder in ``console/ladder.py``, as figures in ``console/facts.py``.
"""

from bisect import insort
from typing import Any

import msgspec

from console.protocol import Event, Levels, Message, Partial, PhaseChanged, safe

MAX_EVENTS = 2_000
"""Events kept of one call; a long conversation has a few hundred."""
MAX_CHARS = 400_000
"""Characters of text kept of one call."""
MAX_PARTIALS = 500
"""Lines kept that no event has told yet, or will."""
MAX_TEXT = 2_000
"""Characters kept of one text."""
MAX_EVENT_CHARS = 6_000
"""Characters kept of one event."""
_MAX_FIELDS = 40
_SLACK = 100  # room taken at once, so that a flood does not sort the same list for every event

_PHASES = {
    "greeting.requested": "greeting",
    "greeting.finished": "conversing",
    "closing.started": "closing",
    "transfer.started": "closing",
    "closing.reopened": "conversing",
    "call.resumed": "conversing",
    "call.ended": "ended",
}
# A call's figures rest on these, so they go last.
_LASTING = frozenset(
    {"call.started", "greeting.first_audio", "lead.captured", "appointment.booked", "call.summary", "call.ended"}
)
_MAX_LASTING = 20


class Saying(msgspec.Struct, frozen=True):
    """A line no event has told yet. It belongs behind the event ``after_seq``."""

    partial: Partial
    after_seq: int


class Story:
    """One call as it was told so far.

    ``revision`` grows with everything that changes what is to be read; levels are not counted, being another thing every time.
    """

    def __init__(self, call_sid: str) -> None:
        self.call_sid = call_sid
        self.revision = 0
        self.event_revision = 0
        """Grows with the events only."""
        self.levels: Levels | None = None
        self.muted = False
        self.dropped_through = 0
        """The highest number among the events that had to go; 0 while there are all."""
        self.barge_ins = 0
        self._events: list[Event] = []
        self._seqs: set[int] = set()
        self._chars = 0
        self._told_phase = ""
        self._event_phase = "connecting"
        self._phase_seq = self._mute_seq = 0
        self._sayings: dict[str, Saying] = {}

    @property
    def events(self) -> list[Event]:
        """The events kept, by their numbers. Not to be changed."""
        return self._events

    @property
    def sayings(self) -> dict[str, Saying]:
        """Lines as they were told while being said, by their items. Not to be changed."""
        return self._sayings

    @property
    def last_seq(self) -> int:
        """The highest number seen, 0 if none."""
        return max(self._events[-1].seq if self._events else 0, self.dropped_through)

    @property
    def contiguous_seq(self) -> int:
        """Up to here nothing is missing: what to ask a bridge for begins behind it."""
        seq = self.dropped_through
        for event in self._events:
            if event.seq > seq + 1:
                break
            seq = max(seq, event.seq)
        return seq

    @property
    def phase(self) -> str:
        """Where the call stands, as told last."""
        return "ended" if self._event_phase == "ended" else self._told_phase or self._event_phase

    @property
    def is_over(self) -> bool:
        """Whether the call has ended: nothing that is being said will be heard any more."""
        return self.phase == "ended"

    def take(self, message: Message) -> None:
        """Adds what a message tells of this call; anything else, and what is known already, changes nothing."""
        match message:
            case Event(call_sid=self.call_sid):
                self._take_event(message)
            case Partial(call_sid=self.call_sid):
                self._take_partial(message)
            case PhaseChanged(call_sid=self.call_sid):
                self._take_phase(message)
            case Levels(call_sid=self.call_sid):
                self.levels = message
            case _:
                pass

    def _take_event(self, event: Event) -> None:
        if event.kind == "call.resumed":
            self._forget_unstored(event)
        if event.seq in self._seqs or event.seq <= self.dropped_through:
            return
        kept = _slim(event)
        if not self._events or event.seq > self._events[-1].seq:
            self._events.append(kept)
            self._told_phase = "" if kept.kind in _PHASES else self._told_phase
        else:
            insort(self._events, kept, key=lambda other: other.seq)
        self._follow(kept)
        self._seqs.add(event.seq)
        self._chars += _size(kept)
        self.barge_ins += event.kind == "barge_in.cut"
        self.revision += 1
        self.event_revision += 1
        if len(self._events) > MAX_EVENTS + _SLACK or self._chars > MAX_CHARS:
            self._trim()

    def _forget_unstored(self, resumed: Event) -> None:
        """What a bridge that was killed had told and never stored is not part of the call: its numbers are given out again."""
        unstored = [event for event in self._events if event.seq >= resumed.seq and event.at < resumed.at]
        if unstored:
            self._events = [event for event in self._events if event not in unstored]
            self._seqs = {event.seq for event in self._events}
            self._chars = sum(map(_size, self._events))
            self._phase_seq, self._mute_seq = (min(seq, resumed.seq - 1) for seq in (self._phase_seq, self._mute_seq))

    def _follow(self, event: Event) -> None:
        """The newest event of its sort decides, in whatever order they come."""
        if event.kind in _PHASES and event.seq > self._phase_seq:
            self._event_phase, self._phase_seq = _PHASES[event.kind], event.seq
        elif event.kind == "operator.command" and event.text("action") in ("mute", "unmute") and event.seq > self._mute_seq:
            self.muted, self._mute_seq = event.text("action") == "mute", event.seq

    def _take_partial(self, partial: Partial) -> None:
        known = self._sayings.get(partial.item_id)
        if known is not None and (known.partial.over or known.partial == partial):
            return
        if len(partial.text) > MAX_TEXT:
            partial = msgspec.structs.replace(partial, text=partial.text[:MAX_TEXT])
        self._sayings[partial.item_id] = Saying(partial, self.last_seq)
        self.revision += 1
        while len(self._sayings) > MAX_PARTIALS:
            del self._sayings[next(iter(self._sayings))]

    def _take_phase(self, told: PhaseChanged) -> None:
        if (told.phase, told.muted) != (self._told_phase, self.muted):
            self._told_phase, self.muted = told.phase, told.muted
            self.revision += 1

    def _trim(self) -> None:
        lasting = sorted((event for event in self._events if event.kind in _LASTING), key=lambda event: event.seq)
        passing = [event for event in self._events if event.kind not in _LASTING]
        kept = lasting[:_MAX_LASTING]
        room, chars = MAX_EVENTS - len(kept), MAX_CHARS // 2 - sum(map(_size, kept))
        newest: list[Event] = []
        for event in reversed(passing):
            chars -= _size(event)
            if len(newest) >= room or chars < 0:
                self.dropped_through = max(self.dropped_through, event.seq)
                break
            newest.append(event)
        self._events = sorted([*kept, *newest], key=lambda event: event.seq)
        self._seqs = {event.seq for event in self._events}
        self._chars = sum(map(_size, self._events))


def _slim(event: Event) -> Event:
    """The event without what nobody reads: nested or endless values."""
    fields: dict[str, Any] = {}
    room = MAX_EVENT_CHARS
    for name, value in list(event.fields.items())[:_MAX_FIELDS]:
        slim = _slim_value(value)
        room -= _value_size(slim)
        if room < 0:
            break
        fields[name[:100]] = slim
    return Event(event.call_sid, event.seq, event.at, event.kind[:100], fields)


def _slim_value(value: Any) -> Any:
    match value:
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) < 10**15 else None
        case str():
            return _cut(value, MAX_TEXT)
        case dict():
            return {_cut(safe(str(name)), 100): _slim_scalar(inner) for name, inner in list(value.items())[:_MAX_FIELDS]}
        case _:
            return None


def _slim_scalar(value: Any) -> Any:
    return _cut(safe(str(value)), 500) if not isinstance(value, int | float) else value


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _size(event: Event) -> int:
    return 100 + sum(_value_size(value) for value in event.fields.values())


def _value_size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(str(name)) + len(str(inner)) for name, inner in value.items())
    return len(value) if isinstance(value, str) else 8

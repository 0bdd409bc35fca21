"""A call as a ladder: what went between the phone line, the bridge and the model, with the time between the rungs.

An interruption takes several rungs, *speech → trigger → cut → clear → truncate*, because the milliseconds between them are what
an operator asks for: how long the caller was loud before it counted (``hold_ms``), how long until it was believed (``grace_ms``),
and when Twilio was told to throw away its audio (``clear``) and the model to forget what was not heard
(``conversation.item.truncate``).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from console import wording
from console.facts import began_at, since, words_of
from console.protocol import Event

Lane = Literal["phone", "bridge", "model"]
Tone = Literal["", "cut", "error", "good", "operator"]
MarkKind = Literal["barge-in", "error"]
"""What one can jump to."""

LANES: tuple[Lane, ...] = ("phone", "bridge", "model")

# From where to where each kind goes; both ends the same: it happens there.
_WAYS: dict[str, tuple[Lane, Lane]] = {
    "call.started": ("phone", "bridge"),
    "model.connected": ("bridge", "model"),
    "greeting.requested": ("bridge", "model"),
    "greeting.first_audio": ("bridge", "phone"),
    "greeting.finished": ("phone", "bridge"),
    "agent.transcript": ("bridge", "phone"),
    "caller.transcript": ("model", "bridge"),
    "turn.first_audio": ("bridge", "phone"),
    "barge_in.triggered": ("phone", "bridge"),
    "barge_in.dismissed": ("bridge", "bridge"),
    "barge_in.resumed": ("bridge", "model"),
    "tool.called": ("model", "bridge"),
    "tool.finished": ("bridge", "model"),
    "lead.captured": ("model", "bridge"),
    "appointment.booked": ("bridge", "bridge"),
    "dtmf": ("phone", "bridge"),
    "closing.started": ("bridge", "model"),
    "closing.reopened": ("phone", "bridge"),
    "transfer.started": ("bridge", "phone"),
    "operator.command": ("bridge", "bridge"),
    "model.lost": ("model", "bridge"),
    "model.resumed": ("model", "bridge"),
    "call.resumed": ("phone", "bridge"),
    "error": ("bridge", "bridge"),
    "call.summary": ("model", "bridge"),
    "call.ended": ("phone", "bridge"),
}
_TONES: dict[str, Tone] = {
    "error": "error",
    "model.lost": "error",
    "lead.captured": "good",
    "appointment.booked": "good",
    "operator.command": "operator",
}


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened, ``at_ms`` since the call's beginning. ``step`` names it in one word or its event kind."""

    at_ms: float
    source: Lane
    target: Lane
    step: str
    words: str
    seq: int
    tone: Tone = ""


def rungs_of(events: Sequence[Event]) -> list[Rung]:
    """The ladder of a call's events (by their numbers), in the order of time."""
    began = began_at(list(events[:1]))
    rungs: list[Rung] = []
    trigger: int | None = None
    for event in events:
        at_ms = since(began, event.at)
        if event.kind == "barge_in.cut":
            if trigger is not None:
                # The cut tells its own trigger, to the millisecond.
                del rungs[trigger]
            rungs.extend(_interruption(event, at_ms))
        else:
            rungs.append(_rung(event, at_ms))
        trigger = _open_trigger(event.kind, len(rungs) - 1, trigger)
    return sorted(rungs, key=lambda rung: rung.at_ms)


def deltas_ms(rungs: Sequence[Rung], marked: Rung | None = None) -> list[float | None]:
    """For every rung the time since the one before it or, with one ``marked``, since (or until: negative) that one."""
    if marked is not None:
        return [rung.at_ms - marked.at_ms for rung in rungs]
    before = [None, *(rung.at_ms for rung in rungs[:-1])] if rungs else []
    return [None if earlier is None else rung.at_ms - earlier for rung, earlier in zip(rungs, before, strict=True)]


def next_of(places: Sequence[int], place: int) -> int | None:
    """The first of the sorted ``places`` behind ``place``."""
    following = bisect_right(places, place)
    return places[following] if following < len(places) else None


def previous_of(places: Sequence[int], place: int) -> int | None:
    """The last of the sorted ``places`` before ``place``."""
    before = bisect_left(places, place)
    return places[before - 1] if before else None


def interruptions(rungs: Iterable[Rung]) -> list[int]:
    """Where the interruptions begin."""
    return [place for place, rung in enumerate(rungs) if rung.step == "speech"]


def errors(rungs: Iterable[Rung]) -> list[int]:
    """Where something went wrong."""
    return [place for place, rung in enumerate(rungs) if rung.tone == "error"]


def arrow(rung: Rung, gap: int = 7) -> str:
    """The rung drawn between the three lanes, ``gap`` columns apart: ``│──────▶│       │``."""
    source, target = LANES.index(rung.source), LANES.index(rung.target)
    if source == target:
        spans = [" " * gap, " " * gap]
        posts = ["●" if place == source else "│" for place in range(len(LANES))]
    else:
        spans = [_span(place, source, target, gap) for place in range(len(LANES) - 1)]
        posts = ["│"] * len(LANES)
    return posts[0] + spans[0] + posts[1] + spans[1] + posts[2]


def clock(at_ms: float) -> str:
    """A time within the call, to the millisecond: ``0:12.345``."""
    whole = max(0, round(at_ms))
    minutes, ms = divmod(whole, 60_000)
    return f"{minutes}:{ms // 1000:02}.{ms % 1000:03}"


def delta(ms: float | None) -> str:
    """A time between rungs: ``+180 ms``, ``+2.34 s``, ``−40 ms``; empty if there is none."""
    if ms is None:
        return ""
    sign, whole = ("−" if round(ms) < 0 else "+"), abs(round(ms))
    return (
        f"{sign}{whole} ms"
        if whole < 1000
        else f"{sign}{whole / 1000:.2f} s"
        if whole < 100_000
        else f"{sign}{whole / 1000:.0f} s"
    )


def _open_trigger(kind: str, place: int, trigger: int | None) -> int | None:
    if kind == "barge_in.triggered":
        return place
    return None if kind in ("barge_in.cut", "barge_in.dismissed") else trigger


def _rung(event: Event, at_ms: float) -> Rung:
    source, target = _WAYS.get(event.kind, ("bridge", "bridge"))
    tone = _TONES.get(event.kind, "")
    if event.kind == "tool.finished" and not event.flag("ok"):
        tone = "error"
    words = words_of(event)
    return Rung(at_ms=at_ms, source=source, target=target, step=event.kind, words=words, seq=event.seq, tone=tone)


def _interruption(event: Event, at_ms: float) -> list[Rung]:
    """The five rungs of a cut. Its figures count from the stream's start, which is no event: the last of them is the event's own
    time."""
    speech_ms = event.number("speech_ms") or 0.0
    triggered_ms = _at_least(speech_ms, event.number("triggered_ms"))
    reaction_ms = event.number("reaction_ms")
    cut_ms = _at_least(triggered_ms, None if reaction_ms is None else speech_ms + reaction_ms)
    clear_ms = _at_least(triggered_ms, event.number("clear_ms"))
    truncate_ms = _at_least(triggered_ms, event.number("truncate_ms"))
    start_ms = at_ms - max(cut_ms, clear_ms, truncate_ms)
    heard = wording.latency(event.number("heard_ms"))

    def rung(step: str, ms: float, source: Lane, target: Lane, words: str) -> Rung:
        return Rung(at_ms=start_ms + ms, source=source, target=target, step=step, words=words, seq=event.seq, tone="cut")

    return [
        rung("speech", speech_ms, "phone", "bridge", "speech: the caller begins"),
        rung("trigger", triggered_ms, "bridge", "bridge", f"trigger {_after(triggered_ms - speech_ms)}"),
        rung("cut", cut_ms, "bridge", "bridge", f"cut {_after(cut_ms - speech_ms)}, {heard} heard"),
        rung("clear", clear_ms, "bridge", "phone", f"clear {_after(clear_ms - speech_ms)}"),
        rung("truncate", truncate_ms, "bridge", "model", f"truncate {_after(truncate_ms - speech_ms)}"),
    ]


def _at_least(floor_ms: float, ms: float | None) -> float:
    return floor_ms if ms is None else max(floor_ms, ms)


def _after(ms: float) -> str:
    return f"after {wording.milliseconds(ms)}"


def _span(place: int, source: int, target: int, gap: int) -> str:
    low, high = sorted((source, target))
    if not low <= place < high:
        return " " * gap
    if target > source:
        return "─" * (gap - 1) + "▶" if place == high - 1 else "─" * gap
    return "◀" + "─" * (gap - 1) if place == low else "─" * gap

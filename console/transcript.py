"""A call as a conversation: what either side said, in the order it was spoken, and between it what else happened.

What the AI *generates* and what the caller *hears* are two things. A line of the AI is heard in full, or cut (the caller heard a
part), or never heard at all (it was thrown away before its first sound); while it is being said, a part has been heard so far.
Every line says so in words, for terminals without colours.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from console import wording
from console.facts import began_at, since, words_of
from console.protocol import Event, Partial
from console.story import Saying, Story

Voice = Literal["caller", "agent", "note"]
State = Literal["heard", "being said", "cut", "never heard", "note"]
Tone = Literal["", "good", "bad", "operator"]

_SAID = {"agent.transcript": "agent", "caller.transcript": "caller"}
# Told by the lines themselves, by the header, or by the ladder.
_UNTOLD = frozenset(
    {
        "model.connected",
        "greeting.requested",
        "greeting.first_audio",
        "greeting.finished",
        "turn.first_audio",
        "barge_in.triggered",
        "barge_in.dismissed",
        "barge_in.cut",
    }
)
_TONES: dict[str, Tone] = {
    "error": "bad",
    "model.lost": "bad",
    "lead.captured": "good",
    "appointment.booked": "good",
    "call.summary": "good",
    "operator.command": "operator",
}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line: ``words`` were heard (or, of a note, tell what happened), ``unheard`` were generated only."""

    voice: Voice
    state: State
    words: str
    unheard: str = ""
    mark: str = ""
    """What became of the line, in words; empty if it was simply said."""
    tone: Tone = ""
    at_ms: float | None = None
    """Since the call's beginning; ``None`` for a line that no event has told."""


def lines_of(story: Story) -> list[Line]:
    """The lines of ``story`` as it stands."""
    began = began_at(story.events)
    spoken = _in_spoken_order([event for event in story.events if event.kind in _SAID])
    told = {event.text("item_id") for event in spoken}
    cuts = {event.text("item_id"): event for event in story.events if event.kind == "barge_in.cut"}
    placed: list[tuple[float, Line]] = []
    for place, event in zip(_places(spoken), spoken, strict=True):
        placed.append((place, _said(event, story, cuts, since(began, event.at))))
    for event in story.events:
        if event.kind not in _SAID and event.kind not in _UNTOLD:
            placed.append((event.seq, _note(event, since(began, event.at))))
    placed.sort(key=lambda pair: pair[0])
    sayings = [saying for item_id, saying in story.sayings.items() if item_id not in told]
    return _merged(placed, sayings, over=story.is_over)


def plain_text(lines: Iterable[Line]) -> str:
    """The lines as text to paste: one a line, with its time and who said it."""
    return "\n".join(_plain(line) for line in lines)


def speaker(voice: Voice) -> str:
    """Who says a line, in one short word."""
    return {"caller": "caller", "agent": "AI", "note": "·"}[voice]


def _plain(line: Line) -> str:
    at = "" if line.at_ms is None else wording.age(line.at_ms / 1000)
    unheard = f"(never heard: {line.unheard})" if line.unheard and line.state != "never heard" else line.unheard
    mark = f"[{line.mark}]" if line.mark else ""
    return " ".join(filter(None, (f"{at:>7}", f"{speaker(line.voice)}:", line.words, mark, unheard)))


def _merged(placed: list[tuple[float, Line]], sayings: Iterable[Saying], *, over: bool) -> list[Line]:
    """Lines being said come last, whatever happens meanwhile; those thrown away stay where they were."""
    running: list[Line] = []
    for saying in sayings:
        line = _being_said(saying.partial, over=over)
        if line.state == "being said":
            running.append(line)
        else:
            placed.append((saying.after_seq + 0.5, line))
    placed.sort(key=lambda pair: pair[0])
    return [line for _, line in placed] + running


def _said(event: Event, story: Story, cuts: dict[str, Event], at_ms: float) -> Line:
    words, item_id = event.text("text"), event.text("item_id")
    if event.kind == "caller.transcript":
        return Line(voice="caller", state="heard", words=words, at_ms=at_ms)
    if not event.flag("interrupted") and not event.text("unheard"):
        return Line(voice="agent", state="heard", words=words, at_ms=at_ms)
    unheard = event.text("unheard") or _rest(words, story.sayings.get(item_id))
    if not words:
        return Line(voice="agent", state="never heard", words="", unheard=unheard, mark="never heard", at_ms=at_ms)
    mark = _cut_mark(event.number("heard_ms"), cuts.get(item_id))
    return Line(voice="agent", state="cut", words=words, unheard=unheard, mark=mark, at_ms=at_ms)


def _cut_mark(heard_ms: float | None, cut: Event | None) -> str:
    after = "" if heard_ms is None else f" at {heard_ms / 1000:.1f} s"
    reaction_ms = None if cut is None else cut.number("reaction_ms")
    reaction = "" if reaction_ms is None else f" ({wording.milliseconds(reaction_ms)} after the caller began)"
    return f"⟂ cut{after}{reaction}"


def _rest(words: str, saying: Saying | None) -> str:
    """What was generated behind the words heard, if it was told while being said."""
    if saying is None:
        return ""
    text = saying.partial.text
    if text.startswith(words):
        return text[len(words) :].strip()
    return text[saying.partial.heard_chars :].strip()


def _being_said(partial: Partial, *, over: bool) -> Line:
    over = over or partial.over
    if partial.side == "caller":
        return Line(
            voice="caller", state="heard" if over else "being said", words=partial.text, mark="" if over else "speaking …"
        )
    border = _word_border(partial.text, partial.heard_chars)
    words, rest = partial.text[:border].strip(), partial.text[border:].strip()
    if not over:
        return Line(
            voice="agent", state="being said", words=words, unheard=rest, mark="▸ being said" if words else "▸ about to say"
        )
    if not words:
        return Line(voice="agent", state="never heard", words="", unheard=rest, mark="never heard")
    return Line(voice="agent", state="cut" if rest else "heard", words=words, unheard=rest, mark="⟂ cut" if rest else "")


def _word_border(text: str, heard_chars: int) -> int:
    """``heard_chars``, or the beginning of the word it lies in: half a word is hard to read. A first word is split all the same."""
    if heard_chars >= len(text) or text[heard_chars] == " ":
        return heard_chars
    return text.rfind(" ", 0, heard_chars) + 1 or heard_chars


def _note(event: Event, at_ms: float) -> Line:
    tone = _TONES.get(event.kind, "")
    if event.kind == "tool.finished" and not event.flag("ok"):
        tone = "bad"
    return Line(voice="note", state="note", words=words_of(event), tone=tone, at_ms=at_ms)


# --- the order ---------------------------------------------------------------------------------------------------------------


def _places(spoken: list[Event]) -> list[float]:
    """Where each spoken line stands among everything else: a line told late stands before those it was spoken before."""
    places: list[float] = []
    lowest = float("inf")
    for event in reversed(spoken):
        lowest = min(lowest, event.seq)
        places.append(lowest)
    return places[::-1]


def _in_spoken_order(spoken: list[Event]) -> list[Event]:
    """Each line behind the item it followed (``previous_item_id``); where that is not known, by the events' numbers.

    A caller's words are transcribed while the AI answers already, so their event may come after the answer's.
    """
    by_item: dict[str, list[Event]] = {}
    before: dict[str, str] = {}
    for event in spoken:
        item_id = event.text("item_id") or f"#{event.seq}"
        by_item.setdefault(item_id, []).append(event)
        before.setdefault(item_id, event.text("previous_item_id"))
    return [event for item_id in _chained(before) for event in by_item[item_id]]


def _chained(before: dict[str, str]) -> Iterator[str]:
    followers: dict[str, list[str]] = {}
    for item_id, previous in before.items():
        followers.setdefault(previous if previous in before else "", []).append(item_id)
    seen: set[str] = set()
    # A ring of items has no first one: whatever the walk from the beginnings did not reach begins a walk of its own.
    for start in [*followers.get("", ()), *before]:
        to_visit = [start]
        while to_visit:
            item_id = to_visit.pop()
            if item_id not in seen:
                seen.add(item_id)
                yield item_id
                to_visit.extend(reversed(followers.get(item_id, ())))

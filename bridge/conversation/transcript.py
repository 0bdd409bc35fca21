"""Both sides' lines, each in its place.

Lines become known out of order: the caller's text usually arrives after the AI's reply to it began, and the AI's line is only
known once it has been played. The Realtime API chains items by ``previous_item_id``, so that is what places them; a line that is
ready waits up to ``WAIT_MS`` for those before it, then goes on the record with the name of the item it follows.

What the AI said is what the caller *heard*: a line whose audio was cut ends where the audio did.
"""

from collections import deque
from collections.abc import Callable, Set
from math import inf

import msgspec

from bridge.conversation.playback import Played
from bridge.conversation.resumption import HeardLine
from calls.events import AgentTranscript, CallerTranscript
from calls.operator import Glimpse, Side

WAIT_MS = 2000
"""How long a finished line is held back for an earlier one."""
MAX_LINES = 2000
"""Lines kept in mind per stream; the oldest are forgotten, having long been recorded."""
MAX_GLIMPSE = 4000
"""Characters shown of a line that is being said."""
MS_PER_CHAR = 60.0
"""How long the AI takes for a character, before it has said anything."""
MAX_OVER = 50
"""Lines that are over and that nobody has looked at since."""


class _Line(msgspec.Struct, eq=False):
    item_id: str
    speaker: str  # "caller", "agent", or "" while only the place is known
    previous: str | None
    text: str = ""
    generated: str = ""  # the AI's text so far, heard or not
    settled: bool = False  # nothing more will come: recorded, empty or given up
    ready_at_ms: float | None = None
    heard_ms: int = 0
    whole_ms: float = 0.0  # how long all of the text would have taken, where the audio broke off
    interrupted: bool = False


class Transcript:
    """The lines of one stream. ``due`` hands out what may be recorded."""

    __slots__ = ("_all_settled", "_by_item", "_hidden", "_lines", "_over", "_spoken_chars", "_spoken_ms")

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._all_settled = 0  # of so many of the first lines nothing more will come
        self._by_item: dict[str, _Line] = {}
        self._hidden: set[str] = set()
        self._over: deque[Glimpse] = deque(maxlen=MAX_OVER)
        self._spoken_chars, self._spoken_ms = 0, 0.0  # of the AI's lines that were heard in full

    def hide(self, item_id: str) -> None:
        """An item of the bridge's own making: it is part of the chain and nobody's line."""
        self._hidden.add(item_id)

    def place(self, item_id: str, previous_item_id: str | None, speaker: str) -> None:
        """The model says where an item stands. ``speaker``: ``caller``, ``agent``, or ``""`` for what is not speech."""
        if not item_id or item_id in self._hidden:
            return
        if previous_item_id == item_id:
            previous_item_id = None
        line = self._by_item.get(item_id)
        if line is None:
            line = self._insert(item_id, previous_item_id)
        elif line.previous is None and previous_item_id is not None and not line.settled:
            self._move(line, previous_item_id)
        if speaker:
            line.speaker = line.speaker or speaker
        elif not line.speaker:
            line.settled = True

    def caller_text(self, item_id: str, delta: str) -> None:
        """A piece of what the caller said, before the transcription is complete."""
        line = self._line(item_id, "caller")
        if line is not None and not line.settled and line.ready_at_ms is None:
            line.generated += delta

    def caller_said(self, item_id: str, text: str, now_ms: float) -> None:
        """The transcription of a turn. An empty one settles the turn without a line."""
        line = self._line(item_id, "caller")
        if line is None or line.settled or line.ready_at_ms is not None:
            return
        line.text = text.strip()
        if line.text:
            line.ready_at_ms = now_ms
        else:
            line.settled = True

    def caller_unheard(self, item_id: str) -> None:
        """No text will come for this turn."""
        self.caller_said(item_id, "", 0)

    def agent_text(self, item_id: str, delta: str) -> None:
        """A piece of what the AI is about to say; it runs ahead of the audio."""
        line = self._line(item_id, "agent")
        if line is not None and not line.settled:
            line.generated += delta

    def agent_text_done(self, item_id: str, text: str | None) -> None:
        """All of what the AI says, unless its audio is cut."""
        line = self._line(item_id, "agent")
        if line is not None and not line.settled and text is not None:
            line.generated = text

    def agent_over(self, item_id: str, heard_ms: float, sent_ms: float, now_ms: float) -> None:
        """The item's audio is over, played out or cut after ``heard_ms`` of ``sent_ms``. What was never heard is no line."""
        line = self._line(item_id, "agent")
        if line is None or line.settled or line.ready_at_ms is not None:
            return
        if heard_ms <= 0:
            line.settled = True
            self._glimpse_of_what_is_over(line)
            return
        line.heard_ms = round(heard_ms)
        sent_ms = max(sent_ms, line.whole_ms)
        line.interrupted = heard_ms < sent_ms - 1
        if not line.interrupted:
            self._spoken_chars, self._spoken_ms = self._spoken_chars + len(line.generated.strip()), self._spoken_ms + heard_ms
        line.text = heard_part(line.generated, heard_ms, sent_ms) if line.interrupted else line.generated.strip()
        line.ready_at_ms = now_ms
        self._glimpse_of_what_is_over(line)

    def broke_off(self, item_id: str, sent_ms: float) -> str:
        """An item's audio ends in the middle, its text being ahead of it. Returns what of the text fits the audio, by how quickly the
        AI has been speaking in this call."""
        line = self._line(item_id, "agent")
        if line is None or line.settled:
            return ""
        ms_per_char = self._spoken_ms / self._spoken_chars if self._spoken_chars and self._spoken_ms else MS_PER_CHAR
        line.whole_ms = max(sent_ms, len(line.generated.strip()) * ms_per_char)
        return heard_part(line.generated, sent_ms, line.whole_ms)

    def session_over(self, playing: Set[str]) -> None:
        """The session that knows the items is gone: of those that are neither being played nor have a text nothing more will come."""
        for line in self._lines:
            if line.ready_at_ms is None and line.item_id not in playing:
                line.settled = True

    def heard(self, played: Callable[[str], Played]) -> list[HeardLine]:
        """The conversation so far, what is still being played taken for heard."""
        lines: list[HeardLine] = []
        for line in self._lines:
            text = line.text
            if line.speaker == "agent" and not line.settled and line.ready_at_ms is None:
                sent_ms = played(line.item_id).sent_ms
                text = heard_part(line.generated, sent_ms, max(sent_ms, line.whole_ms))
            if text:
                lines.append(HeardLine("caller" if line.speaker == "caller" else "agent", text))
        return lines

    def has_text(self, item_id: str) -> bool:
        """Whether a turn of the caller is written down."""
        return bool(self.text_of(item_id))

    def being_said(self, played: Callable[[str], Played]) -> list[Glimpse]:
        """The lines under way, each as far as it is known and heard, and once more those that have come to their end since the
        last look.

        Args:
            played: what was sent and heard of an item of the AI.
        """
        glimpses = list(self._over)
        self._over.clear()
        for line in self._open():
            if line.generated and not line.settled and line.ready_at_ms is None:
                glimpses.append(_glimpse(line, _heard_chars(line, played)))
        return glimpses

    def _glimpse_of_what_is_over(self, line: _Line) -> None:
        if line.generated.strip():
            self._over.append(_glimpse(line, len(line.text), over=True))

    def text_of(self, item_id: str) -> str | None:
        """The caller's text of a turn, or ``None`` while it is not known."""
        line = self._by_item.get(item_id)
        if line is None or not (line.settled or line.ready_at_ms is not None):
            return None
        return line.text

    def heard_text_of(self, item_id: str) -> str:
        """What was heard of an item of the AI whose audio is over."""
        line = self._by_item.get(item_id)
        return line.text if line is not None and line.speaker == "agent" else ""

    @property
    def wake_at_ms(self) -> float:
        """When :meth:`due` has something that was held back; ``inf`` if nothing is."""
        return min((line.ready_at_ms + WAIT_MS for line in self._open() if line.ready_at_ms is not None), default=inf)

    def due(self, now_ms: float, *, last_call: bool = False) -> list[AgentTranscript | CallerTranscript]:
        """What may be recorded now, in order; ``last_call``: everything that has text."""
        events: list[AgentTranscript | CallerTranscript] = []
        blocked = False
        for line in self._open():
            if line.settled:
                continue
            if line.ready_at_ms is None:
                blocked = True
            elif not blocked or last_call or now_ms >= line.ready_at_ms + WAIT_MS:
                events.append(self._event(line))
                line.settled, line.ready_at_ms = True, None
        return events

    def _event(self, line: _Line) -> AgentTranscript | CallerTranscript:
        previous = None if line.previous in self._hidden else line.previous
        if line.speaker == "caller":
            return CallerTranscript(item_id=line.item_id, text=line.text, previous_item_id=previous)
        return AgentTranscript(
            item_id=line.item_id,
            text=line.text,
            heard_ms=line.heard_ms,
            interrupted=line.interrupted,
            previous_item_id=previous,
            unheard=line.generated.strip()[len(line.text) :].strip() or None if line.interrupted else None,
        )

    def _line(self, item_id: str, speaker: str) -> _Line | None:
        """The line of an item the model mentions, placed last if it was never placed."""
        if not item_id or item_id in self._hidden:
            return None
        line = self._by_item.get(item_id) or self._insert(item_id, None)
        line.speaker = line.speaker or speaker
        return line if line.speaker == speaker else None

    def _insert(self, item_id: str, previous_item_id: str | None) -> _Line:
        line = _Line(item_id, "", previous_item_id)
        self._put(line, previous_item_id)
        self._by_item[item_id] = line
        if len(self._lines) > MAX_LINES:
            self._by_item.pop(self._lines.pop(0).item_id)
            self._all_settled = max(0, self._all_settled - 1)
        return line

    def _move(self, line: _Line, previous_item_id: str) -> None:
        line.previous = previous_item_id
        self._lines.remove(line)
        self._put(line, previous_item_id)

    def _put(self, line: _Line, previous_item_id: str | None) -> None:
        index = self._index_behind(previous_item_id)
        self._lines.insert(index, line)
        self._all_settled = min(self._all_settled, index)

    def _open(self) -> list[_Line]:
        """All lines but the first that are settled: a long call has many of those, and is asked about the others at every step."""
        while self._all_settled < len(self._lines) and self._lines[self._all_settled].settled:
            self._all_settled += 1
        return self._lines[self._all_settled :]

    def _index_behind(self, previous_item_id: str | None) -> int:
        previous = self._by_item.get(previous_item_id) if previous_item_id else None
        if previous is None:
            return len(self._lines)
        return self._lines.index(previous) + 1


def _glimpse(line: _Line, heard_chars: int, *, over: bool = False) -> Glimpse:
    text = line.generated.strip()[:MAX_GLIMPSE]
    side: Side = "agent" if line.speaker == "agent" else "caller"
    return Glimpse(side=side, item_id=line.item_id, text=text, heard_chars=min(heard_chars, len(text)), over=over)


def _heard_chars(line: _Line, played: Callable[[str], Played]) -> int:
    if line.speaker != "agent":
        return len(line.generated)
    so_far = played(line.item_id)
    return len(heard_part(line.generated, so_far.heard_ms, so_far.sent_ms))


def heard_part(text: str, heard_ms: float, sent_ms: float) -> str:
    """The words of ``text`` that fit into the heard share of its audio, to the last whole word.

    The API gives no word times, so speech is taken as even; a word counts as heard when its end was.
    """
    text = text.strip()
    if sent_ms <= 0 or heard_ms <= 0:
        return ""
    if heard_ms >= sent_ms:
        return text
    heard = text[: int(len(text) * heard_ms / sent_ms) + 1]  # a word has ended where the character behind it is none of it
    return heard.rstrip() if heard[-1:].isspace() else "".join(heard.rsplit(maxsplit=1)[:-1])

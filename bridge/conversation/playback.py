"""The playback ledger: what of the AI's audio the caller has heard.

The model sends audio many times faster than it plays, and Twilio queues it; only Twilio knows where playout stands, and says so
with the marks it sends back. So the ledger keeps one timeline of milliseconds sent, puts a mark on it about every 200 ms, and
answers "how far has the caller heard?" with the last confirmed position plus the time since, never more than was sent.

``clear`` empties Twilio's queue *and* makes it echo every outstanding mark, which then looks the same as a played one (Twilio,
*WebSocket messages: clear*). Hence a mark's name carries the generation it was sent in, and an echo of an older generation earns
nothing, whether it comes at once, late, or never.
"""

from math import ceil, inf

import msgspec

MARK_EVERY_MS = 200
"""Finer marks flood the socket, coarser ones blur where a caller cut in."""
LOST_MARK_MS = 2000
"""Audio whose mark has not come back this long after its end counts as played."""
BYTES_PER_MS = 8
"""μ-law at 8 kHz."""


class Slice(msgspec.Struct, frozen=True):
    """Audio to be sent to Twilio, and the mark to be sent behind it."""

    audio: bytes
    mark: str


class Played(msgspec.Struct, frozen=True):
    """How much of an item was sent to Twilio and how much of that the caller heard."""

    item_id: str
    sent_ms: float
    heard_ms: float


class _Stretch(msgspec.Struct):
    """Consecutive audio of one item on the timeline."""

    item_id: str
    begin_ms: float
    end_ms: float


class Playback:
    """The ledger of one stream. All positions are milliseconds of audio since the stream began, cleared audio left out."""

    __slots__ = (
        "_confirmed_ms",
        "_dropped_ms",
        "_marks_sent",
        "_origin_from_mark",
        "_origin_ms",
        "_outstanding",
        "_sent_ms",
        "_stretches",
        "generation",
        "last_mark_was_news",
    )

    def __init__(self) -> None:
        self.generation = 0
        self._marks_sent = 0
        self._outstanding: dict[str, float] = {}  # mark name → the position it confirms
        self._stretches: list[_Stretch] = []
        self._sent_ms = 0.0
        self._confirmed_ms = 0.0
        self._origin_ms = 0.0  # position(now) = now − origin, while playing
        self._origin_from_mark = False
        self._dropped_ms: dict[str, float] = {}  # sent, then cleared unheard
        self.last_mark_was_news = False
        """Whether the last mark confirmed the end of something, or showed that all of it ends sooner than was thought."""

    def send(self, item_id: str, audio: bytes, now_ms: float) -> list[Slice]:
        """Puts ``audio`` (μ-law) on the timeline behind what is queued; returns it sliced, each slice with its mark."""
        if not audio:
            return []
        if self.position_ms(now_ms) >= self._sent_ms:  # the queue has run dry: playout starts anew
            self._origin_ms = now_ms - self._sent_ms
            self._origin_from_mark = False
        parts = ceil(len(audio) / BYTES_PER_MS / MARK_EVERY_MS)
        size = ceil(len(audio) / parts)
        return [self._slice(item_id, audio[at : at + size]) for at in range(0, len(audio), size)]

    def _slice(self, item_id: str, audio: bytes) -> Slice:
        begin_ms = self._sent_ms
        self._sent_ms += len(audio) / BYTES_PER_MS
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.item_id == item_id and last.end_ms == begin_ms:
            last.end_ms = self._sent_ms
        else:
            self._stretches.append(_Stretch(item_id, begin_ms, self._sent_ms))
        self._marks_sent += 1
        mark = f"{self.generation}.{self._marks_sent}"
        self._outstanding[mark] = self._sent_ms
        return Slice(audio, mark)

    def confirm(self, mark: str, now_ms: float) -> bool:
        """A mark came back. ``False`` if it earns nothing: cleared, unknown, or seen before."""
        self.last_mark_was_news = False
        position_ms = self._outstanding.pop(mark, None)
        if position_ms is None:
            return False
        if position_ms > self._confirmed_ms:
            origin_ms = now_ms - position_ms
            self.last_mark_was_news = origin_ms < self._origin_ms or self._is_an_end_within(self._confirmed_ms, position_ms)
            self._confirmed_ms = position_ms
            # The first mark after playout began replaces the guess that it began when we sent; of the later ones, the
            # quickest is the truest, since an echo can be late but never early.
            if not self._origin_from_mark or origin_ms < self._origin_ms:
                self._origin_ms = origin_ms
                self._origin_from_mark = True
        return True

    def _is_an_end_within(self, after_ms: float, until_ms: float) -> bool:
        for stretch in reversed(self._stretches):
            if stretch.end_ms <= until_ms:
                return stretch.end_ms > after_ms
        return False

    def position_ms(self, now_ms: float) -> float:
        """How far the caller has heard."""
        return min(self._sent_ms, max(self._confirmed_ms, now_ms - self._origin_ms))

    @property
    def is_audible(self) -> bool:
        """Whether audio is queued whose end the caller has not been confirmed to have heard."""
        return self._sent_ms > self._confirmed_ms

    def is_sounding(self, now_ms: float) -> bool:
        """Whether the caller is hearing something now, as far as time tells; a lost mark keeps nothing sounding."""
        return self._confirmed_ms < self._sent_ms and now_ms - self._origin_ms < self._sent_ms

    @property
    def sounds_until_ms(self) -> float:
        """When what was sent has been heard to its end, as far as time tells."""
        return self._origin_ms + self._sent_ms

    def give_up_lost_marks(self, now_ms: float) -> None:
        """Takes audio for played whose mark is overdue."""
        if now_ms >= self.over_by_ms:
            self._confirmed_ms = self._sent_ms
            self._outstanding.clear()

    @property
    def over_by_ms(self) -> float:
        """When everything sent counts as played even if its last mark never comes back; ``inf`` if it has come back."""
        if self._confirmed_ms >= self._sent_ms:
            return inf
        return self._origin_ms + self._sent_ms + LOST_MARK_MS

    def is_confirmed(self, item_id: str) -> bool:
        """Whether the mark behind the item's last audio has come back."""
        last_first = (stretch.end_ms for stretch in reversed(self._stretches) if stretch.item_id == item_id)
        return next(last_first, -inf) <= self._confirmed_ms

    def outstanding(self) -> list[tuple[str, float]]:
        """Marks that have not come back, with the position each confirms."""
        return list(self._outstanding.items())

    def played(self, item_id: str, now_ms: float) -> Played:
        """What was sent and heard of one item."""
        position_ms = self.position_ms(now_ms)
        stretches = [stretch for stretch in self._stretches if stretch.item_id == item_id]
        sent_ms = sum(stretch.end_ms - stretch.begin_ms for stretch in stretches)
        heard_ms = sum(max(0.0, min(position_ms, stretch.end_ms) - stretch.begin_ms) for stretch in stretches)
        return Played(item_id, sent_ms + self._dropped_ms.get(item_id, 0.0), heard_ms)

    def unheard(self, now_ms: float) -> list[Played]:
        """The items not heard to their end, in playing order."""
        position_ms = self.position_ms(now_ms)
        items = dict.fromkeys(stretch.item_id for stretch in self._stretches if stretch.end_ms > position_ms)
        return [self.played(item_id, now_ms) for item_id in items]

    def clear(self, now_ms: float) -> list[Played]:
        """Twilio's queue is being emptied: starts a new generation and returns what was cut, as :meth:`unheard` does."""
        cut = self.unheard(now_ms)
        position_ms = self.position_ms(now_ms)
        for stretch in self._stretches:
            if stretch.end_ms > position_ms:
                kept_end_ms = max(stretch.begin_ms, position_ms)
                self._dropped_ms[stretch.item_id] = self._dropped_ms.get(stretch.item_id, 0.0) + stretch.end_ms - kept_end_ms
                stretch.end_ms = kept_end_ms
        self._stretches = [stretch for stretch in self._stretches if stretch.end_ms > stretch.begin_ms]
        self.generation += 1
        self._outstanding.clear()
        self._sent_ms = self._confirmed_ms = position_ms
        return cut

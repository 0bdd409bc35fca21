"""One live call as operators see it between its events: how loud it is, what is being said, where it stands."""

from collections import deque
from collections.abc import Iterable, Sequence
from math import sqrt

from bridge.conversation.g711 import rms
from bridge.heard_audio import BYTES_PER_MS, NETWORK_PAUSE_MS, Piece, Track
from bridge.operator.live_call import LiveCall, Standing, standing_of
from calls.events import AgentTranscript, AnyEvent, CallerTranscript
from calls.ids import CallSid
from calls.operator import Glimpse, Side

LINES_KEPT = 64
FRAMES_KEPT = 6_000
"""Of the caller, should nobody look for once: two minutes."""


class Watch:
    """Observes one session. Nothing of it may cost the audio path more than keeping a reference."""

    __slots__ = (
        "_agent",
        "_arrived",
        "_arrived_at_ms",
        "_beaten_at_ms",
        "_began_ms",
        "_caller",
        "_heard",
        "_over",
        "_stood",
        "_told",
        "call_sid",
        "is_broken",
        "session",
        "turn",
    )

    def __init__(self, session: LiveCall, call_sid: CallSid, turn: int) -> None:
        self.session = session
        self.call_sid = call_sid
        self.turn = turn
        """In which of a beat's ticks it is this call's turn."""
        self.is_broken = False
        """Something went wrong with it, and nothing more is asked of it."""
        self._caller, self._agent = Track(NETWORK_PAUSE_MS), Track()
        self._arrived: deque[bytes] = deque(maxlen=FRAMES_KEPT)  # of the caller, and not looked at
        self._arrived_at_ms: deque[float] = deque(maxlen=FRAMES_KEPT)
        self._began_ms = 0.0  # of the clock of these times
        self._heard: dict[Side, list[bytes]] = {"caller": [], "agent": []}  # since the last beat
        self._beaten_at_ms = session.call_ms
        self._told: dict[str, Glimpse] = {}
        self._over: deque[str] = deque(maxlen=LINES_KEPT)
        self._stood: Standing | None = None

    # --- what the session tells --------------------------------------------------------------------------------------------

    def caller_audio(self, audios: Sequence[bytes], at_ms: Sequence[float], began_ms: float = 0.0) -> None:
        """See ``CallObserver.caller_audio``."""
        self._arrived.extend(audios)
        self._arrived_at_ms.extend(at_ms)
        self._began_ms = began_ms

    def agent_audio(self, audio: bytes, at_ms: float) -> None:
        """See ``CallObserver.agent_audio``."""
        self._agent.offer(audio, at_ms)

    def cleared(self, at_ms: float) -> None:
        """See ``CallObserver.cleared``."""
        self._agent.clear(at_ms)

    # --- what operators see ------------------------------------------------------------------------------------------------

    def pass_over(self) -> None:
        """Nobody listens to what was heard since this was asked last: how loud it was is all that is asked of it."""
        self.session.catch_up()
        self._heard["caller"].extend(self._arrived)
        self._arrived.clear()
        self._arrived_at_ms.clear()
        if self._caller.end_ms is not None:
            self._caller = Track(NETWORK_PAUSE_MS)
        self._heard["agent"] += [piece.audio for piece in self._agent.take(self.session.call_ms)]

    def heard(self) -> list[tuple[Side, Piece]]:
        """What was heard of both sides since this was asked last."""
        self.session.catch_up()
        for audio, at_ms in zip(self._arrived, self._arrived_at_ms, strict=True):
            self._caller.offer(audio, at_ms - self._began_ms)
        self._arrived.clear()
        self._arrived_at_ms.clear()
        pieces: list[tuple[Side, Piece]] = [("caller", piece) for piece in self._caller.take()]
        pieces += [("agent", piece) for piece in self._agent.take(self.session.call_ms)]
        for side, piece in pieces:
            self._heard[side].append(piece.audio)
        return pieces

    def levels(self) -> tuple[float, float]:
        """The loudness of caller and AI since the last beat, and begins the next. What the AI does not say is silence; what does
        not come from the caller is not."""
        now_ms = self.session.call_ms
        caller, agent = (b"".join(self._heard[side]) for side in ("caller", "agent"))
        span_bytes = max(len(agent), (now_ms - self._beaten_at_ms) * BYTES_PER_MS)
        self._heard = {"caller": [], "agent": []}
        self._beaten_at_ms = now_ms
        return rms(caller), rms(agent) * sqrt(len(agent) / span_bytes) if agent else 0.0

    def news(self) -> Iterable[Glimpse]:
        """The lines of which there is more than was told."""
        for line in self.session.glimpse():
            if line.item_id not in self._over and self._told.get(line.item_id) != line:
                if line.over:
                    self._forget(line.item_id)
                else:
                    self._remember(line)
                yield line

    def recorded(self, body: AnyEvent) -> None:
        """An event of the call: a line that is on the record is being said no more."""
        if isinstance(body, AgentTranscript | CallerTranscript):
            self._forget(body.item_id)

    def moved(self) -> Standing | None:
        """Where the call stands, if that is not what was told last. A stream that is over says nothing of its call."""
        stands = standing_of(self.session)
        if stands == self._stood or stands.phase == "ended":
            return None
        self._stood = stands
        return stands

    def begin_again(self) -> None:
        """Forgets what was told, but not what is over."""
        self._told.clear()
        self._stood = None

    def _remember(self, line: Glimpse) -> None:
        self._told[line.item_id] = line
        if len(self._told) > LINES_KEPT:
            self._told.pop(next(iter(self._told)))

    def _forget(self, item_id: str) -> None:
        self._told.pop(item_id, None)
        self._over.append(item_id)

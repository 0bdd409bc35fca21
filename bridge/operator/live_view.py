"""Live calls between their events, for as long as anybody looks: levels, lines being said, phases, and audio for who listens.

One timer serves all calls, each in its turn, so that a hundred of them never take the loop at once. While nobody is attached
there is no timer and no session is watched.
"""

import asyncio
from collections.abc import Callable

import structlog

from bridge.operator import messages
from bridge.operator.live_call import LiveCall, LiveSessions
from bridge.operator.relay import Ear
from bridge.operator.watch import Watch
from calls.events import CallEnded, CallEvent
from calls.ids import CallSid

TICK_S = 0.05
TICKS_A_BEAT = 6
"""Every call has its turn each 300 ms."""
TICKS_A_LOOK = 3
"""Sessions that have come or gone are looked for so often."""
TICKS_A_PIECE = 2
"""Who listens gets a piece each 100 ms."""

log = structlog.get_logger()


class LiveView:
    """What all readers are shown. ``show`` hands a message to every one of them."""

    def __init__(self, sessions: LiveSessions, show: Callable[[bytes], None], owner: str) -> None:
        self._sessions = sessions
        self._owner = owner
        self._show = show
        self._watches: dict[CallSid, Watch] = {}
        self._by_turn: list[dict[CallSid, Watch]] = [{} for _ in range(TICKS_A_BEAT)]
        self._followed: list[LiveCall] | None = None
        """The sessions there were when they were looked for last, if each of them is watched."""
        self._listeners: dict[CallSid, set[Ear]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ticks = 0
        self._adopted = 0

    @property
    def is_on(self) -> bool:
        """Whether anybody looks."""
        return self._timer is not None

    def begin(self) -> None:
        """Somebody looks from now on."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def end(self) -> None:
        """Nobody does any more: every session is left alone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for watch in list(self._watches.values()):
            self._release(watch)
        self._followed = None
        self._listeners.clear()

    def take(self, event: CallEvent) -> None:
        """An event was told to the readers; it may have moved the call."""
        if isinstance(event.body, CallEnded):
            self._listeners.pop(event.call_sid, None)
        watch = self._watches.get(event.call_sid)
        if watch is not None:
            self._softly(watch, lambda one: one.recorded(event.body))
            self.look(event.call_sid)

    def look(self, call_sid: CallSid) -> None:
        """Tells at once where a call stands, if it stands elsewhere."""
        watch = self._watches.get(call_sid)
        if watch is not None:
            self._softly(watch, self._show_move)

    def listen(self, session: LiveCall, call_sid: CallSid, ear: Ear) -> None:
        """From now on the ear hears the call."""
        self._adopt(session, call_sid)
        self._listeners.setdefault(call_sid, set()).add(ear)

    def unlisten(self, call_sid: CallSid, ear: Ear) -> None:
        """The ear does not hear the call any more."""
        listeners = self._listeners.get(call_sid, set())
        listeners.discard(ear)
        if not listeners:
            self._listeners.pop(call_sid, None)

    def forget(self, ear: Ear) -> None:
        """The ear is gone."""
        for call_sid in list(self._listeners):
            self.unlisten(call_sid, ear)

    def hears(self, call_sid: CallSid, ear: Ear) -> bool:
        """Whether the ear hears that call."""
        return ear in self._listeners.get(call_sid, ())

    def begin_again(self) -> None:
        """Somebody looks who knows nothing yet: at the next beat everything is told anew."""
        for watch in self._watches.values():
            watch.begin_again()

    def tick(self) -> None:
        """A twentieth of a second has passed."""
        self._ticks += 1
        if self._ticks % TICKS_A_LOOK == 1:
            self._follow_sessions()
        for call_sid in list(self._listeners):
            heard = self._watches.get(call_sid)
            if heard is not None and (self._ticks - heard.turn) % TICKS_A_PIECE == 0:
                self._softly(heard, self._sound)
        for watch in list(self._by_turn[self._ticks % TICKS_A_BEAT].values()):
            self._softly(watch, self._beat)

    # --- inside ------------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
        try:
            self.tick()
        except Exception:
            log.exception("operator.tick_failed")

    def _follow_sessions(self) -> None:
        """Watches who has come, lets go of who has left."""
        sessions = list(self._sessions.live())
        if sessions == self._followed:
            return
        live = {session.call_sid: session for session in sessions if session.call_sid is not None}
        for call_sid, watch in list(self._watches.items()):
            if live.get(call_sid) is not watch.session:
                self._softly(watch, self._sound)
                self._release(watch)
        for call_sid, session in live.items():
            self._adopt(session, call_sid)
        self._followed = sessions if len(live) == len(sessions) else None

    def _adopt(self, session: LiveCall, call_sid: CallSid) -> None:
        if call_sid in self._watches:
            return
        self._adopted += 1
        watch = Watch(session, call_sid, self._adopted % TICKS_A_BEAT)
        self._watches[call_sid] = self._by_turn[watch.turn][call_sid] = watch
        self._softly(watch, session.watch)

    def _release(self, watch: Watch) -> None:
        self._watches.pop(watch.call_sid, None)
        self._by_turn[watch.turn].pop(watch.call_sid, None)
        try:
            watch.session.unwatch(watch)
        except Exception:
            log.exception("operator.release_failed", call_sid=watch.call_sid)

    def _softly(self, watch: Watch, do: Callable[[Watch], None]) -> None:
        """What goes wrong here goes wrong for operators only, and once."""
        if watch.is_broken:
            return
        try:
            do(watch)
        except Exception:
            watch.is_broken = True
            log.exception("operator.watch_failed", call_sid=watch.call_sid)

    def _beat(self, watch: Watch) -> None:
        self._sound(watch)
        self._show(messages.levels(watch.call_sid, *watch.levels()))
        for line in watch.news():
            self._show(messages.partial(watch.call_sid, line))
        self._show_move(watch)

    def _show_move(self, watch: Watch) -> None:
        moved = watch.moved()
        if moved is not None:
            self._show(messages.phase(watch.call_sid, self._owner, moved))

    def _sound(self, watch: Watch) -> None:
        """Hands what has been heard to who listens."""
        listeners = self._listeners.get(watch.call_sid)
        if not listeners:
            watch.pass_over()
            return
        for side, piece in watch.heard():
            message = messages.audio(watch.call_sid, side, piece.at_ms, piece.audio)
            for ear in list(listeners):
                ear.offer(message)

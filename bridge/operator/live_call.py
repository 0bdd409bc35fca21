"""What the operator API needs of a call that is being served."""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from calls.ids import CallSid
from calls.operator import Command, Glimpse


class Standing(msgspec.Struct, frozen=True):
    """Where a call stands."""

    phase: str
    muted: bool
    cost_usd: float | None
    """To the tenth of a cent, so that it does not move all the time."""


class CallObserver(Protocol):
    """Somebody who watches a call. Times are milliseconds since the stream's ``start``; audio is μ-law at 8 kHz."""

    def caller_audio(self, audios: Sequence[bytes], at_ms: Sequence[float], began_ms: float = 0.0) -> None:
        """Pieces of the caller's audio arrived, each at its time, by a clock that was at ``began_ms`` at the ``start``. They are told
        late, but before anything that came behind them, and at the latest when the session is asked to :meth:`LiveCall.catch_up`."""

    def agent_audio(self, audio: bytes, at_ms: float) -> None:
        """Audio of the AI was sent; it is heard behind what was sent before."""

    def cleared(self, at_ms: float) -> None:
        """What was sent and not yet heard will not be."""


class LiveCall(Protocol):
    """A call's session."""

    @property
    def call_sid(self) -> CallSid | None:
        """The call, once its token has been checked."""

    @property
    def phase(self) -> str:
        """Where the call is."""

    @property
    def muted(self) -> bool:
        """Whether an operator has told the AI to be silent."""

    @property
    def cost_usd(self) -> float | None:
        """What the call has cost so far, where that is known."""

    @property
    def call_ms(self) -> float:
        """Milliseconds since the stream's ``start``."""

    def command(self, operator: str, command: Command) -> str | None:
        """An operator steps in. ``None``: accepted and on the record; otherwise one sentence why not."""

    def watch(self, observer: CallObserver) -> None:
        """One more watches from now on."""

    def unwatch(self, observer: CallObserver) -> None:
        """Who watched does so no more."""

    def catch_up(self) -> None:
        """Those who watch are told what was heard by now."""

    def glimpse(self) -> Sequence[Glimpse]:
        """The lines that are being said, and those that have ended since the last look."""


class LiveSessions(Protocol):
    """The calls this process serves."""

    def live(self) -> Iterable[LiveCall]:
        """All of them, whether accepted or not."""

    def session_of(self, call_sid: CallSid) -> LiveCall | None:
        """The session of a call, if this process serves it."""


def standing_of(session: LiveCall) -> Standing:
    """Where a session's call stands now."""
    cost_usd = session.cost_usd
    return Standing(session.phase, session.muted, None if cost_usd is None else round(cost_usd, 3))

"""A live call that says what a test wants, and the places calls are looked for."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from bridge.operator.live_call import CallObserver
from bridge.operator.reader import GOING_AWAY, Reader
from bridge.operator.tokens import OperatorKey, parse_tokens
from calls.ids import CallSid
from calls.operator import Command, Glimpse
from tests.calls.examples import sid

ANA, VIC = parse_tokens("ana:operator:correct horse,vic:viewer:battery staple")


class Session:
    """A call's session as operators see it."""

    def __init__(self, call_sid: CallSid | None = None) -> None:
        self.call_sid: CallSid | None = call_sid or sid()
        self.phase = "conversing"
        self.muted = False
        self.cost_usd: float | None = None
        self.call_ms = 0.0
        self.lines: list[Glimpse] = []
        self.observer: CallObserver | None = None
        self.commands: list[tuple[str, Command]] = []
        self.answer: str | None = None
        self.breaks = False

    def command(self, operator: str, command: Command) -> str | None:
        if self.breaks:
            raise RuntimeError("a defect")
        self.commands.append((operator, command))
        return self.answer

    def watch(self, observer: CallObserver) -> None:
        self.observer = observer

    def unwatch(self, observer: CallObserver) -> None:
        assert self.observer is observer
        self.observer = None

    def catch_up(self) -> None:
        """Everything is told at once here."""

    def glimpse(self) -> Sequence[Glimpse]:
        if self.breaks:
            raise RuntimeError("a defect")
        return self.lines

    @property
    def watching(self) -> CallObserver:
        assert self.observer is not None
        return self.observer


class Sessions:
    """All of them."""

    def __init__(self, *sessions: Session) -> None:
        self.sessions = list(sessions)

    def live(self) -> Iterable[Session]:
        return self.sessions

    def session_of(self, call_sid: CallSid) -> Session | None:
        return next((session for session in self.sessions if session.call_sid == call_sid), None)


def reader(key: OperatorKey = ANA) -> Reader:
    return Reader(key, lambda: None)


async def read(one: Reader) -> list[dict[str, Any]]:
    """Everything a reader was told; nothing more can be told them."""
    told: list[dict[str, Any]] = []

    class Paper:
        async def send(self, texts: Sequence[bytes]) -> None:
            told.extend(json.loads(text) for text in texts)

        async def close(self, code: int) -> None:
            pass

    one.leave(GOING_AWAY)
    await one.write_to(Paper())
    return told

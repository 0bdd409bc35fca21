"""What the parts of a session share: its settings and conversation, and the agenda of what is due when."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from simulator.scenario import Mind

from .configuration import Configuration
from .conversation import Conversation
from .faults import Faults
from .ids import Ids
from .response import Event, Response
from .timing import ModelTiming

Work = Callable[[], list[Event]]
"""Something to do, and the events it gives."""


class Agenda:
    """Work in the order it falls due; what falls due together is done in the order it was put here."""

    def __init__(self) -> None:
        self.now_ms = 0.0
        self._busy_until_ms = 0.0
        self._entries: list[tuple[float, int, Response | None, Work]] = []
        self._order = count()

    @property
    def next_ms(self) -> float | None:
        """When the next work is due."""
        while self._entries and (response := self._entries[0][2]) is not None and response.over:
            heapq.heappop(self._entries)
        return self._entries[0][0] if self._entries else None

    def at(self, due_ms: float, work: Work, response: Response | None = None) -> None:
        """Work for a moment, or for now if that has passed; not to be done if the response it belongs to is over by then."""
        heapq.heappush(self._entries, (max(due_ms, self.now_ms), next(self._order), response, work))

    def later(self, delay_ms: float, work: Work) -> None:
        """Work for after a delay."""
        self.at(self.now_ms + delay_ms, work)

    def in_turn(self, delay_ms: float, work: Work) -> None:
        """Work for after a delay and after all else that was put here in turn."""
        self._busy_until_ms = max(self._busy_until_ms, self.now_ms + delay_ms)
        self.at(self._busy_until_ms, work)

    def advance(self, now_ms: float) -> Work | None:
        """The next work that is due by now, with the clock set to when it was; without any, the clock is set to now."""
        due_ms = self.next_ms
        if due_ms is None or due_ms > now_ms:
            self.now_ms = max(self.now_ms, now_ms)
            return None
        self.now_ms = max(self.now_ms, due_ms)
        return heapq.heappop(self._entries)[3]


@dataclass(slots=True, kw_only=True)
class SessionState:
    """Shared by the parts of one session."""

    mind: Mind
    timing: ModelTiming
    faults: Faults
    ids: Ids
    chance: random.Random
    configuration: Configuration
    conversation: Conversation
    agenda: Agenda = field(default_factory=Agenda)
    after_response: list[Callable[[], None]] = field(default_factory=list)
    """To be done once at the next ``response.done``."""

"""What the processes of a deployment tell each other over: topics that anybody may publish to and anybody may listen to.

Nothing is kept and nothing is promised: what is published while nobody listens, or while the link is down, is gone. Whoever needs
to be sure asks the store (:mod:`calls.store`), or asks again (:mod:`calls.bus.mailbox`).
"""

from collections.abc import Callable
from typing import Protocol

Take = Callable[[bytes], None]
"""Takes what was published to a topic. It must not wait; what it raises is logged and goes no further."""

Undo = Callable[[], None]
"""Ends what was begun; harmless when called again."""


class BusUnusable(ValueError):
    """A setting that names no bus; ``str()`` is one sentence that says what to write instead, and holds no password."""


class Counts(Protocol):
    """Something that is counted."""

    def inc(self, amount: float = 1) -> None:
        """So many more."""


class Transport(Protocol):
    """Topics that reach the other processes. All methods are for the event loop's thread."""

    @property
    def is_shared(self) -> bool:
        """Whether there can be anybody else at all."""

    @property
    def is_up(self) -> bool:
        """Whether what is published now has a chance to arrive."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Has everybody who listens to the topic told, this process included. Never waits and never raises; ``False`` if it was
        dropped at once."""

    def listen(self, topic: str, take: Take) -> Undo:
        """From now on, as soon as the link allows, ``take`` is told what is published to the topic."""

    def on_change(self, tell: Callable[[bool], None]) -> Undo:
        """``tell`` is called each time the link comes up (``True``) or goes down (``False``)."""

    async def open(self) -> None:
        """Begins. Returns once the link is up, or after a moment without it: it is then tried for ever."""

    async def close(self) -> None:
        """Ends, and leaves nothing behind."""

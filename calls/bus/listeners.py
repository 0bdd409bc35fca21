"""Who listens to which topic, and who wants to know of the link: the part of a transport that is the same for all."""

from collections.abc import Callable

import msgspec
import structlog

from calls.bus.base import Take, Undo

log = structlog.get_logger()


class Listeners:
    """The takers of each topic."""

    def __init__(self) -> None:
        self._takers: dict[str, list[Take]] = {}

    def add(self, topic: str, take: Take) -> None:
        """One more."""
        self._takers.setdefault(topic, []).append(take)

    def remove(self, topic: str, take: Take) -> None:
        """One less; nothing for one that is not there."""
        takers = self._takers.get(topic, [])
        if take in takers:
            takers.remove(take)
        if not takers:
            self._takers.pop(topic, None)

    def __contains__(self, topic: str) -> bool:
        return topic in self._takers

    @property
    def topics(self) -> tuple[str, ...]:
        """Those somebody listens to."""
        return tuple(self._takers)

    def tell(self, topic: str, payload: bytes) -> None:
        """Hands something over to all of a topic's takers."""
        for take in tuple(self._takers.get(topic, ())):
            try:
                take(payload)
            except msgspec.DecodeError:  # of another version, or nobody's we know
                log.warning("bus.not_understood", topic=topic, size=len(payload))
            except Exception:
                log.exception("bus.taker_failed", topic=topic)


class Watchers:
    """Those who want to know whether the link is up."""

    def __init__(self) -> None:
        self._watchers: list[Callable[[bool], None]] = []

    def add(self, tell: Callable[[bool], None]) -> Undo:
        """One more, until what is returned is called."""
        self._watchers.append(tell)
        return lambda: self._remove(tell)

    def tell(self, *, up: bool) -> None:
        """The link came up or went down."""
        for tell in tuple(self._watchers):
            try:
                tell(up)
            except Exception:
                log.exception("bus.watcher_failed")

    def _remove(self, tell: Callable[[bool], None]) -> None:
        if tell in self._watchers:
            self._watchers.remove(tell)

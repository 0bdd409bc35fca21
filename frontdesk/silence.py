"""Workers that hang: their process lives, their event loop does not, and with it nobody who talks to them.

A worker says every second that it lives. One that has said so and then says nothing for ten is taken for hung.
"""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

from frontdesk.worker_channel import WorkerEnd

BEAT_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
HUNG_AFTER_S = 10.0
STOOD_STILL_S = 3.0
"""Who looks so much later than it meant to has stood still itself, and has not heard anybody meanwhile."""

T = TypeVar("T", bound=Hashable)


class Silence(Generic[T]):
    """Who has been silent for how long."""

    def __init__(self) -> None:
        self._looked_s: float | None = None
        self._heard: dict[T, tuple[int, float]] = {}

    def hung(self, now_s: float, beats: Mapping[T, int]) -> list[T]:
        """Those that hang, each again only when as much time has passed. To be asked every ``LOOK_EVERY_S``.

        Args:
            beats: how often each has said that it lives; one that never has is not waited for.
        """
        stood_still = self._looked_s is not None and now_s - self._looked_s > LOOK_EVERY_S + STOOD_STILL_S
        self._looked_s = now_s
        self._heard = {one: self._last_heard(one, count, now_s, anew=stood_still) for one, count in beats.items()}
        hung = [one for one, (count, since_s) in self._heard.items() if count and now_s - since_s >= HUNG_AFTER_S]
        self._heard |= {one: (beats[one], now_s) for one in hung}
        return hung

    def _last_heard(self, one: T, count: int, now_s: float, *, anew: bool) -> tuple[int, float]:
        known = self._heard.get(one)
        return known if known is not None and known[0] == count and not anew else (count, now_s)


async def beat(end: WorkerEnd, up: asyncio.Event) -> None:
    """Says that the event loop turns, until cancelled, from when on calls depend on that: coming ``up`` takes as long as it takes."""
    await up.wait()
    while True:
        end.alive()
        await asyncio.sleep(BEAT_EVERY_S)

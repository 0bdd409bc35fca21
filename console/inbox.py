"""Where what the bridge says waits for who reads it: bounded, whatever the bridge sends and however slow the reader is."""

import asyncio
from collections.abc import Hashable
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Overrun(Exception):
    """The inbox is full: its reader does not keep up."""


class Inbox(Generic[T]):
    """A queue for one reader, in which newer news replaces older.

    What is put with a ``key`` takes the place of what is still waiting under that key, so that a reader who lags behind gets the
    newest of it, and not all of it late. What is put without one is kept, in order.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._waiting: dict[Hashable, tuple[T, int]] = {}
        self._bytes = 0
        self._places = count()
        self._closed = False
        self._filled = asyncio.Event()
        self._taken = asyncio.Event()

    def put(self, item: T, size: int = 0, *, key: Hashable = None, force: bool = False) -> None:
        """Adds ``item``, which stands for ``size`` bytes. Raises :class:`Overrun` if it does not fit; with ``force`` it always does."""
        place = next(self._places) if key is None else key
        replaced = self._waiting.get(place)
        freed = 0 if replaced is None else replaced[1]
        if not force and (len(self._waiting) >= self._max_items or self._bytes - freed + size > self._max_bytes):
            raise Overrun
        self._waiting[place] = (item, size)
        self._bytes += size - freed
        self._filled.set()

    def close(self) -> None:
        """Nothing more will come: the reader gets what is left, then the end."""
        self._closed = True
        self._filled.set()

    async def get(self) -> T | None:
        """The next item; waits for it. ``None`` when closed and empty."""
        while not self._waiting:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        item, size = self._waiting.pop(next(iter(self._waiting)))
        self._bytes -= size
        self._taken.set()
        return item

    async def half_empty(self) -> None:
        """Waits until there is room for a new start."""
        while len(self._waiting) * 2 > self._max_items or self._bytes * 2 > self._max_bytes:
            self._taken.clear()
            await self._taken.wait()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def waiting_bytes(self) -> int:
        """What the waiting items stand for."""
        return self._bytes

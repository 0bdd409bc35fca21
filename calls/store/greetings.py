"""Recorded greetings: the one interface every store has."""

from typing import Protocol

from calls.greetings import GreetingKey, RecordedGreeting


class GreetingStore(Protocol):
    """Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    async def get(self, key: GreetingKey) -> RecordedGreeting | None:
        """The recording of that key, if it has been made."""

    async def put(self, greeting: RecordedGreeting) -> None:
        """Keeps a recording, in place of an earlier one of the same key."""

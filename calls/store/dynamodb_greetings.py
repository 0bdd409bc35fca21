"""Recorded greetings, in the DynamoDB store. Implements :class:`calls.store.greetings.GreetingStore`.

A minute of audio is 480 KB and an item 400 at most (Amazon DynamoDB, *Quotas*), so the audio stands in parts of its own, under the name
of this one making of the recording; the greeting's item says which making counts. Parts and item are written in one transaction, and a
reader that is overtaken by one looks again: nobody hears half of one recording and half of another.
"""

import secrets
from collections.abc import Iterator

from calls.events import parse_timestamp, timestamp
from calls.greetings import GreetingKey, RecordedGreeting
from calls.store.base import StoreError
from calls.store.dynamodb_table import ConditionFailed, Delete, DynamoTable, Item, Put, Write
from calls.store.dynamodb_writes import ABSENT, when

PART_BYTES = 350_000
MOST_BYTES = 3_500_000
"""Of a recording: seven minutes. A transaction is 4 MB at most (Amazon DynamoDB, *Quotas*)."""

_TRIES = 10


class DynamoGreetings:
    """The recordings in an open table."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def get(self, key: GreetingKey) -> RecordedGreeting | None:
        """See :meth:`calls.store.greetings.GreetingStore.get`."""
        return await self._table.run(self._get, key)

    async def put(self, greeting: RecordedGreeting) -> None:
        """See :meth:`calls.store.greetings.GreetingStore.put`.

        Raises:
            StoreError: it is longer than ``MOST_BYTES``.
        """
        await self._table.run(self._put, greeting)

    def _get(self, key: GreetingKey) -> RecordedGreeting | None:
        for _ in range(_TRIES):
            item = self._table.get(*_key(key))
            if item is None:
                return None
            parts = self._table.query(_parts(key, item["making"]))
            if len(parts) == item["parts"]:
                audio = b"".join(part["audio"] for part in parts)
                return RecordedGreeting(key=key, audio=audio, rendered_at=parse_timestamp(item["rendered_at"]))
        raise StoreError("a recorded greeting is being made anew again and again; look for it later")

    def _put(self, greeting: RecordedGreeting) -> None:
        if len(greeting.audio) > MOST_BYTES:
            raise StoreError(f"a recorded greeting may last {MOST_BYTES // 8000} s at most; make its text shorter")
        for _ in range(_TRIES):
            earlier = self._table.get(*_key(greeting.key))
            try:
                self._table.transact([*_in_place_of(earlier, greeting)])
            except ConditionFailed:
                continue
            return
        raise StoreError("others keep storing the same recorded greeting; try again")


def _in_place_of(earlier: Item | None, greeting: RecordedGreeting) -> Iterator[Write]:
    making, audio = secrets.token_hex(8), greeting.audio
    parts = [audio[first : first + PART_BYTES] for first in range(0, len(audio), PART_BYTES)]
    yield Put(_item(greeting, making, len(parts)), ABSENT if earlier is None else when("#making = :was", was=earlier["making"]))
    for number, part in enumerate(parts):
        yield Put({"pk": _parts(greeting.key, making), "sk": f"{number:04d}", "audio": part})
    if earlier is not None:
        yield from (Delete(_parts(greeting.key, earlier["making"]), f"{number:04d}") for number in range(earlier["parts"]))


def _item(greeting: RecordedGreeting, making: str, parts: int) -> Item:
    """The key's parts stand in it so that a person who looks into the table sees what a recording is of."""
    pk, sk = _key(greeting.key)
    key = {"text": greeting.key.text, "voice": greeting.key.voice, "model": greeting.key.model, "language": greeting.key.language}
    made = {"making": making, "parts": parts, "duration_ms": greeting.duration_ms, "rendered_at": timestamp(greeting.rendered_at)}
    return {"pk": pk, "sk": sk, **key, "speed": f"{greeting.key.speed:g}", **made}


def _key(key: GreetingKey) -> tuple[str, str]:
    return f"GREETING#{key.digest}", "GREETING"


def _parts(key: GreetingKey, making: str) -> str:
    return f"GREETING#{key.digest}#{making}"

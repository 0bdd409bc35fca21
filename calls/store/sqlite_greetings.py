"""Recorded greetings, in the SQLite store. Implements :class:`calls.store.greetings.GreetingStore`.

The key's parts stand beside its digest so that a person who looks into the file sees what a recording is of.
"""

from typing import TYPE_CHECKING

from calls.events import parse_timestamp, timestamp
from calls.greetings import GreetingKey, RecordedGreeting

if TYPE_CHECKING:
    from calls.store.sqlite import SqliteStore

SCHEMA: tuple[str, ...] = (
    """CREATE TABLE greetings (
        digest TEXT PRIMARY KEY,
        text TEXT NOT NULL,
        voice TEXT NOT NULL,
        model TEXT NOT NULL,
        language TEXT NOT NULL,
        speed REAL NOT NULL,
        duration_ms INTEGER NOT NULL,
        rendered_at TEXT NOT NULL,
        audio BLOB NOT NULL
    )""",
)
"""Its table."""

_SAVE = """
INSERT INTO greetings (digest, text, voice, model, language, speed, duration_ms, rendered_at, audio)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET
    duration_ms = excluded.duration_ms, rendered_at = excluded.rendered_at, audio = excluded.audio
"""


class SqliteGreetings:
    """See the module. ``store``: an open :class:`calls.store.sqlite.SqliteStore`, whose file and transactions it shares."""

    def __init__(self, store: "SqliteStore") -> None:
        self._store = store

    async def get(self, key: GreetingKey) -> RecordedGreeting | None:
        """See :meth:`calls.store.greetings.GreetingStore.get`."""
        rows = await self._store.fetch("SELECT audio, rendered_at FROM greetings WHERE digest = ?", key.digest)
        if not rows:
            return None
        audio, rendered_at = rows[0]
        return RecordedGreeting(key=key, audio=bytes(audio), rendered_at=parse_timestamp(rendered_at))

    async def put(self, greeting: RecordedGreeting) -> None:
        """See :meth:`calls.store.greetings.GreetingStore.put`."""
        key = greeting.key
        parts = (key.digest, key.text, key.voice, key.model, key.language, key.speed)
        row = (*parts, greeting.duration_ms, timestamp(greeting.rendered_at), greeting.audio)
        await self._store.write(lambda db: db.execute(_SAVE, row).rowcount)

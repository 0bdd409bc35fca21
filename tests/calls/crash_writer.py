"""Writes numbered events through the journal until it is killed: one event for each line on stdin.

Prints ``recorded SEQ`` for each, and ``stored SEQ`` when the store has taken everything up to it.
"""

import asyncio
import sys
from collections.abc import Sequence

from calls.bus.memory import MemoryBus
from calls.events import CallEvent
from calls.journal import Journal
from calls.store import open_store
from calls.store.base import CallStore
from tests.calls.examples import START, event, new_call, said


def tell(what: str, seq: int) -> None:
    sys.stdout.write(f"{what} {seq}\n")
    sys.stdout.flush()


def telling(store: CallStore) -> CallStore:
    """The store, which now tells what it has stored."""
    append = store.append

    async def appended(events: Sequence[CallEvent], owner: str | None = None) -> None:
        await append(events, owner)
        tell("stored", events[-1].seq)

    store.append = appended  # type: ignore[method-assign]
    return store


async def main(url: str) -> None:
    store = telling(open_store(url, wants=lambda _business, kind: kind == "caller.transcript"))
    await store.open()
    await store.open_call(new_call(), START)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with Journal(store, MemoryBus()) as journal:
        seq = 1
        while await lines.readline():
            seq += 1
            journal.record(event(seq, said(f"line {seq} " * 20)))
            tell("recorded", seq)


asyncio.run(main(sys.argv[1]))

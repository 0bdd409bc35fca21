"""A process that is killed while writing: what it was told to be stored is there, in order, in a sound file."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from calls.events import CallEvent
from calls.record import CallRecord
from calls.store import open_store
from calls.store.base import CallStore
from calls.store.blocking import run_with_store
from tests.calls.examples import said, sid


def killed_while_writing(url: str, flushes: int) -> tuple[int, int]:
    """Kills the writer after its n-th flush; the last event it recorded, and the last it said was stored."""
    command = [sys.executable, "-m", "tests.calls.crash_writer", url]
    recorded = stored = 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("go\n" * 20)
        writer.stdin.flush()
        for line in writer.stdout:
            what, seq = line.split()
            if what == "recorded":
                recorded = int(seq)
                writer.stdin.write("go\n")
                writer.stdin.flush()
                continue
            stored = int(seq)
            flushes -= 1
            if flushes == 0:
                writer.kill()
                break
        rest = [line.split() for line in writer.stdout if line.endswith("\n")]
        recorded = max([recorded, *(int(seq) for what, seq in rest if what == "recorded")])
        stored = max([stored, *(int(seq) for what, seq in rest if what == "stored")])
        writer.stdin.close()
    return recorded, stored


@pytest.mark.parametrize("flushes", [1, 2, 5])
def test_a_killed_writer_leaves_everything_it_had_stored(store_url: str, path: Path, flushes: int) -> None:
    recorded, stored = killed_while_writing(store_url, flushes)

    async def look(store: CallStore) -> tuple[CallRecord | None, list[CallEvent]]:
        return await store.get_call(sid()), await store.events(sid())

    record, events = run_with_store(open_store(store_url, read_only=True), look)
    seqs = [event.seq for event in events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert stored <= seqs[-1] <= recorded
    assert events[-1].body == said(f"line {seqs[-1]} " * 20)
    assert record is not None
    assert record.last_seq == seqs[-1]
    if store_url.startswith("sqlite:"):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_call_of_a_killed_writer_can_be_carried_on(store_url: str) -> None:
    killed_while_writing(store_url, flushes=2)

    async def carry_on() -> list[str]:
        store = open_store(store_url)
        await store.open()
        last = (await store.events(sid()))[-1].seq
        ended = await store.end_call(sid(), "bridge_lost", (await store.events(sid()))[-1].at)
        assert ended is not None
        assert ended.seq == last + 1
        kinds = [event.kind for event in await store.events(sid(), after=last)]
        await store.close()
        return kinds

    assert asyncio.run(carry_on()) == ["call.ended"]

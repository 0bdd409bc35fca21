"""The store for threads: the same answers, and never for ever."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calls import events
from calls.record import Disposition
from calls.store.base import CallStore, SequenceConflict, StoreUnavailable
from calls.store.blocking import BlockingStore, run_with_store
from calls.store.sqlite import SqliteStore
from calls.stream_token import TokenRefused
from tests.calls.examples import START, after_ms, event, new_call, sid


class SilentStore(SqliteStore):
    """A store that does not answer."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked = asyncio.Event()
        self.answering: asyncio.Task[None] | None = None

    async def check(self) -> None:
        self.answering = asyncio.current_task()
        self.asked.set()
        await asyncio.Event().wait()


@pytest.fixture
async def blocking(store: CallStore) -> BlockingStore:
    return BlockingStore(store, asyncio.get_running_loop())


async def in_thread(work: Callable[[], Any]) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def test_a_thread_takes_a_call_from_ring_to_rest(blocking: BlockingStore) -> None:
    disposition = Disposition(action="hang_up", reason="farewell")

    def work() -> list[str]:
        blocking.check()
        token = blocking.open_call(new_call(), START).token
        assert blocking.claim_stream(token, "bridge-1", START).owner == "bridge-1"
        blocking.append([event(2)])
        appended = blocking.append_next(sid(), events.Dtmf(digit="1"), after_ms(10))
        assert appended is not None
        assert appended.seq == 3
        blocking.set_disposition(sid(), disposition)
        blocking.release_stream(sid(), "bridge-1", {"input_text": 1}, after_ms(20))
        noted = blocking.note_action(sid(), after_ms(30))
        assert noted is not None
        assert noted.disposition == disposition
        assert blocking.end_call(sid(), "farewell", after_ms(40)) is not None
        assert blocking.get_call(sid()) == blocking.list_calls(limit=1)[0]
        return [one.kind for one in blocking.events(sid())]

    assert await in_thread(work) == ["call.started", "dtmf", "dtmf", "call.ended"]


async def test_a_thread_gets_the_store_s_own_errors(blocking: BlockingStore) -> None:
    with pytest.raises(SequenceConflict):
        await in_thread(lambda: blocking.append([event(1)]))
    token = await in_thread(lambda: blocking.open_call(new_call(), START).token)
    await in_thread(lambda: blocking.claim_stream(token, "bridge-1", START))
    with pytest.raises(TokenRefused, match="replayed"):
        await in_thread(lambda: blocking.claim_stream(token, "bridge-2", START))


async def test_a_store_that_does_not_answer_is_given_up(path: Path) -> None:
    blocking = BlockingStore(SilentStore(path), asyncio.get_running_loop(), timeout_s=0)
    with pytest.raises(StoreUnavailable, match="did not answer within 0 s"):
        await in_thread(blocking.check)


async def test_calling_it_from_the_loop_it_waits_for_is_refused_and_not_a_deadlock(blocking: BlockingStore) -> None:
    with pytest.raises(RuntimeError, match="await the store itself"):
        blocking.check()


def test_a_closed_loop_is_a_closed_store(path: Path) -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    with pytest.raises(StoreUnavailable, match="the process is ending"):
        BlockingStore(SqliteStore(path), loop).check()


async def test_a_wait_cut_off_by_the_end_of_the_loop_is_a_closed_store(path: Path) -> None:
    store = SilentStore(path)
    waiting = asyncio.create_task(in_thread(BlockingStore(store, asyncio.get_running_loop()).check))
    await store.asked.wait()
    assert store.answering is not None
    store.answering.cancel()
    with pytest.raises(StoreUnavailable, match="the process is ending"):
        await waiting


def test_a_command_opens_the_store_uses_it_and_closes_it(path: Path) -> None:
    store = SqliteStore(path)

    async def work(opened: CallStore) -> str:
        return (await opened.open_call(new_call(), START)).record.call_sid

    assert run_with_store(store, work) == sid()
    with pytest.raises(StoreUnavailable, match="is not open"):
        asyncio.run(store.get_call(sid()))


def test_a_command_that_fails_closes_the_store_all_the_same(path: Path) -> None:
    store = SqliteStore(path)

    async def work(opened: CallStore) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_with_store(store, work)
    with pytest.raises(StoreUnavailable, match="is not open"):
        asyncio.run(store.get_call(sid()))

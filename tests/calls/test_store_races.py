"""Two processes at one store: of two writers exactly one finds its condition met."""

import asyncio
from collections.abc import Awaitable

import pytest

from calls import events
from calls.store.base import CallStore, NewCall, OpenedCall, SequenceConflict
from calls.store.sqlite import SqliteStore
from calls.stream_token import TokenRefused
from tests.calls.examples import START, after_ms, event, new_call, sid


async def outcomes(*racing: Awaitable[object]) -> list[object]:
    return list(await asyncio.gather(*racing, return_exceptions=True))


async def test_of_two_bridges_with_one_token_exactly_one_gets_the_stream(store: CallStore, other_store: CallStore) -> None:
    for call in range(1, 11):
        token = (await store.open_call(new_call(call), START)).token
        results = await outcomes(store.claim_stream(token, "here", START), other_store.claim_stream(token, "there", START))

        refused = [result for result in results if isinstance(result, TokenRefused)]
        assert [one.reason for one in refused] == ["replayed"]
        record = await store.get_call(sid(call))
        assert record is not None
        assert record.owner == ("there" if results[0] is refused[0] else "here")


async def test_of_many_that_end_a_call_exactly_one_does(store: CallStore, other_store: CallStore) -> None:
    for call in range(1, 11):
        await store.open_call(new_call(call), START)
        results = await outcomes(*(one.end_call(sid(call), "completed", after_ms(10)) for one in (store, other_store) * 3))

        assert [type(result).__name__ for result in results].count("CallEvent") == 1
        assert [one.kind for one in await store.events(sid(call))] == ["call.started", "call.ended"]


async def test_a_webhook_that_arrives_twice_at_once_opens_one_call(store: CallStore, other_store: CallStore) -> None:
    async def opened(one: CallStore, call: NewCall) -> OpenedCall:
        return await one.open_call(call, START)

    for number in range(1, 11):
        first, second = await asyncio.gather(opened(store, new_call(number)), opened(other_store, new_call(number)))
        assert first.token == second.token
        assert [first.event, second.event].count(None) == 1


async def test_events_appended_behind_the_last_from_many_sides_have_no_gaps(store: CallStore, other_store: CallStore) -> None:
    await store.open_call(new_call(), START)
    bodies = [events.Dtmf(digit=str(number)) for number in range(40)]
    appended = await asyncio.gather(
        *((store, other_store)[place % 2].append_next(sid(), body, START) for place, body in enumerate(bodies))
    )

    stored = await store.events(sid())
    assert [one.seq for one in stored] == list(range(1, 42))
    assert sorted(one.seq for one in appended if one is not None) == list(range(2, 42))
    assert {one.flat()["digit"] for one in stored[1:]} == {body.digit for body in bodies}


async def test_of_two_that_append_the_same_number_exactly_one_does(store: CallStore, other_store: CallStore) -> None:
    await store.open_call(new_call(), START)
    for seq in range(2, 12):
        here, there = event(seq, events.Dtmf(digit="1")), event(seq, events.Dtmf(digit="2"))
        results = await outcomes(store.append([here]), other_store.append([there]))

        assert sum(isinstance(result, SequenceConflict) for result in results) == 1
        assert (await store.events(sid()))[-1] == (there if isinstance(results[0], SequenceConflict) else here)


async def test_a_reader_sees_all_of_a_batch_or_nothing(store: CallStore, other_store: CallStore) -> None:
    await store.open_call(new_call(), START)
    writing = asyncio.create_task(store.append([event(seq) for seq in range(2, 1002)]))
    seen = set()
    while not writing.done():
        seen.add(len(await other_store.events(sid())))
    await writing

    assert seen <= {1, 1001}
    assert len(await other_store.events(sid())) == 1001


async def test_a_cancelled_write_leaves_the_store_usable_and_whole(store: CallStore) -> None:
    await store.open_call(new_call(), START)
    seq = 2
    for turns in range(12):
        writing = asyncio.create_task(store.append([event(seq), event(seq + 1)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        stored = [one.seq for one in await store.events(sid())]
        assert stored == list(range(1, len(stored) + 1))
        assert len(stored) % 2 == 1
        seq = len(stored) + 1

    assert await store.append_next(sid(), events.Dtmf(digit="1"), START) is not None


async def test_many_stores_may_make_one_file_at_once(path: object) -> None:
    stores = [SqliteStore(str(path)) for _ in range(6)]
    try:
        await asyncio.gather(*(one.open() for one in stores))
        await asyncio.gather(*(one.open_call(new_call(number), START) for number, one in enumerate(stores)))
        assert len(await stores[0].list_calls()) == 6
    finally:
        for one in stores:
            await one.close()


async def test_a_transaction_of_another_process_is_waited_for(store: CallStore, other_store: CallStore) -> None:
    with pytest.raises(SequenceConflict):
        await other_store.append([event(2, call=5)])
    await asyncio.gather(*((store, other_store)[number % 2].open_call(new_call(number), START) for number in range(20)))
    assert len(await store.list_calls()) == 20

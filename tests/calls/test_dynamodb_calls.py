"""What is particular to calls in DynamoDB: big things in small items, many in one transaction, rows that are remembered, TTL."""

import random
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import msgspec
import pytest

from calls import events
from calls.admission import Admission
from calls.ids import BusinessId
from calls.record import Disposition
from calls.store.base import CallStore, NewCall, StoreError
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_rows import LONGEST_LINE, SLACK, row_key
from calls.store.dynamodb_schema import TTL
from calls.store.dynamodb_table import DynamoTable
from calls.stream_token import TokenRefused
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import START, after_ms, event, new_call, said, sid

BUSY = Disposition(action="voicemail", reason="all_lines_busy")


def text_of(length: int) -> str:
    """Text that hardly gets smaller."""
    return "".join(random.Random(length).choices("0123456789abcdefghijklmnopqrstuvwxyzאבגדהוזחט", k=length))


@pytest.fixture
async def store(dynamodb: Dynamo) -> AsyncIterator[DynamoStore]:
    opened = dynamodb.store(dynamodb.new_table(), wants=lambda _business, kind: kind == "caller.transcript")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def other_store(dynamodb: Dynamo, store: DynamoStore) -> AsyncIterator[CallStore]:
    opened = dynamodb.store(store.table.name)
    await opened.open()
    yield opened
    await opened.close()


async def test_an_event_that_is_longer_than_an_item_comes_back_whole(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    told = [event(2, said(text_of(1_000_000))), event(3), event(4, said(text_of(500_000)))]
    await store.append(told)

    assert await store.events(sid(), after=1) == told
    assert await store.events(sid(), after=3) == told[2:]
    record = await store.get_call(sid())
    assert record is not None
    assert record.last_line == told[-1].flat()["text"][:LONGEST_LINE]


async def test_an_event_that_no_transaction_takes_is_refused_and_the_call_goes_on(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    with pytest.raises(StoreError, match="refused"):
        await store.append([event(2, said(text_of(8_000_000)))])

    await store.append([event(2)])
    assert await store.events(sid(), after=1) == [event(2)]


async def test_events_of_a_batch_of_which_a_part_is_missing_are_not_there_yet(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    await store.append([event(2, said(text_of(1_000_000)))])
    items = store.table.query(row_key(sid())[0], begins="EVENTS#0000000002")
    assert len(items) > 1

    store.table.delete(items[-1]["pk"], items[-1]["sk"])

    assert [one.seq for one in await store.events(sid())] == [1]


async def test_more_events_than_a_transaction_takes_are_stored_with_their_posts(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    told = [event(seq, said(f"line {seq}")) for seq in range(2, 300)]
    await store.append(told)

    assert await store.events(sid(), after=1) == told
    assert len(await store.companions.outbox().list(limit=1000)) == 298
    assert store.outbox_filled.is_set()


async def test_events_of_more_calls_than_a_transaction_takes_are_stored_in_one_go(store: DynamoStore) -> None:
    for call in range(1, 71):
        await store.open_call(new_call(call), START)
    await store.append([event(seq, events.Dtmf(digit="1"), call=call) for seq in (2, 3) for call in range(1, 71)])

    assert {len(await store.events(sid(call))) for call in range(1, 71)} == {3}


async def test_a_row_that_somebody_has_changed_since_it_was_read_decides_nothing(
    store: DynamoStore, other_store: CallStore
) -> None:
    opened = await store.open_call(new_call(), START)
    await other_store.claim_stream(opened.token, "bridge-1", START)
    with pytest.raises(TokenRefused, match="replayed"):
        await store.claim_stream(opened.token, "bridge-2", START)

    await other_store.append([event(2), event(3)])
    appended = await store.append_next(sid(), events.Dtmf(digit="1"), after_ms(1))
    assert appended is not None
    assert appended.seq == 4

    await other_store.append([event(5)])
    await other_store.end_call(sid(), "farewell", after_ms(2))
    assert await store.append_next(sid(), events.Dtmf(digit="2"), after_ms(3)) is None
    assert [one.kind for one in await store.events(sid(), after=5)] == ["call.ended"]


async def test_a_call_is_deleted_with_everything_that_went_with_it(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    lead = events.LeadCaptured(fields={"name": "Mallory"})
    await store.append([event(2, said("It is Mallory")), event(3, lead)])
    await store.end_call(sid(), "farewell", after_ms(1000))

    assert await store.companions.retention().delete([sid()], START) == 1

    assert store.table.query(row_key(sid())[0]) == []
    assert await store.companions.leads().leads() == []
    assert await store.companions.outbox().list() == []
    assert await store.list_calls() == []


async def test_with_a_number_of_days_everything_of_a_call_has_a_last_one(dynamodb: Dynamo) -> None:
    store = DynamoStore(
        DynamoTable(dynamodb.new_table(), client=dynamodb.client, now_s=START.timestamp),
        wants=lambda _business, _kind: True,
        keeps=lambda business_id: timedelta(days=30) if business_id == "bobs-hvac" else None,
    )
    await store.open()
    for call, business in ((1, "bobs-hvac"), (2, "dana-garage")):
        await store.open_call(new_call(call, business=business), START)
        await store.append([event(2, events.LeadCaptured(fields={"name": "M"}), call=call)])
        await store.end_call(sid(call), "farewell", after_ms(1000))
    kept, kept_for_ever = (store.table.query(row_key(sid(call))[0]) for call in (1, 2))
    await store.close()

    assert {item.get(TTL) for item in kept} == {int((START + timedelta(days=30) + SLACK).timestamp())}
    assert {item.get(TTL) for item in kept_for_ever} == {None}
    assert len(kept) == len(kept_for_ever)


async def test_what_has_outlived_its_last_day_is_not_seen_though_it_is_there(dynamodb: Dynamo) -> None:
    now_s = START.timestamp()
    table = DynamoTable(dynamodb.new_table(), client=dynamodb.client, now_s=lambda: now_s)
    store = DynamoStore(table, keeps=lambda _business: timedelta(days=1))
    await store.open()
    await store.open_call(new_call(), START)
    fresh = (await store.get_call(sid()), await store.events(sid()))
    now_s = (START + timedelta(days=1) + SLACK).timestamp()
    outlived = (await store.get_call(sid()), await store.events(sid()))
    await store.close()

    assert fresh[0] is not None
    assert len(fresh[1]) == 1
    assert outlived == (None, [])


async def lines_taken(store: CallStore, first: int, count: int, at: datetime) -> int:
    terms = Admission(otherwise=BUSY, max_live=3, max_call_s=600)
    opened = [await store.open_call(_admitted(number, terms), at) for number in range(first, first + count)]
    return [one.refusal for one in opened].count(None)


def _admitted(number: int, terms: Admission) -> NewCall:
    return msgspec.structs.replace(new_call(number), admission=terms)


async def test_calls_whose_end_nobody_reported_are_named_at_the_gate_no_longer(store: DynamoStore) -> None:
    assert await lines_taken(store, 1, 5, START) == 3
    assert await lines_taken(store, 10, 5, START + timedelta(hours=1)) == 3

    gate = store.table.get(f"BUSINESS#{BusinessId('bobs-hvac')}", "GATE")
    assert gate is not None
    assert gate["calls"] == {sid(number) for number in range(10, 15)}

"""What DynamoDB keeps beside calls, when it throttles, breaks, goes away, or an answer gets lost: done once all the same."""

from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from calls.events import LeadCaptured
from calls.greetings import GreetingKey, RecordedGreeting
from calls.ids import BusinessId
from calls.store.appointments import SlotTaken
from calls.store.base import StoreError, StoreUnavailable
from calls.store.businesses import BusinessesChanged, BusinessText
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_calendar import LONGEST, DynamoCalendar
from calls.store.dynamodb_table import DynamoTable, Write
from tests.calls.booking import MONDAY_TEN, NOW, appointment
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import START, event, new_call
from tests.calls.faulty_endpoint import Fault, FaultyEndpoint, faulty

LATER = START + timedelta(minutes=1)
TROUBLE: tuple[Fault, ...] = ("throttled", "broken", "away", "unanswered")
AWAY_FOR_GOOD: list[Fault] = ["away" for _ in range(20)]


@pytest.fixture(scope="module")
def endpoint_and_client(dynamodb: Dynamo) -> Iterator[tuple[FaultyEndpoint, Any]]:
    with faulty(dynamodb.url) as endpoint:
        client = dynamodb.connected(endpoint.url)
        yield endpoint, client
        client.close()


@pytest.fixture
def endpoint(endpoint_and_client: tuple[FaultyEndpoint, Any]) -> FaultyEndpoint:
    return endpoint_and_client[0]


@pytest.fixture
async def store(dynamodb: Dynamo, endpoint_and_client: tuple[FaultyEndpoint, Any]) -> AsyncIterator[DynamoStore]:
    table = DynamoTable(dynamodb.new_table(), client=endpoint_and_client[1], sleep=lambda _seconds: None)
    opened = DynamoStore(table, wants=lambda _business_id, kind: kind == "lead.captured")
    await opened.open()
    yield opened
    await opened.close()


@pytest.mark.parametrize("fault", TROUBLE)
async def test_an_appointment_is_booked_moved_and_erased_once(store: DynamoStore, endpoint: FaultyEndpoint, fault: Fault) -> None:
    calendar = store.companions.appointments()
    endpoint.fail_next(fault, None, fault)
    assert await calendar.book(appointment(), per_slot=1) == appointment()
    moved = appointment(starts_at=MONDAY_TEN + timedelta(hours=2), sequence=1)
    endpoint.fail_next(None, None, fault)
    await calendar.change(moved, per_slot=1)
    assert await calendar.between(NOW, MONDAY_TEN + timedelta(days=1)) == [moved]
    with pytest.raises(SlotTaken):
        await calendar.book(appointment(2, starts_at=moved.starts_at), per_slot=1)
    endpoint.fail_next(None, None, None, None, fault)
    assert await calendar.erase_caller(moved.caller or "") == 1
    assert await calendar.between(NOW, MONDAY_TEN + timedelta(days=1)) == []


@pytest.mark.parametrize("fault", TROUBLE)
async def test_a_row_of_the_outbox_is_handed_out_once_whatever_becomes_of_the_answer(
    store: DynamoStore, endpoint: FaultyEndpoint, fault: Fault
) -> None:
    outbox = store.companions.outbox()
    await store.open_call(new_call(), START)
    await store.append([event(2, LeadCaptured(fields={"name": "Ann"}))])
    endpoint.fail_next(fault, None, fault)  # the index, the call's rows, the lease
    (posting,) = await outbox.take("here", LATER, 10)
    assert await outbox.take("there", LATER, 10) == []
    endpoint.fail_next(None, fault)
    await outbox.failed(posting, "here", "no answer", LATER)
    (again,) = await outbox.take("there", LATER, 10)
    assert again.attempts == 1
    endpoint.fail_next(fault)
    await outbox.posted(again)
    assert await outbox.list() == []


async def test_what_waits_is_found_when_the_process_died_between_a_post_and_the_next_row(
    store: DynamoStore, endpoint: FaultyEndpoint
) -> None:
    outbox = store.companions.outbox()
    await store.open_call(new_call(), START)
    await store.append([event(seq, LeadCaptured(fields={"name": "Ann"})) for seq in (2, 3)])
    (first,) = await outbox.take("here", LATER, 10)
    endpoint.fail_next(None, *AWAY_FOR_GOOD[:5])
    with pytest.raises(StoreUnavailable):
        await outbox.posted(first)
    due = await outbox.next_due(LATER)
    assert due is not None
    assert [posting.seq for posting in await outbox.take("there", due, 10)] == [3]


@pytest.mark.parametrize("fault", TROUBLE)
async def test_a_greeting_and_a_business_are_stored_once(store: DynamoStore, endpoint: FaultyEndpoint, fault: Fault) -> None:
    key = GreetingKey(text="Hi.", voice="alloy", model="m", language="en")
    greeting = RecordedGreeting(key=key, audio=b"\x7f" * 800_000, rendered_at=START)
    endpoint.fail_next(fault, None, fault)
    await store.companions.greetings().put(greeting)
    assert await store.companions.greetings().get(key) == greeting

    businesses = store.companions.businesses()
    one = BusinessText(business_id=BusinessId("a"), text="x = 1", applied_at="2026-01-01T12:00:00+00:00")
    endpoint.fail_next(fault)
    assert await businesses.apply([one], [], 0) == 1
    with pytest.raises(BusinessesChanged):
        await businesses.apply([one], [], 0)


async def test_a_store_that_is_away_says_so_and_nothing_was_booked(store: DynamoStore, endpoint: FaultyEndpoint) -> None:
    calendar = store.companions.appointments()
    endpoint.fail_next(None, *AWAY_FOR_GOOD[:5])
    with pytest.raises(StoreUnavailable, match="cannot"):
        await calendar.book(appointment(), per_slot=1)
    assert await calendar.between(NOW, MONDAY_TEN + timedelta(days=1)) == []


async def test_what_lasts_longer_than_is_looked_back_for_is_refused(store: DynamoStore) -> None:
    longer = appointment(minutes=int(LONGEST.total_seconds() // 60) + 1)
    with pytest.raises(StoreError, match="may last 2 days at most"):
        await store.companions.appointments().book(longer, per_slot=1)
    longest = appointment(minutes=int(LONGEST.total_seconds() // 60))
    assert await store.companions.appointments().book(longest, per_slot=1) == longest
    assert await store.companions.appointments().between(longest.ends_at - timedelta(minutes=1), longest.ends_at) == [longest]


async def test_a_day_that_others_never_stop_writing_to_is_given_up_after_a_while(store: DynamoStore) -> None:
    """Each time this one has looked, somebody else books."""
    numbers = iter(range(2, 1000))
    other = DynamoCalendar(store.table)

    class Overtaken(DynamoTable):
        def transact(self, writes: Sequence[Write]) -> None:
            other.book(appointment(next(numbers)), per_slot=1000)
            super().transact(writes)

    table = Overtaken(store.table.name, client=store.table._client, sleep=lambda _seconds: None)
    with pytest.raises(StoreUnavailable, match="too many are writing to the calendar"):
        DynamoCalendar(table, sleep=lambda _seconds: None).book(appointment(1), per_slot=1000)
    assert await store.companions.appointments().get("00000001") is None

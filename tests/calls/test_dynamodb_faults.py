"""DynamoDB throttles, breaks, goes away and comes back, and answers get lost: what was written is there, once."""

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from calls import events
from calls.bus.memory import MemoryBus
from calls.journal import Journal
from calls.store.base import SequenceConflict, StoreUnavailable
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_table import DynamoTable
from calls.stream_token import TokenRefused
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import START, after_ms, event, new_call, said, sid
from tests.calls.faulty_endpoint import Fault, FaultyEndpoint, faulty

TRIES = 5
"""How often one request is made."""
AWAY: list[Fault] = ["away" for _ in range(TRIES)]
UNANSWERED: list[Fault] = ["unanswered" for _ in range(TRIES)]
THROTTLED: list[Fault] = ["throttled" for _ in range(TRIES)]


@pytest.fixture(scope="module")
def endpoint_and_client(dynamodb: Dynamo) -> Iterator[tuple[FaultyEndpoint, Any]]:
    with faulty(dynamodb.url) as endpoint:
        client = dynamodb.connected(endpoint.url)
        yield endpoint, client
        client.close()


@pytest.fixture
def endpoint(endpoint_and_client: tuple[FaultyEndpoint, Any]) -> FaultyEndpoint:
    endpoint_and_client[0].asked.clear()
    return endpoint_and_client[0]


@pytest.fixture
def table(dynamodb: Dynamo, endpoint_and_client: tuple[FaultyEndpoint, Any]) -> DynamoTable:
    return DynamoTable(dynamodb.new_table(), client=endpoint_and_client[1], sleep=lambda _seconds: None)


@pytest.fixture
async def store(table: DynamoTable) -> AsyncIterator[DynamoStore]:
    opened = DynamoStore(table)
    await opened.open()
    yield opened
    await opened.close()


Step = Callable[[DynamoStore], Awaitable[object]]

STEPS: dict[str, Step] = {
    "open_call": lambda store: store.open_call(new_call(2), START),
    "append": lambda store: store.append([event(2), event(3)]),
    "append_next": lambda store: store.append_next(sid(), events.Dtmf(digit="1"), START),
    "release_stream": lambda store: store.release_stream(sid(), "bridge-1", {"input_text": 1}, START, 0.5),
    "note_action": lambda store: store.note_action(sid(), START),
    "end_call": lambda store: store.end_call(sid(), "farewell", after_ms(1000)),
}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["throttled", "broken", "away", "unanswered"])
async def test_a_step_that_meets_with_trouble_is_done_once_all_the_same(
    store: DynamoStore, endpoint: FaultyEndpoint, step: str, fault: Fault
) -> None:
    calls = {}
    for name, faults in (("smooth", []), ("rough", [fault, fault])):
        opened = await store.open_call(new_call(1), START)
        await store.claim_stream(opened.token, "bridge-1", START)
        endpoint.fail_next(*faults)
        answer = await STEPS[step](store)
        calls[name] = (answer, await store.list_calls(), await store.events(sid(1)))
        for table_call in (sid(1), sid(2)):
            await store.end_call(table_call, "over", START)
        await store.companions.retention().delete([sid(1), sid(2)], START)

    assert calls["rough"] == calls["smooth"]


async def test_a_bridge_whose_claim_was_not_answered_has_the_stream(store: DynamoStore, endpoint: FaultyEndpoint) -> None:
    token = (await store.open_call(new_call(), START)).token
    endpoint.fail_next("unanswered")

    assert (await store.claim_stream(token, "bridge-1", START)).owner == "bridge-1"
    with pytest.raises(TokenRefused, match="replayed"):
        await store.claim_stream(token, "bridge-1", START)


async def test_what_goes_on_being_throttled_is_unavailable_and_can_be_tried_again(
    store: DynamoStore, endpoint: FaultyEndpoint
) -> None:
    await store.open_call(new_call(), START)
    endpoint.fail_next(*THROTTLED)

    with pytest.raises(StoreUnavailable, match="DynamoDB throttles it"):
        await store.append([event(2)])
    await store.append([event(2)])

    assert [one.seq for one in await store.events(sid())] == [1, 2]


async def test_events_that_were_stored_unheard_may_be_appended_again(store: DynamoStore, endpoint: FaultyEndpoint) -> None:
    await store.open_call(new_call(), START)
    endpoint.fail_next(*UNANSWERED)
    with pytest.raises(StoreUnavailable, match="cannot reach"):
        await store.append([event(2), event(3)])

    await store.append([event(2), event(3)])
    await store.append([event(2), event(3), event(4)])

    assert await store.events(sid(), after=1) == [event(2), event(3), event(4)]


async def test_events_that_are_not_those_stored_under_their_numbers_are_refused(store: DynamoStore) -> None:
    await store.open_call(new_call(), START)
    await store.append([event(2), event(3)])

    for other in ([event(2), event(3, said("else"))], [event(3, said("else")), event(4)]):
        with pytest.raises(SequenceConflict) as refused:
            await store.append(other)
        assert refused.value.last_seq == 3
    assert await store.events(sid(), after=1) == [event(2), event(3)]


async def test_a_journal_loses_nothing_while_the_table_is_away(store: DynamoStore, endpoint: FaultyEndpoint) -> None:
    await store.open_call(new_call(), START)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with Journal(store, MemoryBus(), sleep=pause) as journal:
        journal.record(event(2))
        endpoint.fail_next(*AWAY, *AWAY, *AWAY, *UNANSWERED)
        await journal.flush()
        for seq in range(3, 40):
            journal.record(event(seq))
        endpoint.fail_next(*AWAY, *AWAY, "throttled", "broken")
        await journal.flush()

    assert journal.lost == 0
    assert len(pauses) == 6
    assert [one.seq for one in await store.events(sid())] == list(range(1, 40))


async def test_no_request_is_made_by_the_thread_that_carries_audio(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asking: list[int] = []
    connected = DynamoTable._connected

    def noted(table: DynamoTable) -> Any:
        asking.append(threading.get_ident())
        return connected(table)

    monkeypatch.setattr(DynamoTable, "_connected", noted)
    opened = await store.open_call(new_call(), START)
    await store.claim_stream(opened.token, "bridge-1", START)
    await store.append([event(2)])
    await store.list_calls()
    await store.check()
    await store.events(sid())

    assert len(asking) >= 6
    assert threading.get_ident() not in asking

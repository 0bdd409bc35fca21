"""Recorded greetings, as every store keeps them: long ones, and those that are made anew meanwhile."""

import asyncio
import random

import msgspec
import pytest

from calls.greetings import GreetingKey, RecordedGreeting
from calls.store import greetings_of
from calls.store.base import CallStore, StoreError
from calls.store.dynamodb_greetings import MOST_BYTES, PART_BYTES, DynamoGreetings
from calls.store.dynamodb_table import DynamoTable
from calls.store.greetings import GreetingStore
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import HOSTILE, START, after_ms

KEY = GreetingKey(text="Hello from Acme.", voice="alloy", model="gpt-realtime-2.1", language="en")


@pytest.fixture
def greetings(store: CallStore) -> GreetingStore:
    return greetings_of(store)


@pytest.fixture
def elsewhere(other_store: CallStore) -> GreetingStore:
    return greetings_of(other_store)


def recorded(length: int = 8000, seed: int = 1, key: GreetingKey = KEY) -> RecordedGreeting:
    return RecordedGreeting(key=key, audio=random.Random(seed).randbytes(length), rendered_at=START)


@pytest.mark.parametrize("length", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES])
async def test_a_recording_of_any_length_comes_back_as_it_was(greetings: GreetingStore, length: int) -> None:
    await greetings.put(recorded(length))
    assert await greetings.get(KEY) == recorded(length)


@pytest.mark.parametrize("lengths", [(900_000, 10), (10, 900_000)])
async def test_a_new_recording_takes_the_place_of_the_old(greetings: GreetingStore, lengths: tuple[int, int]) -> None:
    await greetings.put(recorded(lengths[0]))
    new = msgspec.structs.replace(recorded(lengths[1], seed=2), rendered_at=after_ms(5))
    await greetings.put(new)
    assert await greetings.get(KEY) == new


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
async def test_any_text_may_be_recorded(greetings: GreetingStore, text: str) -> None:
    key = msgspec.structs.replace(KEY, text=text)
    await greetings.put(recorded(key=key))
    assert await greetings.get(key) == recorded(key=key)


async def test_nobody_hears_half_of_one_recording_and_half_of_another(greetings: GreetingStore, elsewhere: GreetingStore) -> None:
    makings = [recorded(2 * PART_BYTES, seed) for seed in range(4)]
    await greetings.put(makings[0])

    async def heard() -> list[RecordedGreeting | None]:
        return [await elsewhere.get(KEY) for _ in range(8)]

    async def made() -> None:
        for making in makings[1:]:
            await greetings.put(making)

    found, _ = await asyncio.gather(heard(), made())
    assert all(one in makings for one in found)
    assert await elsewhere.get(KEY) == makings[-1]


@pytest.fixture
def table(dynamodb: Dynamo) -> DynamoTable:
    return DynamoTable(dynamodb.new_table(), client=dynamodb.client)


async def test_in_dynamodb_nothing_is_left_of_what_was_replaced(table: DynamoTable) -> None:
    greetings = DynamoGreetings(table)
    await greetings.put(recorded(900_000))
    first = table.get(f"GREETING#{KEY.digest}", "GREETING")
    assert first is not None
    assert len(table.query(f"GREETING#{KEY.digest}#{first['making']}")) == 3
    await greetings.put(recorded(10, seed=2))
    assert table.query(f"GREETING#{KEY.digest}#{first['making']}") == []


async def test_what_dynamodb_cannot_hold_is_refused_in_a_sentence(table: DynamoTable) -> None:
    greetings = DynamoGreetings(table)
    with pytest.raises(StoreError, match="may last 437 s at most"):
        await greetings.put(recorded(MOST_BYTES + 1))
    assert await greetings.get(KEY) is None

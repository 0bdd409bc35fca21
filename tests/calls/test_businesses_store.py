"""Business files that are applied to a store: which there are, in what version, and who was first."""

import asyncio

import pytest

from calls.ids import BusinessId
from calls.store import businesses_of
from calls.store.base import CallStore, StoreError, StoreUnavailable
from calls.store.businesses import Applied, BusinessesChanged, BusinessStore, BusinessText
from calls.store.dynamodb_businesses import MOST_BYTES, DynamoBusinesses
from calls.store.dynamodb_table import DynamoTable
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import HOSTILE
from tests.calls.test_store_races import outcomes

AT = "2026-01-01T12:00:00+00:00"


@pytest.fixture
def businesses(store: CallStore) -> BusinessStore:
    return businesses_of(store)


@pytest.fixture
def elsewhere(other_store: CallStore) -> BusinessStore:
    return businesses_of(other_store)


def text(business_id: str, of: str = "x = 1") -> BusinessText:
    return BusinessText(business_id=BusinessId(business_id), text=of, applied_at=AT)


async def test_a_store_begins_with_nothing_applied(businesses: BusinessStore) -> None:
    assert await businesses.load() == Applied(version=0)
    assert await businesses.version() == 0


async def test_what_is_applied_is_there_for_everybody_by_id(businesses: BusinessStore, elsewhere: BusinessStore) -> None:
    version = await businesses.apply([text("b"), text("a")], [], 0)
    assert await elsewhere.version() == version > 0
    assert await elsewhere.load() == Applied(version=version, businesses=(text("a"), text("b")))


async def test_some_are_changed_some_removed_and_the_others_stay(businesses: BusinessStore) -> None:
    first = await businesses.apply([text("a"), text("b"), text("c")], [], 0)
    second = await businesses.apply([text("b", "y = 2")], [BusinessId("a"), BusinessId("unknown")], first)
    assert second > first
    assert (await businesses.load()).businesses == (text("b", "y = 2"), text("c"))


async def test_who_looked_before_somebody_else_applied_changes_nothing(
    businesses: BusinessStore, elsewhere: BusinessStore
) -> None:
    version = await businesses.apply([text("a")], [], 0)
    for stale in (0, version + 1):
        with pytest.raises(BusinessesChanged, match="apply again"):
            await elsewhere.apply([text("a", "y = 2")], [], stale)
    assert await businesses.load() == Applied(version=version, businesses=(text("a"),))


async def test_of_two_that_apply_at_once_exactly_one_does(businesses: BusinessStore, elsewhere: BusinessStore) -> None:
    results = await outcomes(businesses.apply([text("a", "here")], [], 0), elsewhere.apply([text("a", "there")], [], 0))
    assert [type(result) for result in results].count(BusinessesChanged) == 1
    (one,) = (await businesses.load()).businesses
    assert one.text == ("here" if isinstance(results[0], int) else "there")


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda one: repr(one[:20]))
async def test_any_text_comes_back_as_it_was(businesses: BusinessStore, hostile: str) -> None:
    await businesses.apply([text("a", hostile)], [], 0)
    assert (await businesses.load()).businesses == (text("a", hostile),)


async def test_a_great_many_are_applied(businesses: BusinessStore) -> None:
    many = [text(f"shop-{number:03}", "x" * 40_000) for number in range(200)]
    version = await businesses.apply(many, [], 0)
    assert await businesses.load() == Applied(version=version, businesses=tuple(many))
    await businesses.apply([], [one.business_id for one in many], version)
    assert (await businesses.load()).businesses == ()


async def test_applying_while_others_look_never_hides_a_version(businesses: BusinessStore, elsewhere: BusinessStore) -> None:
    async def look() -> list[Applied]:
        return [await elsewhere.load() for _ in range(10)]

    async def apply() -> None:
        version = 0
        for number in range(5):
            version = await businesses.apply([text("a", str(number))], [], version)

    seen, _ = await asyncio.gather(look(), apply())
    assert all(int(one.businesses[0].text) >= one.version - 1 for one in seen if one.version)
    assert [one.version for one in seen] == sorted(one.version for one in seen)


async def test_what_dynamodb_cannot_hold_is_refused_in_a_sentence(dynamodb: Dynamo) -> None:
    businesses = DynamoBusinesses(DynamoTable(dynamodb.new_table(), client=dynamodb.client))
    with pytest.raises(StoreError, match="the file of a is larger than 380 KB"):
        await businesses.apply([text("a", "ש" * (MOST_BYTES // 2 + 1))], [], 0)
    assert await businesses.version() == 0


def test_a_store_of_another_kind_keeps_no_business_files() -> None:
    with pytest.raises(StoreUnavailable, match="object keeps no business files"):
        businesses_of(object())  # type: ignore[arg-type]

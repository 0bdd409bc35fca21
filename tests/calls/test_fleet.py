"""What bridges say of themselves: whether a caller would find one, and how stores keep it."""

from datetime import UTC, datetime, timedelta

import pytest

from calls.fleet import FRESH, TaskLoad, nobody_accepts, somebody_accepts
from calls.store import fleet_of
from calls.store.base import CallStore

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def load(owner: str = "bridge-1", *, accepting: bool = True, ago_s: float = 0, live_calls: int = 3) -> TaskLoad:
    return TaskLoad(
        owner=owner,
        at=NOW - timedelta(seconds=ago_s),
        started_at=NOW - timedelta(hours=1),
        live_calls=live_calls,
        max_calls=10,
        accepting=accepting,
    )


@pytest.mark.parametrize(
    ("loads", "somebody", "nobody"),
    [
        ([], False, False),
        ([load()], True, False),
        ([load(accepting=False)], False, True),
        ([load("a", accepting=False), load("b")], True, False),
        ([load("a", accepting=False), load("b", accepting=False)], False, True),
        ([load("a", accepting=False), load("b", ago_s=16)], False, True),  # the second is gone
        ([load(ago_s=15)], True, False),
        ([load(ago_s=16)], False, False),  # nothing is known
        ([load(accepting=False, ago_s=16)], False, False),
        ([load(ago_s=-60)], True, False),  # its clock is ahead
    ],
)
def test_a_caller_is_turned_away_only_if_every_bridge_that_is_known_of_says_no(
    loads: list[TaskLoad], somebody: bool, nobody: bool
) -> None:
    assert (somebody_accepts(loads, NOW), nobody_accepts(loads, NOW)) == (somebody, nobody)


async def test_a_bridge_is_known_by_what_it_said_last(store: CallStore) -> None:
    fleet = fleet_of(store)
    await fleet.note(load("b", live_calls=1, ago_s=5))
    await fleet.note(load("a-גשר", live_calls=2))
    await fleet.note(load("b", live_calls=10, accepting=False))
    assert await fleet.loads(NOW - FRESH) == [load("a-גשר", live_calls=2), load("b", live_calls=10, accepting=False)]


async def test_another_process_reads_what_one_has_said(store: CallStore, other_store: CallStore) -> None:
    await fleet_of(store).note(load())
    assert await fleet_of(other_store).loads(NOW) == [load()]


async def test_what_was_said_too_long_ago_is_not_told(store: CallStore) -> None:
    fleet = fleet_of(store)
    await fleet.note(load("a", ago_s=16))
    await fleet.note(load("b", ago_s=15))
    assert [known.owner for known in await fleet.loads(NOW - FRESH)] == ["b"]


async def test_a_bridge_that_goes_is_forgotten_and_one_that_said_nothing_is_no_error(store: CallStore) -> None:
    fleet = fleet_of(store)
    await fleet.note(load("a"))
    await fleet.note(load("b"))
    await fleet.forget("a")
    await fleet.forget("never-there")
    assert [known.owner for known in await fleet.loads(NOW)] == ["b"]

"""Calls whose bridge died in the moment the caller hung up: Twilio asks nothing, and nobody else would end their records."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bridge.orphans import LOOK_EVERY_S, REASON, Orphans
from calls.events import CallEnded, CallEvent, Dtmf
from calls.fleet import NOTED_EVERY_S, TaskLoad
from calls.store import fleet_of
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, new_call, sid

LATER = timedelta(seconds=LOOK_EVERY_S)


class Service:
    """A store, and a bridge that looks after orphans in it; time goes on by hand."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.now = store, START
        self.told: list[CallEvent] = []
        self.orphans = Orphans(store, fleet_of(store), "bridge-here", self.told.append, now=lambda: self.now)

    async def note(self, *owners: str) -> None:
        for owner in owners:
            load = TaskLoad(owner=owner, at=self.now, started_at=START, live_calls=1, max_calls=9, accepting=True)
            await fleet_of(self.store).note(load)

    async def looks_later(self, *alive: str) -> None:
        """A minute on, after these bridges have said that they live."""
        self.now += LATER
        await self.note(*alive)
        await self.orphans.look()

    async def ended(self) -> bool:
        record = await self.store.get_call(sid())
        assert record is not None
        return record.ended


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = SqliteStore(tmp_path / "calls.db")
    await store.open()
    opened = await store.open_call(new_call(), START)
    await store.claim_stream(opened.token, "bridge-old", START)
    await store.append([CallEvent(sid(), 2, START + timedelta(seconds=3), Dtmf(digit="1"))])
    yield Service(store)
    await store.close()


async def test_a_call_of_a_dead_bridge_is_ended_at_the_second_look_where_its_record_stops(service: Service) -> None:
    await service.looks_later("bridge-here")
    assert not await service.ended()
    await service.looks_later("bridge-here")
    assert await service.ended()
    [event] = service.told
    assert isinstance(event.body, CallEnded)
    assert (event.seq, event.body.reason, event.body.duration_ms) == (3, REASON, 3000)


async def test_a_call_of_a_bridge_that_lives_goes_on(service: Service) -> None:
    for _ in range(3):
        await service.looks_later("bridge-here", "bridge-old")
    assert not await service.ended()


async def test_a_call_that_twilio_has_asked_about_is_not_an_orphan(service: Service) -> None:
    await service.store.note_action(sid(), START)
    for _ in range(3):
        await service.looks_later("bridge-here")
    assert not await service.ended()


async def test_a_call_that_is_carried_on_elsewhere_between_two_looks_goes_on(service: Service) -> None:
    await service.looks_later("bridge-here")
    resumed = await service.store.resume_call(sid(), "lost", service.now)
    assert resumed is not None
    await service.store.claim_stream(resumed.token, "bridge-new", service.now)
    await service.looks_later("bridge-here", "bridge-new")
    assert not await service.ended()


async def test_of_many_bridges_only_one_looks(service: Service) -> None:
    for _ in range(3):
        await service.looks_later("bridge-a", "bridge-here")
    assert not await service.ended()


async def test_nobody_is_taken_for_dead_by_a_bridge_whose_own_notes_do_not_arrive(service: Service) -> None:
    for _ in range(3):
        await service.looks_later()
    assert not await service.ended()


async def test_a_bridge_that_comes_back_between_two_looks_keeps_its_call(service: Service) -> None:
    moments: list[tuple[str, ...]] = [("bridge-here",), ("bridge-here", "bridge-old"), ("bridge-here",)]
    for alive in moments:
        await service.looks_later(*alive)
    assert not await service.ended()


def test_a_bridge_that_lives_notes_it_many_times_between_two_looks() -> None:
    assert LOOK_EVERY_S >= 10 * NOTED_EVERY_S

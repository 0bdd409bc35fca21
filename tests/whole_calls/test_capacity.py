"""More callers than a bridge can carry: they hear a voice and not a click, and those on the line notice nothing."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bridge.endings import Endings
from bridge.loop_lag import SAMPLED_EVERY_S
from calls.events import CallEnded
from calls.fleet import FRESH, TaskLoad
from calls.language import ENGLISH
from calls.store import fleet_of
from tests.whole_calls.door import CALL_SID, OTHER_SID, Door, door
from tests.whole_calls.playing import WITHIN_S, of_kind
from tests.whole_calls.raw_phone import Offered, RawPhone, Twilio, readiness


async def told(twilio: Twilio, call_sid: str = OTHER_SID) -> list[str]:
    """What a caller who rings hears; nothing if they are connected."""
    status, twiml = await twilio.post("/incoming-call", call_sid)
    assert status == 200
    root = ElementTree.fromstring(twiml)
    assert root[-1].tag in ("Connect", "Hangup")
    return [said.text or "" for said in root.iter("Say")]


async def talks(opened: Door, phone: RawPhone, token: str) -> None:
    await phone.starts(CALL_SID, token)
    await phone.hears("media")


def overload(opened: Door) -> None:
    """As if the loop had come to everything too late for a while."""
    for sample in range(100):
        opened.deployment.bridge.capacity.note_lag(time.monotonic() + sample * SAMPLED_EVERY_S, 2.0)


def another(*, accepting: bool) -> TaskLoad:
    now = datetime.now(UTC)
    return TaskLoad(owner="another", at=now, started_at=now, live_calls=1, max_calls=1, accepting=accepting)


BUSY = [ENGLISH.busy, "Call later."]


async def test_a_caller_too_many_is_told_so_and_is_on_record(tmp_path: Path) -> None:
    async with door(tmp_path, max_calls=1) as opened:
        first = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            assert await told(opened.twilio) == BUSY
            await phone.stops(CALL_SID)
            await phone.is_left()
        await opened.twilio.hangs_up(OTHER_SID)
        (ended,) = of_kind(await opened.over(OTHER_SID), CallEnded)
        assert ended.reason == "at_capacity"


async def test_a_call_whose_stream_breaks_gets_its_own_place_on_a_full_bridge_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, began = asyncio.Event(), asyncio.Event()
    release = Endings.release

    async def release_slowly(*args: Any, **kwargs: Any) -> None:
        began.set()
        await slow.wait()
        await release(*args, **kwargs)

    monkeypatch.setattr(Endings, "release", release_slowly)
    async with door(tmp_path, max_calls=1) as opened:
        first = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            phone.breaks()
            await began.wait()
        again = Offered(CALL_SID, await opened.twilio.stream_ended(CALL_SID))
        slow.set()
        async with opened.twilio.stream(again.url) as phone:
            await talks(opened, phone, again.token)
            await phone.stops(CALL_SID)
            await phone.is_left()


async def test_an_overloaded_bridge_takes_no_call_and_keeps_those_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.loop_lag.WARM_UP_S", 0.0)
    async with door(tmp_path) as opened:
        first, second = await opened.twilio.rings(CALL_SID), await opened.twilio.rings(OTHER_SID)
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            overload(opened)
            assert await readiness(opened.twilio) == (503, "overloaded")
            assert await opened.twilio.refused(second.url, opened.twilio.signature(second.url)) == 503
            assert "Call later." in await opened.twilio.stream_ended(OTHER_SID)
            assert await told(opened.twilio, "CA" + "3" * 32) == BUSY
            await phone.hears("mark")
            await phone.stops(CALL_SID)
            assert await phone.is_left() == 1000


async def test_a_full_bridge_leaves_its_callers_to_one_that_has_room(tmp_path: Path) -> None:
    async with door(tmp_path, max_calls=1) as opened:
        first = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            fleet = fleet_of(opened.deployment.store)
            await fleet.note(another(accepting=True))
            assert await told(opened.twilio) == []
            assert "<Connect" in await opened.twilio.stream_ended(OTHER_SID)
            await fleet.note(another(accepting=False))
            assert "Call later." in await opened.twilio.stream_ended(OTHER_SID)
            assert await told(opened.twilio, "CA" + "3" * 32) == BUSY
            await phone.stops(CALL_SID)
            await phone.is_left()


async def test_a_bridge_that_is_going_offers_itself_to_nobody(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        opened.deployment.bridge.capacity.drain()
        assert await told(opened.twilio) == BUSY


async def test_a_store_that_does_not_know_the_others_keeps_nobody_out(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        store: Any = opened.deployment.store
        await store.write(lambda db: db.execute("DROP TABLE fleet").rowcount)
        opened.deployment.bridge.capacity.drain()
        assert await told(opened.twilio) == []


async def test_a_bridge_says_what_it_carries_and_at_once_that_it_is_full_and_takes_it_back_at_the_end(tmp_path: Path) -> None:
    async with door(tmp_path, max_calls=1) as opened:
        fleet = fleet_of(opened.deployment.store)
        first = await opened.twilio.rings(CALL_SID)
        assert [(load.owner, load.live_calls, load.accepting) for load in await known(opened, accepting=True)] == [
            ("door", 0, True)
        ]
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            (full,) = await known(opened, accepting=False)
            assert (full.live_calls, full.max_calls) == (1, 1)
            await phone.stops(CALL_SID)
            await phone.is_left()
        assert [load.live_calls for load in await known(opened, accepting=True)] == [0]
        await fleet.note(another(accepting=True))
    async with door(tmp_path) as opened:
        loads = await known(opened, accepting=True)
        assert {load.owner: load.max_calls for load in loads} == {"another": 1, "door": 100}


async def known(opened: Door, *, accepting: bool) -> list[TaskLoad]:
    """What is known of the bridges, once this one has said that it takes calls, or that it does not."""
    fleet = fleet_of(opened.deployment.store)
    async with asyncio.timeout(WITHIN_S):
        while True:
            loads = await fleet.loads(datetime.now(UTC) - FRESH)
            if any(load.owner == "door" and load.accepting is accepting for load in loads):
                return loads


async def test_readiness_says_how_far_the_bridge_is_from_its_limits(tmp_path: Path) -> None:
    async with door(tmp_path, max_calls=4) as opened:
        first = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(first.url) as phone:
            await talks(opened, phone, first.token)
            _, body = await opened.twilio.get("/readyz")
            facts = dict(line.split() for line in body.splitlines()[1:])
            assert (facts["live_calls"], facts["max_calls"]) == ("1", "4")
            assert set(facts) == {"live_calls", "max_calls", "lag_ms", "used"}
            await phone.stops(CALL_SID)
            await phone.is_left()

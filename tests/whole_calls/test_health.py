"""What machines ask a deployment: does it live, does it take calls, and what has it done."""

import asyncio
import re
import shutil
from pathlib import Path

from calls.events import AnyEvent, CallEnded
from tests.whole_calls.door import CALL_SID, OTHER_SID, Door, door
from tests.whole_calls.playing import WITHIN_S, of_kind
from tests.whole_calls.raw_phone import RawPhone, readiness


async def test_a_deployment_is_alive_and_ready(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        assert await opened.twilio.get("/healthz") == (200, "ok\n")
        assert await readiness(opened.twilio) == (200, "ready")


async def test_without_its_store_a_deployment_lives_and_is_not_ready(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    async with door(folder) as opened:
        shutil.rmtree(folder)
        assert await readiness(opened.twilio) == (503, "store_unavailable")
        assert await opened.twilio.get("/healthz") == (200, "ok\n")


async def test_a_full_house_takes_no_call_until_one_is_over(tmp_path: Path) -> None:
    async with door(tmp_path, max_calls=1) as opened:
        first, second = await opened.twilio.rings(CALL_SID), await opened.twilio.rings(OTHER_SID)
        async with opened.twilio.stream(first.url) as phone:
            await phone.starts(CALL_SID, first.token)
            await phone.hears("media")
            assert await readiness(opened.twilio) == (503, "at_capacity")
            assert await opened.twilio.refused(second.url, opened.twilio.signature(second.url)) == 503
            assert "Call later." in await opened.twilio.stream_ended(OTHER_SID)
            await phone.stops(CALL_SID)
            await phone.is_left()
        await ready_again(opened)
        async with opened.twilio.stream(second.url) as phone:
            await phone.starts(OTHER_SID, second.token)
            await phone.hears("media")


async def ready_again(opened: Door) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await opened.twilio.get("/readyz"))[0] != 200:
            continue


def metric(page: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found is not None, f"{name} is not on the page:\n{page}"
    return float(found[1])


async def whole_call(opened: Door, during: "list[str]") -> list[AnyEvent]:
    """A greeting and a hang-up; the metrics while the call lasts are put into ``during``."""
    offered = await opened.twilio.rings(CALL_SID)
    async with opened.twilio.stream(offered.url) as phone:
        await phone.starts(CALL_SID, offered.token)
        await greeted(phone)
        during.append((await opened.twilio.get("/metrics"))[1])
        await phone.stops(CALL_SID)
        await phone.is_left()
    await opened.twilio.hangs_up(CALL_SID)
    return await opened.over()


async def metrics_of_an_empty_house(opened: Door) -> str:
    """The metrics, once no call is live."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            status, page = await opened.twilio.get("/metrics")
            assert status == 200
            if metric(page, "frontdesk_live_calls") == 0:
                return page


async def greeted(phone: RawPhone) -> None:
    await phone.hears("media")
    await phone.hears("mark")


async def test_the_metrics_tell_what_happened(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        during: list[str] = []
        events = await whole_call(opened, during)
        assert await opened.twilio.refused((await opened.twilio.rings(OTHER_SID)).url, {}) == 403
        page = await metrics_of_an_empty_house(opened)
        assert metric(during[0], "frontdesk_live_calls") == 1
        assert metric(page, "frontdesk_calls_total") == 1
        assert metric(page, "frontdesk_greeting_latency_seconds_count") == 1
        assert metric(page, 'frontdesk_events_total{kind="agent.transcript"}') == 1
        assert metric(page, 'frontdesk_streams_refused_total{reason="no_signature"}') == 1
        assert len(of_kind(events, CallEnded)) == 1

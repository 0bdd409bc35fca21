"""What a business's own server is told of its calls, while they go on and after the process was gone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory
from calls.events import CallEnded, LeadCaptured
from calls.ids import CallSid
from calls.outbox import GIVE_UP_AFTER, wanted_by
from calls.store import outbox_of
from calls.store.sqlite import SqliteStore
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.scenario import CallerStep, Reply, Scenario, ToolCall
from tests.bridge.receiver import SECRET, Receiver, receiving
from tests.calls.examples import START, event, new_call, sid
from tests.whole_calls.playing import CALLER, HANGS_UP, NUMBER, business, of_kind, plan_for, playing, scenario, spoken
from tests.whole_calls.served import Balancer, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE

LEAD = {"name": "אנה", "reason": "a leak"}


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Receiver]:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    async with receiving() as receiver:
        yield receiver


def shop(receiver: Receiver, *kinds: str) -> BusinessProfile:
    webhook = {"url": receiver.url, "secret": "${WEBHOOK_SECRET}"} | ({"events": list(kinds)} if kinds else {})
    tools = {"builtin": ["create_lead"], "lead_fields": ["name", "reason"]}
    return business(webhook=webhook, tools=tools, closing={"text": "Goodbye.", "hang_up_after_lead": False})


def leaves_a_name() -> Scenario:
    played = scenario(CallerStep(after_ms=60, say="Anna here, I have a leak."), HANGS_UP)
    reply = Reply(hears="leak", call=(ToolCall(name="create_lead", arguments=LEAD),), after_tools="Noted.")
    return msgspec.structs.replace(played, mind=msgspec.structs.replace(played.mind, replies=(reply,)))


async def test_a_lead_and_the_end_of_its_call_are_posted_in_order(tmp_path: Path, receiver: Receiver) -> None:
    async with playing(tmp_path, leaves_a_name(), profile=shop(receiver)) as stage:
        call = stage.call()
        events = await call.events_when_over()
        received = await receiver.has(2)
    wanted = [one for one in events if isinstance(one.body, LeadCaptured | CallEnded)]
    assert [one.message["event"] for one in received] == [one.flat() for one in wanted]
    assert [one.key for one in received] == [f"{call.sid}/{one.seq}" for one in wanted]
    (lead, ended) = (one.message for one in received)
    assert lead["event"]["fields"] == LEAD
    assert (lead["call"]["from"], lead["call"]["to"], lead["business_id"]) == (CALLER, NUMBER, "corner-shop")
    assert ended["event"]["reason"] == "caller_hung_up"
    assert receiver.keys() == [one.key for one in received]


async def test_a_call_is_the_same_whether_anybody_takes_the_post_or_not(tmp_path: Path, receiver: Receiver) -> None:
    """Not one answer comes before the call is over."""
    everything = ("call.started", "greeting.finished", "caller.transcript", "lead.captured", "agent.transcript", "call.ended")
    call_is_over = asyncio.Event()
    receiver.hold = call_is_over.wait
    async with playing(tmp_path, leaves_a_name(), profile=shop(receiver, *everything)) as stage:
        call = stage.call()
        events = await call.events_when_over()
        assert receiver.keys() == [f"{call.sid}/1"]
        call_is_over.set()
        wanted = [one for one in events if one.kind in everything]
        received = await receiver.has(len(wanted))
    assert spoken("Noted.") in call.heard
    assert [one.message["event"] for one in received] == [one.flat() for one in wanted]
    assert len(of_kind([one.body for one in events], LeadCaptured)) == 1


async def test_what_is_not_posted_when_the_process_goes_is_posted_by_the_next(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [500]
    async with playing(tmp_path, leaves_a_name(), profile=shop(receiver)) as stage:
        await stage.call().over()
        await receiver.has(1)
    left = SqliteStore(tmp_path / "calls.db")
    await left.open()
    waiting = [one.id for one in await outbox_of(left).list()]
    assert len(waiting) == 2
    call_sid, _, seq = waiting[0].rpartition("/")
    now = datetime.now(UTC)
    await outbox_of(left).retry([(CallSid(call_sid), int(seq))], now, now + GIVE_UP_AFTER)  # it would wait some seconds
    await left.close()
    async with playing(tmp_path, leaves_a_name(), profile=shop(receiver)):
        received = await receiver.has(3)
    assert [one.key for one in received] == [waiting[0], *waiting]


class ServedWithSecret(Served):
    """A deployment that can sign what it posts."""

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"WEBHOOK_SECRET": SECRET}


async def test_frontdesk_serve_posts_what_it_finds_at_start(tmp_path: Path, receiver: Receiver) -> None:
    """As after a kill: the events are stored, and nobody has posted them."""
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    file = f'{FILE}[webhook]\nurl = "{receiver.url}"\nsecret = "${{WEBHOOK_SECRET}}"\n'
    (businesses / "shop.toml").write_text(file, encoding="utf-8")
    store = SqliteStore(tmp_path / "calls.db", wants=wanted_by(BusinessDirectory([shop(receiver)])))
    await store.open()
    await store.open_call(new_call(business="corner-shop"), START)
    await store.append([event(2, LeadCaptured(fields=LEAD))])
    await store.end_call(sid(), "caller_hung_up", START)
    await store.close()
    async with (
        ModelServer(plan_for(leaves_a_name())) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        served = ServedWithSecret(tmp_path, businesses, model, cloud, balancer)
        try:
            process = await served.start()
            received = await receiver.has(2)
            process.terminate()
            assert await process.exit_code() == 0
        finally:
            await served.end()
    assert [one.message["event"]["kind"] for one in received] == ["lead.captured", "call.ended"]

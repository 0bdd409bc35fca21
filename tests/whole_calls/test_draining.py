"""``frontdesk serve`` goes down with callers on the line: it tells how far it is, and leaves those it cannot wait for in good order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.events import AgentTranscript
from calls.language import ENGLISH
from frontdesk.serve import Departure
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia, MediaReceived, Said, StepOver, StreamOver
from simulator.scenario import CallerStep
from tests.bridge.ecs_agent import EcsAgent
from tests.whole_calls.playing import HANGS_UP, WITHIN_S, of_kind, plan_for, scenario, spoken
from tests.whole_calls.raw_phone import Twilio, readiness, twilio_at
from tests.whole_calls.served import Balancer, Process, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE, dial, stored

ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
TALKS = scenario(ASKS, HANGS_UP, replies={"tea": "Green and black tea."})
LONG = "We have green tea and black tea and white tea, and herbs from all over the world, by the pound or by the cup. " * 3
LISTENS = scenario(CallerStep(after_ms=250, say="What is on your list?"), replies={"list": LONG})
RINGS = scenario(CallerStep(after_ms=20_000, hang_up=True))


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(FILE, encoding="utf-8")
    async with (
        ModelServer(plan_for(TALKS, LISTENS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        deployment = Served(tmp_path, businesses, model, cloud, balancer)
        try:
            yield deployment
        finally:
            await deployment.end()


async def drains(twilio: Twilio) -> None:
    async with asyncio.timeout(WITHIN_S):
        while (await readiness(twilio)) != (503, "draining"):
            continue


def logged(process: Process) -> list[str]:
    return [line["event"] for line in process.lines if line["event"].startswith("serve.")]


async def test_who_rings_while_the_only_process_is_going_hears_the_fallback_and_who_talks_is_heard_out(served: Served) -> None:
    process = await served.start()
    talking = dial(served, TALKS)
    await talking.sees(FirstMedia)
    process.terminate()
    async with twilio_at(served.balancer.url, AUTH_TOKEN) as twilio:
        await drains(twilio)
    ringing = dial(served, RINGS)
    await ringing.is_over()
    assert [said.text for said in ringing.observed(Said)] == [ENGLISH.busy, "Call later."]
    await talking.is_over()
    assert spoken("Green and black tea.") in talking.heard
    assert await process.exit_code() == 0
    assert logged(process)[-3:] == ["serve.draining", "serve.drained", "serve.stopped"]
    record, _ = await stored(served, ringing.sid)
    assert record.disposition is not None
    assert record.disposition.reason == "at_capacity"


async def test_who_still_talks_at_the_deadline_is_left_with_everything_on_record(served: Served) -> None:
    served.environment["FRONTDESK_DRAIN_S"] = "1"
    process = await served.start()
    callers = [dial(served, LISTENS) for _ in range(3)]
    for caller in callers:
        await caller.sees(StepOver)
        await caller.sees_one_more(MediaReceived)
    served.balancer.serves_no_more()
    process.terminate()
    assert await process.exit_code() == 0
    assert logged(process)[-3:] == ["serve.draining", "serve.leaves_calls", "serve.stopped"]
    for caller in callers:
        assert [over.by for over in caller.observed(StreamOver)] == ["server"]
        record, events = await stored(served, caller.sid)
        assert (record.owner, record.disposition, record.ended) == (None, None, False)
        assert [event.seq for event in events] == list(range(1, record.last_seq + 1))
        assert [line.interrupted for line in of_kind([event.body for event in events], AgentTranscript)] == [False, True]


async def test_a_process_with_calls_is_protected_until_it_is_gone(served: Served) -> None:
    async with EcsAgent().listening() as agent:
        served.environment["ECS_AGENT_URI"] = agent.url
        process = await served.start()
        caller = dial(served, TALKS)
        await caller.sees(FirstMedia)
        await agent.was_asked(1)
        process.terminate()
        await caller.is_over()
        assert await process.exit_code() == 0
        assert [asked["ProtectionEnabled"] for asked in agent.asked] == [True, False]


async def test_told_once_it_leaves_told_twice_it_leaves_now_told_thrice_it_is_gone() -> None:
    killed: list[bool] = []
    departure = Departure(kill=lambda: killed.append(True))
    told = []
    for _ in range(3):
        departure.told()
        told.append((departure.leave.is_set(), departure.leave_now.is_set(), len(killed)))
    assert told == [(True, False, 0), (True, True, 0), (True, True, 1)]

"""Calls to a service of two workers: they are spread, seen from one place, and outlive the worker that answered them."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGHUP, SIGKILL

import aiohttp
import pytest

from calls.events import AgentTranscript, CallerTranscript, CallResumed
from frontdesk.stage import number_of
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia, StreamOver
from simulator.scenario import CallerStep
from tests.bridge.ecs_agent import EcsAgent
from tests.whole_calls.operators import ANA, operator_at, requests_at
from tests.whole_calls.playing import HANGS_UP, WITHIN_S, Caller, of_kind, plan_for, scenario, spoken
from tests.whole_calls.served import Balancer, Process, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE, ended, stored

ASKS = CallerStep(after_ms=1500, say="Do you sell tea?")
TALKS = scenario(ASKS, HANGS_UP, replies={"tea": "Green and black tea."})
WAITS = scenario(CallerStep(after_ms=60_000, hang_up=True))
CALLS = 6


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(FILE, encoding="utf-8")
    async with (
        ModelServer(plan_for(TALKS, WAITS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        deployment = Served(tmp_path, businesses, model, cloud, balancer)
        deployment.environment = {"FRONTDESK_WORKERS": "2", "OPERATOR_TOKENS": f"ana:operator:{ANA}"}
        try:
            yield deployment
        finally:
            await deployment.end()


def dial(served: Served, played: object = WAITS) -> Caller:
    """A caller dials the service."""
    scripted = TALKS if played is TALKS else WAITS
    return Caller(lambda observe: served.cloud.place_call(scripted, number_of(served.balancer.url), observe=observe))


async def owners(served: Served) -> dict[str, str]:
    """Who owns each live call."""
    async with requests_at(served.balancer.url) as requests:
        status, answer = await requests.get("/calls")
        assert status == 200
    return {call["call_sid"]: call["owner"] for call in answer["calls"]}


async def told(process: Process, event: str, times: int) -> list[int]:
    """The process ids in the first so many lines of the log about something, once they are there."""
    async with asyncio.timeout(WITHIN_S):
        while len(found := [line for line in process.lines if line["event"] == event]) < times:
            await asyncio.to_thread(lambda: None)
    return [line.get("pid", 0) for line in found[:times]]


async def test_calls_are_spread_over_the_workers_and_one_operator_sees_and_ends_them_all(served: Served) -> None:
    await served.start()
    async with operator_at(served.balancer.url, max_queue=None) as ana:
        callers = [dial(served) for _ in range(CALLS)]
        for caller in callers:
            await caller.sees(FirstMedia)
            await ana.event("greeting.first_audio", caller.sid)
        shares = Counter((await owners(served)).values())
        assert sum(shares.values()) == CALLS
        assert len(shares) == 2
        assert min(shares.values()) >= 2
        for caller in callers:
            assert (await ana.commands(caller.sid, "hangup"))["ok"]
        for caller in callers:
            assert (await ana.event("call.ended", caller.sid))["reason"] == "operator"
            await caller.is_over()


async def test_the_calls_of_a_worker_that_is_killed_go_on_at_the_other(served: Served) -> None:
    process = await served.start()
    callers = [dial(served) for _ in range(4)]
    for caller in callers:
        await caller.sees(FirstMedia)
    before = await owners(served)
    first, _ = await told(process, "worker.ready", 2)
    os.kill(first, SIGKILL)
    async with asyncio.timeout(WITHIN_S):
        while not (hit := [caller for caller in callers if caller.observed(StreamOver)]):
            await asyncio.to_thread(lambda: None)
    lost = before[hit[0].sid]
    hit = [caller for caller in callers if before[caller.sid] == lost]
    assert 0 < len(hit) < len(callers)
    for caller in hit:
        await caller.sees(FirstMedia, lambda _, caller=caller: len(caller.observed(FirstMedia)) > 1)  # type: ignore[misc]
    after = await owners(served)
    assert after.keys() == before.keys()
    assert lost not in after.values()
    async with requests_at(served.balancer.url) as requests:
        for caller in callers:
            assert (await requests.command(caller.sid, {"action": "force_hangup"}))[0] == 200
    for caller in callers:
        await caller.is_over()
        events = await ended(served, caller.sid)
        assert len(of_kind([event.body for event in events], CallResumed)) == (caller in hit)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))


async def test_a_rolling_restart_drops_no_call(served: Served) -> None:
    process = await served.start()
    callers = [dial(served, TALKS) for _ in range(4)]
    for caller in callers:
        await caller.sees(FirstMedia)
    served.processes[0].signal(SIGHUP)
    callers.append(dial(served, TALKS))  # somebody who dials meanwhile
    for caller in callers:
        await caller.is_over()
        assert [over.by for over in caller.observed(StreamOver)] == ["carrier"]
        assert spoken("Green and black tea.") in caller.heard
    await told(process, "workers.replaced", 1)
    for caller in callers:
        _, events = await stored(served, caller.sid)
        lines = [event.body.text for event in events if isinstance(event.body, AgentTranscript | CallerTranscript)]
        assert lines == ["Hello.", ASKS.say, "Green and black tea."]


async def test_the_protection_of_the_task_is_asked_for_once_for_the_calls_of_all_workers(served: Served) -> None:
    async with EcsAgent().listening() as agent:
        served.environment["ECS_AGENT_URI"] = agent.url
        process = await served.start()
        callers = [dial(served), dial(served)]
        for caller in callers:
            await caller.sees(FirstMedia)
        assert len(set((await owners(served)).values())) == 2
        await agent.was_asked(1)
        async with requests_at(served.balancer.url) as requests:
            assert (await requests.command(callers[0].sid, {"action": "force_hangup"}))[0] == 200
            await callers[0].is_over()
            assert "frontdesk_task_protected 1.0" in await page(served, "/metrics")
            assert (await requests.command(callers[1].sid, {"action": "force_hangup"}))[0] == 200
            await callers[1].is_over()
        process.terminate()
        assert await process.exit_code() == 0
        assert [asked["ProtectionEnabled"] for asked in agent.asked] == [True, False]


async def page(served: Served, path: str) -> str:
    """What anybody is shown there."""
    async with aiohttp.ClientSession() as http, http.get(served.balancer.url + path) as answer:
        return await answer.text()

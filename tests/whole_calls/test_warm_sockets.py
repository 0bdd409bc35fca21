"""Calls that find a socket to the model open already."""

import asyncio
from pathlib import Path

from calls.events import AgentTranscript, CallEnded, ModelConnected, ModelLost
from simulator.model.faults import Faults
from simulator.scenario import CallerStep
from tests.whole_calls.playing import GREETING, HANGS_UP, WITHIN_S, Playing, of_kind, playing, scenario

ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
REPLY = "Green and black tea."
ASKS_ONCE = scenario(ASKS, HANGS_UP, replies={"tea": REPLY})


async def filled(on_stage: Playing, size: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while on_stage.stage.deployment.pool.ready < size:  # noqa: ASYNC110  (a test may look on)
            await asyncio.sleep(0)


async def test_a_call_takes_a_socket_that_is_open_and_is_served_like_any_other(tmp_path: Path) -> None:
    async with playing(tmp_path, ASKS_ONCE, warm_sockets=1) as on_stage:
        await filled(on_stage, 1)
        calls = [on_stage.call()]
        records = [await calls[0].over()]
        await filled(on_stage, 1)
        calls.append(on_stage.call())
        records.append(await calls[1].over())
        page = on_stage.stage.deployment.bridge._services.metrics.page().decode()
        sessions = on_stage.stage.model.sessions
        assert [session.types()[0] for session in sessions[:2]] == ["session.update"] * 2
    for record in records:
        (connected,) = of_kind(record, ModelConnected)
        assert connected.warm
        assert of_kind(record, ModelLost) == []
        assert [line.text for line in of_kind(record, AgentTranscript)] == [GREETING, REPLY]
    assert 'frontdesk_warm_sockets_taken_total{result="hit"} 2.0' in page


async def test_more_calls_than_sockets_connect_for_themselves(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(HANGS_UP), warm_sockets=1) as on_stage:
        await filled(on_stage, 1)
        calls = [on_stage.call() for _ in range(3)]
        records = await asyncio.gather(*(call.over() for call in calls))
    assert [len(of_kind(record, ModelConnected)) for record in records] == [1, 1, 1]
    assert [of_kind(record, CallEnded)[0].reason for record in records] == ["caller_hung_up"] * 3


async def test_sockets_that_die_in_the_pool_harm_no_call(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(HANGS_UP), warm_sockets=2, faults=Faults(expire_at_ms=1500)) as on_stage:
        await filled(on_stage, 2)
        dying = list(on_stage.stage.model.sessions)
        await asyncio.gather(*(session.closed.wait() for session in dying))
        call = on_stage.call()
        record = await call.over()
    assert [line.text for line in of_kind(record, AgentTranscript)] == [GREETING]

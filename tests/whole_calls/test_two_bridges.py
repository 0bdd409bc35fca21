"""Operators at one bridge and a caller at another: what is seen, what can be done, and what becomes of it when the bus goes."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from bridge.operator.tokens import parse_tokens
from calls.bus import BusAddress
from calls.events import CallEnded, CallerTranscript, GreetingFinished, OperatorCommand
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia
from simulator.scenario import CallerStep
from tests.servers import RedisServer, redis_server
from tests.whole_calls.operators import ANA, VIC, Operator, operator_at, requests_at
from tests.whole_calls.playing import GREETING, WITHIN_S, of_kind, plan_for, scenario, spoken
from tests.whole_calls.raw_phone import twilio_at
from tests.whole_calls.served import Balancer, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE, dial
from tests.whole_calls.two_bridges import Pair, another_bridge, two_bridges

ASKS = CallerStep(after_ms=200, say="Do you have tea?")
TEA = "Green and black tea."
TALKS = scenario(ASKS, CallerStep(after_ms=1200, hang_up=True), replies={"tea": TEA})
WAITS = scenario(CallerStep(after_ms=60_000, hang_up=True))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def bus(redis: RedisServer) -> BusAddress:
    return BusAddress(redis.url)


@pytest.fixture
async def pair(tmp_path: Path, bus: BusAddress) -> AsyncIterator[Pair]:
    async with two_bridges(tmp_path, bus, TALKS, WAITS) as both:
        yield both


def watches(url: str, token: str = ANA) -> AbstractAsyncContextManager[Operator]:
    """An operator's connection whose close is not kept waiting by what nobody has read."""
    return operator_at(url, token, max_queue=None)


def seqs(operator: Operator, call_sid: str) -> list[int]:
    return [event["seq"] for event in operator.events(call_sid)]


# --- what is seen ----------------------------------------------------------------------------------------------------------


async def test_every_event_of_a_call_is_seen_at_the_other_bridge_once_and_in_order(pair: Pair) -> None:
    async with watches(pair.second.url) as ana:
        assert await ana.next() == {"type": "snapshot", "calls": []}
        call = pair.first.call(TALKS)
        stored = await call.events_when_over()
        await ana.event("call.ended")
        assert ana.events(call.sid) == [event.flat() for event in stored]


async def test_between_events_the_other_bridge_shows_what_the_owner_would(pair: Pair) -> None:
    async with watches(pair.second.url) as ana:
        call = pair.first.call(TALKS)
        await ana.event("call.ended")
        live = [message for message in ana.told if message["type"] == "live"]
        assert max(message["agent_rms"] for message in live if message["kind"] == "levels") > 500
        assert any(message["text"] == TEA for message in live if message["kind"] == "partial")
        phases = [message for message in live if message["kind"] == "phase"]
        assert {message["owner"] for message in phases} == {pair.first.stage.deployment.bus.name}
        assert "conversing" in [message["phase"] for message in phases]
        await call.is_over()


async def test_who_comes_late_to_the_other_bridge_is_told_whose_call_it_is_and_where_it_stands(pair: Pair) -> None:
    call = pair.first.call(WAITS)
    await call.records(GreetingFinished)
    async with watches(pair.second.url) as ana:
        (shown,) = (await ana.next())["calls"]
        assert (shown["call_sid"], shown["owner"]) == (call.sid, pair.first.stage.deployment.bus.name)
        await ana.sees(lambda one: one.get("kind") == "phase" and one["phase"] == "conversing")
        assert (await ana.commands(call.sid, "force_hangup"))["ok"]
        await call.is_over()


async def test_who_listens_at_the_other_bridge_hears_the_call_until_they_do_not_want_to(pair: Pair) -> None:
    async with watches(pair.second.url) as ana, watches(pair.second.url) as other:
        call = pair.first.call(WAITS)
        await ana.event("greeting.requested")
        assert (await ana.commands(call.sid, "listen"))["ok"]
        await ana.event("greeting.finished")
        audio = [message for message in ana.told if message["type"] == "audio"]
        heard = b"".join(b64decode(message["payload"]) for message in audio if message["side"] == "agent")
        assert spoken(GREETING)[: 8 * 300] in heard
        assert (await ana.commands(call.sid, "unlisten"))["ok"]
        assert not (await ana.commands(call.sid, "unlisten"))["ok"]
        await ana.commands(call.sid, "force_hangup")
        await call.is_over()
        await other.event("call.ended")
        assert all(message["type"] != "audio" for message in other.told)
        record = of_kind(await call.over(), OperatorCommand)
        assert [one.action for one in record] == ["listen", "unlisten", "force_hangup"]


async def test_nothing_is_sent_of_a_call_at_which_nobody_looks(pair: Pair) -> None:
    bridge = pair.first.stage.deployment.bridge
    call = pair.first.call(WAITS)
    await call.records(GreetingFinished)
    assert not bridge.operators.is_watching
    async with watches(pair.second.url) as ana:
        await ana.sees(lambda one: one.get("kind") == "levels")
        assert bridge.operators.is_watching
    async with asyncio.timeout(WITHIN_S), requests_at(pair.second.url) as http:
        while bridge.operators.is_watching:
            await http.get("/calls")
    async with watches(pair.second.url) as ana:
        await ana.commands(call.sid, "force_hangup")
    await call.is_over()


# --- what is done ----------------------------------------------------------------------------------------------------------


async def test_commands_reach_the_bridge_that_owns_the_call_and_are_acknowledged(pair: Pair) -> None:
    async with watches(pair.second.url) as ana, watches(pair.second.url, VIC) as vic:
        call = pair.first.call(WAITS)
        await ana.event("greeting.finished")
        done: list[tuple[str, dict[str, str]]] = [
            ("whisper", {"text": "They are a regular."}), ("mute", {}), ("unmute", {}), ("say", {"text": "שלום 👋"}),
        ]  # fmt: skip
        for action, fields in done:
            assert (await ana.commands(call.sid, action, **fields))["ok"]
        refused = await ana.commands(call.sid, "escalate", to="not a number")
        assert not refused["ok"]
        assert "may only watch" in (await vic.commands(call.sid, "mute"))["error"]
        async with requests_at(pair.second.url) as http:
            assert await http.command(call.sid, {"action": "hangup"}) == (200, {"type": "result", "ok": True})
        await call.is_over()
        record = of_kind(await call.over(), OperatorCommand)
        assert [(one.operator, one.action) for one in record] == [("ana", action) for action, _ in [*done, ("hangup", {})]]


async def test_an_operator_whom_the_owner_does_not_know_is_refused_by_it(pair: Pair, tmp_path: Path, bus: BusAddress) -> None:
    stage = pair.first.stage
    strangers = parse_tokens("eve:operator:a token of her own")
    call = pair.first.call(WAITS)
    await call.records(GreetingFinished)
    async with (
        another_bridge(tmp_path / "calls.db", bus, stage.cloud, stage.model.url, strangers) as third,
        watches(third.url, "a token of her own") as eve,
    ):
        assert "does not know eve" in (await eve.commands(call.sid, "hangup"))["error"]
    async with watches(pair.second.url) as ana:
        await ana.commands(call.sid, "force_hangup")
    assert of_kind(await call.over(), OperatorCommand) == [OperatorCommand(operator="ana", action="force_hangup")]


async def test_the_end_that_twilio_reports_to_the_other_bridge_is_passed_to_the_owner(pair: Pair) -> None:
    call = pair.first.call(WAITS)
    await call.records(GreetingFinished)
    stage = pair.first.stage
    async with twilio_at(pair.second.url, stage.cloud.auth_token) as twilio:
        await twilio.post("/call-status", call.sid, CallStatus="canceled", CallDuration="7")
    ended = await call.records(CallEnded)
    assert (ended.reason, ended.duration_ms) == ("canceled", 7000)
    record = await pair.second.store.get_call(call.sid)
    assert record is not None
    assert record.released_at is not None
    await call.is_over()


# --- what goes wrong -------------------------------------------------------------------------------------------------------


async def test_a_bus_that_is_killed_in_mid_call_harms_no_call_and_comes_back_by_itself(pair: Pair, redis: RedisServer) -> None:
    async with watches(pair.second.url) as ana, watches(pair.first.stage.deployment.url) as near:
        call = pair.first.call(TALKS)
        await ana.event("greeting.first_audio")
        redis.kill()
        try:
            down = await ana.sees(lambda one: one["type"] == "bus")
            assert (down["up"], "down" in down["message"]) == (False, True)
            await call.records(CallerTranscript)
            await near.event("caller.transcript")  # the owner's operators see it as before
            async with watches(pair.second.url) as late:
                assert not (await late.sees(lambda one: one["type"] == "bus"))["up"]
        finally:
            redis.start()
        assert (await ana.sees(lambda one: one["type"] == "bus" and one["up"]))["message"]
        stored = await call.events_when_over()
        await ana.event("call.ended")
        assert ana.events(call.sid) == [event.flat() for event in stored]
        await pair.bus_is(up=True)
        again = pair.first.call(TALKS)
        await ana.event("call.ended", again.sid)
        assert seqs(ana, again.sid) == [event.seq for event in await again.events_when_over()]


async def test_calls_that_the_bus_says_nothing_of_are_seen_all_the_same(
    tmp_path: Path, redis: RedisServer, bus: BusAddress
) -> None:
    async with two_bridges(tmp_path, BusAddress(), TALKS) as pair, watches(pair.second.url) as ana:
        call = pair.first.call(TALKS)
        stored = await call.events_when_over()
        await ana.event("call.ended")
        assert ana.events(call.sid) == [event.flat() for event in stored]


async def test_of_an_owner_that_was_killed_operators_are_told_and_may_hang_up_by_force(tmp_path: Path, bus: BusAddress) -> None:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(FILE, encoding="utf-8")
    async with (
        ModelServer(plan_for(WAITS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        served = Served(tmp_path, businesses, model, cloud, balancer)
        served.environment = {"FRONTDESK_BUS": bus.url, "OPERATOR_TOKENS": "ana:operator:correct horse battery"}
        try:
            process = await served.start()
            async with another_bridge(served.store, bus, cloud, model.url) as second, watches(second.url) as ana:
                caller = dial(served, WAITS)
                await caller.sees(FirstMedia)
                await ana.event("greeting.finished")
                assert (await ana.commands(caller.sid, "mute"))["ok"]
                balancer.serves_no_more()
                process.kill()
                await process.exit_code()
                answer = await ana.commands(caller.sid, "hangup")
                assert answer["error"].startswith("the bridge that owned the call (bridge-")
                assert "does not answer" in answer["error"]
                assert (await ana.commands(caller.sid, "force_hangup"))["ok"]
                await caller.is_over()
        finally:
            await served.end()

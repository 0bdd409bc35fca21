"""Calls that go on although their stream, or the process that served it, is gone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.events import AgentTranscript, AnyEvent, CallEnded, CallerTranscript, CallEvent, CallResumed, GreetingRequested
from calls.language import ENGLISH
from calls.store.base import RESUMES
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia, MarkEchoed, Said, StepOver, StreamOpened, StreamOver, WebhookPosted
from simulator.scenario import CallerStep
from tests.whole_calls.playing import Caller, of_kind, plan_for, playing, scenario, spoken
from tests.whole_calls.served import Balancer, Process, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE, dial, ended, stored

LONG = "We have green tea and black tea and white tea and herbs from all over the world."
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
HANGS_UP = CallerStep(after_ms=3000, hang_up=True)
TALKS = scenario(ASKS, HANGS_UP, replies={"tea": LONG})
LISTENS = scenario(HANGS_UP)
STAYS = scenario(CallerStep(when="answered", after_ms=60_000, hang_up=True))


def said_by(kind: type[AgentTranscript] | type[CallerTranscript], record: list[AnyEvent]) -> list[str]:
    return [line.text for line in of_kind(record, kind)]


async def broken_in_a_reply(call: Caller) -> None:
    """Returns once the AI is answering the question."""
    await call.sees(StepOver)
    for _ in range(3):
        await call.sees_one_more(MarkEchoed)


def check_numbers(events: list[CallEvent]) -> None:
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


# --- the stream breaks, the process does not --------------------------------------------------------------------------------


async def test_a_reply_whose_stream_breaks_goes_on_where_the_caller_stopped_hearing_it(tmp_path: Path) -> None:
    async with playing(tmp_path, TALKS) as on_stage:
        call = on_stage.call()
        await broken_in_a_reply(call)
        call.phone.drop_stream()
        events = await call.events_when_over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
    bodies = [event.body for event in events]
    greeting, begun, sorry, rest = said_by(AgentTranscript, bodies)
    assert (greeting, sorry) == ("Hello.", ENGLISH.cut_off)
    assert f"{begun} {rest}" == LONG
    assert said_by(CallerTranscript, bodies) == [ASKS.say]
    assert len(of_kind(bodies, CallResumed)) == len(of_kind(bodies, GreetingRequested)) == 1
    assert [end.reason for end in of_kind(bodies, CallEnded)] == ["caller_hung_up"]
    check_numbers(events)
    assert [over.by for over in call.observed(StreamOver)] == ["lost", "carrier"]
    assert call.observed(Said) == []
    assert record is not None
    assert (record.unreleased, record.owner) == ((), None)


async def test_a_caller_whose_greeting_breaks_off_is_told_so_and_hears_the_rest(tmp_path: Path) -> None:
    async with playing(tmp_path, LISTENS) as on_stage:
        call = on_stage.call()
        await call.sees(FirstMedia)
        call.phone.drop_stream()
        events = await call.events_when_over()
    bodies = [event.body for event in events]
    assert len(call.observed(StreamOpened)) == 2
    assert len(of_kind(bodies, CallResumed)) == 1
    assert of_kind(bodies, CallEnded)[0].reason == "caller_hung_up"
    check_numbers(events)


async def test_a_stream_that_breaks_once_too_often_leaves_the_caller_with_the_business_s_fallback(tmp_path: Path) -> None:
    async with playing(tmp_path, STAYS) as on_stage:
        call = on_stage.call()
        for number in range(1, RESUMES + 2):
            await call.sees(FirstMedia, lambda _, n=number: len(call.observed(FirstMedia)) >= n)  # type: ignore[misc]
            call.phone.drop_stream()
        events = await call.events_when_over()
    assert len(call.observed(StreamOpened)) == RESUMES + 1
    assert [said.text for said in call.observed(Said)] == ["Call later."]
    assert spoken("Call later.", "en-us+f2") in call.heard
    assert len(of_kind([event.body for event in events], CallEnded)) == 1
    check_numbers(events)


async def test_a_caller_who_hangs_up_as_the_stream_breaks_is_not_called_back_to_it(tmp_path: Path) -> None:
    async with playing(tmp_path, STAYS) as on_stage:
        call = on_stage.call()
        await call.sees(FirstMedia)
        call.phone.drop_stream()
        call.phone.hang_up()
        events = await call.events_when_over()
    assert len(call.observed(StreamOpened)) == 1
    assert [end.reason for end in of_kind([event.body for event in events], CallEnded)] == ["caller_hung_up"]
    check_numbers(events)


# --- the process is gone ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(FILE, encoding="utf-8")
    async with (
        ModelServer(plan_for(TALKS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        deployment = Served(tmp_path, businesses, model, cloud, balancer)
        deployment.environment["FRONTDESK_DRAIN_S"] = "0"
        try:
            yield deployment
        finally:
            await deployment.end()


class Pair:
    """Two processes; callers reach the one, and from ``fails_over`` on the other."""

    def __init__(self, served: Served, one: Process, other_port: int) -> None:
        self._served, self.one, self._other_port = served, one, other_port

    def fails_over(self) -> None:
        self._served.balancer.serves_no_more()
        self._served.balancer.serves(self._other_port)


async def pair(served: Served) -> Pair:
    other = await served.start()
    port = next(int(line["listening"].rpartition(":")[2]) for line in other.lines if line["event"] == "serve.ready")
    served.balancer.serves_no_more()
    return Pair(served, await served.start(), port)


async def test_the_calls_of_a_process_that_is_killed_go_on_in_another_one(served: Served) -> None:
    both = await pair(served)
    callers = [dial(served, TALKS) for _ in range(3)]
    for caller in callers:
        await broken_in_a_reply(caller)
    both.fails_over()
    both.one.kill()
    await asyncio.gather(*(caller.is_over() for caller in callers))
    for caller in callers:
        events = await ended(served, caller.sid)
        bodies = [event.body for event in events]
        check_numbers(events)
        assert said_by(AgentTranscript, bodies) == ["Hello.", ENGLISH.cut_off, LONG]
        assert said_by(CallerTranscript, bodies) == [ASKS.say]
        assert [end.reason for end in of_kind(bodies, CallEnded)] == ["caller_hung_up"]
        assert spoken(LONG) in caller.heard
        assert caller.observed(Said) == []


async def test_a_process_at_the_end_of_its_time_leaves_its_calls_whole_and_the_next_one_carries_them_on(served: Served) -> None:
    both = await pair(served)
    callers = [dial(served, TALKS) for _ in range(2)]
    for caller in callers:
        await broken_in_a_reply(caller)
    both.fails_over()
    both.one.terminate()
    await asyncio.gather(*(caller.is_over() for caller in callers))
    assert await both.one.exit_code() == 0
    for caller in callers:
        events = await ended(served, caller.sid)
        bodies = [event.body for event in events]
        check_numbers(events)
        greeting, begun, sorry, rest = said_by(AgentTranscript, bodies)
        assert (greeting, sorry, f"{begun} {rest}") == ("Hello.", ENGLISH.cut_off, LONG)
        assert said_by(CallerTranscript, bodies) == [ASKS.say]
        assert [end.reason for end in of_kind(bodies, CallEnded)] == ["caller_hung_up"]
        record, _ = await stored(served, caller.sid)
        sessions = [session for session in served.model.sessions if session.close_code == 1000]
        assert len(sessions) == 2 * len(callers)  # all were said goodbye to
        assert record.usage
        assert record.unreleased == ()
        assert [posted.purpose for posted in caller.observed(WebhookPosted)].count("fallback") == 0

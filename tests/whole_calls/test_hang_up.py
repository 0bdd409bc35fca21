"""However a call ends, it is put on record once, and nothing of it stays."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from calls.events import AgentTranscript, AnyEvent, CallEnded, CallStarted, GreetingFinished
from calls.ids import CallSid
from calls.store.sqlite import SqliteStore
from simulator.phone.policies import Policies
from simulator.phone.timeline import CallEnded as PhoneCallEnded
from simulator.phone.timeline import FirstMedia, MediaReceived, StepOver, StreamOpened, StreamOver, VerbRun
from simulator.scenario import CallerStep
from tests.whole_calls.door import CALL_SID, door
from tests.whole_calls.playing import Call, Playing, of_kind, playing, scenario, spoken

LONG = "We have green tea and black tea and white tea and herbs from all over the world."
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
ENDS = CallerStep(after_ms=250, say="No thanks.")
SPEAKING = CallerStep(when="agent_speaking", after_ms=200, hang_up=True)


async def check_ended_once(on_stage: Playing, call: Call, record: list[AnyEvent]) -> None:
    assert [type(record[0]), type(record[-1])] == [CallStarted, CallEnded]
    (ended,) = of_kind(record, CallEnded)
    assert ended.duration_ms == call.phone.machine.duration_s * 1000  # as Twilio reported it
    kept = await on_stage.stage.deployment.store.get_call(call.sid)
    assert kept is not None
    assert (kept.ended, kept.owner) == (True, None)
    for nth in range(len(on_stage.stage.model.sessions)):
        await on_stage.model_closed(nth)
    assert call.phone.machine.warnings == []


def at_the_handshake(call: Call) -> None:
    call.at_first(VerbRun, call.phone.hang_up, lambda run: run.verb == "Connect")


def before_the_token_is_checked(call: Call) -> None:
    call.at_first(StreamOpened, call.phone.hang_up)


def at_the_first_sample(call: Call) -> None:
    call.at_first(FirstMedia, call.phone.hang_up)


@pytest.mark.parametrize(
    "moment", [at_the_handshake, before_the_token_is_checked, at_the_first_sample], ids=lambda at: at.__name__
)
async def test_a_caller_who_hangs_up_early_leaves_an_ended_call_and_nothing_else(
    tmp_path: Path, moment: Callable[[Call], None]
) -> None:
    async with playing(tmp_path, scenario()) as on_stage:
        call = on_stage.call()
        moment(call)
        record = await call.over()
        await check_ended_once(on_stage, call, record)
        assert of_kind(record, CallEnded)[0].reason == "caller_hung_up"


async def test_a_caller_who_hangs_up_in_the_greeting_has_heard_part_of_it(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(SPEAKING)) as on_stage:
        call = on_stage.call()
        record = await call.over()
        await check_ended_once(on_stage, call, record)
        greeting = of_kind(record, AgentTranscript)[0]
        assert greeting.interrupted
        assert of_kind(record, GreetingFinished)[0].heard_ms == greeting.heard_ms
        assert abs(greeting.heard_ms - call.heard_ms(spoken("Hello."))) <= 250  # how exact, the benchmark measures
        assert of_kind(record, CallEnded)[0].reason == "caller_hung_up"


async def test_a_caller_who_hangs_up_in_mid_reply_has_heard_part_of_it(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(ASKS, SPEAKING, replies={"tea": LONG})) as on_stage:
        call = on_stage.call()
        record = await call.over()
        await check_ended_once(on_stage, call, record)
        _, reply = of_kind(record, AgentTranscript)
        assert reply.interrupted
        assert LONG.startswith(reply.text)
        assert len(reply.text) < len(LONG)


async def test_a_caller_who_hangs_up_in_the_closing_ends_the_call_once(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(ENDS, SPEAKING)) as on_stage:
        call = on_stage.call()
        record = await call.over()
        await check_ended_once(on_stage, call, record)
        # Whether stop or the status callback arrives first decides which of the two it was, and both are true.
        assert of_kind(record, CallEnded)[0].reason in ("farewell", "caller_hung_up")


async def test_a_line_that_dies_a_moment_after_start_without_a_word_to_anybody_leaves_nothing_running(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario()) as on_stage:
        call = on_stage.call(policies=Policies(dies_after_ms=150, after_death="silence"))
        await call.phone.finished()
        session = await on_stage.model_closed()
        assert session.close_code == 1000
        # Nobody reports the end of this call; the record waits for it, and the stage can be cleared all the same.
        assert of_kind([event.body for event in await on_stage.stage.deployment.store.events(call.sid)], CallEnded) == []


async def test_a_server_that_shuts_down_leaves_its_live_calls_in_order(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(ASKS, replies={"tea": LONG})) as on_stage:
        call = on_stage.call()
        await call.sees(StepOver)
        await call.sees_one_more(MediaReceived)
    assert [over.by for over in call.observed(StreamOver)] == ["server"]
    assert [session.close_code for session in on_stage.stage.model.sessions] == [1000]
    store = SqliteStore(tmp_path / "calls.db")
    await store.open()
    record, events = await store.get_call(call.sid), await store.events(call.sid)
    await store.close()
    assert record is not None
    # handed over: nobody owns it and it has not ended; and if Twilio's question came in time, there was nobody to carry it on
    assert (record.owner, record.ended) == (None, False)
    assert record.disposition is None or record.disposition.reason == "at_capacity"
    assert record.released_at is not None
    assert [line.interrupted for line in of_kind([event.body for event in events], AgentTranscript)] == [False, True]


async def test_a_rest_update_from_outside_is_not_a_hang_up(tmp_path: Path) -> None:
    async with playing(tmp_path, scenario(ASKS, replies={"tea": LONG})) as on_stage:
        call = on_stage.call()
        await call.sees(StepOver)
        await call.sees_one_more(MediaReceived)
        call.phone.rest_update(twiml="<Response><Say>This is the desk.</Say><Hangup/></Response>")
        record = await call.over()
        await check_ended_once(on_stage, call, record)
        assert [over.by for over in call.observed(StreamOver)] == ["carrier"]
        assert spoken("This is the desk.", "en-us+f2") in call.heard
        assert [ended.reason for ended in call.observed(PhoneCallEnded)] == ["the document hung up"]


async def test_a_webhook_that_comes_twice_does_nothing_twice(tmp_path: Path) -> None:
    async with door(tmp_path) as opened:
        answers = await asyncio.gather(*(opened.twilio.post("/incoming-call", CALL_SID) for _ in range(5)))
        assert len(set(answers)) == 1
        offered = await opened.twilio.rings(CALL_SID)
        async with opened.twilio.stream(offered.url) as phone:
            await phone.starts(CALL_SID, offered.token)
            await phone.hears("mark")
            await phone.stops(CALL_SID)
            statuses = await asyncio.gather(*(opened.twilio.hangs_up(CALL_SID) for _ in range(5)))
            await phone.is_left()
        assert statuses == [204] * 5
        events = await opened.over()
        assert await opened.twilio.hangs_up(CALL_SID) == 204
        assert await opened.events() == events
        assert (len(of_kind(events, CallStarted)), len(of_kind(events, CallEnded))) == (1, 1)
        record = await opened.deployment.store.get_call(CallSid(CALL_SID))
        assert record is not None
        assert record.duration_ms == 3000
        # the call is over: a webhook that comes again hangs up
        assert "<Hangup />" in (await opened.twilio.post("/incoming-call", CALL_SID))[1]

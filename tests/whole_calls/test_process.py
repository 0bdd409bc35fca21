"""``frontdesk serve`` as a process: killed in mid call, asked to go, and told to go at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from calls.events import AgentTranscript, CallEnded, CallerTranscript, CallEvent, CallResumed, Dtmf
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store.sqlite import SqliteStore
from frontdesk.stage import number_of
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.timeline import FirstMedia, KeySent, MediaReceived, Said, StepOver, StreamOver
from simulator.scenario import CallerStep, Scenario
from tests.whole_calls.playing import HANGS_UP, WITHIN_S, Caller, of_kind, plan_for, scenario, spoken
from tests.whole_calls.raw_phone import readiness, twilio_at
from tests.whole_calls.served import Balancer, Served

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
STORED_WITHIN_MS = 250
KEYS = "0123456789"
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
TALKS = scenario(ASKS, HANGS_UP, replies={"tea": "Green and black tea."})
LISTENS = scenario(ASKS, replies={"tea": "We have green tea and black tea and white tea and herbs from all over the world."})
FILE = """
id = "corner-shop"
name = "Corner Shop"
numbers = ["+15005550006"]
language = "en"
voice = "alloy"
instructions = "You answer the phone of {name}."
[greeting]
text = "Hello."
[turns]
silence_duration_ms = 200
[fallback]
mode = "hangup"
text = "Call later."
"""


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


def dial(served: Served, played: Scenario) -> Caller:
    """A caller dials the deployment."""
    return Caller(lambda observe: served.cloud.place_call(played, number_of(served.balancer.url), observe=observe))


async def stored(served: Served, call_sid: CallSid) -> tuple[CallRecord, list[CallEvent]]:
    """A record, read by somebody else."""
    store = SqliteStore(served.store, read_only=True)
    await store.open()
    record, events = await store.get_call(call_sid), await store.events(call_sid)
    await store.close()
    assert record is not None
    return record, events


async def ended(served: Served, call_sid: CallSid) -> list[CallEvent]:
    """The events of a call, once its end is stored."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            record, events = await stored(served, call_sid)
            if record.ended:
                return events


async def test_a_process_that_is_killed_loses_no_more_than_a_quarter_of_a_second_and_not_the_caller(served: Served) -> None:
    process = await served.start()
    presses = CallerStep(when="agent_speaking", after_ms=100, dtmf=KEYS)
    caller = dial(served, scenario(presses))

    def kill() -> None:
        served.balancer.serves_no_more()
        process.kill()

    caller.at_first(KeySent, kill, lambda sent: sent.key == KEYS[-1])
    await caller.sees(StreamOver)
    assert await process.exit_code() == -9
    keys = caller.observed(KeySent)
    killed_ms = next(sent.at_ms for sent in keys if sent.key == KEYS[-1])
    with closing(sqlite3.connect(served.store)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    record, events = await stored(served, caller.sid)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    digits = "".join(event.body.digit for event in events if isinstance(event.body, Dtmf))
    assert KEYS.startswith(digits)
    assert len(digits) >= len([sent for sent in keys if sent.at_ms < killed_ms - STORED_WITHIN_MS])
    assert (record.ended, record.disposition) == (False, None)
    # Twilio's question waits at the door; the next process carries the call on
    await served.start()
    resumed = await caller.sees(FirstMedia, lambda media: media.at_ms > killed_ms)
    assert resumed.at_ms > killed_ms
    caller.phone.hang_up()
    await caller.is_over()
    assert caller.observed(Said) == []
    after = await ended(served, caller.sid)
    assert [event.seq for event in after] == list(range(1, len(after) + 1))
    bodies = [event.body for event in after]
    assert len(of_kind(bodies, CallEnded)) == len(of_kind(bodies, CallResumed)) == 1


async def test_a_process_that_is_asked_to_go_finishes_its_call_and_takes_no_other(served: Served) -> None:
    process = await served.start()
    caller = dial(served, TALKS)
    await caller.sees(FirstMedia)
    async with twilio_at(served.balancer.url, AUTH_TOKEN) as twilio:
        assert await readiness(twilio) == (200, "ready")
        offered = await twilio.rings("CA" + "3" * 32)
        process.terminate()
        async with asyncio.timeout(WITHIN_S):
            while (await twilio.get("/readyz"))[0] != 503:
                continue
        assert await readiness(twilio) == (503, "draining")
        assert await twilio.get("/healthz") == (200, "ok\n")
        assert await twilio.refused(offered.url, twilio.signature(offered.url)) == 503
    await caller.is_over()
    assert await process.exit_code() == 0
    assert [over.by for over in caller.observed(StreamOver)] == ["carrier"]
    assert spoken("Green and black tea.") in caller.heard
    _, events = await stored(served, caller.sid)
    lines = [event.body.text for event in events if isinstance(event.body, AgentTranscript | CallerTranscript)]
    assert lines == ["Hello.", ASKS.say, "Green and black tea."]
    assert [line["event"] for line in process.lines][-1] == "serve.stopped"


async def test_a_process_that_is_told_twice_goes_at_once_and_hands_its_caller_over(served: Served) -> None:
    process = await served.start()
    caller = dial(served, LISTENS)
    await caller.sees(StepOver)
    await caller.sees_one_more(MediaReceived)
    process.terminate()
    async with twilio_at(served.balancer.url, AUTH_TOKEN) as twilio, asyncio.timeout(WITHIN_S):
        while (await twilio.get("/readyz"))[0] != 503:
            continue
    served.balancer.serves_no_more()
    process.terminate()
    assert await process.exit_code() == 0
    assert [over.by for over in caller.observed(StreamOver)] == ["server"]
    assert [session.close_code for session in served.model.sessions] == [1000]
    record, events = await stored(served, caller.sid)
    assert (record.owner, record.disposition, record.ended) == (None, None, False)
    assert [line.interrupted for line in of_kind([event.body for event in events], AgentTranscript)] == [False, True]
    await served.start()
    await caller.sees(FirstMedia, lambda _: len(caller.observed(FirstMedia)) == 2)
    caller.phone.hang_up()
    await caller.is_over()
    assert caller.observed(Said) == []

"""Recorded greetings over sockets: made on first use, heard at once from then on, whatever the model does meanwhile."""

import asyncio
from pathlib import Path

from calls.business import BusinessProfile
from calls.events import AgentTranscript, GreetingFinished, GreetingRequested
from calls.greetings import key_of
from calls.store import greetings_of
from frontdesk.settings import DEFAULT_MODEL
from simulator.model.faults import Faults
from simulator.scenario import CallerStep
from tests.whole_calls.playing import GREETING, HANGS_UP, WITHIN_S, Playing, business, of_kind, playing, scenario, spoken

ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
REPLY = "Green and black tea."
ASKS_ONCE = scenario(ASKS, HANGS_UP, replies={"tea": REPLY})
SHOP = business(greeting={"text": GREETING, "mode": "recorded"})


async def made(on_stage: Playing) -> None:
    """Returns once nothing is being recorded any more."""
    async with asyncio.timeout(WITHIN_S):
        while on_stage.stage.deployment.greetings.under_way:  # noqa: ASYNC110  (a test may look on)
            await asyncio.sleep(0)


async def recording(on_stage: Playing, profile: BusinessProfile = SHOP) -> bytes:
    kept = await greetings_of(on_stage.stage.deployment.store).get(key_of(profile, profile.greeting_text, DEFAULT_MODEL))
    return kept.audio if kept is not None else b""


async def test_the_first_call_is_greeted_live_and_those_after_it_with_a_recording_of_that_voice(tmp_path: Path) -> None:
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP) as on_stage:
        first = await on_stage.call().over()
        await made(on_stage)
        audio = await recording(on_stage)
        sessions = len(on_stage.stage.model.sessions)
        call = on_stage.call()
        second = await call.over()
        own = on_stage.stage.model.sessions[sessions]
    assert [asked.mode for record in (first, second) for asked in of_kind(record, GreetingRequested)] == ["live", "recorded"]
    assert audio in call.heard
    assert spoken(GREETING)[800:-800] in audio  # the model's own voice; a little is taken off its ends
    assert sessions == 2  # the first call's, and the one that made the recording
    assert [line.text for line in of_kind(second, AgentTranscript)] == [GREETING, REPLY]
    assert own.types()[:3] == ["session.update", "conversation.item.create", "response.create"]
    item = next(event["item"] for _, event in own.received if event.get("type") == "conversation.item.create")
    assert (item["role"], item["content"][0]["text"]) == ("assistant", GREETING)


async def test_a_recording_made_by_a_process_before_is_there_for_the_first_call(tmp_path: Path) -> None:
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP) as on_stage:
        await on_stage.call().over()
        await made(on_stage)
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP) as on_stage:
        record = await on_stage.call().over()
    assert [asked.mode for asked in of_kind(record, GreetingRequested)] == ["recorded"]


async def test_a_change_of_the_text_makes_another_recording(tmp_path: Path) -> None:
    other = business(greeting={"text": "Good morning.", "mode": "recorded"})
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP) as on_stage:
        await on_stage.call().over()
        await made(on_stage)
    async with playing(tmp_path, ASKS_ONCE, profile=other) as on_stage:
        record = await on_stage.call().over()
        await made(on_stage)
        assert await recording(on_stage, other) not in (b"", await recording(on_stage))
    assert [asked.mode for asked in of_kind(record, GreetingRequested)] == ["live"]


async def test_a_recording_plays_to_its_end_when_the_model_is_lost_meanwhile(tmp_path: Path) -> None:
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP) as on_stage:
        await on_stage.call().over()
        await made(on_stage)
        audio = await recording(on_stage)
    async with playing(tmp_path, scenario(HANGS_UP), profile=SHOP, faults=Faults(drop_after_events=1)) as on_stage:
        call = on_stage.call()
        record = await call.over()
    assert audio in call.heard
    assert [asked.mode for asked in of_kind(record, GreetingRequested)] == ["recorded"]
    assert len(of_kind(record, GreetingFinished)) == 1


async def test_what_the_model_says_instead_is_not_kept(tmp_path: Path) -> None:
    async with playing(tmp_path, ASKS_ONCE, profile=SHOP, faults=Faults(no_transcripts=True)) as on_stage:
        first = await on_stage.call().over()
        await made(on_stage)
        assert await recording(on_stage) == b""
        second = await on_stage.call().over()
    assert [asked.mode for record in (first, second) for asked in of_kind(record, GreetingRequested)] == ["live", "live"]

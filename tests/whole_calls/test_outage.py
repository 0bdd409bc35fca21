"""The model refuses every connection for a while, and a long call is moved to a new session before the old one runs out."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from bridge.conversation import model_leg
from bridge.model_breaker import FAILURES
from bridge.spoken_lines import lines_of
from calls.events import AgentTranscript, CallEnded, CallerTranscript, ModelConnected, ModelLost, ModelResumed
from simulator.scenario import CallerStep
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import GREETING, HANGS_UP, Playing, of_kind, playing, scenario, spoken

FULL_HOUSE = FAILURES
APOLOGY = lines_of("en")["apology"]


async def is_barred(on_stage: Playing) -> bool:
    """Whether the bridge tries the model at all; the figure that operators see."""
    async with aiohttp.ClientSession() as client, client.get(f"{on_stage.stage.deployment.url}/metrics") as page:
        return "frontdesk_model_breaker_open 1.0" in await page.text()


async def test_in_an_outage_every_caller_is_told_and_once_it_is_certain_nobody_is_kept_waiting(tmp_path: Path) -> None:
    async with nothing_left(), playing(tmp_path, scenario(HANGS_UP)) as on_stage:
        on_stage.stage.model.refuses = True
        first = [on_stage.call() for _ in range(FULL_HOUSE)]
        for call, events in zip(first, await asyncio.gather(*(call.over() for call in first)), strict=True):
            assert [event.text for event in of_kind(events, AgentTranscript)][-1] == APOLOGY.text
            assert call.heard.count(APOLOGY.audio) == 1
            assert of_kind(events, CallEnded)[0].reason == "model_lost"
        assert await is_barred(on_stage)
        late = on_stage.call()
        await late.over()
        assert late.heard.count(APOLOGY.audio) == 1
        assert await is_barred(on_stage)


async def test_once_the_model_is_back_calls_are_answered_again(tmp_path: Path) -> None:
    async with nothing_left(), playing(tmp_path, scenario(HANGS_UP)) as on_stage:
        on_stage.stage.model.refuses = True
        refused = [on_stage.call() for _ in range(FULL_HOUSE)]
        await asyncio.gather(*(call.over() for call in refused))
        on_stage.stage.model.refuses = False
        while await is_barred(on_stage):  # each call is a try, and one of them finds the pause over
            events = await on_stage.call().over()
        assert len(of_kind(events, ModelConnected)) == 1
        assert [event.text for event in of_kind(events, AgentTranscript)] == [GREETING]


async def test_a_long_call_moves_to_a_new_session_in_a_pause_and_nobody_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_leg, "RENEW_MS", 1000)
    caller = scenario(
        CallerStep(after_ms=2500, say="Do you sell tea?"),
        CallerStep(after_ms=600, hang_up=True),
        replies={"tea": "Green and black tea."},
    )
    async with nothing_left(), playing(tmp_path, caller) as on_stage:
        call = on_stage.call()
        events = await call.over()
        sessions = on_stage.stage.model.sessions
    assert len(sessions) >= 2
    assert [event.text for event in of_kind(events, AgentTranscript)] == [GREETING, "Green and black tea."]
    assert [event.text for event in of_kind(events, CallerTranscript)] == ["Do you sell tea?"]
    assert call.heard.count(spoken(GREETING)) == call.heard.count(spoken("Green and black tea.")) == 1
    assert of_kind(events, ModelLost) == []
    assert len(of_kind(events, ModelResumed)) == len(sessions) - 1
    told = [event["item"] for _, event in sessions[1].received if event.get("type") == "conversation.item.create"]
    assert told[0]["content"] == [{"type": "output_text", "text": GREETING}]
    assert sessions[0].close_code == 1000

"""Once a call is over, the model writes down what it was about."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from calls.business import BusinessProfile
from calls.record import CallRecord
from simulator.model.server import SessionLog
from simulator.scenario import CallerStep, Scenario
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import WITHIN_S, business, playing, scenario

ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
ENDS = CallerStep(after_ms=250, say="No thanks.")
SCHEMA = {"type": "object", "properties": {"wants": {"type": "string"}, "urgent": {"type": "boolean"}}, "required": ["wants"]}
NOTES = business(summary={"instructions": "Say what they want to buy.", "schema": SCHEMA})
GOOD = {"summary": "A caller\nasked for tea.", "outcome": {"wants": "tea", "urgent": False}}


class Noted(msgspec.Struct):
    record: CallRecord
    sessions: list[SessionLog]


async def noted(folder: Path, played: Scenario, profile: BusinessProfile) -> Noted:
    async with playing(folder, played, profile=profile) as on_stage:
        call = on_stage.call()
        await call.over()
        async with asyncio.timeout(WITHIN_S):
            deployment = on_stage.stage.deployment
            while deployment.bridge.capacity.live_calls or deployment.after_call.under_way:  # noqa: ASYNC110  (a test may look on)
                await asyncio.sleep(0)
        record = await on_stage.stage.deployment.store.get_call(call.sid)
        assert record is not None
        return Noted(record, list(on_stage.stage.model.sessions))


def note(arguments: dict[str, Any], *steps: CallerStep) -> Scenario:
    played = scenario(*steps, replies={"tea": "Yes."})
    return msgspec.structs.replace(played, mind=msgspec.structs.replace(played.mind, must_call={"note_call": arguments}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: Any) -> AsyncIterator[dict[str, Noted]]:
    async with nothing_left():
        plans = {
            "noted": (note(GOOD, ASKS, ENDS), NOTES),
            "not wanted": (note(GOOD, ASKS, ENDS), business()),
            "silent caller": (note(GOOD, CallerStep(after_ms=300, hang_up=True)), NOTES),
            "wrong": (note({"summary": "x", "outcome": {"urgent": "very"}}, ASKS, ENDS), NOTES),
        }
        folders = [tmp_path_factory.mktemp("after") for _ in plans]
        played = await asyncio.gather(*(noted(folder, *plan) for folder, plan in zip(folders, plans.values(), strict=True)))
    yield dict(zip(plans, played, strict=True))


def asked(session: SessionLog) -> str:
    (item,) = [event["item"] for _, event in session.received if event.get("type") == "conversation.item.create"]
    return str(item["content"][0]["text"])


def test_the_record_says_what_the_call_was_about(calls: dict[str, Noted]) -> None:
    record = calls["noted"].record
    assert record.summary == "A caller asked for tea."
    assert record.outcome == {"wants": "tea", "urgent": False}
    assert record.ended


def test_the_model_is_given_what_was_heard_and_speaks_no_word(calls: dict[str, Noted]) -> None:
    session = calls["noted"].sessions[1]
    assert "AI: Hello.\nCaller: Do you sell tea?\nAI: Yes.\nCaller: No thanks.\nAI: Goodbye." in asked(session)
    assert session.sent_audio == []
    assert session.types() == ["session.update", "conversation.item.create", "response.create"]


def test_a_business_that_wants_no_notes_pays_for_none(calls: dict[str, Noted]) -> None:
    assert calls["not wanted"].record.summary is None
    assert len(calls["not wanted"].sessions) == 1


def test_a_call_in_which_nobody_spoke_is_not_summed_up(calls: dict[str, Noted]) -> None:
    assert calls["silent caller"].record.summary is None
    assert len(calls["silent caller"].sessions) == 1


def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong_and_never_kept(calls: dict[str, Noted]) -> None:
    wrong = calls["wrong"]
    assert (wrong.record.summary, wrong.record.outcome) == (None, None)
    assert len(wrong.sessions) == 4  # the call's own, and three attempts
    assert "Your last note could not be used: outcome does not fit its schema" in asked(wrong.sessions[-1])


async def test_a_call_whose_process_ended_too_early_is_summed_up_by_the_next(tmp_path: Path) -> None:
    played = note(GOOD, ASKS, ENDS)
    async with playing(tmp_path, played, profile=business()) as on_stage:  # nobody wanted notes then
        call = on_stage.call()
        await call.over()
    async with playing(tmp_path, played, profile=NOTES) as on_stage:
        deployment = on_stage.stage.deployment
        async with asyncio.timeout(WITHIN_S):
            while deployment.after_call.under_way:  # noqa: ASYNC110
                await asyncio.sleep(0)
        record = await deployment.store.get_call(call.sid)
        assert record is not None
        assert record.summary == "A caller asked for tea."
        last = (await deployment.store.events(call.sid))[-1]
        assert (last.kind, last.seq) == ("call.summary", record.last_seq)

"""Text messages sent in the middle of a call, and what the AI is told when they cannot be."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from calls.events import AnyEvent, CallEnded, ToolFinished
from simulator.scenario import CallerStep, Reply, Scenario, ToolCall
from tests.whole_calls.playing import CALLER, HANGS_UP, NUMBER, Playing, business, of_kind, playing, scenario, spoken

TEXT = "Corner Shop, 12 Oak Street. שלום!"
SHOP = business(tools={"builtin": ["send_sms"]})


def asks_for_a_text(then: str, *, caller: str = CALLER, to: str = NUMBER) -> Scenario:
    """A caller who wants the address as a text, and a model that sends it and then speaks."""
    played = scenario(CallerStep(after_ms=60, say="Text me your address."), HANGS_UP, caller=caller, to=to)
    reply = Reply(hears="address", call=(ToolCall(name="send_sms", arguments={"text": TEXT}),), after_tools=then)
    return msgspec.structs.replace(played, mind=msgspec.structs.replace(played.mind, replies=(reply,)))


def told(stage: Playing) -> list[Any]:
    """What the model was told by its tools."""
    (session,) = stage.stage.model.sessions
    items = [event.get("item", {}) for _, event in session.received]
    return [json.loads(item["output"]) for item in items if item.get("type") == "function_call_output"]


def finished(record: list[AnyEvent]) -> list[tuple[str, bool]]:
    return [(tool.name, tool.ok) for tool in of_kind(record, ToolFinished)]


async def test_the_caller_is_sent_a_text_and_told_so(tmp_path: Path) -> None:
    async with playing(tmp_path, asks_for_a_text("It is on its way."), profile=SHOP) as stage:
        call = stage.call()
        record = await call.over()
        sent = [(one.from_, one.to, one.body) for one in stage.stage.cloud.messages]
        answers = told(stage)
    assert sent == [(NUMBER, CALLER, TEXT)]
    assert answers == [{"ok": True, "sent_to": "the caller"}]
    assert finished(record) == [("send_sms", True)]
    assert spoken("It is on its way.") in call.heard


@pytest.mark.parametrize(("code", "words"), [(21610, "opted out")])
async def test_a_text_that_fails_is_spoken_about_and_the_call_goes_on(tmp_path: Path, code: int, words: str) -> None:
    async with playing(tmp_path, asks_for_a_text("I could not send it."), profile=SHOP) as stage:
        stage.stage.cloud.texts_fail[CALLER] = code
        call = stage.call()
        record = await call.over()
        (answer,) = told(stage)
    assert words in answer["error"]
    assert finished(record) == [("send_sms", False)]
    assert spoken("I could not send it.") in call.heard
    assert [ended.reason for ended in of_kind(record, CallEnded)] == ["caller_hung_up"]


async def test_a_caller_without_a_number_is_told_that_there_is_none(tmp_path: Path) -> None:
    async with playing(tmp_path, asks_for_a_text("I do not see your number.", caller="anonymous"), profile=SHOP) as stage:
        call = stage.call()
        await call.over()
        (answer,) = told(stage)
        assert stage.stage.cloud.messages == []
    assert "number is not known" in answer["error"]
    assert spoken("I do not see your number.") in call.heard

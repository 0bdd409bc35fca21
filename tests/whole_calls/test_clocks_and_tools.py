"""The clocks that end a call nobody talks on, and the tools that work beside the audio: whole calls, all played at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from calls.business import BusinessProfile
from calls.events import AgentTranscript, AnyEvent, CallEnded, ClosingStarted, LeadCaptured, ToolCalled, ToolFinished
from calls.language import ENGLISH
from simulator.phone.policies import Jitter, Policies
from simulator.scenario import CallerStep, Reply, Scenario, ToolCall
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import CALM, GOODBYE, GREETING, business, of_kind, playing, scenario, spoken

SAYS_NOTHING: tuple[CallerStep, ...] = ()
LEAD = {"name": "Anna", "reason": "a leak"}


def answered(played: Scenario, *replies: Reply) -> Scenario:
    """The scenario with a model that also calls tools."""
    return msgspec.structs.replace(played, mind=msgspec.structs.replace(played.mind, replies=replies))


def says(line: str) -> CallerStep:
    return CallerStep(after_ms=60, say=line)


ASKS_FOR_THE_WEATHER = answered(
    scenario(says("What is the weather?"), says("That helps me.")),
    Reply(hears="weather", call=(ToolCall(name="weather", arguments={"city": "Oslo"}),), after_tools="It is cold."),
    Reply(hears="helps", say="Until next time.", call=(ToolCall(name="end_call"),)),
)
LEAVES_A_NAME = answered(
    scenario(says("Anna here, I have a leak.")),
    Reply(hears="leak", call=(ToolCall(name="create_lead", arguments=LEAD),), after_tools="Noted."),
)


@dataclass
class Played:
    """A call that is over."""

    heard: bytes
    events: list[AnyEvent]
    model_heard: list[dict[str, Any]]

    @property
    def agent_lines(self) -> list[str]:
        return [line.text for line in of_kind(self.events, AgentTranscript)]

    @property
    def ended(self) -> str:
        (ended,) = of_kind(self.events, CallEnded)
        return ended.reason


async def play(folder: Path, played: Scenario, profile: BusinessProfile, policies: Policies = CALM) -> Played:
    async with playing(folder, played, profile=profile) as on_stage:
        call = on_stage.call(policies=policies)
        events = await call.over()
        (session,) = on_stage.stage.model.sessions
        return Played(call.heard, events, [event for _, event in session.received])


async def weather(request: web.Request) -> web.Response:
    return web.json_response({"city": request.query["city"], "celsius": -3})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    async with nothing_left():
        app = web.Application()
        app.router.add_get("/now", weather)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/now"
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        tool = {"name": "weather", "description": "Weather in a city", "url": url, "parameters": schema}
        plans: dict[str, tuple[Scenario, BusinessProfile, Policies]] = {
            "silence": (scenario(*SAYS_NOTHING), business(limits={"silence_s": 1}), CALM),
            "time": (scenario(*SAYS_NOTHING), business(limits={"max_call_s": 2}), CALM),
            "dead line": (scenario(*SAYS_NOTHING), business(), Policies(jitter=Jitter(loss_chance=1.0))),
            "weather": (ASKS_FOR_THE_WEATHER, business(tools={"builtin": ["end_call"], "http": [tool]}), CALM),
            "lead": (LEAVES_A_NAME, business(tools={"builtin": ["create_lead"], "lead_fields": ["name", "reason"]}), CALM),
        }
        folders = [tmp_path_factory.mktemp("clocks") for _ in plans]
        played = await asyncio.gather(*(play(folder, *plan) for folder, plan in zip(folders, plans.values(), strict=True)))
        await runner.cleanup()
    yield dict(zip(plans, played, strict=True))


def test_a_silent_caller_is_asked_twice_and_said_goodbye_to(calls: dict[str, Played]) -> None:
    call = calls["silence"]
    assert call.agent_lines == [GREETING, ENGLISH.still_there, ENGLISH.still_there, ENGLISH.nobody_there]
    assert call.ended == "silence"
    assert spoken(ENGLISH.nobody_there) in call.heard


def test_a_call_whose_time_is_up_is_said_goodbye_to(calls: dict[str, Played]) -> None:
    call = calls["time"]
    assert call.agent_lines == [GREETING, ENGLISH.goodbye]
    assert call.ended == "max_duration"
    assert spoken(ENGLISH.goodbye) in call.heard


def test_a_line_on_which_nothing_of_the_caller_arrives_is_ended_with_words(calls: dict[str, Played]) -> None:
    call = calls["dead line"]
    assert call.agent_lines == [GREETING, ENGLISH.nobody_there]
    assert call.ended == "no_inbound_media"
    assert spoken(ENGLISH.nobody_there) in call.heard


def test_an_http_tool_is_asked_and_its_answer_reaches_the_model_once(calls: dict[str, Played]) -> None:
    call = calls["weather"]
    outputs = [
        event["item"]["output"] for event in call.model_heard if event.get("item", {}).get("type") == "function_call_output"
    ]
    assert [msgspec.json.decode(output) for output in outputs] == [{"city": "Oslo", "celsius": -3}, {"ok": True}]
    assert [tool.name for tool in of_kind(call.events, ToolCalled)] == ["weather", "end_call"]
    assert [tool.ok for tool in of_kind(call.events, ToolFinished)] == [True, True]


def test_the_words_spoken_with_end_call_are_the_goodbye_and_are_heard_whole(calls: dict[str, Played]) -> None:
    call = calls["weather"]
    assert call.agent_lines == [GREETING, "It is cold.", "Until next time."]
    assert call.ended == "end_call"
    assert spoken("Until next time.") in call.heard


def test_a_complete_lead_is_on_the_record_and_the_call_ends_with_the_closing(calls: dict[str, Played]) -> None:
    call = calls["lead"]
    assert of_kind(call.events, LeadCaptured) == [LeadCaptured(fields=LEAD)]
    assert [started.reason for started in of_kind(call.events, ClosingStarted)] == ["lead_captured"]
    assert call.agent_lines == [GREETING, "Noted.", GOODBYE]
    assert call.ended == "lead_captured"

"""The callers that come with the project: what each of them is there to show happens, under the virtual clock."""

import io
from functools import cache
from pathlib import Path

import pytest
from rich.console import Console

from calls import events
from calls.business_files import load_businesses
from frontdesk.demo import profile_of
from frontdesk.fast import play_fast
from frontdesk.narration import Narrator
from simulator.scenario import shipped, shipped_names

ROOT = Path(__file__).resolve().parent.parent.parent
BUSINESSES = load_businesses(ROOT / "businesses")

SHOWN: dict[str, tuple[str, tuple[type[events.EventBody], ...]]] = {
    "garage": ("farewell", (events.BargeInDismissed, events.BargeInCut, events.LeadCaptured)),
    "garage-price": ("farewell", (events.BargeInCut,)),
    "hangs-up": ("caller_hung_up", ()),
    "hvac": ("farewell", (events.BargeInDismissed, events.BargeInCut, events.LeadCaptured)),
    "impatient": ("farewell", (events.BargeInCut, events.BargeInCut)),
    "keypad": ("farewell", (events.Dtmf,) * 4),
    "leak": ("farewell", ()),
    "opening-hours": ("farewell", (events.ToolCalled, events.ToolFinished)),
    "second-thoughts": ("farewell", (events.ClosingReopened,)),
    "silent": ("farewell", ()),
    "toothache": ("lead_captured", (events.LeadCaptured,)),
    "train": ("farewell", (events.BargeInDismissed,)),
}
"""Per scenario: how it ends, and what happens in it besides talking, in order."""
COMMON = (
    events.CallStarted,
    events.ModelConnected,
    events.GreetingRequested,
    events.GreetingFirstAudio,
    events.GreetingFinished,
    events.TurnFirstAudio,
    events.AgentTranscript,
    events.CallerTranscript,
    events.BargeInTriggered,
    events.ClosingStarted,
    events.CallEnded,
)
"""What any call consists of."""
TOOLS_OF_A_LEAD = (events.ToolCalled, events.ToolFinished)


@cache
def played(name: str) -> Narrator:
    scenario = shipped(name)
    narrator, _ = play_fast(Console(file=io.StringIO()), scenario, profile_of(scenario, BUSINESSES))
    return narrator


def kinds_of(name: str) -> list[type[events.EventBody]]:
    """What is special about a call; the tools that take a lead down are part of the lead."""
    kinds = [type(body) for body in played(name).bodies if not isinstance(body, COMMON)]
    return [kind for kind in kinds if kind not in TOOLS_OF_A_LEAD or events.LeadCaptured not in kinds]


def test_every_shipped_scenario_is_known_here() -> None:
    assert shipped_names() == sorted(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_a_scenario_shows_what_it_is_there_for_and_nothing_else(name: str) -> None:
    assert tuple(kinds_of(name)) == SHOWN[name][1]


@pytest.mark.parametrize("name", SHOWN)
def test_a_scenario_ends_once_and_as_it_should(name: str) -> None:
    ended = [body.reason for body in played(name).bodies if isinstance(body, events.CallEnded)]
    assert ended == [SHOWN[name][0]]


@pytest.mark.parametrize("name", SHOWN)
def test_every_word_of_a_scenario_is_understood_and_answered(name: str) -> None:
    mind = shipped(name).mind
    holds = {check.what: check.holds for check in played(name).checks()}
    assert holds["greeting heard whole and verbatim"]
    assert holds["every word of the caller understood"]
    assert holds["nothing went wrong"]
    assert mind.otherwise not in [body.text for body in played(name).bodies if isinstance(body, events.AgentTranscript)]


@pytest.mark.parametrize("name", sorted(set(SHOWN) - {"hangs-up"}))
def test_nobody_but_who_hangs_up_is_left_without_a_goodbye(name: str) -> None:
    assert {check.what: check.holds for check in played(name).checks()}["goodbye heard whole before the line was released"]


def test_who_is_gone_in_mid_sentence_has_heard_half_of_it() -> None:
    last = [body for body in played("hangs-up").bodies if isinstance(body, events.AgentTranscript)][-1]
    reply = shipped("hangs-up").mind.replies[0].say or ""
    assert last.interrupted
    assert reply.startswith(last.text)
    assert 0 < len(last.text) < len(reply)


def test_who_says_nothing_is_asked_whether_they_are_there() -> None:
    said = [body.text for body in played("silent").bodies if isinstance(body, events.AgentTranscript)]
    assert said[1] == "Are you still there?"


def test_the_callers_differ_in_number_and_voice_and_reach_every_business() -> None:
    scenarios = [shipped(name) for name in SHOWN]
    numbers = [scenario.caller.from_ for scenario in scenarios]
    assert len(set(numbers)) == len(numbers)
    assert {scenario.business for scenario in scenarios} == {business.id for business in BUSINESSES}
    assert [scenario.name for scenario in scenarios] == list(SHOWN)
    assert all(scenario.to in profile_of(scenario, BUSINESSES).numbers for scenario in scenarios)

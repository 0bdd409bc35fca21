"""Whole calls with endpoints of other dialects, each behind a relay that knows no other names. All played at once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bridge.dialects import DIALECTS
from calls.events import AgentTranscript, AnyEvent, CallerTranscript, ErrorHappened, ModelConnected, ModelLost
from simulator.scenario import CallerStep
from tests.whole_calls.another_endpoint import AnotherEndpoint
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import GOODBYE, GREETING, business, of_kind, playing, scenario

ANSWER = "Green tea and black tea."
STORY = scenario(
    CallerStep(after_ms=250, say="Do you sell tea?"),
    CallerStep(when="agent_quiet", after_ms=250, say="No thanks, bye."),
    replies={"tea": ANSWER},
)
PCM = {"input": "pcm", "output": "pcm"}
CASES = {"azure": {}, "preview": {}, "azure-preview": PCM}


async def play(dialect: str, audio: dict[str, str], folder: Path) -> tuple[AnotherEndpoint, list[AnyEvent]]:
    async with AnotherEndpoint(dialect).listening() as endpoint:
        async with playing(folder, STORY, profile=business(audio=audio), endpoint=endpoint.in_front_of) as on_stage:
            record = await on_stage.call().over()
            await on_stage.model_closed()
        return endpoint, record


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, tuple[AnotherEndpoint, list[AnyEvent]]]]:
    folders = [tmp_path_factory.mktemp("dialect") for _ in CASES]
    async with nothing_left():
        calls = await asyncio.gather(*(play(name, audio, at) for (name, audio), at in zip(CASES.items(), folders, strict=True)))
    yield dict(zip(CASES, calls, strict=True))


@pytest.mark.parametrize("dialect", CASES)
def test_a_call_is_answered_as_by_anybody(dialect: str, played: dict[str, tuple[AnotherEndpoint, list[AnyEvent]]]) -> None:
    endpoint, record = played[dialect]
    assert endpoint.refused == []
    assert len(endpoint.sessions) == 1
    assert of_kind(record, ModelLost) + of_kind(record, ErrorHappened) == []
    assert len(of_kind(record, ModelConnected)) == 1
    assert [line.text for line in of_kind(record, AgentTranscript)] == [GREETING, ANSWER, GOODBYE]
    assert [line.text for line in of_kind(record, CallerTranscript)] == ["Do you sell tea?", "No thanks, bye."]


def test_every_dialect_but_openai_s_own_is_played() -> None:
    assert {"openai", *CASES} == DIALECTS.keys()

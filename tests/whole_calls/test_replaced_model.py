"""A session of the model is lost in the middle of a call, and the call goes on in another one. All these calls are played at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.spoken_lines import lines_of
from calls.events import AgentTranscript, AnyEvent, CallEnded, CallerTranscript, ClosingStarted, ModelLost, ModelResumed
from simulator.model.faults import Faults
from simulator.model.server import SessionLog
from simulator.scenario import CallerStep
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import GREETING, Call, of_kind, playing, scenario, spoken

QUESTION = "Do you sell tea?"
REPLY = "Green and black tea, and on market days a very good smoked one from the mountains, too."
ASKS = CallerStep(after_ms=250, say=QUESTION)


@dataclass(frozen=True)
class Case:
    """What goes wrong with which session."""

    faults: Mapping[int, Faults]
    reasons: tuple[str, ...]
    """Of each ``model.lost``; a part of it."""
    seed: int = 0


DROPPED = ("closed by the model (1006)",)
CASES = {
    "before it says a word": Case({0: Faults(drop_after_events=1)}, DROPPED),
    "before the first sound of the greeting": Case({0: Faults(drop_at_ms=60)}, DROPPED),
    "while the greeting is being heard": Case({0: Faults(drop_at_ms=300)}, DROPPED),
    "while the caller is speaking": Case({0: Faults(drop_at_ms=1300)}, DROPPED),
    "by running out": Case({0: Faults(expire_at_ms=1300)}, ("session_expired",)),
    "by not greeting": Case({0: Faults(fates={0: "never"})}, ("stalled",)),
    "by not answering": Case({0: Faults(fates={1: "never"})}, ("stalled",)),
    "by greeting without a sound, twice": Case({0: Faults(every_fate="silent")}, ("no_audio",)),
    "by an error before it is set up": Case({0: Faults(refuse_update=True)}, ("server_error",)),
    "twice": Case({0: Faults(drop_at_ms=300), 1: Faults(drop_at_ms=1200)}, DROPPED * 2),
}


@dataclass
class Played:
    """A call that is over."""

    case: Case
    call: Call
    events: list[AnyEvent]
    sessions: list[SessionLog]

    def lines_of(self, kind: type[Any]) -> list[str]:
        """What one side said, without what the bridge says for want of a model."""
        one_moment = lines_of("en")["one_moment"].text
        return [line.text for line in of_kind(self.events, kind) if line.text != one_moment]


async def play(case: Case, folder: Path) -> Played:
    caller = scenario(ASKS, CallerStep(after_ms=900, hang_up=True), replies={"tea": REPLY})
    async with playing(folder, caller, faults=case.faults, seed=case.seed) as on_stage:
        call = on_stage.call()
        events = await call.over()
        for nth in range(len(on_stage.stage.model.sessions)):
            await on_stage.model_closed(nth)
        return Played(case, call, events, on_stage.stage.model.sessions)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    plays = {name: play(case, tmp_path_factory.mktemp("replaced")) for name, case in CASES.items()}
    async with nothing_left():
        calls = await asyncio.gather(*plays.values())
    yield dict(zip(plays, calls, strict=True))


@pytest.fixture(params=list(CASES))
def kept(request: pytest.FixtureRequest, played: dict[str, Played]) -> Played:
    return played[request.param]


def test_the_call_goes_on_to_its_ordinary_end(kept: Played) -> None:
    assert of_kind(kept.events, ClosingStarted) == []
    assert [ended.reason for ended in of_kind(kept.events, CallEnded)] == ["caller_hung_up"]
    assert kept.call.phone.machine.warnings == []


def test_each_loss_and_each_return_is_on_the_record(kept: Played) -> None:
    changes = [event for event in kept.events if isinstance(event, ModelLost | ModelResumed)]
    assert [type(change) for change in changes] == [ModelLost, ModelResumed] * len(kept.case.reasons)
    for lost, reason in zip(of_kind(kept.events, ModelLost), kept.case.reasons, strict=True):
        assert reason in lost.reason


def test_nothing_is_said_twice_and_nothing_is_forgotten(kept: Played) -> None:
    assert kept.lines_of(AgentTranscript) == [GREETING, REPLY]
    assert kept.lines_of(CallerTranscript) == [QUESTION]


def test_the_caller_hears_every_line_from_its_first_sample_to_its_last(kept: Played) -> None:
    heard = kept.call.heard
    assert heard.count(spoken(GREETING)) == heard.count(spoken(REPLY)) == 1


def test_the_sessions_that_are_left_are_closed(kept: Played) -> None:
    assert len(kept.sessions) == len(kept.case.reasons) + 1
    assert kept.sessions[-1].close_code == 1000


def test_a_new_session_is_told_what_was_heard_before_it_hears_the_caller(played: dict[str, Played]) -> None:
    first, second = played["while the caller is speaking"].sessions
    items = [event["item"] for _, event in second.received if event.get("type") == "conversation.item.create"]
    assert items[0]["role"] == "assistant"
    assert items[0]["content"] == [{"type": "output_text", "text": GREETING}]
    assert second.types()[:2] == ["session.update", "conversation.item.create"]
    kinds = [event.get("type") for _, event in second.received]
    assert kinds.index("conversation.item.create") < kinds.index("input_audio_buffer.append")
    assert first.received[0][1]["session"] == second.received[0][1]["session"]


def test_a_caller_who_is_kept_waiting_is_told_so_once(played: dict[str, Played]) -> None:
    one_moment = lines_of("en")["one_moment"].audio
    assert played["by not answering"].call.heard.count(one_moment) == 1
    assert played["while the caller is speaking"].call.heard.count(one_moment) == 0

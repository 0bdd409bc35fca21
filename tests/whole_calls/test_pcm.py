"""Calls whose model hears or speaks 24 kHz PCM, as heard on the telephone and as seen on the model's wire. All played at once."""

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bridge.conversation.model_audio import AgentFromPcm
from bridge.resampling import SoxrResampler
from calls.events import AgentTranscript, AnyEvent, BargeInCut, CallerTranscript
from simulator.model.audio import AudioFormat
from simulator.model.server import SessionLog
from simulator.phone.timeline import ClearReceived
from simulator.scenario import CallerStep
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.playing import GREETING, HANGS_UP, SAMPLES_PER_MS, Call, business, of_kind, playing, scenario, spoken

SAME_PLACE_MS = 250
"""As in the tests of barge-in."""
REPLY = "We have green tea and black tea and white tea and herbs from all over the world."
ANSWER = "Only tea."
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
INTERRUPTS = CallerStep(when="agent_speaking", after_ms=900, say="No no no, coffee!")
STORY = scenario(ASKS, INTERRUPTS, HANGS_UP, replies={"coffee": ANSWER, "tea": REPLY})
WAYS = {"both ways": ("pcm", "pcm"), "to the model": ("pcm", "pcmu"), "from the model": ("pcmu", "pcm")}


@dataclass(frozen=True)
class Played:
    """A call that is over."""

    call: Call
    record: list[AnyEvent]
    session: SessionLog
    hears: str
    speaks: str

    def as_heard(self, line: str) -> bytes:
        """A line of the model as the phone should get it: in PCM, converted in one go."""
        if self.speaks == "pcmu":
            return spoken(line)
        stream = AgentFromPcm(SoxrResampler)
        pcm = AudioFormat({"type": "audio/pcm"}).from_ulaw(spoken(line))
        return b"".join(ulaw for _, ulaw in [*stream.convert("", "", pcm), *stream.finish("")])

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """What the model was sent of one type."""
        return [event for _, event in self.session.received if event["type"] == kind]


async def play(hears: str, speaks: str, folder: Path) -> Played:
    async with playing(folder, STORY, profile=business(audio={"input": hears, "output": speaks})) as on_stage:
        call = on_stage.call()
        return Played(call, await call.over(), await on_stage.model_closed(), hears, speaks)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calls_in_pcm(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Played]]:
    folders = [tmp_path_factory.mktemp("pcm") for _ in WAYS]
    async with nothing_left():
        calls = await asyncio.gather(*(play(*way, folder) for way, folder in zip(WAYS.values(), folders, strict=True)))
    yield dict(zip(WAYS, calls, strict=True))


@pytest.fixture(params=list(WAYS))
def played(request: pytest.FixtureRequest, calls_in_pcm: dict[str, Played]) -> Played:
    one: Played = calls_in_pcm[request.param]
    return one


def test_the_caller_hears_whole_lines_to_the_byte(played: Played) -> None:
    assert played.as_heard(GREETING) in played.call.heard
    assert played.as_heard(ANSWER) in played.call.heard


def test_a_cut_is_where_the_caller_s_hearing_ended(played: Played) -> None:
    really_heard_ms = played.call.heard_ms(played.as_heard(REPLY))
    assert len(played.call.observed(ClearReceived)) == 1
    (truncate,) = played.sent("conversation.item.truncate")
    (cut,) = of_kind(played.record, BargeInCut)
    assert really_heard_ms < len(played.as_heard(REPLY)) / SAMPLES_PER_MS - 500
    assert abs(truncate["audio_end_ms"] - really_heard_ms) <= SAME_PLACE_MS
    assert abs(cut.heard_ms - truncate["audio_end_ms"]) <= 1
    assert [line.interrupted for line in of_kind(played.record, AgentTranscript)] == [False, True, False]


def test_the_model_hears_the_caller(played: Played) -> None:
    assert [line.text for line in of_kind(played.record, CallerTranscript)] == [ASKS.say, INTERRUPTS.say]
    appended = [len(b64decode(event["audio"])) for event in played.sent("input_audio_buffer.append")]
    bytes_a_ms = 48 if played.hears == "pcm" else 8
    heard_ms = sum(appended) / bytes_a_ms
    assert (
        abs(heard_ms - len(played.call.heard) / SAMPLES_PER_MS) < 3_000
    )  # the call's own length; the other format's is six times it
    assert 0 not in appended

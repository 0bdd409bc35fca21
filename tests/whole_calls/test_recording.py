"""Recorded calls: what is in the file is what was said and what was heard, when it was; also when the process is killed. All these
calls but one are played at once."""

import asyncio
import wave
from collections.abc import AsyncIterator, Callable, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from structlog.testing import capture_logs

from calls.business import BusinessProfile
from calls.events import AgentTranscript, AnyEvent, BargeInCut
from calls.language import ENGLISH
from calls.record import CallRecord
from calls.recordings.place import FilePlace, Place, S3Place
from calls.recordings.shelf import copy_recording
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.policies import Human, Policies
from simulator.phone.timeline import FirstMedia, KeySent, StartSent, StreamOver
from simulator.scenario import CallerStep, Scenario
from tests.calls import moto_s3
from tests.calls.moto_s3 import BUCKET
from tests.calls.recordings import differing, loud_ms
from tests.whole_calls.leftovers import nothing_left
from tests.whole_calls.operators import OPERATORS, operator_at
from tests.whole_calls.playing import (
    CALM,
    HANGS_UP,
    HUMAN,
    Call,
    Caller,
    Playing,
    business,
    of_kind,
    plan_for,
    playing,
    scenario,
    spoken,
)
from tests.whole_calls.served import Balancer, Served
from tests.whole_calls.test_process import AUTH_TOKEN, FILE, dial, stored

Samples = NDArray[np.int16]
FRAMES_PER_MS = 8
SAME_MOMENT_MS = 250
"""On however slow a machine; how exact it is, tests/frontdesk/test_recorded_exactly.py shows."""
EDGES = 3
"""Tenths of a second that may have a frame more or fewer: where the recording begins and ends, and where speech is cut."""
LOST_AT_MOST_MS = 2_000
"""A second, and as much again for a machine that is busy."""
ASKS = CallerStep(after_ms=900, say="Do you sell tea?")  # longer than the greeting's pause before its second sentence
LISTENS_ON = scenario(CallerStep(after_ms=900, hang_up=True))
INTERRUPTS = CallerStep(when="agent_speaking", after_ms=900, say="No no no, coffee!")
INTERRUPTED = scenario(
    ASKS,
    INTERRUPTS,
    HANGS_UP,
    replies={"coffee": "Only tea.", "tea": "We have green tea and black tea and white tea and herbs from all over the world."},
)
LISTENS = scenario(
    ASKS,
    CallerStep(when="agent_speaking", after_ms=1800, dtmf="1"),
    replies={"tea": "We have green tea and black tea and white tea and herbs from all over the world, and some from here."},
)
SHORTLY = {"enabled": True, "consent": "Recorded."}
RECORDED = business(recording=SHORTLY)
WAITS = CallerStep(when="answered", after_ms=60_000, hang_up=True)


def audio_of(path: Path) -> Samples:
    """The samples of a recording, read by the standard library."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)


def path_of(record: CallRecord | None) -> Path:
    assert record is not None
    assert record.recording is not None
    return Path(record.recording.removeprefix("file:"))


def phone_of(caller: Caller, stream: int = 0) -> Samples:
    """What the phone said and heard from a stream's beginning on: an account of the call that knows nothing of the bridge."""
    began_ms = caller.observed(StartSent)[stream].at_ms
    return caller.phone.machine.recording.stereo()[round(began_ms * FRAMES_PER_MS) :]


@dataclass(frozen=True)
class Case:
    """A call to be played."""

    profile: BusinessProfile = RECORDED
    scenario: Scenario = LISTENS_ON
    place: Callable[[Path], Place | None] = FilePlace
    policies: Policies = CALM


@dataclass
class Played:
    """A call that is over."""

    call: Call
    events: list[AnyEvent]
    record: CallRecord
    folder: Path
    log: list[str]
    """What was logged of recordings."""

    @property
    def path(self) -> Path:
        """Where its recording is."""
        return path_of(self.record)


CASES = {
    "interrupted": Case(scenario=INTERRUPTED),
    "told": Case(profile=business(recording={"enabled": True})),
    "nowhere": Case(profile=business(recording=SHORTLY, id="nowhere"), place=lambda _: None),
    "listened to": Case(scenario=INTERRUPTED),
    "unwanted": Case(profile=business()),
    "came back": Case(
        scenario=scenario(CallerStep(after_ms=900, dtmf="0"), CallerStep(after_ms=400, say="No thanks."), WAITS),
        profile=business(
            recording=SHORTLY, escalation={"to": HUMAN, "announce": "I will get Dana.", "timeout_s": 5, "no_answer": "ai"}
        ),
        policies=Policies(humans={HUMAN: Human(outcome="busy", after_ms=200)}),
    ),
    "no disk": Case(scenario=INTERRUPTED),
    "s3": Case(scenario=INTERRUPTED, place=lambda _: S3Place(BUCKET, "calls/")),
}


async def play(case: Case, name: str, folder: Path, logs: list[MutableMapping[str, Any]]) -> Played:
    recordings = folder / "rec"
    if name == "no disk":
        recordings.mkdir()
        (recordings / "corner-shop").write_text("a file where a folder is to be")
    profile, place = case.profile, case.place(recordings)
    async with playing(folder, case.scenario, profile=profile, recordings=place, operators=OPERATORS) as on_stage:
        call = on_stage.call(policies=case.policies)
        if name == "listened to":
            await listen_for_a_while(on_stage, call)
        events = await call.over()
        record = await on_stage.stage.deployment.store.get_call(call.sid)
    assert record is not None
    about = [entry for entry in logs if call.sid == entry.get("call_sid") or case.profile.id == entry.get("business_id")]
    told = [entry["event"] for entry in about if entry["event"].startswith("recording")]
    return Played(call, events, record, recordings, told)


async def listen_for_a_while(on_stage: Playing, call: Call) -> None:
    """An operator attaches, listens until the AI has been heard, and is gone."""
    async with operator_at(on_stage.stage.deployment.url) as ana:
        await ana.event("greeting.first_audio", call.sid)
        assert (await ana.commands(call.sid, "listen"))["ok"]
        await ana.sees(lambda one: one["type"] == "audio" and one["side"] == "agent")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory, s3_url: str) -> AsyncIterator[dict[str, Played]]:
    folder = tmp_path_factory.mktemp("recording")
    with capture_logs() as logs, moto_s3.empty_bucket(s3_url, folder / "tmp"):
        async with nothing_left():
            plays = []
            for name, case in CASES.items():
                (folder / name).mkdir()
                plays.append(play(case, name, folder / name, logs))
            calls = await asyncio.gather(*plays)
        yield dict(zip(CASES, calls, strict=True))


def test_both_channels_are_what_the_phone_said_and_heard_across_an_interruption(played: dict[str, Played]) -> None:
    one = played["interrupted"]
    assert len(of_kind(one.events, BargeInCut)) == 1
    recorded, real = audio_of(one.path), phone_of(one.call)
    assert len(differing(recorded[:, 1], real[:, 1], SAME_MOMENT_MS)) <= EDGES
    assert len(differing(recorded[:, 0], real[:, 0], SAME_MOMENT_MS)) <= EDGES
    for side in (0, 1):
        assert loud_ms(recorded[:, side]) == pytest.approx(loud_ms(real[:, side]), abs=SAME_MOMENT_MS)


def test_a_recording_is_found_by_business_and_day_and_is_for_its_owner_only(played: dict[str, Played]) -> None:
    one = played["interrupted"]
    assert one.path == one.folder / "corner-shop" / one.record.started_at[:10] / f"{one.call.sid}.wav"
    assert [path.stat().st_mode & 0o077 for path in (one.path, *one.path.parents[:2])] == [0, 0, 0]


def test_the_caller_is_told_in_the_greeting(played: dict[str, Played]) -> None:
    greeting = f"Hello. {ENGLISH.recorded}"
    assert of_kind(played["told"].events, AgentTranscript)[0].text == greeting
    assert spoken(greeting) in played["told"].call.heard


def test_without_a_place_nothing_is_recorded_nobody_is_told_that_it_is_and_the_log_warns(played: dict[str, Played]) -> None:
    one = played["nowhere"]
    assert of_kind(one.events, AgentTranscript)[0].text == "Hello."
    assert (one.record.recording, one.log) == (None, ["recording.off"])


def test_an_operator_who_listens_for_a_while_takes_nothing_from_it(played: dict[str, Played]) -> None:
    one = played["listened to"]
    recorded, real = audio_of(one.path), phone_of(one.call)
    assert len(differing(recorded[:, 1], real[:, 1], SAME_MOMENT_MS)) <= EDGES
    assert loud_ms(recorded[:, 1]) == pytest.approx(loud_ms(real[:, 1]), abs=SAME_MOMENT_MS)
    assert loud_ms(recorded[:, 0]) == pytest.approx(loud_ms(real[:, 0]), abs=SAME_MOMENT_MS)


def test_a_business_that_does_not_want_it_is_not_recorded(played: dict[str, Played]) -> None:
    one = played["unwanted"]
    assert of_kind(one.events, AgentTranscript)[0].text == "Hello."
    assert (one.record.recording, one.log) == (None, [])
    assert list(one.folder.iterdir()) == []


def test_a_call_that_comes_back_to_the_ai_goes_on_in_the_same_file_after_the_time_it_was_away(played: dict[str, Played]) -> None:
    one = played["came back"]
    first, second = (start.at_ms for start in one.call.observed(StartSent))
    left = round((one.call.observed(StreamOver)[0].at_ms - first + 2 * SAME_MOMENT_MS) * FRAMES_PER_MS)
    came_back = round((second - first) * FRAMES_PER_MS)
    recorded, real = audio_of(one.path), phone_of(one.call)
    assert not recorded[left:came_back].any()
    assert len(differing(recorded[:left, 1], real[:left, 1], SAME_MOMENT_MS)) <= EDGES
    assert len(differing(recorded[came_back:, 1], real[came_back:, 1], SAME_MOMENT_MS)) <= EDGES
    assert loud_ms(recorded[came_back:, 1]) > 1000


def test_a_disk_that_takes_nothing_does_not_touch_the_call(played: dict[str, Played]) -> None:
    assert spoken("Only tea.") in played["no disk"].call.heard
    assert played["no disk"].log == ["recording.failed"]


def test_in_s3_a_call_is_one_object_once_it_is_over(played: dict[str, Played], tmp_path: Path) -> None:
    one = played["s3"]
    assert one.record.recording == f"s3://{BUCKET}/calls/corner-shop/{one.record.started_at[:10]}/{one.call.sid}.wav"
    with (tmp_path / "call.wav").open("wb") as out:
        copy_recording(one.record.recording, out)
    recorded, real = audio_of(tmp_path / "call.wav"), phone_of(one.call)
    assert len(differing(recorded[:, 1], real[:, 1], SAME_MOMENT_MS)) <= EDGES
    assert one.log == []


# --- a process that is killed ----------------------------------------------------------------------------------------------


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(f'{FILE}[recording]\nenabled = true\nconsent = "Recorded."\n', encoding="utf-8")
    async with (
        ModelServer(plan_for(LISTENS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        deployment = Served(tmp_path, businesses, model, cloud, balancer)
        deployment.environment["FRONTDESK_RECORDINGS"] = f"file:{tmp_path / 'rec'}"
        try:
            yield deployment
        finally:
            await deployment.end()


async def test_the_recording_of_a_process_that_is_killed_plays_and_lacks_a_second_or_so_at_most(served: Served) -> None:
    process = await served.start()
    caller = dial(served, LISTENS)
    killed: list[float] = []

    def kill() -> None:
        served.balancer.serves_no_more()
        process.kill()
        killed.append(caller.phone.machine.recording.duration_ms)

    caller.at_first(KeySent, kill)
    await caller.sees(StreamOver)
    began_ms = caller.observed(StartSent)[0].at_ms
    assert await process.exit_code() == -9
    record, _ = await stored(served, caller.sid)
    recorded, real = audio_of(path_of(record)), phone_of(caller)
    assert not record.ended
    length_ms = len(recorded) / FRAMES_PER_MS
    lasted_ms = killed[0] - began_ms
    assert lasted_ms - LOST_AT_MOST_MS <= length_ms <= lasted_ms + SAME_MOMENT_MS
    assert len(differing(recorded[:, 1], real[:, 1], SAME_MOMENT_MS)) <= EDGES
    # the next process carries the call on, and its recording behind what there is
    next_process = await served.start()
    await caller.sees(FirstMedia, lambda _: len(caller.observed(FirstMedia)) == 2)
    caller.phone.hang_up()
    await caller.is_over()
    next_process.terminate()
    assert await next_process.exit_code() == 0
    later = audio_of(path_of(record))
    assert len(later) > len(recorded)
    assert (later[: len(recorded)] == recorded).all()

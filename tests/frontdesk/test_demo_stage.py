"""The demo's stage: who calls, under which number, and that every session of the model plays the part of its own call."""

import asyncio
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from calls.business_files import BusinessDirectory, load_businesses
from calls.events import AgentTranscript, CallEnded
from frontdesk.demo_stage import Callers, Casting, Deck, from_another_number, rehearse, scenarios_for
from frontdesk.stage import plan_of, stage
from simulator.model.server import SessionPlan
from simulator.phone.running import RunningCall
from simulator.scenario import CallerStep, Mind, Scenario, ScenarioError, shipped, shipped_names
from tests.whole_calls.playing import HANGS_UP, QUICK, WITHIN_S, business, of_kind, scenario

ROOT = Path(__file__).resolve().parent.parent.parent
BUSINESSES = load_businesses(ROOT / "businesses")
SHIPPED = [shipped(name) for name in shipped_names()]


# --- who calls -------------------------------------------------------------------------------------------------------------


def test_every_scenario_is_played_once_before_any_is_played_again() -> None:
    deck = Deck(SHIPPED, random.Random(1))
    rounds = [[deck.draw().name for _ in SHIPPED] for _ in range(3)]
    assert all(sorted(names) == shipped_names() for names in rounds)
    assert rounds[1] != rounds[2]


def test_the_first_callers_are_those_with_most_to_be_seen() -> None:
    deck = Deck(SHIPPED, random.Random(1))
    assert [deck.draw().name for _ in range(3)] == ["hvac", "garage", "impatient"]


def test_a_scenario_that_is_being_played_waits_unless_there_is_no_other() -> None:
    deck = Deck(SHIPPED[:2], random.Random(1))
    first, second = SHIPPED[0].name, SHIPPED[1].name
    assert deck.draw(played=[first]).name == second
    assert deck.draw(played=[first]).name == first


def test_the_same_seed_gives_the_same_evening() -> None:
    def evening(seed: int) -> list[str]:
        deck = Deck(SHIPPED, random.Random(seed))
        return [deck.draw().name for _ in range(4 * len(SHIPPED))]

    assert evening(7) == evening(7)
    assert evening(7) != evening(8)


@pytest.mark.parametrize("part", SHIPPED, ids=lambda part: part.name)
def test_a_caller_gets_a_number_nobody_has_and_keeps_country_and_channel(part: Scenario) -> None:
    taken: list[str] = []
    for _ in range(60):
        caller = from_another_number(part, taken, random.Random(5)).caller
        taken.append(caller.from_)
    assert len(set(taken)) == 60
    shape = part.caller.from_[:-9] if part.caller.from_.startswith("+972") else part.caller.from_.partition("+")[0] + "+1"
    assert all(number.startswith(shape) and len(number) == len(part.caller.from_) for number in taken)


def test_north_american_callers_have_numbers_that_belong_to_nobody() -> None:
    chance = random.Random(1)
    numbers = [from_another_number(shipped("leak"), (), chance).caller.from_ for _ in range(20)]
    assert all(number[:-4].endswith("555") and number[-4:-2] == "01" for number in numbers)


def test_everything_but_the_number_is_the_scenario_s() -> None:
    part = shipped("hvac")
    played = from_another_number(part, (), random.Random(1))
    assert (played.mind, played.caller.steps, played.to) == (part.mind, part.caller.steps, part.to)


def test_only_scenarios_whose_business_is_there_are_played() -> None:
    garage = BusinessDirectory([profile for profile in BUSINESSES if profile.id == "dana-garage"])
    assert {part.business for part in scenarios_for(garage)} == {"dana-garage"}
    with pytest.raises(ScenarioError, match="FRONTDESK_BUSINESSES"):
        scenarios_for(BusinessDirectory([business()]))


def test_the_rehearsal_tells_how_far_it_is_up_to_the_last_voice() -> None:
    told: list[dict[str, Any]] = []
    rehearse(SHIPPED[:2], BUSINESSES, told.append)
    counts = [line["rendered"] for line in told]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == told[-1]["voices"]


# --- who answers -----------------------------------------------------------------------------------------------------------


def tea(name: str, answer: str) -> Scenario:
    """The same words, another answer."""
    asks = CallerStep(after_ms=250, say="Do you sell tea?")
    return scenario(asks, HANGS_UP, replies={"tea": answer}, name=name)


GREEN, BLACK = tea("green", "Green tea."), tea("black", "Black tea.")


class DialledCall:
    """A call as the casting needs it: it may end."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def finished(self) -> None:
        await self.over.wait()


def casting_of(*parts: Scenario) -> Casting:
    def plan(mind: Mind) -> Callable[[int], SessionPlan]:
        return lambda nth: SessionPlan(mind=mind, ears=plan_of(parts[0])(0).ears, seed=nth)

    return Casting({part.name: plan(part.mind) for part in parts})


async def test_nobody_dials_before_the_session_of_the_last_caller_is_open() -> None:
    casting, dialled = casting_of(GREEN, BLACK), []

    def place(name: str) -> Callable[[], RunningCall]:
        def call() -> RunningCall:
            dialled.append(name)
            return DialledCall()  # type: ignore[return-value]

        return call

    calls = [asyncio.create_task(casting.dial(part, place(part.name))) for part in (GREEN, BLACK)]
    for nth, part in enumerate((GREEN, BLACK)):
        for _ in range(20):
            await asyncio.sleep(0)
        assert dialled == ["green", "black"][: nth + 1]
        assert casting.plan(nth).mind == part.mind
    await asyncio.gather(*calls)


async def test_a_call_that_ends_without_a_session_leaves_its_part_to_nobody() -> None:
    casting, call = casting_of(GREEN), DialledCall()
    call.over.set()
    await casting.dial(GREEN, lambda: call)  # type: ignore[arg-type, return-value]
    assert casting.plan(0).mind == Mind()


async def test_callers_of_one_business_at_the_same_time_are_each_answered_by_their_own_model(tmp_path: Path) -> None:
    casting = Casting({part.name: plan_of(part, timing=QUICK) for part in (GREEN, BLACK)})
    directory = BusinessDirectory([business()])
    async with stage(casting.plan, store=f"sqlite:{tmp_path / 'calls.db'}", businesses=directory) as on_stage:
        parts = [GREEN, BLACK, BLACK, GREEN]
        calls = await asyncio.gather(
            *(casting.dial(part, lambda part=part: on_stage.place_call(part)) for part in parts)  # type: ignore[misc]
        )
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*(call.finished() for call in calls))
            answers = [await answer(on_stage.deployment, call.call_sid) for call in calls]
    assert answers == ["Green tea.", "Black tea.", "Black tea.", "Green tea."]


async def answer(deployment: Any, call_sid: str) -> str:
    """What the AI said last, once the call's record is closed."""
    while True:
        bodies = [event.body for event in await deployment.store.events(call_sid)]
        if of_kind(bodies, CallEnded):
            return of_kind(bodies, AgentTranscript)[-1].text


async def test_calls_that_are_over_are_forgotten_by_the_phone_company_and_the_model(tmp_path: Path) -> None:
    casting, chance = Casting({"green": plan_of(GREEN, timing=QUICK)}), random.Random(1)
    async with stage(
        casting.plan, store=f"sqlite:{tmp_path / 'calls.db'}", businesses=BusinessDirectory([business()])
    ) as on_stage:
        with on_stage.deployment.bus.subscribe() as told:
            callers = asyncio.create_task(Callers(on_stage, casting, Deck([GREEN], chance), chance).keep_calling(1))
            try:
                async with asyncio.timeout(WITHIN_S):
                    while (await told.get()).kind != "call.ended":
                        pass
                    while on_stage.cloud.calls or on_stage.model.sessions:  # noqa: ASYNC110  (nobody tells when)
                        await asyncio.sleep(0)
            finally:
                callers.cancel()
                await asyncio.gather(callers, return_exceptions=True)


# --- the process -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def stage_process(*options: str, **environ: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "frontdesk.demo_stage", *options, cwd=ROOT, env={**os.environ, **environ}, stdin=pipe, stdout=pipe
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told_by(process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
    """Everything the process says until it is ready, or cannot be."""
    assert process.stdout is not None
    told: list[dict[str, Any]] = []
    async for line in process.stdout:
        told.append(json.loads(line))
        if told[-1].keys() & {"url", "error"}:
            break
    return told


async def test_several_callers_are_on_the_line_and_operators_are_let_in() -> None:
    async with stage_process("--calls", "3") as process:
        *progress, ready = await told_by(process)
        assert [line["rendered"] for line in progress] == [*range(0, progress[-1]["voices"], 10), progress[-1]["voices"]]
        headers = {"Authorization": f"Bearer {ready['token']}"}
        async with connect(ready["url"].replace("http", "ws") + "/operator", additional_headers=headers) as operator:
            messages = [json.loads(message) for message in [await operator.recv()]]
            started = {call["call_sid"]: call["from"] for call in messages[0]["calls"]}
            async for frame in operator:
                message = json.loads(frame)
                if message.get("kind") == "call.started":
                    started[message["call_sid"]] = message["from"]
                if len(started) == 3:
                    break
        assert Counter(started.values()).most_common(1)[0][1] == 1
        await ends_with_its_stdin(process)
        assert process.stdout is not None
        assert await process.stdout.read() == b"", "nobody reads it by then, and a full pipe would stop the stage"


async def ends_with_its_stdin(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_stage_whose_starter_is_gone_is_gone_too_and_leaves_no_folder(tmp_path: Path) -> None:
    async with stage_process("--calls", "2", TMPDIR=str(tmp_path), FRONTDESK_STORE="") as process:
        await told_by(process)
        assert [name[:15] for name in os.listdir(tmp_path)] == ["frontdesk-demo-"]
        await ends_with_its_stdin(process)
    assert os.listdir(tmp_path) == []


async def test_without_the_example_businesses_the_stage_says_what_to_do(tmp_path: Path) -> None:
    async with stage_process(FRONTDESK_BUSINESSES=str(tmp_path / "nothing")) as process:
        told = await told_by(process)
        assert "error" in told[-1]
        assert await process.wait() == 1


def test_the_callers_of_an_evening_are_not_all_of_one_business() -> None:
    deck = Deck(SHIPPED, random.Random(1))
    first = [part.business for part in islice(iter(deck.draw, None), 7)]
    assert len(set(first)) == 3

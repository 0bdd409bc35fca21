"""The demo's stage, in a process of its own: several simulated callers at a time who keep calling, and a bridge that answers them.

``python -m frontdesk.demo_stage`` tells on stdout, one JSON object a line, how far it is with its preparations, and then where
operators are let in: ``{"url": …, "token": …}``. It ends when its stdin is closed, so that nothing is left of it when whoever
started it is gone.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import re
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from bridge.operator.tokens import parse_tokens
from calls.business_files import BusinessDirectory, BusinessFileError, load_businesses
from calls.exit_codes import ExitCode
from frontdesk.logs import set_up_logs
from frontdesk.runner import run
from frontdesk.stage import Stage, plan_of, spoken_lines, stage
from simulator import voice
from simulator.ears import Ears
from simulator.model.server import SessionPlan
from simulator.phone.running import RunningCall
from simulator.scenario import Mind, Scenario, ScenarioError, shipped, shipped_names

FIRST = ("hvac", "garage", "impatient", "train", "toothache", "garage-price")
"""Who calls first: those of whom there is most to be seen."""
APART_S = 1.5
"""Between two callers at the beginning."""
PAUSE_S = (1.0, 5.0)
"""Between two calls of one line."""
HANG_UP_S = 1.0
"""How long the calls may take to end when the demo does."""
AREA_CODES = ("212", "303", "312", "404", "415", "503", "617", "702", "808", "919")
VOICES_A_LINE = 10
"""How many voices are rendered between two words about it."""

log = structlog.get_logger()

_FICTIONAL = re.compile(r"\+1\d{3}55501\d\d$")
"""The numbers 555-0100 to 555-0199 of every North American area code belong to nobody."""


class Deck:
    """Which scenario is next: each once before any comes again, in another order each time; not one that is being played."""

    def __init__(self, scenarios: Sequence[Scenario], chance: random.Random) -> None:
        self._scenarios = scenarios
        self._chance = chance
        self._cards = sorted(scenarios, key=lambda card: FIRST.index(card.name) if card.name in FIRST else len(FIRST))

    def draw(self, played: Iterable[str] = ()) -> Scenario:
        """The next one; ``played`` names those that go on at the moment, which are put off as long as there are others."""
        if not self._cards:
            self._cards = self._chance.sample(self._scenarios, len(self._scenarios))
        playing = set(played)
        index = next((index for index, card in enumerate(self._cards) if card.name not in playing), 0)
        return self._cards.pop(index)


def from_another_number(scenario: Scenario, taken: Iterable[str], chance: random.Random) -> Scenario:
    """The same part, played by a caller with a number that is not ``taken``."""
    in_use = set(taken)
    caller = scenario.caller
    while (number := _another(caller.from_, chance)) in in_use:
        pass
    return msgspec.structs.replace(scenario, caller=msgspec.structs.replace(caller, from_=number))


def _another(number: str, chance: random.Random) -> str:
    ending = f"{chance.randrange(100):02}"
    if _FICTIONAL.search(number):
        return _FICTIONAL.sub(f"+1{chance.choice(AREA_CODES)}55501{ending}", number)
    return number[:-2] + ending


class Casting:
    """Gives every session of the model the part that belongs to its call.

    Nothing on the model's socket names the call. So callers dial one after the other, each once the session of the one before is
    open: the session that is opened next belongs to whoever has dialled last.
    """

    def __init__(self, plans: Mapping[str, Callable[[int], SessionPlan]]) -> None:
        self._plans = plans
        self._one_at_a_time = asyncio.Lock()
        self._expected: str | None = None
        self._opened = asyncio.Event()

    def plan(self, nth: int) -> SessionPlan:
        """What the nth session is like. One that nobody is waiting for has lost the thread."""
        name, self._expected = self._expected, None
        if name is None:
            return SessionPlan(mind=Mind(), ears=Ears({}), seed=nth)
        self._opened.set()
        return self._plans[name](nth)

    async def dial(self, scenario: Scenario, place_call: Callable[[], RunningCall]) -> RunningCall:
        """Has the scenario's caller dial, and waits until the model has been asked for, or the call is over without it."""
        async with self._one_at_a_time:
            self._expected = scenario.name
            self._opened.clear()
            call = place_call()
            waits = [asyncio.ensure_future(self._opened.wait()), asyncio.ensure_future(call.finished())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._expected = None
                for wait in waits:
                    wait.cancel()
                await asyncio.gather(*waits, return_exceptions=True)
            return call


class Callers:
    """So many callers at a time, for as long as :meth:`keep_calling` runs."""

    def __init__(self, on_stage: Stage, casting: Casting, deck: Deck, chance: random.Random) -> None:
        self._stage = on_stage
        self._casting = casting
        self._deck = deck
        self._chance = chance
        self._live: dict[int, Scenario] = {}

    async def keep_calling(self, at_a_time: int) -> None:
        """Never returns."""
        async with asyncio.TaskGroup() as lines:
            for line in range(at_a_time):
                lines.create_task(self._keep_line_busy(line))

    async def _keep_line_busy(self, line: int) -> None:
        await asyncio.sleep(line * APART_S)
        while True:
            await self._play(line)
            await asyncio.sleep(self._chance.uniform(*PAUSE_S))

    async def _play(self, line: int) -> None:
        live = self._live.values()
        drawn = self._deck.draw(scenario.name for scenario in live)
        scenario = self._live[line] = from_another_number(drawn, (other.caller.from_ for other in live), self._chance)
        call = await self._casting.dial(scenario, lambda: self._stage.place_call(scenario))
        try:
            await call.finished()
        except Exception as error:  # a caller that breaks is no reason for the others to hang up
            log.error("demo.call_broke", call_sid=call.call_sid, exc_info=error)
        finally:
            del self._live[line]
        self._forget(call)

    def _forget(self, call: RunningCall) -> None:
        """The recordings of an evening would fill the memory."""
        self._stage.cloud.forget(call.call_sid)
        sessions = self._stage.model.sessions
        sessions[:] = [session for session in sessions if not session.closed.is_set()]


def scenarios_for(directory: BusinessDirectory) -> list[Scenario]:
    """The shipped scenarios whose businesses the folder holds. Raises :class:`ScenarioError` if it holds none of them."""
    ids = {business.id for business in directory}
    playable = [scenario for name in shipped_names() if (scenario := shipped(name)).business in ids]
    if not playable:
        raise ScenarioError(
            "the demo calls the example businesses, and the folder of businesses holds none of them. "
            "Run it where businesses/ holds the examples, or set FRONTDESK_BUSINESSES to their folder."
        )
    return playable


def rehearse(scenarios: Sequence[Scenario], directory: BusinessDirectory, tell: Callable[[dict[str, object]], None]) -> None:
    """Renders every line once, and tells how far it is."""
    lines = list(dict.fromkeys(line for scenario in scenarios for line in spoken_lines(scenario, directory)))
    for count in range(0, len(lines), VOICES_A_LINE):
        tell({"rendered": count, "voices": len(lines)})
        voice.prepare(lines[count : count + VOICES_A_LINE])
    tell({"rendered": len(lines), "voices": len(lines)})


async def play(at_a_time: int, seed: int, businesses: Path, tell: Callable[[dict[str, object]], None]) -> None:
    """Sets the stage, tells where it is, and lets callers call until stdin is closed.

    Raises:
        BusinessFileError: a business file cannot be used.
        ScenarioError: there is nobody to call.
    """
    directory = load_businesses(businesses)
    scenarios = scenarios_for(directory)
    rehearse(scenarios, directory, tell)
    casting = Casting({scenario.name: plan_of(scenario, seed=seed) for scenario in scenarios})
    token, chance = secrets.token_urlsafe(24), random.Random(seed)  # noqa: S311  (a script, not a secret)
    keys = parse_tokens(f"demo:operator:{token}")
    with tempfile.TemporaryDirectory(prefix="frontdesk-demo-") as folder:
        store = os.environ.get("FRONTDESK_STORE") or f"sqlite:{folder}/demo.db"
        async with stage(casting.plan, store=store, businesses=directory, operators=keys, log_audio=False) as on_stage:
            tell({"url": on_stage.deployment.url, "token": token})
            callers = asyncio.create_task(
                Callers(on_stage, casting, Deck(scenarios, chance), chance).keep_calling(at_a_time), name="callers"
            )
            alone = asyncio.create_task(_until_alone(), name="until alone")
            try:
                await asyncio.wait([callers, alone], return_when=asyncio.FIRST_COMPLETED)
            finally:
                callers.cancel()
                alone.cancel()
                await asyncio.gather(callers, alone, return_exceptions=True)
                await _everybody_hangs_up(on_stage)


async def _everybody_hangs_up(on_stage: Stage) -> None:
    calls = list(on_stage.cloud.calls.values())
    for call in calls:
        call.hang_up()
    with suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_S):
            await asyncio.gather(*(call.finished() for call in calls), return_exceptions=True)


async def _until_alone() -> None:
    """Whoever started the process has closed its stdin, or is gone."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()


def _tell(what: dict[str, object]) -> None:
    with suppress(BrokenPipeError):  # nobody reads any more: the end of stdin says so, too
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def main() -> ExitCode:
    """The process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    set_up_logs(level=logging.WARNING)  # on stderr: nobody reads stdout any more once the stage is set
    businesses = Path(os.environ.get("FRONTDESK_BUSINESSES") or "businesses")
    try:
        run(play(options.calls, options.seed, businesses, _tell))
    except (BusinessFileError, ScenarioError, voice.VoiceError, OSError) as error:
        _tell({"error": str(error)})
        return ExitCode.FAILED
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())

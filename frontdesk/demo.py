"""``frontdesk demo``: one simulated call, told as it happens."""

import asyncio
import os
import tempfile
from pathlib import Path

import click
from rich.console import Console

from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory, BusinessFileError, load_businesses
from calls.exit_codes import ExitCode
from frontdesk.fast import play_fast
from frontdesk.narration import Narrator
from frontdesk.runner import run
from frontdesk.stage import plan_of, prepare_voices, stage
from simulator.phone.recording import Recording
from simulator.scenario import Scenario, ScenarioError, shipped
from simulator.voice import VoiceError

GIVE_UP_S = 120
SETTLE_S = 3.0
"""How long the record may take to be complete once the line is released."""


def demo(*, hebrew: bool, fast: bool, wav: Path | None) -> ExitCode:
    """Plays the demo call. Returns ``OK`` only if the call went as scripted."""
    console = Console(highlight=False)
    try:
        scenario = shipped("garage" if hebrew else "hvac")
        directory = load_businesses(Path(os.environ.get("FRONTDESK_BUSINESSES") or "businesses"))
        profile = profile_of(scenario, directory)
        console.print(_introduction(scenario, fast=fast), style="dim", soft_wrap=True)
        prepare_voices(scenario, directory)
        if fast:
            narrator, recording = play_fast(console, scenario, profile)
        else:
            narrator, recording = run(_play(console, scenario, profile, directory))
        went_well = narrator.summary()
        if wav is not None:
            recording.write_wav(wav)
            console.print(
                f"\n  {wav}: the call, {recording.duration_ms / 1000:.1f} s; the caller left, what they heard right",
                soft_wrap=True,
            )
    except (BusinessFileError, ScenarioError, VoiceError, OSError) as error:
        click.echo(f"frontdesk: {error}", err=True)
        return ExitCode.FAILED
    console.print("\n  The call went as scripted." if went_well else "\n  The call did NOT go as scripted.", style="bold")
    return ExitCode.OK if went_well else ExitCode.FAILED


def profile_of(scenario: Scenario, directory: BusinessDirectory) -> BusinessProfile:
    """The business a scenario calls. Raises :class:`ScenarioError` if the folder does not hold it."""
    profile = next((business for business in directory if business.id == scenario.business), None)
    if profile is None:
        raise ScenarioError(
            f"the demo calls the business {scenario.business!r}, and there is no such file in the folder of businesses. "
            "Run it where businesses/ holds the examples, or set FRONTDESK_BUSINESSES to their folder."
        )
    return profile


def _introduction(scenario: Scenario, *, fast: bool) -> str:
    if fast:
        return (
            f"{scenario.title}. Fast: the real webhooks and conversation core with a simulated phone and model in one process, under a "
            "virtual clock; no sockets, no bridge process, no store.\n"
        )
    return (
        f"{scenario.title}. Webhooks, bridge, sockets and store are real; Twilio's phone and OpenAI's model are simulated on this "
        "machine. The call takes about a minute, as long as it would on the phone.\n"
    )


async def _play(
    console: Console, scenario: Scenario, profile: BusinessProfile, directory: BusinessDirectory
) -> tuple[Narrator, Recording]:
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory(prefix="frontdesk-demo-") as folder:
        store = os.environ.get("FRONTDESK_STORE") or f"sqlite:{folder}/demo.db"
        async with stage(plan_of(scenario), store=store, businesses=directory) as on_stage:
            dialled_s = loop.time()
            narrator = Narrator(console, scenario, profile, lambda: (loop.time() - dialled_s) * 1000)
            ended = asyncio.Event()

            async def follow() -> None:
                async for event in subscription:
                    narrator.event(event.body)
                    if event.kind == "call.ended":
                        ended.set()

            with on_stage.deployment.bus.subscribe() as subscription:
                follower = asyncio.create_task(follow())
                call = on_stage.place_call(scenario, observe=narrator.observation)
                try:
                    async with asyncio.timeout(GIVE_UP_S):
                        await call.finished()
                    async with asyncio.timeout(SETTLE_S):
                        await ended.wait()
                except TimeoutError:
                    pass  # the checks say what is missing
                finally:
                    follower.cancel()
                    await asyncio.gather(follower, return_exceptions=True)
            return narrator, call.machine.recording

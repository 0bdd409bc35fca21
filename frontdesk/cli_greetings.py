"""``frontdesk greetings``: the recordings calls are greeted with."""

import io
import os
import sys
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from calls.cli_business_source import businesses_option
from calls.cli_output import CommandError, echo_json, narrate, printable
from calls.cli_store import from_store, json_option, store_option
from calls.exit_codes import ExitCode
from frontdesk.asking import business_named, businesses_in

if TYPE_CHECKING:
    from bridge.settings import ModelEndpoint
    from calls.business import BusinessProfile
    from calls.greetings import GreetingKey, RecordedGreeting
    from calls.store.base import CallStore

RATE_HZ = 8_000


@click.group("greetings")
def greetings_group() -> None:
    """Record what calls are greeted with, so that they are greeted at once.

    A business with mode = "recorded" in its [greeting] plays a recording the moment a call is there. It is made from the model's own
    voice, and made anew when text, voice, speed, model or language change: the first call after that is greeted live.

    \b
    Examples:
      frontdesk greetings render                     whatever is missing
      frontdesk greetings list
      frontdesk greetings play bobs-hvac > greeting.wav

    \b
    Exit codes: 0 done · 1 one could not be recorded · 2 usage · 3 store unavailable · 4 no such business, or no recording
    """


@greetings_group.command("render")
@click.argument("names", metavar="[BUSINESS]...", nargs=-1)
@click.option("--force", is_flag=True, help="Those that are there already, too.")
@store_option
@businesses_option
def render_command(*, names: Sequence[str], force: bool, store_url: str, folder: Path) -> None:
    """Record the greetings that are missing: of these businesses, or of all that greet with a recording.

    The model speaks them, at OPENAI_REALTIME_URL with OPENAI_API_KEY: each costs about as much as one answer in a call. Its words are
    checked against the text. A running `frontdesk serve` has a new recording within a minute.

    \b
    Examples:
      frontdesk greetings render
      frontdesk greetings render bobs-hvac --force
    """
    profiles = _chosen(folder, names)
    if not profiles:
        narrate('No business greets with a recording; add mode = "recorded" to its [greeting], or name one.')
        return
    endpoint = _endpoint()
    failed = from_store(
        store_url, lambda store: _render_all(store, endpoint, profiles, force=force), read_only=False, create=True
    )
    if failed:
        raise click.exceptions.Exit(ExitCode.FAILED)


@greetings_group.command("list")
@json_option
@store_option
@businesses_option
def list_command(*, as_json: bool, store_url: str, folder: Path) -> None:
    """List the greetings of all businesses, and which of them are recorded.

    \b
    Examples:
      frontdesk greetings list
      frontdesk greetings list --json | jq '.[] | select(.recorded == null)'
    """
    profiles = list(businesses_in(folder))
    rows = from_store(store_url, lambda store: _rows(store, profiles))
    if as_json:
        echo_json(rows)
        return
    for row in rows:
        click.echo(printable(_line(row)))


@greetings_group.command("play")
@click.argument("name", metavar="BUSINESS")
@click.option(
    "--occasion",
    type=click.Choice(["greeting", "closed", "outbound"]),
    default="greeting",
    show_default=True,
    help="That of calls that come in, that outside the opening hours, or that of calls the business places.",
)
@store_option
@businesses_option
def play_command(*, name: str, occasion: str, store_url: str, folder: Path) -> None:
    """Write a recorded greeting to stdout, as WAV: 8 kHz, mono, as callers hear it.

    \b
    Examples:
      frontdesk greetings play bobs-hvac > greeting.wav
      frontdesk greetings play bobs-hvac --occasion closed | aplay
    """
    if sys.stdout.isatty():
        raise click.UsageError("That is sound: send it to a file or a player, as in > greeting.wav.")
    from calls.greetings import greetings_of  # noqa: PLC0415

    profile = business_named(folder, name)
    text = greetings_of(profile).get(occasion)
    if text is None:
        raise CommandError(f"{name} has no {occasion} greeting of its own", ExitCode.NOT_FOUND)
    greeting = from_store(store_url, lambda store: _find(store, profile, text))
    if greeting is None:
        raise CommandError(
            f"that greeting of {name} is not recorded; `frontdesk greetings render {name}` records it", ExitCode.NOT_FOUND
        )
    sys.stdout.buffer.write(wav(greeting.audio))


def wav(ulaw: bytes) -> bytes:
    """μ-law audio as a WAV file of 16-bit PCM, which every program opens."""
    from bridge.conversation.g711 import decode  # noqa: PLC0415

    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(decode(ulaw).astype("<i2").tobytes())
    return file.getvalue()


async def _render_all(
    store: "CallStore", endpoint: "ModelEndpoint", profiles: "Sequence[BusinessProfile]", *, force: bool
) -> int:
    """Records one after the other, and says what comes of each. Returns how many could not be."""
    from bridge.greeting_render import NotRendered, render  # noqa: PLC0415
    from calls.greetings import greetings_of, key_of  # noqa: PLC0415
    from calls.store import greetings_of as kept_in  # noqa: PLC0415

    kept, failed = kept_in(store), 0
    asked: set[GreetingKey] = set()
    for profile in profiles:
        for occasion, text in greetings_of(profile).items():
            key = key_of(profile, text, endpoint.default_model)
            if key in asked or (not force and await kept.get(key) is not None):
                continue
            asked.add(key)
            try:
                greeting = await render(endpoint, profile, text)
            except NotRendered as error:
                failed += 1
                narrate(f"{profile.id} ({occasion}): not recorded: {error}")
            else:
                await kept.put(greeting)
                narrate(f"{profile.id} ({occasion}): {greeting.duration_ms / 1000:.1f} s recorded.")
    if not asked:
        narrate("All greetings are recorded.")
    return failed


async def _rows(store: "CallStore", profiles: "Sequence[BusinessProfile]") -> list[dict[str, object]]:
    from calls.greetings import greetings_of  # noqa: PLC0415

    return [
        _row(profile, occasion, text, await _find(store, profile, text))
        for profile in profiles
        for occasion, text in greetings_of(profile).items()
    ]


def _row(profile: "BusinessProfile", occasion: str, text: str, greeting: "RecordedGreeting | None") -> dict[str, object]:
    from calls.events import timestamp  # noqa: PLC0415

    recorded = None
    if greeting is not None:
        recorded = {"duration_ms": greeting.duration_ms, "rendered_at": timestamp(greeting.rendered_at)}
    return {
        "business_id": profile.id,
        "occasion": occasion,
        "mode": profile.greeting.mode,
        "voice": profile.voice,
        "language": profile.language,
        "text": text,
        "recorded": recorded,
    }


def _line(row: dict[str, object]) -> str:
    recorded = row["recorded"]
    state = "not recorded" if row["mode"] == "recorded" else "live"
    if isinstance(recorded, dict):
        state = f"{recorded['duration_ms'] / 1000:.1f} s of {recorded['rendered_at'][:16].replace('T', ' ')}"
        state += "" if row["mode"] == "recorded" else ", not used: its mode is live"
    return f"{row['business_id']}  {row['occasion']}  {row['voice']}  {state}  {row['text']}"


async def _find(store: "CallStore", profile: "BusinessProfile", text: str) -> "RecordedGreeting | None":
    from calls.greetings import key_of  # noqa: PLC0415
    from calls.store import greetings_of as kept_in  # noqa: PLC0415
    from frontdesk.settings import default_model  # noqa: PLC0415

    return await kept_in(store).get(key_of(profile, text, default_model(os.environ)))


def _chosen(folder: Path, names: Sequence[str]) -> "list[BusinessProfile]":
    if names:
        return [business_named(folder, name) for name in dict.fromkeys(names)]
    return [profile for profile in businesses_in(folder) if profile.greeting.mode == "recorded"]


def _endpoint() -> "ModelEndpoint":
    from frontdesk.settings import SettingsError, model_endpoint  # noqa: PLC0415

    try:
        return model_endpoint(os.environ)
    except SettingsError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None

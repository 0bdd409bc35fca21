"""Commands run against the simulated carrier's REST API, and a business to run them for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner, Result

from frontdesk.cli import frontdesk
from simulator.phone.cloud import PhoneCloud

ACCOUNT = "AC" + "1" * 32
TOKEN = "token"
ORIGIN = "https://phone.example"
OURS = "+15005550006"
CALLEE = "+15005550100"
SHOP = """
id = "corner-shop"
name = "Corner Shop"
numbers = ["+15005550006", "+15005550007", "client:shop"]
language = "en"
voice = "alloy"
instructions = "You answer the phone of {name}."
blocked = ["+15005550666"]
"""


@dataclass
class Desk:
    """A carrier, a folder with a store's name in it, and the business files."""

    cloud: PhoneCloud
    folder: Path
    environ: dict[str, str]

    @property
    def backups(self) -> Path:
        return self.folder / "number-backups.json"

    async def run(self, *arguments: str, answers: str | None = None, **environ: str | None) -> Result:
        """A command, as typed; ``answers``: what is typed into it."""
        given: dict[str, Any] = {**self.environ, **environ}
        runner = CliRunner(env=given)
        return await asyncio.to_thread(lambda: runner.invoke(frontdesk, arguments, input=answers))


def code_of(result: Result) -> int:
    """How it ended, as a shell sees it: errors leave CliRunner as they leave the command."""
    assert result.exception is None or isinstance(result.exception, SystemExit | click.ClickException), result.exception
    return result.exit_code


@asynccontextmanager
async def a_desk(folder: Path, business: str = SHOP) -> AsyncIterator[Desk]:
    businesses = folder / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(business, "utf-8")
    async with PhoneCloud(ACCOUNT, TOKEN, seed=1) as cloud:
        environ = {
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_API_URL": cloud.rest_url,
            "PUBLIC_URL": ORIGIN,
            "FRONTDESK_BUSINESSES": str(businesses),
            "FRONTDESK_STORE": f"sqlite:{folder / 'calls.db'}",
        }
        yield Desk(cloud, folder, environ)

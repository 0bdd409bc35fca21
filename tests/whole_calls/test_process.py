"""``frontdesk serve`` as a process: killed in mid call, asked to go, and told to go at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from calls.events import CallEnded, Dtmf
from calls.ids import CallSid
from calls.store.sqlite import SqliteStore
from frontdesk.stage import number_of
from simulator.model.server import ModelServer
from simulator.phone.cloud import PhoneCloud
from simulator.phone.running import RunningCall
from simulator.phone.timeline import CallEnded as PhoneCallEnded
from simulator.phone.timeline import FirstMedia, KeySent, Observation, Said, StreamOver
from simulator.scenario import CallerStep, Scenario
from tests.whole_calls.playing import HANGS_UP, of_kind, plan_for, scenario, spoken
from tests.whole_calls.raw_phone import twilio_at
from tests.whole_calls.served import Balancer, Process, Served

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
STORED_WITHIN_MS = 250
KEYS = "0123456789"
ASKS = CallerStep(after_ms=250, say="Do you sell tea?")
TALKS = scenario(ASKS, HANGS_UP, replies={"tea": "Green and black tea."})
LISTENS = scenario(ASKS, replies={"tea": "We have green tea and black tea and white tea and herbs from all over the world."})
FILE = """
id = "corner-shop"
name = "Corner Shop"
numbers = ["+15005550006"]
language = "en"
voice = "alloy"
instructions = "You answer the phone of {name}."
[greeting]
text = "Hello."
[turns]
silence_duration_ms = 200
[fallback]
mode = "hangup"
text = "Call later."
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    businesses = tmp_path / "businesses"
    businesses.mkdir()
    (businesses / "shop.toml").write_text(FILE, encoding="utf-8")
    async with (
        ModelServer(plan_for(TALKS, LISTENS)) as model,
        PhoneCloud("AC" + "0" * 32, AUTH_TOKEN) as cloud,
        Balancer().listening() as balancer,
    ):
        deployment = Served(tmp_path, businesses, model, cloud, balancer)
        try:
            yield deployment
        finally:
            await deployment.end()


class Caller:
    """A call to the deployment, and the moments of it."""

    def __init__(self, served: Served, played: Scenario) -> None:
        self.seen: list[Observation] = []
        self._moments: list[tuple[type[Observation], int, asyncio.Future[None]]] = []
        self.phone: RunningCall = served.cloud.place_call(played, number_of(served.balancer.url), observe=self._observe)

    def _observe(self, seen: Observation) -> None:
        self.seen.append(seen)
        for kind, count, moment in self._moments:
            if not moment.done() and len(self.of(kind)) >= count:
                moment.set_result(None)

    def of(self, kind: type[Observation]) -> list[Observation]:
        return [seen for seen in self.seen if isinstance(seen, kind)]

    async def has_seen(self, kind: type[Observation], count: int = 1) -> None:
        moment: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moments.append((kind, count, moment))
        if len(self.of(kind)) >= count:
            return
        await asyncio.wait_for(moment, 30)

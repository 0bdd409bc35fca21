"""Places calls, keeps them talking, hangs up: the far ends around a program under measurement, on the running loop."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import aiohttp

from benchmarks.load import tls, wire
from benchmarks.load.model import ModelSession
from benchmarks.load.phone import FRAME_S, PhoneLine
from benchmarks.processes import ACCOUNT_SID, AUTH_TOKEN
from benchmarks.shops import number_of, shop_of
from simulator.phone.identity import Identity, new_sid
from simulator.phone.signing import Signer

ACCEPTED_WITHIN_S = 15.0
CLOSED_WITHIN_S = 10.0
CALLER = "+15005550001"


class Refused(Exception):
    """The program took no call; ``str()`` says what it said."""


@dataclass(frozen=True, slots=True)
class Number:
    """What is dialled. ``is_signed``: the webhook is a signed form, and is told how the call ends; otherwise it is a plain ``GET``."""

    origin: str
    is_signed: bool

    @property
    def voice_url(self) -> str:
        """What is asked when somebody calls."""
        return f"{self.origin}/incoming-call" if self.is_signed else f"{self.origin}/incoming-call/{shop_of(0)}"


class Lines:
    """Calls, each with the phone's end and, once the program has opened one, the model's."""

    def __init__(self, number: Number, sessions: list[ModelSession], chance: random.Random) -> None:
        self._number, self._sessions, self._chance = number, sessions, chance
        self._first_session = len(sessions)
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ACCEPTED_WITHIN_S))
        self._signer = Signer(AUTH_TOKEN)
        self.phones: list[PhoneLine] = []
        self._endings: dict[PhoneLine, tuple[Identity, str]] = {}
        self._dialled = 0
        self.refusals: Counter[str] = Counter()
        """Why calls were not taken, and how many."""

    @property
    def refused(self) -> int:
        """How many calls were not taken."""
        return self.refusals.total()

    @property
    def sessions(self) -> list[ModelSession]:
        """The model's sessions since these lines were made."""
        return self._sessions[self._first_session :]

    async def call(self) -> PhoneLine:
        """One call more. Raises :class:`Refused`; the refusal is counted, too."""
        try:
            async with asyncio.timeout(ACCEPTED_WITHIN_S):
                return await self._call()
        except (OSError, TimeoutError, aiohttp.ClientError, ElementTree.ParseError) as failed:
            refused = Refused(f"{type(failed).__name__}: {failed}" if str(failed) else type(failed).__name__)
        except Refused as said:
            refused = said
        self.refusals[str(refused)] += 1
        raise refused

    async def _call(self) -> PhoneLine:
        identity = Identity.draw(ACCOUNT_SID, CALLER, number_of(0), self._chance)
        document = ElementTree.fromstring(await self._ask(self._number.voice_url, identity.params("ringing")))
        stream = document.find("./Connect/Stream")
        if stream is None:
            raise Refused(
                f"the call was answered with {', '.join(verb.tag for verb in document) or 'nothing'} instead of a stream"
            )
        action = document[0].get("action", "")
        url = stream.get("url", "")
        parameters = {str(one.get("name")): str(one.get("value")) for one in stream.iter("Parameter")}
        phone = await self._connect(url, identity, parameters)
        self.phones.append(phone)
        self._endings[phone] = (identity, action)
        return phone

    async def _connect(self, url: str, identity: Identity, parameters: dict[str, str]) -> PhoneLine:
        signature = self._signer.stream(url, with_slash=False) if self._number.is_signed else {}
        start = (new_sid("MZ", self._chance), identity.account_sid, identity.call_sid, parameters)
        request = wire.handshake(url, {"User-Agent": "Twilio.TmeWs/1.0", **signature})
        wakes_s = self._chance.uniform(0, FRAME_S)
        phone = PhoneLine(self._dialled % wire.MOST_LINES, request, start, random.Random(self._chance.random()), wakes_s)
        self._dialled += 1
        parts = urlsplit(url)
        if parts.hostname is None:
            raise Refused(f"the stream is to be opened at {url!r}, which is no address")
        await asyncio.get_running_loop().create_connection(lambda: phone, parts.hostname, parts.port or 80)
        await phone.is_open
        return phone

    async def hang_up(self, phone: PhoneLine) -> None:
        """One call less: its end is told as it is told of a real one."""
        identity, action = self._endings.pop(phone)
        phone.hang_up()
        try:
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await phone.is_closed
        except TimeoutError:
            phone.abort()
        if self._number.is_signed:
            await self._tell(action, identity.params("completed"))
            ended = {
                **identity.params("completed"),
                "CallDuration": "10",
                "SequenceNumber": "0",
                "CallbackSource": "call-progress-events",
            }
            await self._tell(f"{self._number.origin}/call-status", ended)

    def forget(self, phone: PhoneLine) -> None:
        """Drops the notes of a call that is over, and of the model's sessions that are."""
        self.phones.remove(phone)
        self._sessions[:] = [session for session in self._sessions if not session.is_over]

    async def close(self) -> None:
        """Cuts what is still open."""
        for phone in self.phones:
            if not phone.is_closed.done():
                phone.abort()
        await self._http.close()

    async def _tell(self, url: str, params: Mapping[str, str]) -> None:
        try:
            await self._ask(url, params)
        except (OSError, TimeoutError, Refused, aiohttp.ClientError):
            return  # the program under measurement is overloaded; its call is over all the same

    async def _ask(self, url: str, params: Mapping[str, str]) -> str:
        if self._number.is_signed:
            asked = self._http.post(url, data=dict(params), headers=self._signer.webhook(url, dict(params)))
        else:
            asked = self._http.get(url)
        async with asked as answer:
            if answer.status != 200:
                raise Refused(f"HTTP {answer.status}")
            return await answer.text()


@asynccontextmanager
async def model_listening(seed: int, certificate: Path | None = None) -> AsyncIterator[tuple[str, list[ModelSession]]]:
    """The model's URL, and its sessions as they come. ``certificate``: what it proves itself with; without one there is no TLS."""
    sessions: list[ModelSession] = []
    numbers = count()

    def begun() -> ModelSession:
        sessions.append(ModelSession(next(numbers) % wire.MOST_LINES, seed))
        return sessions[-1]

    server = await asyncio.get_running_loop().create_server(begun, tls.HOST, 0, backlog=1024, ssl=tls.serving(certificate))
    scheme = "ws" if certificate is None else "wss"
    try:
        yield f"{scheme}://{tls.HOST}:{server.sockets[0].getsockname()[1]}/v1/realtime", sessions
    finally:
        server.close()

"""The simulated carrier over real sockets: it rings your webhooks, opens your media stream, and answers your REST requests.

async with PhoneCloud("AC…", "token") as cloud:
    call = cloud.place_call(scenario, Number(voice_url="http://127.0.0.1:8000/incoming-call"))
    await call.finished()
    call.machine.recording.write_wav(Path("call.wav"))
"""

import asyncio
import random
import secrets
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

import aiohttp
import msgspec
from hypercorn.asyncio import serve
from hypercorn.config import Config

from simulator import voice
from simulator.phone.call import PhoneCall
from simulator.phone.identity import new_sid
from simulator.phone.incoming_numbers import PhoneNumber
from simulator.phone.line import Speak
from simulator.phone.outgoing import Outgoing
from simulator.phone.policies import Callee, Number, Policies
from simulator.phone.rest import CreatedCall, Message, rest_app
from simulator.phone.running import RunningCall
from simulator.phone.timeline import Observation
from simulator.scenario import Scenario

_GRACE_S = 0.5


class PhoneCloud:
    """An account at the simulated carrier, used as an asynchronous context manager.

    Args:
        auth_token: signs webhooks and is asked for by the REST API; ``None``: nothing is signed, anybody may ask.
        seed: makes SIDs, noise and delays repeatable; ``None``: other ones every time, so that a store that is kept never
            sees a SID twice.
        rest_host: where the REST API listens, on a free port.
    """

    def __init__(
        self, account_sid: str, auth_token: str | None, *, seed: int | str | None = None, rest_host: str = "127.0.0.1"
    ) -> None:
        self.account_sid = account_sid
        self.auth_token = auth_token
        self.calls: dict[str, RunningCall] = {}
        """By CallSid, those that are over included until they are forgotten."""
        self.created: list[CreatedCall] = []
        """Outbound calls asked for over REST."""
        self.messages: list[Message] = []
        """Text messages asked for over REST."""
        self.texts_fail: dict[str, int] = {}
        """By number: Twilio's code why no text message gets there. 30007 and the like come once the message exists."""
        self.callees: dict[str, Callee] = {}
        """By number: who answers when it is called. At every other number nobody does."""
        self.calls_fail: dict[str, int] = {}
        """By number: Twilio's code why it cannot be called."""
        self.numbers: dict[str, PhoneNumber] = {}
        """The account's own numbers, by SID."""
        self.rest_url = ""
        """``http://HOST:PORT``, to be used where ``https://api.twilio.com`` would be."""
        self._seed = secrets.token_hex(8) if seed is None else seed
        self._rng = random.Random(f"cloud {self._seed}")
        self._rest_host = rest_host
        self._placed = 0
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> "PhoneCloud":
        loop = asyncio.get_running_loop()
        self._epoch_ms = (time.time() - loop.time()) * 1000
        # a connection per request: none is left to break when the server restarts
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        listener = socket.create_server((self._rest_host, 0))
        self.rest_url = f"http://{self._rest_host}:{listener.getsockname()[1]}"
        config = Config()
        config.bind = [f"fd://{listener.detach()}"]
        config.loglevel = "WARNING"
        config.graceful_timeout = _GRACE_S
        self._server = loop.create_task(serve(rest_app(self), config, shutdown_trigger=self._stopping.wait))
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(call.abandon() for call in self.calls.values()))
        self._stopping.set()
        await self._session.close()
        await self._server

    def place_call(
        self,
        scenario: Scenario,
        number: Number,
        *,
        policies: Policies = Policies(),  # noqa: B008 - frozen
        observe: Callable[[Observation], None] | None = None,
        speak: Speak = voice.speak,
    ) -> RunningCall:
        """The scenario's caller dials. ``observe`` is told of everything as it happens."""
        machine = PhoneCall(
            scenario,
            number,
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            policies=policies,
            seed=f"{self._seed} {self._placed}",
            speak=speak,
            observe=observe,
            epoch_ms=self._epoch_ms,
        )
        return self._run(machine, scenario, speak)

    def make_call(self, outgoing: Outgoing) -> RunningCall:
        """The account calls somebody, as it asked for over REST."""
        callee = self.callees.get(outgoing.to, Callee(outcome="no-answer"))
        scenario = Scenario(name="outbound", title="A call the account makes", business="", to=outgoing.to, caller=callee.person)
        machine = PhoneCall(
            scenario,
            outgoing.number,
            account_sid=self.account_sid,
            auth_token=self.auth_token,
            seed=f"{self._seed} {self._placed}",
            epoch_ms=self._epoch_ms,
            outgoing=outgoing,
            callee=callee,
        )
        return self._run(machine, scenario, voice.speak)

    def _run(self, machine: PhoneCall, scenario: Scenario, speak: Speak) -> RunningCall:
        self._placed += 1
        call = RunningCall(machine, self._session)
        self.calls[machine.call_sid] = call
        call.spawn(_rehearse_and_dial(call, scenario, speak))
        return call

    def own(self, phone_number: str, **settings: str) -> PhoneNumber:
        """Gives the account a number, set up as told: ``voice_url`` and the like."""
        number = msgspec.convert({"sid": self.new_sid("PN"), "phone_number": phone_number} | settings, PhoneNumber)
        self.numbers[number.sid] = number
        return number

    def forget(self, call_sid: str) -> None:
        """Lets go of a call that is finished, with its recording; the REST API does not know it any more. Of another one: no effect."""
        call = self.calls.get(call_sid)
        if call is not None and call.is_finished:
            del self.calls[call_sid]

    def new_sid(self, prefix: str) -> str:
        """A SID no other has."""
        return new_sid(prefix, self._rng)

    def wall_clock(self, loop_ms: float) -> datetime:
        """The date of a time on the loop's clock."""
        return datetime.fromtimestamp((self._epoch_ms + loop_ms) / 1000, UTC)


async def _rehearse_and_dial(call: RunningCall, scenario: Scenario, speak: Speak) -> None:
    """Has the caller's lines spoken once, beside the loop: no frame of another call waits for a voice."""
    caller = scenario.caller
    for line in [step.say for step in caller.steps if step.say is not None]:
        await asyncio.to_thread(speak, line, caller.voice)
    call.dial()

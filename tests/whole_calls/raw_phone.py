"""A telephone without manners: a media WebSocket that sends exactly what a test wants, in whatever order."""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from frontdesk.stage import ACCOUNT_SID, Stage
from simulator.model.server import SessionLog
from tests.whole_calls.playing import CALLER, NUMBER


class Offered:
    """What ``/incoming-call`` answered: where to open the stream, and the token to bring."""

    def __init__(self, call_sid: str, twiml: str) -> None:
        stream = ElementTree.fromstring(twiml).find("./Connect/Stream")
        assert stream is not None, twiml
        parameters = {parameter.attrib["name"]: parameter.attrib["value"] for parameter in stream.iter("Parameter")}
        self.call_sid = call_sid
        self.url = stream.attrib["url"]
        self.token = parameters["token"]


class Twilio:
    """Asks webhooks and opens streams as the account with this token does."""

    def __init__(self, origin: str, auth_token: str | None, http: aiohttp.ClientSession) -> None:
        self._origin = origin
        self._validator = RequestValidator(auth_token) if auth_token is not None else None
        self._http = http

    async def post(self, path: str, call_sid: str, **params: str) -> tuple[int, str]:
        """One webhook; its status and body."""
        form = {"AccountSid": ACCOUNT_SID, "CallSid": call_sid, "From": CALLER, "To": NUMBER, "CallStatus": "ringing", **params}
        url = f"{self._origin}{path}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | self.signature(url, form)
        async with self._http.post(url, data=urlencode(form), headers=headers) as answer:
            return answer.status, await answer.text()

    async def get(self, path: str) -> tuple[int, str]:
        """What a machine asks, unsigned."""
        async with self._http.get(f"{self._origin}{path}") as answer:
            return answer.status, await answer.text()

    async def rings(self, call_sid: str) -> Offered:
        """A call comes in."""
        status, twiml = await self.post("/incoming-call", call_sid)
        assert status == 200, twiml
        return Offered(call_sid, twiml)

    async def stream_ended(self, call_sid: str) -> str:
        """What the caller is told once the stream is over."""
        status, twiml = await self.post("/stream-ended", call_sid, CallStatus="in-progress")
        assert status == 200, twiml
        return twiml

    async def given_up(self, call_sid: str) -> tuple[int, str]:
        """How often a caller whose every stream is refused is offered another one, and what they are told in the end."""
        path, offers = "/stream-ended", 0
        while True:
            status, twiml = await self.post(path, call_sid, CallStatus="in-progress")
            assert status == 200, twiml
            connect = ElementTree.fromstring(twiml).find("./Connect")
            if connect is None:
                return offers, twiml
            path, offers = connect.attrib["action"].removeprefix(self._origin), offers + 1

    async def hangs_up(self, call_sid: str) -> int:
        """The status callback of a call that is over."""
        return (await self.post("/call-status", call_sid, CallStatus="completed", CallDuration="3"))[0]

    @asynccontextmanager
    async def stream(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator["RawPhone"]:
        """An open media WebSocket, signed unless other headers are given. Raises ``InvalidStatus`` if it is refused."""
        signed = self.signature(url, {}) if headers is None else headers
        async with connect(url, additional_headers=signed, compression=None, proxy=None, max_size=None) as connection:
            yield RawPhone(connection)

    async def refused(self, url: str, headers: Mapping[str, str]) -> int:
        """The HTTP status of a handshake that is expected to be refused."""
        try:
            async with self.stream(url, headers):
                return 101
        except InvalidStatus as refusal:
            return refusal.response.status_code

    def signature(self, url: str, params: Mapping[str, str] | None = None) -> dict[str, str]:
        """The header for a URL, and the form of a webhook."""
        if self._validator is None:
            return {}
        return {"X-Twilio-Signature": str(self._validator.compute_signature(url, dict(params or {})))}


async def readiness(twilio: Twilio) -> tuple[int, str]:
    """The status of ``/readyz`` and its first line."""
    status, body = await twilio.get("/readyz")
    return status, body.partition("\n")[0]


class RawPhone:
    """One media WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.stream_sid = "MZ" + "7" * 32
        self._chunk = 0

    async def says(self, message: dict[str, Any] | str | bytes) -> None:
        """Sends a message as it is."""
        await self._connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def starts(self, call_sid: str, token: str | None, stream_sid: str | None = None) -> None:
        """``connected`` and ``start``."""
        await self.says({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.says(self.start(call_sid, token, stream_sid))

    def start(self, call_sid: str, token: str | None, stream_sid: str | None = None) -> dict[str, Any]:
        """The ``start`` message."""
        sid = stream_sid or self.stream_sid
        detail = {
            "accountSid": ACCOUNT_SID,
            "streamSid": sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {} if token is None else {"token": token},
        }
        return {"event": "start", "sequenceNumber": "1", "start": detail, "streamSid": sid}

    async def speaks(self, audio: bytes) -> None:
        """One ``media`` message."""
        self._chunk += 1
        media = {
            "track": "inbound",
            "chunk": str(self._chunk),
            "timestamp": str(20 * self._chunk),
            "payload": base64.b64encode(audio).decode(),
        }
        await self.says({"event": "media", "sequenceNumber": str(self._chunk + 1), "media": media, "streamSid": self.stream_sid})

    async def stops(self, call_sid: str) -> None:
        """``stop``: the caller has hung up."""
        detail = {"accountSid": ACCOUNT_SID, "callSid": call_sid}
        await self.says({"event": "stop", "sequenceNumber": "9", "stop": detail, "streamSid": self.stream_sid})

    async def hears(self, event: str) -> dict[str, Any]:
        """The next message of that kind; marks on the way are given back as if their audio had been played."""
        while True:
            message: dict[str, Any] = json.loads(await self._connection.recv())
            if message["event"] == "mark":
                await self.says({**message, "sequenceNumber": "2"})
            if message["event"] == event:
                return message

    def breaks(self) -> None:
        """The connection is gone without a word."""
        self._connection.transport.abort()

    async def is_left(self) -> int:
        """Reads on until the bridge closes; its close code."""
        try:
            while True:
                await self.hears("nothing of that name")
        except ConnectionClosed:
            return self._connection.close_code or 1006


@asynccontextmanager
async def twilio_of(stage: Stage) -> AsyncIterator[Twilio]:
    """The simulated account of a stage, for requests its phone would not make."""
    async with twilio_at(stage.deployment.url, stage.cloud.auth_token) as twilio:
        yield twilio


@asynccontextmanager
async def twilio_at(origin: str, auth_token: str | None) -> AsyncIterator[Twilio]:
    """An account's requests to a deployment."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as http:
        yield Twilio(origin, auth_token, http)


def heard_by_model(session: SessionLog) -> bytes:
    """All caller audio that reached a session."""
    appended = [event["audio"] for _, event in session.received if event["type"] == "input_audio_buffer.append"]
    return b"".join(base64.b64decode(audio) for audio in appended)

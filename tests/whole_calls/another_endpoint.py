"""An endpoint of another dialect, for want of an account with one: the simulated model behind a relay that knows other names only.

It is written from the dialects' documentation and shares no code with the bridge's mapping; a name it does not know is an error.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from bridge.dialects import DIALECTS
from bridge.settings import ModelEndpoint

KEY = "k3y of another cloud"
DEPLOYMENT = "the shop's own"
FORMATS = {"g711_ulaw": {"type": "audio/pcmu"}, "pcm16": {"type": "audio/pcm", "rate": 24_000}}
SESSION_KEYS = {
    "modalities", "instructions", "voice", "input_audio_format", "output_audio_format", "input_audio_transcription",
    "input_audio_noise_reduction", "turn_detection", "tools", "tool_choice", "temperature", "max_response_output_tokens", "speed",
}  # fmt: skip
RENAMED_SINCE = {
    "response.output_audio.": "response.audio.",
    "response.output_audio_transcript.": "response.audio_transcript.",
    "response.output_text.": "response.text.",
    "conversation.item.added": "conversation.item.created",
}


class AnotherEndpoint:
    """Listens at ``dialect``'s path."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._is_old = "preview" in dialect
        self._upstream = ""
        self.url = ""
        self.refused: list[str] = []
        """What it did not understand."""
        self.sessions: list[dict[str, Any]] = []
        """The ``session`` objects it was configured with."""

    def in_front_of(self, url: str) -> ModelEndpoint:
        """The bridge's way to the simulated model at ``url``."""
        self._upstream = url
        return ModelEndpoint(url=self.url, api_key=KEY, default_model=DEPLOYMENT, dialect=DIALECTS[self._dialect])

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["AnotherEndpoint"]:
        """Answers while the block runs."""
        async with serve(self._serve, "127.0.0.1", 0, process_request=self._admit, compression=None, close_timeout=1) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            path = "/openai/realtime?api-version=2025-04-01-preview" if self._dialect == "azure-preview" else "/v1/realtime"
            self.url = f"ws://127.0.0.1:{port}{'/openai' if self._dialect == 'azure' else ''}{path}"
            yield self

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        is_azure = self._dialect.startswith("azure")
        key = request.headers.get("api-key") if is_azure else request.headers.get("Authorization", "").removeprefix("Bearer ")
        named = parse_qs(urlsplit(request.path).query).get("deployment" if self._dialect == "azure-preview" else "model")
        if key == KEY and named == [DEPLOYMENT]:
            return None
        self.refused.append(f"handshake {request.path}")
        return connection.respond(HTTPStatus.UNAUTHORIZED, "")

    async def _serve(self, client: ServerConnection) -> None:
        bearer = {"Authorization": "Bearer simulated"}
        async with connect(f"{self._upstream}?model=gpt-realtime", additional_headers=bearer, compression=None) as model:
            to_client = asyncio.create_task(self._to_client(model, client))
            try:
                async for frame in client:
                    await model.send(json.dumps(self._understood(json.loads(frame))))
            except ConnectionClosed:
                pass
            finally:
                to_client.cancel()
                await asyncio.gather(to_client, return_exceptions=True)

    async def _to_client(self, model: ClientConnection, client: ServerConnection) -> None:
        async for frame in model:
            event = json.loads(frame)
            if not self._is_old:
                await client.send(frame)
            elif event["type"] != "conversation.item.done":  # did not exist
                await client.send(json.dumps(_as_it_was(event)))
        await client.close(model.close_code or 1000)

    def _understood(self, event: dict[str, Any]) -> dict[str, Any]:
        if event["type"] == "session.update":
            self.sessions.append(event["session"])
        if not self._is_old:
            return event
        if event["type"] == "session.update":
            self.refused += [f"session.{key}" for key in event["session"].keys() - SESSION_KEYS]
            return event | {"session": _nested(event["session"])}
        for part in (event.get("item") or {}).get("content") or []:
            if part["type"] not in ("input_text", "input_audio", "text"):
                self.refused.append(f"content {part['type']}")
            part["type"] = "output_text" if part["type"] == "text" else part["type"]
        return event


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """What such an endpoint does when it is told its settings, in today's words."""
    hears = {
        "format": FORMATS[flat["input_audio_format"]],
        "transcription": flat["input_audio_transcription"],
        "noise_reduction": flat.get("input_audio_noise_reduction"),
        "turn_detection": flat["turn_detection"],
    }
    speaks = {"format": FORMATS[flat["output_audio_format"]], "voice": flat["voice"], "speed": flat.get("speed", 1.0)}
    kept = {key: flat[key] for key in ("instructions", "tools", "tool_choice")}
    return {"type": "realtime", "output_modalities": ["audio"], "audio": {"input": hears, "output": speaks}, **kept}


def _as_it_was(event: dict[str, Any]) -> dict[str, Any]:
    for now, then in RENAMED_SINCE.items():
        if event["type"].startswith(now):
            return event | {"type": event["type"].replace(now, then)}
    session = event.get("session")
    if session is None:
        return event
    named = {json.dumps(today): name for name, today in FORMATS.items()}
    audio = session.pop("audio")
    sides = {f"{side}_audio_format": named[json.dumps(audio[side]["format"])] for side in ("input", "output")}
    return event | {"session": session | sides | {"voice": audio["output"]["voice"], "modalities": ["text", "audio"]}}

"""The floor: as little as passes for a bridge. It answers the webhook, asks the model for the greeting at ``start`` and relays audio.

No signatures, no token, no record, no marks, no interruption, no goodbye. What the bridge takes longer than this is the price of
those. ``--early`` opens the model's socket at the handshake, as the bridge does, instead of at ``start``.
"""

import argparse
import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from benchmarks.shops import GREETING

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder().decode


def opening_events() -> list[dict[str, Any]]:
    """What the model is told at ``start``: the formats, and the greeting."""
    pcmu = {"type": "audio/pcmu"}
    session = {"type": "realtime", "audio": {"input": {"format": pcmu}, "output": {"format": pcmu}}}
    content = [{"type": "input_text", "text": f"Say exactly: “{GREETING}”"}]
    item = {"type": "message", "role": "user", "content": content}
    return [
        {"type": "session.update", "session": session},
        {"type": "conversation.item.create", "item": item},
        {"type": "response.create"},
    ]


class Relay:
    """Serves calls on one port."""

    def __init__(self, port: int, model_url: str, *, early: bool) -> None:
        self._port, self._model_url, self._early = port, model_url, early

    async def run(self) -> None:
        """Until the process is ended."""
        async with serve(self._call, "127.0.0.1", self._port, process_request=self._answer, compression=None, ping_interval=None):
            await asyncio.Event().wait()

    def _answer(self, _connection: ServerConnection, request: Request) -> Response | None:
        """``GET /incoming-call/SHOP`` is the webhook; everything else is a media stream."""
        if not request.path.startswith("/incoming-call/"):
            return None
        shop = request.path.rpartition("/")[2].partition("?")[0]
        stream = f'<Stream url="ws://127.0.0.1:{self._port}/{shop}"/>'
        body = f"<Response><Connect>{stream}</Connect></Response>".encode()
        headers = Headers({"Content-Type": "text/xml", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def _call(self, phone: ServerConnection) -> None:
        shop = phone.request.path.strip("/") if phone.request is not None else ""
        opening = asyncio.create_task(self._open(shop)) if self._early else None
        model: ClientConnection | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            async for text in phone:
                message = decode(text)
                if message["event"] == "start":
                    model = await (opening or self._open(shop))
                    for event in opening_events():
                        await model.send(encode(event), text=True)
                    tasks.append(asyncio.create_task(_relay(model, phone, message["streamSid"])))
                elif message["event"] == "media" and model is not None:
                    payload = message["media"]["payload"]
                    await model.send(encode({"type": "input_audio_buffer.append", "audio": payload}), text=True)
        except ConnectionClosed:
            pass
        finally:
            if model is not None:
                await model.close()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _open(self, shop: str) -> ClientConnection:
        headers = {"Authorization": "Bearer simulated"}
        return await connect(
            f"{self._model_url}?model={shop}", additional_headers=headers, compression=None, proxy=None, max_size=None
        )


async def _relay(model: ClientConnection, phone: ServerConnection, stream_sid: str) -> None:
    try:
        async for frame in model:
            event = decode(frame)
            if event["type"] == "response.output_audio.delta":
                media = {"event": "media", "streamSid": stream_sid, "media": {"payload": event["delta"]}}
                await phone.send(encode(media), text=True)
    except ConnectionClosed:
        return


def options(description: str | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("port", type=int)
    parser.add_argument("model_url")
    parser.add_argument("--early", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Command line: PORT MODEL_URL [--early]."""
    given = options(__doc__)
    uvloop.run(Relay(given.port, given.model_url, early=given.early).run())


if __name__ == "__main__":
    main()

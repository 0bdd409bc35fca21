"""The bare relay: the least a Python process does that carries calls between a phone and a model.

``websockets`` on uvloop on both sides, and each payload copied as it stands from the text that brought it into the text that takes
it on: no JSON is read but ``start``. It is what the bridge's processor time is compared with, because whatever speaks both
protocols in Python has at least this to do. Like ``floor.py`` it answers the webhook and asks for the greeting, and nothing else.
"""

import asyncio
import re
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from benchmarks import floor

_FROM_PHONE = re.compile(r'"payload": ?"([^"]*)"')
_FROM_MODEL = re.compile(r'"delta": ?"([^"]*)"')
_AUDIO = "response.output_audio.delta"


class BareRelay(floor.Relay):
    """Serves calls on one port."""

    async def _call(self, phone: ServerConnection) -> None:
        shop = phone.request.path.strip("/") if phone.request is not None else ""
        model: ClientConnection | None = None
        tasks: list[asyncio.Task[None]] = []
        try:
            async for text in phone:
                found = _FROM_PHONE.search(str(text))
                if found is not None and model is not None:
                    await model.send(f'{{"type":"input_audio_buffer.append","audio":"{found[1]}"}}')
                elif '"start"' in str(text):
                    model = await self._open(shop)
                    for event in floor.opening_events():
                        await model.send(floor.encode(event), text=True)
                    tasks.append(asyncio.create_task(_to_phone(model, phone, floor.decode(text))))
        except ConnectionClosed:
            pass
        finally:
            if model is not None:
                await model.close()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _to_phone(model: ClientConnection, phone: ServerConnection, start: dict[str, Any]) -> None:
    head = f'{{"event":"media","streamSid":"{start["streamSid"]}","media":{{"payload":"'
    try:
        async for text in model:
            found = _FROM_MODEL.search(str(text)) if _AUDIO in text[:120] else None
            if found is not None:
                await phone.send(f'{head}{found[1]}"}}}}')
    except ConnectionClosed:
        return


def main() -> None:
    """Command line: PORT MODEL_URL [--early]."""
    options = floor.options(__doc__)
    uvloop.run(BareRelay(options.port, options.model_url, early=options.early).run())


if __name__ == "__main__":
    main()

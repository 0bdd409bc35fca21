"""Takes a WebSocket's transport over from hypercorn, once hypercorn has done the handshake.

Between hypercorn and an ASGI application every frame passes two queues, three tasks and a parser written for reading, and ASGI knows
no other way. So the connection's transport is given another protocol, and what hypercorn keeps of the connection only waits for its
end. That is possible over HTTP/1.1 and nothing else; whoever is not served so is served as ASGI has it.
"""

import asyncio
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.typing import ASGISendCallable, WebsocketAcceptEvent

from bridge.frame_engine.socket import EngineSocket

_ACCEPT: WebsocketAcceptEvent = {"type": "websocket.accept", "subprotocol": None, "headers": []}


async def accepted(send: ASGISendCallable) -> EngineSocket | None:
    """Accepts the WebSocket that ``send`` belongs to. ``None``: it is accepted, and stays hypercorn's."""
    stream = getattr(send, "__self__", None)
    socket = _engine_for(stream) if isinstance(stream, WSStream) else None
    await send(_ACCEPT)
    if socket is not None and isinstance(stream, WSStream):
        stream.closed = True  # hypercorn has nothing to say on it any more
    return socket


def _engine_for(stream: WSStream) -> EngineSocket | None:
    """The engine, in place from before the answer to the handshake, so that no frame can come between them."""
    protocol = _owner_of(stream.send)
    server = _owner_of(protocol.send) if isinstance(protocol, H11Protocol) else None
    if not isinstance(server, TCPServer) or stream.closed:
        return None
    transport: Any = server.writer.transport  # uvloop's are no subclasses of asyncio's
    # Who sends frames before the handshake is answered is hypercorn's to refuse, and these are in its reader.
    if not hasattr(transport, "set_protocol") or transport.is_closing() or _has_read_ahead(server.reader):
        return None
    stream.handshake.extensions = None  # compression costs more than it saves here, and frames must stay as they are
    socket = EngineSocket(transport, transport.get_protocol(), stream.config.websocket_max_message_size)
    transport.set_protocol(socket)
    return socket


def _owner_of(method: Any) -> object:
    return getattr(method, "__self__", None)


def _has_read_ahead(reader: asyncio.StreamReader) -> bool:
    return bool(getattr(reader, "_buffer", True))

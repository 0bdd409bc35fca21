"""A caller on a media stream, in one `asyncio.Protocol`: fifty frames a second, marks sent back as they are played, and a script.

The script: listen to the greeting; speak; listen to the answer to its end, or cut in after a second of it, in turns; and so on until
told to hang up. Times are seconds of :func:`time.monotonic`.
"""

import asyncio
import json
import random
from array import array
from collections import deque
from math import inf
from time import monotonic

from benchmarks.load import wire
from simulator.phone import wire as messages

FRAME_S = wire.FRAME_MS / 1000
SPEECH_FRAMES = (40, 70)
"""How long a caller speaks."""
PAUSE_S = (0.5, 1.0)
"""How long they think before."""
CUTS_IN_AFTER_S = (0.8, 1.4)
"""How much of an answer they hear before they cut in."""
CUT_FRAMES = (30, 40)
PATIENCE_S = 6.0
"""After so long without an answer they speak again."""
_BYTES_A_SECOND = 8000
_MEDIA = (
    b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%b%b"},'
    b'"streamSid":"%b"}'
)


class PhoneNotes:
    """What a phone has noted; nothing of it is looked at while calls are running."""

    def __init__(self) -> None:
        self.frames_sent_s = array("d")
        """When each frame of the caller was sent; its place is its number."""
        self.late_s = array("d")
        """How long after it was due."""
        self.heard_s = array("d")
        """When each media message came."""
        self.heard_bytes = array("l")
        """How much audio was in it, negative where it goes on with the delta before."""
        self.heard_tags = bytearray()
        """The tags of the others."""
        self.cuts: list[tuple[int, float]] = []
        """(number of the first loud frame of an interruption, when `clear` came)."""
        self.started_s = inf
        self.closed_s = inf
        self.close_code = 0


class PhoneLine(asyncio.Protocol):
    """One call's media stream, from the handshake on.

    Args:
        line: which of the calls it is; it is in every frame.
        request: the handshake.
        start: the ``start`` message's identifiers and parameters: stream, account, call, parameters.
        wakes_s: how far into a frame's 20 ms this caller's frames are due.
    """

    def __init__(
        self, line: int, request: bytes, start: tuple[str, str, str, dict[str, str]], chance: random.Random, wakes_s: float
    ) -> None:
        self.notes = PhoneNotes()
        self.is_open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.line = line
        self._request, self._start, self._chance, self._wakes_s = request, start, chance, wakes_s
        self._stream_sid = start[0].encode()
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._numbered = 1
        self._marks: deque[tuple[float, str]] = deque()
        self._plays_until_s = 0.0
        self._answers = 0
        self._loud_frames = 0
        self._loud_since: int | None = None
        self._speaks_at_s = inf
        self._cuts_in = False
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- for who uses it ---------------------------------------------------------------------------------------------------

    def hang_up(self) -> None:
        """Says so, and closes. Nothing on a stream that is closed."""
        self._stop_speaking()
        if not self.notes.close_code and not self._transport.is_closing():
            self._numbered += 1
            stream_sid, account_sid, call_sid, _ = self._start
            stop = messages.stop(self._numbered, stream_sid, account_sid, call_sid)
            self._transport.write(wire.from_client(stop.encode()) + wire.close_of_client(1000))

    def abort(self) -> None:
        """Cuts the connection."""
        self._stop_speaking()
        self._transport.abort()

    # --- for the event loop ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asks for the WebSocket."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._request)

    def connection_lost(self, _exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_speaking()
        self.notes.closed_s = min(self.notes.closed_s, monotonic())
        if not self.is_open.done():
            self.is_open.set_exception(ConnectionResetError("the media stream was closed before it was accepted"))
        self.is_closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        now_s = monotonic()
        data = self._rest + data if self._rest else data
        at = 0 if self.is_open.done() else self._accepted(data)
        while (end := self._frame(data, at, now_s)) > at:
            at = end
        self._rest = data[at:]

    def _accepted(self, data: bytes) -> int:
        head, end, _ = data.partition(b"\r\n\r\n")
        if not end:
            return 0
        if b" 101 " not in head[:32]:
            self.is_open.set_exception(ConnectionRefusedError(head.partition(b"\r\n")[0].decode("latin-1")))
            self._transport.close()
            return len(data)
        self.is_open.set_result(None)
        stream_sid, account_sid, call_sid, parameters = self._start
        start = messages.start(self._numbered, stream_sid, account_sid, call_sid, parameters)
        self._transport.write(wire.from_client(messages.CONNECTED.encode()) + wire.from_client(start.encode()))
        self.notes.started_s = monotonic()
        self._due_s = self._loop.time() + self._wakes_s
        self._timer = self._loop.call_at(self._due_s, self._tick)
        return len(head) + len(end)

    def _frame(self, data: bytes, at: int, now_s: float) -> int:
        """Reads a frame, if all of it is there. Returns where it ends; where it begins if it is not."""
        there = len(data) - at
        if there < 2:
            return at
        length, head = data[at + 1], 2
        if length == 126:
            head = 4
            length = int.from_bytes(data[at + 2 : at + 4], "big") if there >= 4 else there
        elif length == 127:
            head = 10
            length = int.from_bytes(data[at + 2 : at + 10], "big") if there >= 10 else there
        if there < head + length:
            return at
        begin, end = at + head, at + head + length
        match data[at]:
            case 0x81:
                self._message(data, begin, end, now_s)
            case 0x88:
                self._closing(data[begin:end], now_s)
            case 0x89:
                self._transport.write(wire.pong_of_client(data[begin:end]))
        return end

    def _closing(self, payload: bytes, now_s: float) -> None:
        self._stop_speaking()
        self.notes.close_code, self.notes.closed_s = int.from_bytes(payload[:2], "big") or 1005, now_s
        self._transport.close()

    # --- what is heard -----------------------------------------------------------------------------------------------------

    def _message(self, data: bytes, begin: int, end: int, now_s: float) -> None:
        kind = data[begin + 10 : begin + 15]  # behind {"event":"
        if kind == b"media":
            self._audio(data, data.find(b'"payload":"', begin, end) + 11, end - 3, now_s)
        elif kind == b'mark"':
            self._marks.append((self._plays_until_s, json.loads(data[begin:end])["mark"]["name"]))
        elif kind == b"clear":
            self._cleared(now_s)

    def _audio(self, data: bytes, begin: int, end: int, now_s: float) -> None:
        size = (end - begin) * 3 // 4 - data.count(b"=", end - 2, end)
        notes = self.notes
        if data[begin] in wire.TAGGED:
            notes.heard_tags += data[begin : begin + wire.TAG_CHARS]
            notes.heard_bytes.append(size)
        else:
            notes.heard_bytes.append(-size)
        notes.heard_s.append(now_s)
        if now_s >= self._plays_until_s:
            self._plays_until_s = now_s
            self._answer_begins(now_s)
        self._plays_until_s += size / _BYTES_A_SECOND
        if not self._cuts_in:
            self._speaks_at_s = self._plays_until_s + self._chance.uniform(*PAUSE_S)

    def _answer_begins(self, now_s: float) -> None:
        """Every other answer is cut, but not the greeting."""
        self._answers += 1
        self._cuts_in = self._answers % 2 == 0
        if self._cuts_in:
            self._speaks_at_s = now_s + self._chance.uniform(*CUTS_IN_AFTER_S)

    def _cleared(self, now_s: float) -> None:
        if self._loud_since is not None and self._plays_until_s > now_s:
            self.notes.cuts.append((self._loud_since, now_s))
            self._loud_since = None
        self._plays_until_s = now_s
        if self._marks:
            self._marks = deque((now_s, name) for _, name in self._marks)
            self._transport.write(self._echoes(now_s))

    # --- what is said ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now_s = monotonic()
        notes = self.notes
        frame = len(notes.frames_sent_s)
        tails = wire.LOUD_TAILS if self._is_speaking(frame, now_s) else wire.QUIET_TAILS
        self._numbered += 1
        tag = wire.tag(self.line, frame)
        text = _MEDIA % (self._numbered, frame + 1, frame * wire.FRAME_MS, tag, tails[frame & 7], self._stream_sid)
        data = wire.from_client(text)
        if self._marks and self._marks[0][0] <= now_s:
            data += self._echoes(now_s)
        notes.frames_sent_s.append(now_s)
        notes.late_s.append(now_s - self._due_s)
        self._transport.write(data)
        self._due_s += FRAME_S
        self._timer = self._loop.call_at(self._due_s, self._tick)

    def _is_speaking(self, frame: int, now_s: float) -> bool:
        if self._loud_frames:
            self._loud_frames -= 1
            return True
        if now_s < self._speaks_at_s:
            return False
        self._loud_frames = self._chance.randint(*(CUT_FRAMES if self._cuts_in else SPEECH_FRAMES)) - 1
        self._loud_since = frame if self._cuts_in else None
        self._cuts_in = False
        self._speaks_at_s = now_s + PATIENCE_S
        return True

    def _echoes(self, now_s: float) -> bytes:
        echoes = b""
        while self._marks and self._marks[0][0] <= now_s:
            self._numbered += 1
            echo = messages.mark(self._numbered, self._start[0], self._marks.popleft()[1])
            echoes += wire.from_client(echo.encode())
        return echoes

    def _stop_speaking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

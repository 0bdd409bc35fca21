"""``frontdesk listen``: a live call's audio, as it is heard, to a stream of bytes."""

import asyncio
import fcntl
import os
from contextlib import suppress
from typing import BinaryIO

from console import wav
from console.connection import Connected, Item, Lost, OperatorConnection, Refused
from console.endpoint import Endpoint
from console.protocol import Audio, Event, PhaseChanged

GRACE_S = 2.0
"""Listening for N seconds ends this much later at the latest, when no audio comes."""


class ListeningError(Exception):
    """The call cannot be listened to; the text is one sentence."""


class Unreachable(ListeningError):
    """The bridge cannot be reached."""


class WavFile:
    """A WAV stream on ``out``. Closed, it knows its length, where ``out`` can be rewritten."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._base = _position(out)
        self._bytes = 0
        out.write(wav.header())
        out.flush()

    def write(self, samples: bytes) -> None:
        """Appends interleaved samples."""
        if samples:
            self._out.write(samples)
            self._out.flush()
            self._bytes += len(samples)

    def close(self) -> None:
        """Writes the lengths into the header if the stream is a file."""
        if self._base is None:
            return
        with suppress(OSError):
            self._out.seek(self._base)
            self._out.write(wav.header(self._bytes))
            self._out.seek(0, os.SEEK_END)
            self._out.flush()


def _position(out: BinaryIO) -> int | None:
    """Where a file stands that can be rewritten: not a pipe, and not one opened for appending (``>>``)."""
    try:
        appending = fcntl.fcntl(out.fileno(), fcntl.F_GETFL) & os.O_APPEND
    except OSError:
        appending = 0  # not a file of the system's
    return out.tell() if out.seekable() and not appending else None


class Listener:
    """Writes one call's audio to ``out`` until the call ends, or ``seconds`` of it have been written."""

    def __init__(self, connection: OperatorConnection, call_sid: str, out: BinaryIO, seconds: float | None = None) -> None:
        self._connection = connection
        self._call_sid = call_sid
        self._seconds = seconds
        self._timeline = wav.Timeline()
        self._out = out
        self._file: WavFile | None = None
        self._over = False

    async def run(self) -> int:
        """Returns the milliseconds written. Raises :class:`ListeningError`."""
        try:
            async with asyncio.timeout(None if self._seconds is None else self._seconds + GRACE_S):
                async for item in self._connection.items():
                    await self._take(item)
                    if self._over:
                        break
        except TimeoutError:
            pass
        finally:
            self._close()
        return self._timeline.written // wav.SAMPLES_PER_MS

    async def _take(self, item: Item) -> None:
        match item:
            case Connected(snapshot=snapshot):
                live = {call.call_sid for call in snapshot.calls}
                await self._begin(is_live=self._call_sid in live)
            case Audio(call_sid=self._call_sid, side=side, at_ms=at_ms, audio=audio):
                self._timeline.lay(side, at_ms, audio)
                self._write()
            case Event(call_sid=self._call_sid, kind="call.ended") | PhaseChanged(call_sid=self._call_sid, phase="ended"):
                self._over = True
            case Lost(why=why) if self._file is None:
                raise Unreachable(why)
            case Refused(why=why):
                raise ListeningError(why)

    async def _begin(self, *, is_live: bool) -> None:
        """Asks for the audio; after a reconnection, again."""
        if not is_live:
            self._over = True
            if self._file is None:
                raise ListeningError(f"The call {self._call_sid} is not going on any more.")
            return
        result = await self._connection.command(self._call_sid, "listen")
        if result.ok:
            self._file = self._file or WavFile(self._out)
        elif self._connection.connected:
            raise ListeningError(result.error)

    def _write(self, *, everything: bool = False) -> None:
        if self._file is None:
            return
        room = None if self._seconds is None else round(self._seconds * wav.RATE_HZ) - self._timeline.written
        self._file.write(self._timeline.take(everything=everything, at_most=room))
        self._over = self._over or (self._seconds is not None and self._timeline.written >= round(self._seconds * wav.RATE_HZ))

    def _close(self) -> None:
        if self._file is not None:
            self._write(everything=True)
            self._file.close()


async def listen(endpoint: Endpoint, call_sid: str, out: BinaryIO, seconds: float | None = None) -> int:
    """Writes a call's audio as WAV to ``out`` while it is heard, to the call's end or for ``seconds``; returns how many milliseconds.

    Raises :class:`ListeningError`, and ``BrokenPipeError`` when nobody reads ``out`` any more.
    """
    async with OperatorConnection(endpoint) as connection:
        return await Listener(connection, call_sid, out, seconds).run()

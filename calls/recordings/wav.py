"""A stereo WAV file that grows while a call lasts and can be played at any moment, whatever becomes of the process.

8 kHz, 16-bit PCM (RIFF/WAVE, format 1), the caller left. μ-law would take half the room and is what came over the wire, but many
programs cannot open it; as PCM every program can, and nothing is lost. Audio is written first and the sizes in the header after it:
a reader finds either the old length or the new one.
"""

import os
import shutil
import struct
from pathlib import Path
from typing import IO

RATE_HZ = 8_000
FRAMES_PER_MS = 8
FRAME_BYTES = 4
"""One sample of both sides."""
HEADER_BYTES = 44
COPIED_AT_ONCE = 1 << 20

_LARGEST = 0xFFFF_FFFF - HEADER_BYTES


def header(frames: int) -> bytes:
    """The header before that many frames."""
    size = min(frames * FRAME_BYTES, _LARGEST)
    form = struct.pack("<HHIIHH", 1, 2, RATE_HZ, RATE_HZ * FRAME_BYTES, FRAME_BYTES, 16)
    return (
        struct.pack("<4sI4s4sI", b"RIFF", size + HEADER_BYTES - 8, b"WAVE", b"fmt ", len(form))
        + form
        + struct.pack("<4sI", b"data", size)
    )


class GrowingWav:
    """The file at ``path``, made if it is missing (for its owner only) and carried on with if not. Methods raise :class:`OSError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0)
        try:
            self._tell_size()
        except BaseException:
            self._file.close()
            raise

    @property
    def frames(self) -> int:
        """How long it is."""
        return max(0, os.fstat(self._file.fileno()).st_size - HEADER_BYTES) // FRAME_BYTES

    def fileno(self) -> int:
        """The file's descriptor."""
        return self._file.fileno()

    def write(self, at_frame: int, audio: bytes) -> None:
        """Puts audio where it belongs. Nothing is moved: what lies between the end and a later place is silence."""
        self._seek(at_frame)
        rest = memoryview(audio)
        while rest:
            rest = rest[self._file.write(rest) :]
        self._tell_size()

    def lay(self, at_frame: int, wav: IO[bytes]) -> None:
        """Puts the audio of another such file where it belongs."""
        if len(wav.read(HEADER_BYTES)) < HEADER_BYTES:
            return
        self._seek(at_frame)
        shutil.copyfileobj(wav, self._file, COPIED_AT_ONCE)
        self._tell_size()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def _seek(self, at_frame: int) -> None:
        self._file.seek(HEADER_BYTES + at_frame * FRAME_BYTES)

    def _tell_size(self) -> None:
        # From what is really there: somebody else may have written further.
        frames = self.frames
        self._file.seek(0)
        self._file.write(header(frames))


def cut_wav(path: Path, at_frame: int, frames: int) -> bytes:
    """A part of a file that may be growing, as a file of its own. Raises :class:`OSError`."""
    with path.open("rb") as wav:
        wav.seek(HEADER_BYTES + at_frame * FRAME_BYTES)
        audio = wav.read(frames * FRAME_BYTES)
    return header(len(audio) // FRAME_BYTES) + audio


def copy_wav(path: Path, out: IO[bytes]) -> None:
    """Writes what there is by now of a file that may be growing, as a file of its own. Raises :class:`OSError`."""
    with path.open("rb") as wav:
        frames = max(0, os.fstat(wav.fileno()).st_size - HEADER_BYTES) // FRAME_BYTES
        out.write(header(frames))
        wav.seek(HEADER_BYTES)
        left = frames * FRAME_BYTES
        while left and (chunk := wav.read(min(left, COPIED_AT_ONCE))):
            out.write(chunk)
            left -= len(chunk)

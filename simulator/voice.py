"""Voices for both far ends: eSpeak NG, as a library, speaking telephone audio.

eSpeak NG keeps oscillator phases and a noise generator in static memory, so what it says depends on what it said before. Each line
is therefore spoken by a freshly loaded copy of the library (a few milliseconds): the same text in the same voice is always the
same bytes, which tests, recordings and the ears rely on.
"""

import _ctypes
import ctypes
import re
import sys
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from . import g711

SAMPLE_RATE_HZ: Final = 8_000
RMS: Final = 3_000
"""How loud every line is made, on the 16-bit scale: a person speaking into a phone."""
MAX_CHARACTERS: Final = 5_000
"""Some seven minutes of speech; more in one line is a mistake."""

_NEAR_SILENCE: Final = 60
_HEBREW_POINT: Final = re.compile("[\u0591-\u05bd\u05bf-\u05c7]")
_ESPEAK_RATE_HZ: Final = 22_050
# speak_lib.h, eSpeak NG 1.52
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE_DONT_EXIT: Final = 0x8000
_POS_CHARACTER: Final = 1
_CHARS_UTF8: Final = 1
_OK: Final = 0

_one_at_a_time = Lock()
_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class VoiceError(Exception):
    """eSpeak NG cannot speak; ``str()`` says what was asked and what to do."""


def speak(text: str, voice: str = "en-us+f3") -> bytes:
    """The text as μ-law, 8 kHz, mono, without silence at either end. The same arguments always give the same bytes.

    ``voice`` is an eSpeak NG language and, after ``+``, a variant: ``en-us+m3``, ``he+f3``. Text with nothing in it to say, such
    as ``…``, is no audio at all. Safe to call from several threads. Raises :class:`VoiceError`.
    """
    return _rendered(" ".join(_speakable(text).split()), voice)


def prepare(lines: Iterable[tuple[str, str]]) -> None:
    """Speaks (text, voice) pairs ahead of time, so that none is rendered while frames are paced. Raises :class:`VoiceError`."""
    for text, voice in lines:
        speak(text, voice)


def duration_ms(ulaw: bytes) -> int:
    """How long μ-law audio plays, in whole milliseconds."""
    return len(ulaw) // g711.SAMPLES_PER_MS


def _speakable(text: str) -> str:
    """Without control characters, of which eSpeak NG takes a NUL for the end, direction marks and Hebrew points, which it spells."""
    kept = "".join(
        character for character in text if not _HEBREW_POINT.match(character) and unicodedata.category(character) != "Cf"
    )
    return "".join(character if character.isprintable() else " " for character in kept)


@lru_cache(maxsize=4096)
def _rendered(text: str, voice: str) -> bytes:
    if not text:
        return b""
    if len(text) > MAX_CHARACTERS:
        raise VoiceError(f"a line of {len(text)} characters is too long to speak: give at most {MAX_CHARACTERS}")
    with _one_at_a_time:
        spoken = _synthesise(text, voice)
    return g711.encode(_levelled(_trimmed(soxr.resample(spoken.astype(np.float32), _ESPEAK_RATE_HZ, SAMPLE_RATE_HZ))))


def _synthesise(text: str, voice: str) -> NDArray[np.int16]:
    pieces: list[bytes] = []

    def collect(samples: "ctypes._Pointer[ctypes.c_short]", count: int, _events: object) -> int:
        if samples and count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _SynthCallback(collect)
    library = _loaded()
    try:
        _start(library, voice, callback)
        utf8 = text.encode("utf-8", errors="replace") + b"\0"
        status = library.espeak_Synth(utf8, ctypes.c_size_t(len(utf8)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status != _OK:
            raise VoiceError(f"eSpeak NG answered {status} when asked to say {text[:40]!r} with the voice {voice!r}")
        library.espeak_Terminate()
    finally:
        _unload(library)
    return np.frombuffer(b"".join(pieces), np.int16)


def _package() -> ModuleType:
    """What brings the library along. The container image is without it: nothing simulated runs there."""
    try:
        return import_module("espeakng_loader")
    except ModuleNotFoundError as error:
        raise VoiceError(
            "nobody here can speak: eSpeak NG is not installed; install the package espeakng-loader, or run this in a checkout"
        ) from error


def _loaded() -> ctypes.CDLL:
    try:
        return ctypes.CDLL(_package().get_library_path())
    except OSError as error:
        raise VoiceError(f"eSpeak NG cannot be loaded: {error}; reinstall the package espeakng-loader") from error


def _start(library: ctypes.CDLL, voice: str, callback: object) -> None:
    folder = _package().get_data_path().encode()
    if library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, folder, _INITIALIZE_DONT_EXIT) != _ESPEAK_RATE_HZ:
        raise VoiceError("eSpeak NG does not start: its voice files are missing; reinstall the package espeakng-loader")
    library.espeak_SetSynthCallback(callback)
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    if library.espeak_SetVoiceByName(voice.encode("utf-8", errors="replace")) != _OK:
        raise VoiceError(
            f"eSpeak NG has no voice {voice!r}: give a language and perhaps a variant, such as 'en-us+m3' or 'he+f3'"
        )


def _unload(library: ctypes.CDLL) -> None:
    """Forgets the library's static memory; ``del`` alone would leave it loaded."""
    close = getattr(_ctypes, "FreeLibrary" if sys.platform == "win32" else "dlclose")
    close(library._handle)


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    audible = np.flatnonzero(np.abs(samples) > _NEAR_SILENCE)
    if audible.size == 0:
        return samples[:0]
    return samples[audible[0] : audible[-1] + 1]


def _levelled(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    if samples.size == 0:
        return samples
    return samples * np.float32(RMS / np.sqrt(np.mean(samples**2, dtype=np.float64)))

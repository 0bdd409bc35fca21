"""What the model hears. It cannot recognise speech; it knows every line that may be spoken, and finds them in what it received.

So a transcript says what really arrived: a bridge that drops, garbles or cuts the caller's audio is shown by missing words, and
noise is heard as nothing.

Lines are cut into chunks of 360 ms. Every chunk is looked for in the turn by normalised cross-correlation at 2 kHz, which tells
what may be there and where; the best lines are then compared with the turn sample by sample, 20 ms at a time, each frame at the
lags its neighbourhood was found at, so that a gap shifts the rest of a line without losing it. What was found is taken out of the
turn, and the rest is listened to again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from . import g711, voice

Floats = NDArray[np.float32]

_RATE_HZ: Final = 8_000
_COARSE: Final = 4
"""The first look is at every fourth sample."""
_CHUNK: Final = 720
"""Coarse samples: 360 ms."""
_FFT: Final = 2_048
_HOP: Final = _FFT - _CHUNK + 1
_FRAME: Final = 160
_PREEMPHASIS: Final = 0.8
"""Speech is loudest at its lowest, where all speech is alike."""
_SMOOTHING: Final = np.ones(5, np.float32)
"""A frame is judged with 40 ms on either side."""
_MAYBE: Final = 0.45
_HEARD: Final = 0.6
"""A frame counts from this correlation on: that of speech in noise as loud as itself is 0.7, of other speech seldom 0.5."""
_WORD_SHARE: Final = 0.5
_WHOLE_SHARE: Final = 0.9
_CANDIDATES: Final = 4
_FARTHEST_GAP: Final = _RATE_HZ
"""A second of a line may be missing, or a second's pause be put in, before the rest counts as another line."""
_LINES_A_TURN: Final = 8
_ACTIVE_RMS: Final = 50.0
"""After pre-emphasis."""
_WORTH_ANOTHER_LOOK: Final = 10
"""Audible frames left over, 200 ms: a short word."""
_LONGEST_TURN: Final = 60 * _RATE_HZ


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    samples: Floats
    """8 kHz, pre-emphasised, in whole frames."""
    active: NDArray[np.bool_]
    """Per frame: it is audible."""
    weights: Floats
    """Per frame: how loud it is; 0 where it is not audible."""
    chunk_starts: tuple[int, ...]
    """Coarse samples."""


@dataclass(frozen=True, slots=True)
class _Finding:
    line: _Line
    heard: NDArray[np.bool_]
    """Per frame of the line: it is in the turn."""
    places: NDArray[np.int64]
    """Per frame of the line: the sample of the turn it was looked for at."""

    @property
    def score(self) -> float:
        """Frames heard; frames missed count against the line, so that the shorter of two lines that begin alike is found."""
        missed = np.count_nonzero(self.line.active & ~self.heard)
        return float(np.count_nonzero(self.heard) - 0.3 * missed)


class Ears:
    """Hears any of the phrasebook's lines: text → the μ-law audio that says it. Hearing changes nothing, so ears may be shared."""

    def __init__(self, phrasebook: Mapping[str, bytes]) -> None:
        self._lines = tuple(_line(text, audio) for text, audio in phrasebook.items() if len(audio) >= _FRAME)
        chunks = [_chunk(line, start) for line in self._lines for start in line.chunk_starts]
        self._chunks = np.stack(chunks) if chunks else np.zeros((0, _CHUNK), np.float32)
        self._spectra = np.conj(np.fft.rfft(self._chunks, _FFT))
        self._norms = np.sqrt(np.sum(self._chunks**2, axis=1))

    @staticmethod
    def for_lines(lines: Iterable[str], voice_name: str) -> "Ears":
        """Ears for lines spoken in an eSpeak NG voice. Raises :class:`~simulator.voice.VoiceError`."""
        return _shared(tuple(lines), voice_name)

    def hear(self, ulaw: bytes) -> str:
        """The lines a turn contains, in order; of a line that is there in part, the words that are. ``""`` for noise and silence.

        Only the first minute of a turn is listened to.
        """
        if not self._lines:
            return ""
        turn = _emphasised(g711.decode(ulaw[:_LONGEST_TURN]))
        found: list[tuple[int, str]] = []
        for _ in range(_LINES_A_TURN):
            if np.count_nonzero(_audible(turn)) < _WORTH_ANOTHER_LOOK or (finding := self._best(turn)) is None:
                break
            found.append((_take_out(turn, finding), _words(finding)))
        return " ".join(text for _, text in sorted(found))

    def _best(self, turn: Floats) -> _Finding | None:
        findings = [_compare(line, turn, places) for line, places in self._candidates(turn)]
        findings = [finding for finding in findings if _words(finding)]
        return max(findings, key=lambda finding: finding.score, default=None)

    def _candidates(self, turn: Floats) -> Iterator[tuple[_Line, list[tuple[int, int]]]]:
        """The most likely lines; for each, (sample of the line, sample of the turn) where its chunks seem to be."""
        likeness, places = self._look(turn)
        ends = np.cumsum([0, *(len(line.chunk_starts) for line in self._lines)])
        spans = [slice(first, last) for first, last in pairwise(ends.tolist())]
        scores = [np.sum(np.maximum(likeness[span] - _MAYBE, 0) ** 2) for span in spans]
        for index in np.argsort(scores)[::-1][:_CANDIDATES]:
            line, span = self._lines[index], spans[index]
            likely = likeness[span] > _MAYBE
            starts = np.array(line.chunk_starts)[likely] * _COARSE
            yield line, list(zip(starts.tolist(), places[span][likely].tolist(), strict=True))

    def _look(self, turn: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """Every chunk's best correlation with the turn, and the sample where that is.

        Between two coarse samples little is alike, so the turn is also looked at from half a coarse sample on.
        """
        shift = _COARSE // 2
        likeness, places = self._look_coarsely(_coarse(turn))
        between, between_places = self._look_coarsely(_coarse(turn[shift:]))
        places = np.where(between > likeness, between_places * _COARSE + shift, places * _COARSE)
        return np.maximum(likeness, between), places

    def _look_coarsely(self, turn: Floats) -> tuple[Floats, NDArray[np.int64]]:
        padded = np.concatenate([np.zeros(_CHUNK, np.float32), turn, np.zeros(_FFT + _CHUNK, np.float32)])
        best = np.zeros(len(self._chunks), np.float32)
        places = np.zeros(len(self._chunks), np.int64)
        quiet = float(_CHUNK) * 20.0**2
        energy = np.concatenate([[0.0], np.cumsum(padded.astype(np.float64) ** 2)])
        norms = np.sqrt(np.maximum(energy[_CHUNK:] - energy[:-_CHUNK], quiet)).astype(np.float32)
        for start in range(0, len(turn) + _CHUNK, _HOP):
            block = np.fft.irfft(np.fft.rfft(padded[start : start + _FFT]) * self._spectra, _FFT)[:, :_HOP]
            block /= norms[start : start + block.shape[1]]
            at = np.argmax(block, axis=1)
            top = block[np.arange(len(block)), at] / self._norms
            places = np.where(top > best, at + (start - _CHUNK), places)
            best = np.maximum(best, top)
        return best, places


@lru_cache(maxsize=64)
def _shared(lines: tuple[str, ...], voice_name: str) -> Ears:
    return Ears({line: voice.speak(line, voice_name) for line in lines})


def _line(text: str, ulaw: bytes) -> _Line:
    samples = _emphasised(g711.decode(ulaw))
    coarse = -(-len(samples) // _COARSE)
    starts = (*range(0, max(coarse - _CHUNK, 0), _CHUNK), max(coarse - _CHUNK, 0))
    active = _audible(samples)
    return _Line(text, samples, active, np.where(active, _rms(samples), 0), starts)


def _chunk(line: _Line, start: int) -> Floats:
    piece = _coarse(line.samples)[start : start + _CHUNK]
    return np.pad(piece, (0, _CHUNK - len(piece)))


def _emphasised(samples: NDArray[np.int16]) -> Floats:
    """High frequencies raised, and padded to whole frames."""
    wide = np.pad(samples.astype(np.float32), (1, -len(samples) % _FRAME))
    return wide[1:] - np.float32(_PREEMPHASIS) * wide[:-1]


def _coarse(samples: Floats) -> Floats:
    coarse: Floats = soxr.resample(samples, _RATE_HZ, _RATE_HZ // _COARSE, quality="MQ")
    return coarse


def _audible(samples: Floats) -> NDArray[np.bool_]:
    audible: NDArray[np.bool_] = _rms(samples) > _ACTIVE_RMS
    return audible


def _rms(samples: Floats) -> Floats:
    """Per frame."""
    rms: Floats = np.sqrt(np.mean(samples.reshape(-1, _FRAME) ** 2, axis=1))
    return rms


def _compare(line: _Line, turn: Floats, places: list[tuple[int, int]]) -> _Finding:
    frames = len(line.active)
    likeness = np.zeros(frames, np.float32)
    best_places = np.full(frames, -1, np.int64)
    for start, place in places:
        lag = _exact_lag(line.samples, turn, start, place)
        first = max(start - _CHUNK * _COARSE, 0) // _FRAME
        last = min((start + 2 * _CHUNK * _COARSE) // _FRAME, frames)
        here = _likeness(line.samples[first * _FRAME : last * _FRAME], turn, first * _FRAME + lag)
        better = here > likeness[first:last]
        best_places[first:last][better] = (np.arange(first, last) * _FRAME + lag)[better]
        likeness[first:last][better] = here[better]
    return _Finding(line, _together(line.active & (likeness >= _HEARD), best_places), best_places)


def _together(heard: NDArray[np.bool_], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Without the frames that look like something far from the rest of the line."""
    if not heard.any():
        return heard
    lags = places - np.arange(len(places)) * _FRAME
    near: NDArray[np.bool_] = np.abs(lags - np.median(lags[heard])) < _FARTHEST_GAP
    return heard & near


def _exact_lag(line: Floats, turn: Floats, start: int, place: int) -> int:
    """By how many samples the line is shifted in the turn, given where the chunk at ``start`` seems to be."""
    chunk = line[start : start + _CHUNK * _COARSE]
    slack = 2 * _COARSE
    products = np.correlate(_excerpt(turn, place - slack, len(chunk) + 2 * slack), chunk, "valid")
    return place - slack + int(np.argmax(products)) - start


def _likeness(piece: Floats, turn: Floats, place: int) -> Floats:
    """Per frame, the correlation of a piece of a line with the turn at that place."""
    there = _excerpt(turn, place, len(piece)).reshape(-1, _FRAME)
    here = piece.reshape(-1, _FRAME)
    products, energy_here, energy_there = (
        np.convolve(np.sum(a * b, axis=1), _SMOOTHING, "same") for a, b in ((here, there), (here, here), (there, there))
    )
    likeness: Floats = (products / np.sqrt(np.maximum(energy_here * energy_there, 1.0)))[: len(here)]
    return likeness


def _excerpt(turn: Floats, start: int, length: int) -> Floats:
    """A part of the turn; silence where it reaches beyond."""
    inside = turn[max(start, 0) : max(start + length, 0)]
    before = min(max(-start, 0), length)
    return np.pad(inside, (before, length - before - len(inside)))


def _take_out(turn: Floats, finding: _Finding) -> int:
    """Silences what was found, pauses of up to 400 ms included, and returns where it began."""
    places = finding.places[finding.heard]
    for place, following in pairwise([*places.tolist(), places[-1]]):
        end = following if 0 < following - place < 20 * _FRAME else place + _FRAME
        turn[max(place - _FRAME, 0) : end + _FRAME] = 0
    return int(places[0])


def _words(finding: _Finding) -> str:
    """The words of which most was heard; each takes its share of the line's audible frames, by its letters."""
    words = finding.line.text.split()
    weights = finding.line.weights[finding.line.active]
    heard = weights * finding.heard[finding.line.active]
    if np.sum(heard) >= _WHOLE_SHARE * np.sum(weights):
        return finding.line.text
    ends = np.cumsum([0, *(len(word) + 1 for word in words)])
    bounds = np.rint(ends / ends[-1] * len(heard)).astype(int).tolist()
    return " ".join(
        word
        for word, (first, last) in zip(words, pairwise(bounds), strict=True)
        if np.sum(heard[first:last]) > _WORD_SHARE * np.sum(weights[first:last])
    )

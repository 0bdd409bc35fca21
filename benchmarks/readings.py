"""Readings: what the timeline of a call and the log of its model session say, worked out after the call. Nothing here waits.

Times of a phone's timeline count from the moment the caller dialled, those of a session from the moment its socket was opened. Both
far ends run on one event loop, so both become times of that loop's clock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from simulator import g711
from simulator.model.server import SentAudio
from simulator.phone.timeline import ClearReceived, MarkEchoed, MediaReceived, Observation

LOUD_AMPLITUDE = 200
"""On the 16-bit scale; a silent line stays below 20."""


class UnreadableCall(Exception):
    """What the phone received is not what the model sent; ``str()`` says how."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Audio of one media message, and when it is played: from ``begin_ms`` on, unless a ``clear`` comes first."""

    received_ms: float
    begin_ms: float
    end_ms: float

    def heard_ms(self, at_ms: float) -> float:
        """How much of it has been played by then."""
        return min(max(at_ms - self.begin_ms, 0.0), self.end_ms - self.begin_ms)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything received between two ``clear`` messages, and the ``clear`` that ended it (``None``: it was played out)."""

    pieces: tuple[Piece, ...]
    cleared_ms: float | None


@dataclass(frozen=True, slots=True)
class ItemOnPhone:
    """One item's audio in a run."""

    item_id: str
    pieces: tuple[Piece, ...]

    @property
    def sent_ms(self) -> float:
        """How much of it the phone received."""
        return sum(piece.end_ms - piece.begin_ms for piece in self.pieces)

    def heard_ms(self, at_ms: float) -> float:
        """How much of it has been played by then."""
        return sum(piece.heard_ms(at_ms) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Cut:
    """A ``clear`` that dropped audio."""

    began_ms: float
    """When the first audio of the item that was audible came."""
    at_ms: float
    heard_ms: Mapping[str, float]
    """What had been heard of each item that was dropped, in playing order."""


def runs_of(timeline: Iterable[Observation]) -> list[Run]:
    """The playout of a call, from what arrived at the phone. A run without audio is left out."""
    runs: list[Run] = []
    pieces: list[Piece] = []
    for seen in timeline:
        if isinstance(seen, MediaReceived):
            end_ms = seen.at_ms + seen.buffered_ms
            pieces.append(Piece(seen.at_ms, end_ms - seen.length / g711.SAMPLES_PER_MS, end_ms))
        elif isinstance(seen, ClearReceived) and pieces:
            runs.append(Run(tuple(pieces), seen.at_ms))
            pieces = []
    return [*runs, Run(tuple(pieces), None)] if pieces else runs


def items_of(runs: Sequence[Run], deltas: Sequence[SentAudio]) -> list[list[ItemOnPhone]]:
    """Which items each run consists of, μ-law both ways.

    What is sent of a response after it was cut belongs to nobody: the bridge drops it. Every run must end where a delta ends.

    Raises:
        UnreadableCall: it does not.
    """
    left, read = list(deltas), []
    for run in runs:
        items, used = _items_of_run(run, left)
        read.append(items)
        left = [delta for delta in left[used:] if run.cleared_ms is None or delta.response_id not in _responses(left[:used])]
    if left and runs and runs[-1].cleared_ms is None:
        raise UnreadableCall(f"{len(left)} deltas of the model never reached the phone")
    return read


def _responses(deltas: Sequence[SentAudio]) -> set[str]:
    return {delta.response_id for delta in deltas}


def _items_of_run(run: Run, deltas: Sequence[SentAudio]) -> tuple[list[ItemOnPhone], int]:
    pieces: dict[str, list[Piece]] = {}
    used, rest_ms = 0, 0.0
    for piece in run.pieces:
        if rest_ms <= 0:
            if used == len(deltas):
                raise UnreadableCall("the phone received more audio than the model sent")
            rest_ms, used = deltas[used].length / g711.SAMPLES_PER_MS, used + 1
        rest_ms -= piece.end_ms - piece.begin_ms
        pieces.setdefault(deltas[used - 1].item_id, []).append(piece)
    if abs(rest_ms) > 0.01:
        raise UnreadableCall(f"a run of audio ends {rest_ms:.1f} ms before the end of a delta")
    return [ItemOnPhone(item_id, tuple(of_item)) for item_id, of_item in pieces.items()], used


def cuts_of(runs: Sequence[Run], items: Sequence[Sequence[ItemOnPhone]]) -> list[Cut]:
    """Every ``clear`` that silenced somebody."""
    cuts = []
    for run, of_run in zip(runs, items, strict=True):
        if run.cleared_ms is None:
            continue
        dropped = [item for item in of_run if item.heard_ms(run.cleared_ms) < item.sent_ms]
        if dropped:
            heard = {item.item_id: item.heard_ms(run.cleared_ms) for item in dropped}
            cuts.append(Cut(dropped[0].pieces[0].received_ms, run.cleared_ms, heard))
    return cuts


def confirmations(timeline: Iterable[Observation], cut: Cut) -> int:
    """How many marks of audio that was played went back between the first audio of what was cut and the cut."""
    marks = [seen for seen in timeline if isinstance(seen, MarkEchoed) and seen.why == "played"]
    return sum(cut.began_ms < mark.at_ms < cut.at_ms for mark in marks)


def truncates_of(received: Sequence[tuple[float, Mapping[str, Any]]]) -> list[tuple[str, float]]:
    """(item, ``audio_end_ms``) of every ``conversation.item.truncate``, in order."""
    kind = "conversation.item.truncate"
    return [(event["item_id"], event["audio_end_ms"]) for _, event in received if event.get("type") == kind]


def times_of(received: Sequence[tuple[float, Mapping[str, Any]]], kind: str) -> list[float]:
    """When each client event of a kind was received."""
    return [at_ms for at_ms, event in received if event.get("type") == kind]


def first_deltas(deltas: Sequence[SentAudio]) -> list[SentAudio]:
    """The first audio of each response."""
    seen: dict[str, SentAudio] = {}
    for delta in deltas:
        seen.setdefault(delta.response_id, delta)
    return list(seen.values())


def answer_delays_ms(committed_ms: Sequence[float], created_ms: Sequence[float]) -> list[float]:
    """For each turn that was answered before the next one ended: ``committed`` sent → ``response.create`` received."""
    bounds = pairwise([*committed_ms, float("inf")])
    answers = [(at_ms, next((made for made in created_ms if at_ms <= made < next_ms), None)) for at_ms, next_ms in bounds]
    return [made - at_ms for at_ms, made in answers if made is not None]


def arrivals_of(runs: Sequence[Run], deltas: Sequence[SentAudio]) -> list[tuple[SentAudio, float]]:
    """Each delta of a call in which nothing was cut, and when the first of it was received by the phone.

    Raises:
        UnreadableCall: the phone received something else.
    """
    arrived: list[tuple[SentAudio, float]] = []
    rest_ms, left = 0.0, iter(deltas)
    for piece in (piece for run in runs for piece in run.pieces):
        if rest_ms <= 0.01:
            delta = next(left, None)
            if delta is None:
                raise UnreadableCall("the phone received more audio than the model sent")
            arrived.append((delta, piece.received_ms))
            rest_ms += delta.length / g711.SAMPLES_PER_MS
        rest_ms -= piece.end_ms - piece.begin_ms
    return arrived


def above_quickest_ms(arrived_ms: Sequence[float], every_ms: float) -> list[float]:
    """How much later each of a series of frames came than the quickest of them, if one was sent every so many ms."""
    late = [at_ms - index * every_ms for index, at_ms in enumerate(arrived_ms)]
    return [one - min(late) for one in late]


def first_loud_ms(track: bytes, from_ms: float) -> float | None:
    """The first loud sample of a μ-law track from a moment on; ``None`` if there is none."""
    start = int(from_ms * g711.SAMPLES_PER_MS)
    loud = np.flatnonzero(np.abs(g711.decode(track[start:]).astype(np.int32)) > LOUD_AMPLITUDE)
    return (start + int(loud[0])) / g711.SAMPLES_PER_MS if loud.size else None


def last_sample_played_ms(runs: Sequence[Run]) -> float | None:
    """When the last audio of a call was, or would have been, played to its end."""
    return max((piece.end_ms for run in runs for piece in run.pieces if run.cleared_ms is None), default=None)

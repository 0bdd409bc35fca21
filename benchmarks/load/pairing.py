"""Which of what was sent came, and how much later. Arrays in, arrays out; nothing here waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Paired:
    """Of everything that was sent: how much later it came, in milliseconds."""

    delays_ms: Floats
    lost: int
    repeated: int
    """What came more than once."""


def paired(sent_keys: Keys, sent_s: Floats, came_keys: Keys, came_s: Floats) -> Paired:
    """Pairs what was sent with what came by its key. What came and was not sent (by this account) is nobody's and not counted;
    of what came more than once the first counts."""
    order = np.argsort(came_s, kind="stable")
    came, first = np.unique(came_keys[order], return_index=True)
    at_s = came_s[order][first]
    place = np.searchsorted(came, sent_keys)
    place[place == len(came)] = 0
    found = came[place] == sent_keys if len(came) else np.zeros(len(sent_keys), bool)
    delays_s = at_s[place[found]] - sent_s[found] if len(came) else np.zeros(0)
    mine = np.isin(came_keys, sent_keys)
    return Paired(delays_s * 1000, int(np.count_nonzero(~found)), int(np.count_nonzero(mine) - np.count_nonzero(found)))


@dataclass(frozen=True, slots=True)
class Spread:
    """A distribution, in milliseconds. ``n`` is 0 where nothing was measured, and the others mean nothing then."""

    n: int
    p50: float
    p99: float
    max: float


def spread(values_ms: Floats | Sequence[float]) -> Spread:
    """Nearest-rank percentiles: values that were measured."""
    ordered = np.sort(np.asarray(values_ms, np.float64))
    if not len(ordered):
        return Spread(0, 0.0, 0.0, 0.0)
    ranks = (max(ceil(share * len(ordered)) - 1, 0) for share in (0.5, 0.99))
    p50, p99 = (float(ordered[rank]) for rank in ranks)
    return Spread(len(ordered), p50, p99, float(ordered[-1]))


def heard_bytes_of(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """How much audio came of each delta, in the order they came. A positive size begins one, a negative one goes on with it. What goes
    on with a delta that never began is left out."""
    given = np.asarray(sizes, np.int64)
    begins = np.flatnonzero(given > 0)
    if not len(begins):
        return np.zeros(0, np.int64)
    return np.add.reduceat(np.abs(given), begins)


def missing_bytes(sent_bytes: NDArray[np.int64], sent_keys: Keys, heard_keys: Keys, heard_bytes: NDArray[np.int64]) -> int:
    """How much of these deltas' audio never came."""
    heard = dict.fromkeys(sent_keys.tolist(), 0)
    for key, size in zip(heard_keys.tolist(), heard_bytes.tolist(), strict=True):
        if key in heard:
            heard[key] += size
    return sum(max(0, size - heard[key]) for key, size in zip(sent_keys.tolist(), sent_bytes.tolist(), strict=True))

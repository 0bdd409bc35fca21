"""Readings of a terminal: which stamped messages have been seen on it, when, and how long after they were sent."""

from benchmarks.console_traffic import STAMP

_LONGEST_STAMP = len(b"c00#00000")


class Watcher:
    """Reads what a program writes to its terminal, piece by piece. ``newest`` has, per call, each newer stamp and when it came."""

    def __init__(self) -> None:
        self.newest: dict[int, list[tuple[int, float]]] = {}
        self._rest = b""

    def take(self, written: bytes, at_s: float) -> None:
        """Another piece; stamps that lie across two pieces are found, too."""
        text = self._rest + written
        for found in STAMP.finditer(text):
            call, number = int(found[1]), int(found[2])
            seen = self.newest.setdefault(call, [])
            if not seen or number > seen[-1][0]:
                seen.append((number, at_s))
        self._rest = text[-(_LONGEST_STAMP - 1) :]


def delays_ms(sent: dict[str, float], newest: dict[int, list[tuple[int, float]]]) -> tuple[list[float], int]:
    """For every message sent (``"call#number"`` → when, in s): how long until the screen showed it, or a later one of the same
    call in its place. And how many it never got to."""
    delays: list[float] = []
    never = 0
    by_call: dict[int, list[tuple[int, float]]] = {}
    for name, at_s in sent.items():
        call, _, number = name.partition("#")
        by_call.setdefault(int(call), []).append((int(number), at_s))
    for index, messages in by_call.items():
        seen = iter(newest.get(index, ()))
        shown = next(seen, None)
        for nth, at_s in sorted(messages):
            while shown is not None and shown[0] < nth:
                shown = next(seen, None)
            if shown is None:
                never += 1
            else:
                delays.append((shown[1] - at_s) * 1000)
    return delays, never

"""Barge-in: when a caller who speaks over the AI is given the floor.

The model's own detector gives way to every "uh-huh"; so the bridge listens itself, to the loudness of each frame, and in two steps:

1. loud without a gap for ``hold_ms``: *triggered*;
2. ``grace_ms`` more: less than half of it loud was a cough, *dismissed*; otherwise the AI is *cut*.

Both count milliseconds of *audio*, by payload length, so that a burst of late packets is no shorter speech than it was. What is loud
depends on the line: 2.5 times its noise floor (the 10th percentile of the last three seconds), but never less than ``rms`` nor
more than four times it. The bar stands still from the first loud frame until the decision.

Most frames are plainly quiet: not one of their samples is larger than ``rms``. Those decide as they are, and are measured only when
the noise floor is asked for.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from enum import Enum

import msgspec

from bridge.conversation.g711 import codes_within, rms_of_each
from bridge.conversation.g711 import rms as loudness
from bridge.conversation.playback import BYTES_PER_MS
from calls.business import BargeIn

FLOOR_WINDOW_MS = 3000
FLOOR_WINDOW_BYTES = FLOOR_WINDOW_MS * BYTES_PER_MS
FLOOR_NEEDS_MS = 1000
"""With less than this heard there is no floor to speak of."""
FLOOR_PERCENTILE = 0.1
FLOOR_FACTOR = 2.5
MAX_FACTOR = 4


class NoiseFloor:
    """The 10th percentile of frame loudness over the last three seconds."""

    __slots__ = ("_before_those", "_lengths_ms", "_levels_rms", "_sorted", "_unmeasured", "_unmeasured_bytes", "_window_ms")

    def __init__(self) -> None:
        self._levels_rms: deque[float] = deque()
        self._lengths_ms: deque[float] = deque()
        self._sorted: list[float] | None = None  # the levels of the window, once they are asked for
        self._window_ms = 0.0
        self._unmeasured: list[bytes] = []
        self._unmeasured_bytes = 0
        self._before_those: list[bytes] = []  # not measured either, a window's worth

    def add(self, levels_rms: Sequence[float], lengths_ms: Sequence[float]) -> None:
        """More frames: how loud each of them is, and how long."""
        self._measure()
        self._count(levels_rms, lengths_ms)

    def add_unmeasured(self, audios: Sequence[bytes]) -> None:
        """More frames, none of them empty; how loud they are is found out once it matters."""
        self._unmeasured += audios
        self._unmeasured_bytes += sum(map(len, audios))
        if self._unmeasured_bytes > FLOOR_WINDOW_BYTES:
            self._before_those, self._unmeasured, self._unmeasured_bytes = self._unmeasured, [], 0

    def _measure(self) -> None:
        frames = self._before_those + self._unmeasured
        if not frames:
            return
        self._before_those, self._unmeasured, self._unmeasured_bytes = [], [], 0
        begin, size = len(frames) - 1, len(frames[-1])
        while begin and size + len(frames[begin - 1]) <= FLOOR_WINDOW_BYTES:
            begin -= 1
            size += len(frames[begin])
        if begin:  # there is more than the window holds: nothing measured counts any more
            self._levels_rms.clear()
            self._lengths_ms.clear()
            self._window_ms = 0.0
        frames = frames[begin:]
        self._count(rms_of_each(frames), [len(audio) / BYTES_PER_MS for audio in frames])

    def _count(self, levels_rms: Sequence[float], lengths_ms: Sequence[float]) -> None:
        self._levels_rms.extend(levels_rms)
        self._lengths_ms.extend(lengths_ms)
        self._window_ms += sum(lengths_ms)
        ordered = self._sorted if len(levels_rms) == 1 else None
        if ordered is not None:
            insort(ordered, levels_rms[0])
        while self._window_ms > FLOOR_WINDOW_MS and len(self._levels_rms) > 1:
            gone_rms = self._levels_rms.popleft()
            self._window_ms -= self._lengths_ms.popleft()
            if ordered is not None:
                del ordered[bisect_left(ordered, gone_rms)]
        self._sorted = ordered

    @property
    def rms(self) -> float:
        """The floor; 0 before enough was heard."""
        self._measure()
        if self._window_ms < FLOOR_NEEDS_MS:
            return 0.0
        if self._sorted is None:
            self._sorted = sorted(self._levels_rms)
        return self._sorted[int(len(self._sorted) * FLOOR_PERCENTILE)]


class Verdict(Enum):
    """What a frame decided."""

    TRIGGERED = "triggered"
    DISMISSED = "dismissed"
    CUT = "cut"


class Burst(msgspec.Struct):
    """Loudness under judgement."""

    threshold_rms: float
    began_ms: float
    """When its first frame began, on the core's clock."""
    loud_ms: float = 0.0
    energy: float = 0.0
    triggered_at_ms: float | None = None
    grace_ms: float = 0.0
    grace_loud_ms: float = 0.0

    @property
    def rms(self) -> int:
        """How loud it has been so far."""
        return round((self.energy / self.loud_ms) ** 0.5) if self.loud_ms else 0


class BargeInGate:
    """Listens to the caller while the AI can be heard."""

    __slots__ = ("_floor", "_settings", "burst", "hears_speech", "last_was_loud", "quiet")

    def __init__(self, settings: BargeIn) -> None:
        self._settings = settings
        self._floor = NoiseFloor()
        self.burst: Burst | None = None
        """The one being judged, and after a verdict the one just judged."""
        self.hears_speech = False
        """Whether a burst is being judged."""
        self.quiet = codes_within(settings.rms)
        """The codes of samples that are below every bar."""
        self.last_was_loud = False
        """Whether the last frame was above the bar for the next burst."""

    def loudness_of(self, audio: bytes) -> float | None:
        """The RMS of a frame; ``None`` if it is plainly quiet, or empty."""
        return loudness(audio) if audio.translate(None, self.quiet) else None

    @property
    def threshold_rms(self) -> float:
        """The bar for the next burst."""
        bar = self._settings.rms
        return min(max(FLOOR_FACTOR * self._floor.rms, bar), MAX_FACTOR * bar)

    def hear(self, rms: float, audio_ms: float, now_ms: float, *, armed: bool) -> Verdict | None:
        """One frame of the caller. ``armed``: AI audio is audible, barge-in is on, and nothing is protected."""
        threshold_rms = self.threshold_rms
        self.last_was_loud = rms > threshold_rms
        self._floor.add((rms,), (audio_ms,))
        if not armed or not self._settings.enabled:
            self.hears_speech = False
            return None
        if not self.hears_speech or self.burst is None:
            return self._wait_for_a_burst(threshold_rms, rms, audio_ms, now_ms)
        loud = rms > self.burst.threshold_rms
        if self.burst.triggered_at_ms is None:
            return self._hold(self.burst, loud, rms, audio_ms, now_ms)
        return self._grace(self.burst, loud, rms, audio_ms)

    def pass_quiet(self, audio: bytes) -> bool:
        """One frame of the caller that is plainly quiet: no bar is lower than it. ``False``: a burst is being judged, and it has to be
        heard (:meth:`hear_quiet`)."""
        self.last_was_loud = False
        self._floor.add_unmeasured((audio,))
        return not self.hears_speech

    def overhear(self, audios: Sequence[bytes], levels_rms: Sequence[float] | None) -> float:
        """Frames of the caller, none of them empty, while no burst is judged and none can begin: the AI is not audible, or they are plainly
        quiet. ``levels_rms``: how loud each of them is; ``None``: all are plainly quiet. Returns how many ms were above the bar."""
        if levels_rms is None:
            self._floor.add_unmeasured(audios)
            return 0.0
        bar, highest_bar = self._settings.rms, MAX_FACTOR * self._settings.rms
        loud_ms, added = 0.0, 0
        lengths_ms = [len(audio) / BYTES_PER_MS for audio in audios]
        for at, rms in enumerate(levels_rms):
            if rms <= bar:
                continue
            if rms <= highest_bar:
                self._floor.add(levels_rms[added:at], lengths_ms[added:at])
                added = at
                if rms <= self.threshold_rms:
                    continue
            loud_ms += lengths_ms[at]
        self._floor.add(levels_rms[added:], lengths_ms[added:])
        return loud_ms

    def hear_quiet(self, audio: bytes, *, armed: bool) -> Verdict | None:
        """What a plainly quiet frame does to the burst under judgement."""
        if not armed or self.burst is None or self.burst.triggered_at_ms is None:  # nobody listens, or it is a gap
            self.hears_speech = False
            return None
        return self._grace(self.burst, False, 0.0, len(audio) / BYTES_PER_MS)

    def _wait_for_a_burst(self, threshold_rms: float, rms: float, audio_ms: float, now_ms: float) -> Verdict | None:
        if rms <= threshold_rms:
            return None
        self.burst, self.hears_speech = Burst(threshold_rms, now_ms - audio_ms), True
        return self._hold(self.burst, True, rms, audio_ms, now_ms)

    def _hold(self, burst: Burst, loud: bool, rms: float, audio_ms: float, now_ms: float) -> Verdict | None:
        if not loud:  # a gap: too short to be speech
            self.hears_speech = False
            return None
        burst.loud_ms += audio_ms
        burst.energy += rms * rms * audio_ms
        if burst.loud_ms < self._settings.hold_ms:
            return None
        burst.triggered_at_ms = now_ms
        return Verdict.TRIGGERED

    def _grace(self, burst: Burst, loud: bool, rms: float, audio_ms: float) -> Verdict | None:
        burst.grace_ms += audio_ms
        if loud:
            burst.grace_loud_ms += audio_ms
            burst.loud_ms += audio_ms
            burst.energy += rms * rms * audio_ms
        if burst.grace_ms < self._settings.grace_ms:
            return None
        self.hears_speech = False
        return Verdict.DISMISSED if burst.grace_loud_ms < burst.grace_ms / 2 else Verdict.CUT

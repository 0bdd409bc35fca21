"""Audio of the model where it is not the telephone's: 24 kHz PCM16, one way or both (OpenAI Realtime, ``audio/pcm``).

The core keeps to μ-law at 8 kHz, 8 bytes a millisecond, in all that it counts; here, at its edge, is where the other format becomes
that one and that one the other. A filter does not shift audio in time, it only holds the newest back: millisecond 700 of an item is
the same in both formats, so what is said to the model about positions needs no correction.

What a resampler is made of is not the core's: whoever makes the core hands one in.
"""

from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bridge.conversation import g711

PHONE_HZ = 8_000
PCM_HZ = 24_000
"""The only rate the API has for PCM."""

Samples = NDArray[np.float32]
"""On the 16-bit linear scale."""


class Resampler(Protocol):
    """Changes the rate of one stream. How the stream is cut into pieces makes no difference to what comes out altogether."""

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """What of the output is certain by now. ``last``: nothing follows, and what was held back comes, too."""


NewResampler = Callable[[int, int], Resampler]
"""Makes one for a new stream: from this rate to that, in Hz."""


def format_of(choice: Literal["pcmu", "pcm"]) -> dict[str, Any]:
    """A business's choice as ``session.update`` spells it; only PCM takes a rate."""
    return {"type": "audio/pcm", "rate": PCM_HZ} if choice == "pcm" else {"type": "audio/pcmu"}


def agrees(confirmed: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether ``session.updated`` confirms a format; a rate it does not mention is the one that was asked for."""
    return "type" in confirmed and all(confirmed.get(key, value) == value for key, value in asked.items())


def spelled(confirmed: dict[str, Any]) -> str:
    """A format as a person reads it."""
    name, rate = confirmed.get("type"), confirmed.get("rate")
    return f"{name} at {rate} Hz" if isinstance(rate, int) else str(name)


class CallerInPcm:
    """The caller's audio as the model hears it."""

    __slots__ = ("_resampler",)

    def __init__(self, new_resampler: NewResampler) -> None:
        self._resampler = new_resampler(PHONE_HZ, PCM_HZ)

    def convert(self, ulaw: bytes) -> bytes:
        """The next piece of PCM16; empty while the filter has not heard enough to say anything."""
        wide = self._resampler.feed(g711.decode(ulaw).astype(np.float32))
        return np.clip(np.rint(wide), -32_768, 32_767).astype("<i2").tobytes()


class AgentFromPcm:
    """The model's audio as the phone plays it. Every item is a stream of its own, and no two are under way at once."""

    __slots__ = ("_half_a_sample", "_item_id", "_new_resampler", "_resampler", "_response_id")

    def __init__(self, new_resampler: NewResampler) -> None:
        self._new_resampler = new_resampler
        self._resampler: Resampler | None = None
        self._response_id = self._item_id = ""
        self._half_a_sample = b""

    def convert(self, response_id: str, item_id: str, pcm: bytes) -> list[tuple[str, bytes]]:
        """Audio of an item: pairs of an item and μ-law to be played for it, none of them empty.

        An item's first audio says that the one before it in the response is complete, whose rest then comes first. The rest of
        a response that gave way to another is nobody's any more.
        """
        finished = [] if (response_id, item_id) == self._of else self.finish(response_id)
        if self._resampler is None or finished or (response_id, item_id) != self._of:
            self._resampler = self._new_resampler(PCM_HZ, PHONE_HZ)
            self._response_id, self._item_id, self._half_a_sample = response_id, item_id, b""
        return finished + self._played(self._half_a_sample + pcm, last=False)

    def finish(self, response_id: str, item_id: str | None = None) -> list[tuple[str, bytes]]:
        """The model has sent all of an item, or, without one named, of a response: what was held back, as :meth:`convert` does."""
        if self._resampler is None or self._response_id != response_id or item_id not in (None, self._item_id):
            return []
        played = self._played(b"", last=True)
        self._resampler = None
        return played

    @property
    def _of(self) -> tuple[str, str]:
        return self._response_id, self._item_id

    def _played(self, pcm: bytes, *, last: bool) -> list[tuple[str, bytes]]:
        """A delta may end in the middle of a sample, whose other half begins the next."""
        whole = len(pcm) // 2 * 2
        self._half_a_sample = pcm[whole:]
        if self._resampler is None:
            return []
        ulaw = g711.encode(self._resampler.feed(np.frombuffer(pcm[:whole], "<i2").astype(np.float32), last=last))
        return [(self._item_id, ulaw)] if ulaw else []

"""Sample rates, by libsoxr."""

import soxr

from bridge.conversation.model_audio import Samples

QUALITY = "HQ"
"""libsoxr's *high*. ``docs/measurements.md`` compares them: *low* loses what is above 2.9 kHz, *quick* folds what is above 4 kHz
back into the audible, *medium* holds back as much as this one, and *very high* twice as much."""


class SoxrResampler:
    """Changes the rate of one stream of audio.

    Works in floating point: libsoxr adds noise (dither) to what it rounds itself, which makes silence no silence, and the bytes
    depend on how the audio was cut.
    """

    def __init__(self, from_hz: int, to_hz: int, quality: str = QUALITY) -> None:
        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality=quality)

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """What of the output is certain by now; with ``last``, all the rest."""
        resampled: Samples = self._stream.resample_chunk(samples, last=last)
        return resampled

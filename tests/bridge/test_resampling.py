"""Between the telephone's 8 kHz and the model's 24: quality against references that owe nothing to the resampler, and chunk borders.

The references are the same signal, computed at the other rate. Delays are counted in samples held back, not in time that passed.
"""

from typing import Any

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bridge.conversation import g711
from bridge.conversation.model_audio import PCM_HZ, PHONE_HZ, AgentFromPcm, CallerInPcm, Samples
from bridge.resampling import SoxrResampler
from simulator import voice

BOTH_WAYS = pytest.mark.parametrize(("from_hz", "to_hz"), [(PHONE_HZ, PCM_HZ), (PCM_HZ, PHONE_HZ)], ids=["up", "down"])
SPOKEN = voice.speak("Good morning, six o'clock is free on Thursday; shall I book it for you?", "en-us+f2")
SECONDS = 2
FROM_HZ, TO_HZ = 300, 3_400
EDGE_MS = 100
"""A filter has heard too little of the first and the last of a signal to be judged by them."""


def sweep(rate_hz: int) -> Samples:
    """A tone that rises through the telephone band."""
    at_s = np.arange(SECONDS * rate_hz) / rate_hz
    phase = 2 * np.pi * (FROM_HZ * at_s + (TO_HZ - FROM_HZ) / (2 * SECONDS) * at_s**2)
    return (8_000 * np.sin(phase)).astype(np.float32)


def tone(hz: float, rate_hz: int) -> Samples:
    return (8_000 * np.sin(2 * np.pi * hz * np.arange(SECONDS * rate_hz) / rate_hz)).astype(np.float32)


def resampled(samples: Samples, from_hz: int, to_hz: int, chunk: int = 160) -> Samples:
    resampler = SoxrResampler(from_hz, to_hz)
    pieces = [resampler.feed(samples[at : at + chunk]) for at in range(0, len(samples), chunk)]
    return np.concatenate([*pieces, resampler.feed(samples[:0], last=True)])


def inside(samples: NDArray[Any], rate_hz: int) -> NDArray[np.float64]:
    edge = EDGE_MS * rate_hz // 1000
    return samples[edge:-edge].astype(np.float64)


def snr_db(reference: NDArray[Any], got: NDArray[Any]) -> float:
    noise = np.sum((reference - got) ** 2)
    return float(10 * np.log10(np.sum(reference**2) / noise)) if noise else np.inf


@BOTH_WAYS
def test_a_sweep_through_the_telephone_band_comes_out_as_if_made_at_the_other_rate(from_hz: int, to_hz: int) -> None:
    got = resampled(sweep(from_hz), from_hz, to_hz)
    assert len(got) == SECONDS * to_hz
    assert snr_db(inside(sweep(to_hz), to_hz), inside(got, to_hz)) > 120


@pytest.mark.parametrize("hz", [4_600, 5_000, 7_000, 11_000])
def test_what_no_telephone_can_carry_does_not_fold_back_into_what_it_can(hz: int) -> None:
    left = inside(resampled(tone(hz, PCM_HZ), PCM_HZ, PHONE_HZ), PHONE_HZ)
    assert 20 * np.log10(np.sqrt(np.mean(left**2)) / (8_000 / np.sqrt(2))) < -100


def spoken(rate_hz: int) -> Samples:
    """Speech of the telephone band at either rate: one spectrum, cut at 3.4 kHz, as more or fewer samples."""
    spectrum = np.fft.rfft(g711.decode(SPOKEN[: len(SPOKEN) // 160 * 160]).astype(np.float64))
    spectrum[round(len(spectrum) * TO_HZ / (PHONE_HZ / 2)) :] = 0
    scale = rate_hz // PHONE_HZ
    wide = np.zeros((len(spectrum) - 1) * scale + 1, complex)
    wide[: len(spectrum)] = spectrum * scale
    return np.fft.irfft(wide).astype(np.float32)


@BOTH_WAYS
def test_so_does_speech(from_hz: int, to_hz: int) -> None:
    got = resampled(spoken(from_hz), from_hz, to_hz)
    assert snr_db(inside(spoken(to_hz), to_hz), inside(got, to_hz)) > 100


def test_the_only_noise_a_caller_gets_is_that_of_u_law_itself() -> None:
    stream = AgentFromPcm(SoxrResampler)
    pcm = np.rint(spoken(PCM_HZ)).astype("<i2").tobytes()
    heard = b"".join(ulaw for _, ulaw in [*stream.convert("r", "i", pcm), *stream.finish("r")])
    best = g711.encode(spoken(PHONE_HZ))
    reference = inside(spoken(PHONE_HZ), PHONE_HZ)
    got, possible = (snr_db(reference, inside(g711.decode(each), PHONE_HZ)) for each in (heard, best))
    assert got > possible - 0.1
    assert got > 35


@pytest.mark.parametrize("chunk", [1, 7, 160, 1_999])
@BOTH_WAYS
def test_a_stream_is_what_resampling_it_whole_gives(from_hz: int, to_hz: int, chunk: int) -> None:
    whole = soxr.resample(sweep(from_hz), from_hz, to_hz, quality="HQ")
    assert np.array_equal(resampled(sweep(from_hz), from_hz, to_hz, chunk), whole)


@BOTH_WAYS
def test_silence_stays_silence(from_hz: int, to_hz: int) -> None:
    assert not resampled(np.zeros(from_hz, np.float32), from_hz, to_hz).any()


cuts = st.lists(st.integers(1, 9_000), max_size=40)


def cut_up(audio: bytes, sizes: list[int]) -> list[bytes]:
    at, pieces = 0, []
    for size in sizes:
        pieces.append(audio[at : at + size])
        at += size
    return [*pieces, audio[at:]]


PCM = g711.decode(SPOKEN).repeat(3).astype("<i2").tobytes()
"""As good as any audio, steps and all."""


@given(cuts)
def test_the_phone_gets_the_same_bytes_however_the_model_cuts_its_audio(sizes: list[int]) -> None:
    whole = AgentFromPcm(SoxrResampler)
    expected = whole.convert("r", "i", PCM) + whole.finish("r")
    pieces = AgentFromPcm(SoxrResampler)
    got = [played for piece in cut_up(PCM, sizes) for played in pieces.convert("r", "i", piece)] + pieces.finish("r")
    assert b"".join(ulaw for _, ulaw in got) == b"".join(ulaw for _, ulaw in expected)
    assert {item for item, _ in got} == {"i"}
    assert sum(len(ulaw) for _, ulaw in got) == len(PCM) // 6


@given(cuts)
def test_the_model_gets_the_same_bytes_however_the_phone_cuts_its_audio(sizes: list[int]) -> None:
    pieces = CallerInPcm(SoxrResampler)
    got = b"".join(pieces.convert(piece) for piece in cut_up(SPOKEN, sizes))
    assert got == CallerInPcm(SoxrResampler).convert(SPOKEN)[: len(got)]
    assert len(SPOKEN) * 6 - len(got) < 75 * 48  # what is held back


def bends(samples: NDArray[Any]) -> NDArray[np.float64]:
    """The second difference: a click is a bend that the signal does not have."""
    return np.abs(np.diff(samples.astype(np.float64), 2))


def worst_bends(pieces: list[bytes]) -> tuple[float, float]:
    """Where two pieces of μ-law meet, and everywhere else; the first and the last tenth of a second left out."""
    bend = bends(g711.decode(b"".join(pieces)))
    edge = EDGE_MS * PHONE_HZ // 1000
    is_border = np.zeros(len(bend), bool)
    for border in np.cumsum([len(piece) for piece in pieces])[:-1]:
        is_border[max(0, border - 2) : border + 1] = True
    is_inside = np.zeros(len(bend), bool)
    is_inside[edge:-edge] = True
    return bend[is_border & is_inside].max(), bend[~is_border & is_inside].max()


@pytest.mark.parametrize("delta_ms", [21, 99, 275])
def test_no_click_where_two_deltas_meet(delta_ms: int) -> None:
    pcm = np.rint(tone(330, PCM_HZ)).astype("<i2").tobytes()
    deltas = [pcm[at : at + delta_ms * 48] for at in range(0, len(pcm), delta_ms * 48)]
    stream = AgentFromPcm(SoxrResampler)
    played = [ulaw for delta in deltas for _, ulaw in stream.convert("r", "i", delta)] + [ulaw for _, ulaw in stream.finish("r")]
    at_borders, elsewhere = worst_bends(played)
    assert at_borders <= elsewhere
    # Each delta resampled for itself would click, and this would hear it.
    apart = [AgentFromPcm(SoxrResampler) for _ in deltas]
    clicking = [
        b"".join(ulaw for _, ulaw in [*one.convert("r", "i", delta), *one.finish("r")])
        for one, delta in zip(apart, deltas, strict=True)
    ]
    at_borders, elsewhere = worst_bends(clicking)
    assert at_borders > 2 * elsewhere


@BOTH_WAYS
def test_frames_of_20_ms_are_held_back_for_75_ms_at_most_and_43_on_average(from_hz: int, to_hz: int) -> None:
    resampler, frame = SoxrResampler(from_hz, to_hz), from_hz // 50
    given_ms = got_ms = 0.0
    held_ms = []
    for _ in range(500):
        given_ms += 20
        got_ms += len(resampler.feed(np.zeros(frame, np.float32))) * 1000 / to_hz
        held_ms.append(given_ms - got_ms)
    assert max(held_ms) < 75
    assert 40 < np.mean(held_ms[10:]) < 47

"""What 24 kHz PCM costs a call: noise, delay and processor time, for every quality of libsoxr. ``python -m benchmarks.resampling``.

Noise is against the same sweep of the telephone band computed at the other rate, so that the reference owes the resampler nothing.
Delay is counted in audio held back when a piece has been fed, not in time that passed. Processor time is that of the conversion as a
call does it: base64, G.711, rounding and resampling, 50 frames of 20 ms a second one way, deltas of 275 ms the other.
"""

from base64 import b64decode, b64encode
from functools import partial
from time import process_time

import numpy as np
from numpy.typing import NDArray

from bridge.conversation.model_audio import PCM_HZ, PHONE_HZ, AgentFromPcm, CallerInPcm, Samples
from bridge.resampling import QUALITY, SoxrResampler

QUALITIES = ("QQ", "LQ", "MQ", "HQ", "VHQ")
FROM_HZ, TO_HZ = 300, 3_400
SWEEP_S = 4
EDGE_MS = 100
CALL_S = 60
DELTA_MS = 275
FRAME_MS = 20
REPEATS = 5


def sweep(rate_hz: int) -> Samples:
    """A tone rising through the telephone band."""
    at_s = np.arange(SWEEP_S * rate_hz) / rate_hz
    return (8_000 * np.sin(2 * np.pi * (FROM_HZ + (TO_HZ - FROM_HZ) / (2 * SWEEP_S) * at_s) * at_s)).astype(np.float32)


def tone(hz: float, rate_hz: int) -> Samples:
    """A steady tone."""
    return (8_000 * np.sin(2 * np.pi * hz * np.arange(SWEEP_S * rate_hz) / rate_hz)).astype(np.float32)


def whole(quality: str, samples: Samples, from_hz: int, to_hz: int) -> NDArray[np.float64]:
    """Resampled as a stream, without the edges."""
    stream = SoxrResampler(from_hz, to_hz, quality)
    got = np.concatenate([stream.feed(samples), stream.feed(samples[:0], last=True)])
    return inside(got, to_hz)


def inside(samples: Samples, rate_hz: int) -> NDArray[np.float64]:
    """Without the edges, where a filter has heard too little."""
    edge = EDGE_MS * rate_hz // 1000
    return samples[edge:-edge].astype(np.float64)


def snr_db(quality: str, from_hz: int, to_hz: int) -> float:
    """Of a sweep through the telephone band."""
    reference = inside(sweep(to_hz), to_hz)
    noise = whole(quality, sweep(from_hz), from_hz, to_hz) - reference
    with np.errstate(divide="ignore"):  # no noise at all is infinitely good
        return float(10 * np.log10(np.sum(reference**2) / np.sum(noise**2)))


def level_db(quality: str, hz: float, from_hz: int, to_hz: int) -> float:
    """What is left of a tone."""
    left = whole(quality, tone(hz, from_hz), from_hz, to_hz)
    return float(20 * np.log10(np.sqrt(np.mean(left**2)) / (8_000 / np.sqrt(2))))


def held_back_ms(quality: str, from_hz: int, to_hz: int, piece_ms: int) -> tuple[float, float]:
    """On average and at most, after a piece has been fed."""
    stream, piece = SoxrResampler(from_hz, to_hz, quality), np.zeros(from_hz * piece_ms // 1000, np.float32)
    fed_ms = got_ms = 0.0
    held: list[float] = []
    for _ in range(CALL_S * 1000 // piece_ms):
        fed_ms += piece_ms
        got_ms += len(stream.feed(piece)) * 1000 / to_hz
        held.append(fed_ms - got_ms)
    return float(np.mean(held[10:])), max(held)


def cpu_ms_a_second(quality: str) -> tuple[float, float]:
    """Processor time for a second of the caller, and for one of the AI; the best of a few runs."""
    new = partial(SoxrResampler, quality=quality)
    frame = b64encode(np.random.default_rng(1).integers(0, 256, FRAME_MS * 8, np.uint8).tobytes())
    delta = b64encode(np.random.default_rng(2).integers(-9_000, 9_000, DELTA_MS * 24).astype("<i2").tobytes())
    caller, agent = [], []
    for _ in range(REPEATS):
        to_model, to_phone = CallerInPcm(new), AgentFromPcm(new)
        began = process_time()
        for _ in range(CALL_S * 1000 // FRAME_MS):
            b64encode(to_model.convert(b64decode(frame)))
        middle = process_time()
        for _ in range(CALL_S * 1000 // DELTA_MS):
            for _, ulaw in to_phone.convert("r", "i", b64decode(delta)):
                b64encode(ulaw)
        caller.append(middle - began)
        agent.append(process_time() - middle)
    return min(caller) * 1000 / CALL_S, min(agent) * 1000 / CALL_S


def row(quality: str) -> str:
    """One quality as a line of the table."""
    up, down = (PHONE_HZ, PCM_HZ), (PCM_HZ, PHONE_HZ)
    snr = " / ".join(f"{snr_db(quality, *way):.0f}" for way in (up, down))
    frames = "{:.0f} / {:.0f}".format(*held_back_ms(quality, *up, FRAME_MS))
    deltas = "{:.0f} / {:.0f}".format(*held_back_ms(quality, *down, DELTA_MS))
    cpu = "{:.2f} / {:.2f}".format(*cpu_ms_a_second(quality))
    name = f"**{quality}**" if quality == QUALITY else quality
    edge, folded = level_db(quality, 3_400, *down), level_db(quality, 5_000, *down)
    return f"| {name} | {snr} | {edge:.1f} | {folded:.0f} | {frames} | {deltas} | {cpu} |"


def main() -> None:
    """Prints the table."""
    print("| quality | SNR, dB | 3.4 kHz, dB | 5 kHz, dB | caller held back, ms | AI held back, ms | CPU, ms a second |")
    print("|---|---|---|---|---|---|---|")
    for quality in QUALITIES:
        print(row(quality))


if __name__ == "__main__":
    main()

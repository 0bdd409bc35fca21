import numpy as np
import pytest

from simulator import g711

EVERY_CODE = bytes(range(256))


def ulaw_by_the_book(code: int) -> int:
    """G.711 table 2, as arithmetic on one code."""
    inverted = ~code & 0xFF
    segment, step = inverted >> 4 & 7, inverted & 15
    size = ((2 * step + 33) << segment) - 33
    return -4 * size if inverted & 0x80 else 4 * size


def alaw_by_the_book(code: int) -> int:
    """G.711 table 1, as arithmetic on one code."""
    toggled = code ^ 0x55
    segment, step = toggled >> 4 & 7, toggled & 15
    size = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return 8 * size if toggled & 0x80 else -8 * size


def test_every_ulaw_code_decodes_as_the_recommendation_says() -> None:
    assert g711.decode(EVERY_CODE).tolist() == [ulaw_by_the_book(code) for code in range(256)]


def test_every_alaw_code_decodes_as_the_recommendation_says() -> None:
    assert g711.decode_alaw(EVERY_CODE).tolist() == [alaw_by_the_book(code) for code in range(256)]


def test_both_zeros_of_ulaw_are_silence_and_silence_is_ff() -> None:
    assert g711.decode(b"\xff\x7f").tolist() == [0, 0]
    assert g711.encode([0]) == bytes([g711.SILENCE]) == b"\xff"


def test_what_was_decoded_encodes_to_the_same_code() -> None:
    assert g711.encode(g711.decode(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")
    assert g711.encode_alaw(g711.decode_alaw(EVERY_CODE)) == EVERY_CODE


@pytest.mark.parametrize(
    ("encode", "decode"), [(g711.encode, g711.decode), (g711.encode_alaw, g711.decode_alaw)], ids=["mu-law", "A-law"]
)
def test_every_sample_is_encoded_to_a_nearest_code(encode, decode) -> None:  # type: ignore[no-untyped-def]
    samples = np.arange(-32_768, 32_768).astype(np.int16)
    chosen = decode(encode(samples)).astype(int)
    levels = np.unique(decode(EVERY_CODE).astype(int))
    above = levels[np.minimum(np.searchsorted(levels, samples), len(levels) - 1)]
    below = levels[np.maximum(np.searchsorted(levels, samples, "right") - 1, 0)]
    assert np.all((chosen == above) | (chosen == below))
    # The thresholds of the tables are coarser than exact rounding at the bottom of a segment, by less than half a step.
    nearest = np.minimum(np.abs(above - samples), np.abs(samples - below))
    assert np.all(np.abs(chosen - samples) - nearest <= np.maximum(np.abs(samples) // 16, 8))


def test_numbers_beyond_sixteen_bits_are_clipped_and_fractions_rounded() -> None:
    assert g711.decode(g711.encode(np.array([1e9, -1e9]))).tolist() == [32_124, -32_124]
    assert g711.encode(np.array([0.2, -0.2])) == b"\xff\xff"


def test_nothing_is_nothing() -> None:
    assert g711.encode(np.zeros(0, np.int16)) == b""
    assert g711.decode(b"").size == 0

"""The core's μ-law codec. The simulator has one of its own, written apart; the two are held against each other."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from bridge.conversation import g711
from simulator import g711 as another

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)


def test_every_code_and_every_sample_is_what_another_codec_says() -> None:
    assert g711.decode(EVERY_CODE).tolist() == another.decode(EVERY_CODE).tolist()
    assert g711.encode(EVERY_SAMPLE) == another.encode(EVERY_SAMPLE)


def test_what_was_decoded_encodes_to_the_same_code() -> None:
    assert g711.encode(g711.decode(EVERY_CODE)) == EVERY_CODE.replace(b"\x7f", b"\xff")


def test_numbers_beyond_sixteen_bits_are_clipped_and_fractions_rounded() -> None:
    assert g711.decode(g711.encode([1e9, -1e9])).tolist() == [32_124, -32_124]
    assert g711.encode([0.2, -0.2]) == b"\xff\xff"
    assert g711.encode([]) == b""


@given(some.lists(some.binary(min_size=1, max_size=400), min_size=1, max_size=40))
def test_many_pieces_measured_at_once_are_as_loud_as_each_by_itself(pieces: list[bytes]) -> None:
    assert g711.rms_of_each(pieces) == [g711.rms(piece) for piece in pieces]


def test_the_codes_within_a_magnitude_are_those_of_all_samples_that_size_and_no_others() -> None:
    for magnitude in (0, 7, 8, 200, 32_123, 32_124):
        expected = {code for code, sample in enumerate(another.decode(EVERY_CODE).tolist()) if abs(sample) <= magnitude}
        assert set(g711.codes_within(magnitude)) == expected

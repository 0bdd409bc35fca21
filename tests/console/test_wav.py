"""Two sides of a call on one line of time, as WAV."""

import io
import wave

import numpy as np
import pytest

from console import wav
from console.wav import Timeline
from simulator import g711

MS = wav.SAMPLES_PER_MS
LOUD, SOFT = b"\x80", b"\xc0"
SILENT = 0


def sides(samples: bytes) -> tuple[list[int], list[int]]:
    """Left and right, one value a millisecond."""
    both = np.frombuffer(samples, "<i2").reshape(-1, 2)[::MS]
    return both[:, 0].tolist(), both[:, 1].tolist()


def piece(code: bytes, ms: int) -> bytes:
    return code * (ms * MS)


LOUD_SAMPLE, SOFT_SAMPLE = wav.linear(LOUD[0]), wav.linear(SOFT[0])


def test_mu_law_is_decoded_as_everybody_decodes_it() -> None:
    codes = bytes(range(256))
    assert np.frombuffer(wav.stereo(codes, codes[::-1]), "<i2").reshape(-1, 2)[:, 0].tolist() == g711.decode(codes).tolist()
    assert np.frombuffer(wav.stereo(codes, codes[::-1]), "<i2").reshape(-1, 2)[:, 1].tolist() == g711.decode(codes)[::-1].tolist()


def test_the_header_of_a_finished_file_is_read_by_others() -> None:
    samples = wav.stereo(LOUD * 80, SOFT * 80)
    with wave.open(io.BytesIO(wav.header(len(samples)) + samples)) as read:
        assert read.getparams()[:4] == (2, 2, 8_000, 80)
        assert read.readframes(80) == samples


def test_the_header_of_a_stream_says_that_its_length_is_unknown() -> None:
    header = wav.header()
    assert (len(header), header[4:8], header[40:44]) == (wav.HEADER_BYTES, b"\xff" * 4, b"\xff" * 4)
    assert header[8:40] == wav.header(4)[8:40]


def test_a_stream_too_long_for_the_header_keeps_an_unknown_length() -> None:
    assert wav.header(2**32) == wav.header()


def test_both_sides_lie_where_they_were_heard_and_gaps_are_silent() -> None:
    timeline = Timeline()
    timeline.lay("caller", 1_000, piece(LOUD, 10))
    timeline.lay("agent", 1_100, piece(SOFT, 10))
    timeline.lay("caller", 1_200, piece(LOUD, 10))
    left, right = sides(timeline.take(everything=True))
    assert left == [LOUD_SAMPLE] * 10 + [SILENT] * 190 + [LOUD_SAMPLE] * 10
    assert right == [SILENT] * 100 + [SOFT_SAMPLE] * 10 + [SILENT] * 100


def test_what_may_still_be_joined_by_the_other_side_is_held_back() -> None:
    timeline = Timeline()
    timeline.lay("caller", 0, piece(LOUD, wav.LAG_MS + 50))
    assert sides(timeline.take())[0] == [LOUD_SAMPLE] * 50
    timeline.lay("agent", 50, piece(SOFT, 20))
    assert sides(timeline.take(everything=True))[1] == [SOFT_SAMPLE] * 20 + [SILENT] * (wav.LAG_MS - 20)


def test_a_piece_that_comes_too_late_loses_only_what_has_been_given_out() -> None:
    timeline = Timeline()
    timeline.lay("caller", 0, piece(LOUD, wav.LAG_MS + 50))
    timeline.take()
    timeline.lay("agent", 0, piece(SOFT, 60))
    timeline.lay("agent", 0, piece(SOFT, 5))
    assert sides(timeline.take(everything=True))[1][:11] == [SOFT_SAMPLE] * 10 + [SILENT]
    assert timeline.ignored == 1


@pytest.mark.parametrize("late_ms", [-wav.SNAP_MS, -3, 0, 3, wav.SNAP_MS])
def test_pieces_that_nearly_meet_are_joined_without_a_seam(late_ms: int) -> None:
    timeline = Timeline()
    timeline.lay("caller", 0, piece(LOUD, 100))
    timeline.lay("caller", 100 + late_ms, piece(SOFT, 100))
    assert sides(timeline.take(everything=True))[0] == [LOUD_SAMPLE] * 100 + [SOFT_SAMPLE] * 100


@pytest.mark.parametrize("at_ms", [1e14, -1e14, wav.MAX_GAP_MS + 200.0])
def test_a_piece_of_no_time_of_this_call_is_ignored(at_ms: float) -> None:
    timeline = Timeline()
    timeline.lay("caller", 0, piece(LOUD, 100))
    timeline.lay("agent", at_ms, piece(SOFT, 100))
    assert len(timeline.take(everything=True)) == 100 * MS * wav.BYTES_PER_SAMPLE
    assert timeline.ignored == 1


def test_no_more_is_given_out_than_asked_for() -> None:
    timeline = Timeline()
    timeline.lay("caller", 0, piece(LOUD, 1_000))
    assert len(sides(timeline.take(at_most=5 * MS))[0]) == 5
    assert timeline.written == 5 * MS


def test_nothing_is_given_out_before_anything_came() -> None:
    assert Timeline().take(everything=True) == b""

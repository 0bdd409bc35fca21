"""Audio comes in bursts and is heard in real time."""

from itertools import pairwise

import pytest

from bridge.heard_audio import KEPT_MS, Piece, Track


def ms(length: int, byte: bytes = b"\x01") -> bytes:
    return byte * (8 * length)


def spans(pieces: list[Piece]) -> list[tuple[float, float]]:
    return [(piece.at_ms, piece.end_ms) for piece in pieces]


def test_a_burst_is_heard_piece_after_piece_from_when_it_came() -> None:
    track = Track()
    for byte in (b"a", b"b", b"c"):
        track.offer(ms(20, byte), 1000)
    assert track.take(1000) == []
    assert track.take(1030) == [Piece(1000, ms(20, b"a") + ms(10, b"b"))]
    assert track.take(1030) == []
    assert track.take(9999) == [Piece(1030, ms(10, b"b") + ms(20, b"c"))]


def test_what_comes_after_a_pause_is_heard_after_a_pause() -> None:
    track = Track()
    track.offer(ms(100), 0)
    track.offer(ms(100), 500)
    assert spans(track.take(2000)) == [(0, 100), (500, 600)]


def test_what_comes_while_something_is_heard_waits_for_its_end() -> None:
    track = Track()
    track.offer(ms(100), 0)
    assert spans(track.take(50)) == [(0, 50)]
    track.offer(ms(100), 60)
    assert spans(track.take(2000)) == [(50, 200)]


def test_cleared_audio_is_never_heard_and_what_follows_begins_at_once() -> None:
    track = Track()
    track.offer(ms(1000, b"a"), 0)
    track.offer(ms(1000, b"b"), 0)
    assert spans(track.take(300)) == [(0, 300)]
    track.clear(400)
    track.offer(ms(50, b"c"), 450)
    assert track.take(5000) == [Piece(300, ms(100, b"a")), Piece(450, ms(50, b"c"))]


@pytest.mark.parametrize("at_ms", [0, 100, 150, 5000])
def test_a_clear_takes_nothing_that_was_heard(at_ms: int) -> None:
    track = Track()
    track.offer(ms(100), 0)
    track.offer(ms(100), 100)
    track.clear(at_ms)
    assert sum(len(piece.audio) for piece in track.take(9000)) == 8 * min(at_ms, 200)


def test_a_clear_of_silence_is_nothing() -> None:
    track = Track()
    track.clear(100)
    track.offer(ms(20), 50)
    assert spans(track.take(1000)) == [(50, 70)]


def test_audio_that_is_late_by_less_than_the_slack_follows_without_a_break() -> None:
    track = Track(slack_ms=1000)
    for at_ms in (20, 40, 900, 901, 3000):
        track.offer(ms(20), at_ms)
    assert spans(track.take()) == [(20, 100), (3000, 3020)]


def test_the_first_audio_begins_when_it_came_whatever_the_slack() -> None:
    track = Track(slack_ms=1000)
    track.offer(ms(20), 500)
    assert spans(track.take()) == [(500, 520)]


def test_no_more_than_two_minutes_wait_and_time_goes_on_all_the_same() -> None:
    track = Track()
    for _ in range(200):
        track.offer(ms(1000), 0)
    assert spans(track.take(300_000)) == [(0, KEPT_MS)]
    track.offer(ms(20), 0)
    assert spans(track.take(300_000)) == [(200_000, 200_020)]


def test_no_audio_is_no_piece() -> None:
    track = Track()
    track.offer(b"", 0)
    assert track.take(1000) == []


def test_a_fraction_of_a_sample_is_heard_once() -> None:
    track = Track()
    track.offer(ms(100), 0.3)
    heard = [piece for at in range(0, 1300, 7) for piece in track.take(at / 10)]
    assert sum(len(piece.audio) for piece in heard) == 800
    assert all(a.end_ms == pytest.approx(b.at_ms) for a, b in pairwise(heard))

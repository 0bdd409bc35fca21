"""The ledger: tables of (time, what happened) → what the caller has heard."""

from math import inf

import pytest

from bridge.conversation.playback import BYTES_PER_MS, LOST_MARK_MS, Playback


def send(ledger: Playback, item: str, ms: float, now_ms: float) -> list[str]:
    return [piece.mark for piece in ledger.send(item, b"\x00" * round(ms * BYTES_PER_MS), now_ms)]


def test_audio_is_sliced_into_at_most_200_ms_with_a_mark_each() -> None:
    ledger = Playback()
    pieces = ledger.send("a", bytes(range(256)) * 20, 0)
    assert b"".join(piece.audio for piece in pieces) == bytes(range(256)) * 20
    assert all(len(piece.audio) <= 200 * BYTES_PER_MS for piece in pieces)
    assert len({piece.mark for piece in pieces}) == len(pieces) == 4


def test_no_audio_is_no_slice_and_no_mark() -> None:
    ledger = Playback()
    assert ledger.send("a", b"", 0) == []
    assert not ledger.is_audible


def test_mark_names_never_repeat_in_a_call_and_carry_the_generation() -> None:
    ledger = Playback()
    names = send(ledger, "a", 1000, 0)
    ledger.clear(100)
    names += send(ledger, "b", 1000, 200)
    assert len(set(names)) == 10
    assert [name.split(".")[0] for name in names] == ["0"] * 5 + ["1"] * 5


@pytest.mark.parametrize(
    ("now_ms", "heard_ms"),
    [(1000, 0), (1150, 150), (2000, 1000), (5999, 4999), (6000, 5000), (99_999, 5000)],
)
def test_without_any_mark_the_position_is_the_time_since_sending(now_ms: float, heard_ms: float) -> None:
    ledger = Playback()
    send(ledger, "a", 5000, 1000)  # five seconds in one burst
    assert ledger.position_ms(now_ms) == heard_ms
    assert ledger.played("a", now_ms).sent_ms == 5000


def test_the_first_mark_replaces_the_guess_that_playout_began_on_sending() -> None:
    ledger = Playback()
    first, *_ = send(ledger, "a", 1000, 0)
    ledger.confirm(first, 290)  # 200 ms of audio confirmed 90 ms later than guessed
    assert ledger.position_ms(290) == 200
    assert ledger.position_ms(390) == 300


def test_a_late_mark_does_not_pull_the_position_back_and_a_quick_one_moves_it_on() -> None:
    ledger = Playback()
    first, second, third, *_ = send(ledger, "a", 1000, 0)
    ledger.confirm(first, 220)
    ledger.confirm(second, 480)  # delayed by 60 ms on its way
    assert ledger.position_ms(480) == 460
    ledger.confirm(third, 610)
    assert ledger.position_ms(610) == 600


def test_the_position_never_exceeds_what_was_sent_and_never_falls_below_what_was_confirmed() -> None:
    ledger = Playback()
    marks = send(ledger, "a", 400, 0)
    ledger.confirm(marks[1], 100)  # faster than real time: Twilio says so, so be it
    assert ledger.position_ms(100) == 400
    assert ledger.position_ms(5000) == 400


def test_audio_sent_after_the_queue_ran_dry_starts_anew() -> None:
    ledger = Playback()
    for name in send(ledger, "a", 400, 0):
        ledger.confirm(name, 450)
    send(ledger, "b", 1000, 5000)
    assert ledger.played("b", 5300).heard_ms == 300
    assert ledger.played("a", 5300).heard_ms == 400


def test_items_queued_behind_each_other_are_told_apart() -> None:
    ledger = Playback()
    send(ledger, "a", 3000, 0)
    send(ledger, "b", 2000, 10)
    assert [(p.item_id, p.heard_ms, p.sent_ms) for p in ledger.unheard(1000)] == [("a", 1000, 3000), ("b", 0, 2000)]
    assert [(p.item_id, p.heard_ms) for p in ledger.unheard(3500)] == [("b", 500)]


# --- clear: the same answer whether cleared marks are echoed at once, late, or never ---


@pytest.mark.parametrize("policy", ["echo", "drop", "late"])
def test_after_a_clear_old_marks_earn_nothing_however_they_come(policy: str) -> None:
    ledger = Playback()
    old = send(ledger, "a", 5000, 0)
    cut = ledger.clear(1000)
    assert [(p.item_id, p.heard_ms, p.sent_ms) for p in cut] == [("a", 1000, 5000)]
    if policy == "echo":
        assert not any(ledger.confirm(name, 1010) for name in old)
    send(ledger, "b", 2000, 1500)
    if policy == "late":
        assert not any(ledger.confirm(name, 1700) for name in old)
    assert ledger.played("b", 1800).heard_ms == 300
    assert ledger.played("a", 1800).heard_ms == 1000
    assert ledger.played("a", 1800).sent_ms == 5000


def test_cleared_audio_is_not_audible_and_cannot_be_cut_again() -> None:
    ledger = Playback()
    send(ledger, "a", 5000, 0)
    ledger.clear(1000)
    assert not ledger.is_audible
    assert ledger.over_by_ms == inf
    assert ledger.clear(1200) == []


def test_a_second_cut_counts_its_own_item_only() -> None:
    ledger = Playback()
    send(ledger, "a", 60_000, 0)
    ledger.clear(61_000)
    send(ledger, "b", 5000, 70_000)
    assert [(p.item_id, p.heard_ms) for p in ledger.clear(70_300)] == [("b", 300)]


# --- lost marks ---


def test_a_lost_mark_counts_as_played_two_seconds_after_the_audio() -> None:
    ledger = Playback()
    send(ledger, "a", 1000, 500)
    assert ledger.over_by_ms == 1500 + LOST_MARK_MS
    ledger.give_up_lost_marks(3499)
    assert ledger.is_audible
    ledger.give_up_lost_marks(3500)
    assert not ledger.is_audible
    assert ledger.over_by_ms == inf


def test_a_mark_earns_once() -> None:
    ledger = Playback()
    name = send(ledger, "a", 100, 0)[0]
    assert ledger.confirm(name, 120)
    assert not ledger.confirm(name, 130)
    assert not ledger.confirm("0.999", 130)
    assert not ledger.confirm("'; DROP TABLE marks", 130)


# --- marks that change nothing ---


def test_a_mark_is_news_where_something_ends_or_all_of_it_ends_sooner_and_nowhere_else() -> None:
    ledger = Playback()
    marks = send(ledger, "a", 600, 0) + send(ledger, "b", 600, 10)
    news = []
    for name, at_ms in zip(marks, [290, 500, 700, 890, 1080, 1300], strict=True):
        ledger.confirm(name, at_ms)
        news.append((name, ledger.last_mark_was_news))
    # later than guessed; in between; a ends; quicker than any before; once more; b ends
    assert [is_news for _, is_news in news] == [False, False, True, False, True, True]
    ledger.confirm(marks[0], 1400)
    assert not ledger.last_mark_was_news


def test_a_mark_that_makes_up_for_lost_ones_is_news_if_an_end_was_among_them() -> None:
    ledger = Playback()
    marks = send(ledger, "a", 400, 0) + send(ledger, "b", 600, 0)
    ledger.confirm(marks[3], 900)
    assert ledger.last_mark_was_news


def test_an_echo_of_what_was_cleared_is_no_news() -> None:
    ledger = Playback()
    marks = send(ledger, "a", 1000, 0)
    ledger.clear(300)
    ledger.confirm(marks[-1], 310)
    assert not ledger.last_mark_was_news

"""Which workers hang, as a table of looks."""

import pytest

from frontdesk.silence import HUNG_AFTER_S, STOOD_STILL_S, Silence


def looked(*looks: tuple[float, dict[str, int]]) -> list[list[str]]:
    """Who hangs at each (time, how often each has said that it lives)."""
    silence = Silence[str]()
    return [silence.hung(now_s, beats) for now_s, beats in looks]


@pytest.mark.parametrize("beats", [0, 1, 7])
def test_who_has_said_that_it_lives_and_then_nothing_hangs(beats: int) -> None:
    looks = [(float(second), {"a": beats}) for second in range(12)]
    assert looked(*looks) == [[]] * 10 + [["a"] if beats else [], []]


def test_who_goes_on_saying_so_does_not() -> None:
    assert looked(*((float(second), {"a": second, "b": 1}) for second in range(12))) == [[]] * 10 + [["b"], []]


def test_a_word_at_the_last_moment_is_one() -> None:
    looks = [(float(second), {"a": 1 if second < 9 else 2}) for second in range(19)]
    assert looked(*looks) == [[]] * 19


def test_who_comes_later_has_as_long() -> None:
    assert looked(*((float(second), {"a": 1} if second > 5 else {}) for second in range(17))) == [[]] * 16 + [["a"]]


def test_who_is_gone_is_forgotten() -> None:
    looks = [(float(second), {} if second == 5 else {"a": 1}) for second in range(12)]
    assert looked(*looks) == [[]] * 12


def test_who_looks_and_has_stood_still_itself_blames_nobody() -> None:
    late_s = 5 + 1 + STOOD_STILL_S + HUNG_AFTER_S
    looks = [*((float(second), {"a": 1}) for second in range(6)), (late_s, {"a": 1}), (late_s + 1, {"a": 1})]
    assert looked(*looks) == [[]] * 8

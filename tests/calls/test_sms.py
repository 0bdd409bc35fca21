"""How many segments a text takes, by the tables of 3GPP TS 23.038."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.sms import segments


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 80 + "a", 2),
        ("a" * 152 + "€" + "a" * 152, 3),  # the € would lie across the end of the first
        ("ç", 1),
        ("ç" * 71, 2),  # only the capital is in the alphabet
        ("ש" * 70, 1),
        ("ש" * 71, 2),
        ("ש" * 134, 2),
        ("ש" * 135, 3),
        ("👋" * 35, 1),
        ("👋" * 36, 2),
        ("👋" * 67, 3),  # an emoji is not divided either
        ("a" * 69 + "’", 1),
        ("a" * 70 + "’", 2),  # one typographic apostrophe makes it UCS-2
    ],
)
def test_a_text_takes_as_many_segments_as_a_carrier_counts(text: str, count: int) -> None:
    assert segments(text) == count


@given(st.text(max_size=700), st.text(max_size=5))
def test_a_longer_text_never_takes_fewer_segments(text: str, more: str) -> None:
    assert segments(text) <= segments(text + more)

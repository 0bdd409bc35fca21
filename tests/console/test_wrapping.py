"""Where text breaks into rows of a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.wrapping import rows_of


def rows(text: str, width: int) -> list[str]:
    return [text[start:end] for start, end in rows_of(text, width)]


@pytest.mark.parametrize(
    ("text", "width", "broken"),
    [
        ("", 10, [""]),
        ("short", 10, ["short"]),
        ("two words", 5, ["two", "words"]),
        ("exactly ten", 11, ["exactly ten"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("a abcdefgh b", 3, ["a", "abc", "def", "gh", "b"]),
        ("a abcdefg b", 3, ["a", "abc", "def", "g b"]),
        ("שלום וברכה לכולם", 10, ["שלום וברכה", "לכולם"]),
        ("日本語テスト", 5, ["日本", "語テ", "スト"]),
        ("x", 0, ["x"]),
    ],
)
def test_text_breaks_at_blanks_and_long_words_anywhere(text: str, width: int, broken: list[str]) -> None:
    assert rows(text, width) == broken


def test_a_point_stays_with_its_letter() -> None:
    pointed = "שָׁלוֹם" * 3
    broken = rows(pointed, 4)
    assert "".join(broken) == pointed
    assert all(cell_len(row) <= 4 for row in broken)
    assert not any(row[0] in "\u05b8\u05c1\u05b9" for row in broken)


@given(st.text(alphabet="ab שלָ日🏠 ", max_size=60).map(lambda text: " ".join(text.split())), st.integers(2, 20))
def test_nothing_is_lost_and_every_row_fits(text: str, width: int) -> None:
    broken = rows(text, width)
    assert "".join(broken).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(row) <= width for row in broken)

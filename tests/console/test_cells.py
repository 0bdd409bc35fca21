"""Strangers' text in cells: as wide as computed, on every terminal, and with its direction kept to itself."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from console.widgets.cells import LEFT_TO_RIGHT, drawable, fitted, isolated
from tests.console import examples

MARKED = LEFT_TO_RIGHT


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("plain", "plain"),
        ("👩‍👩‍👧", "👩👩👧"),
        ("☎️", "☎"),
        ("👍🏽", "👍"),
        ("a\u200bb\ufeffc\u00add", "abcd"),
        ("\u200eabc\u200f", "abc"),
        ("a\u202eb\u2066c", "abc"),
        ("\ud800x", "\ufffdx"),
        ("שָׁלוֹם", "שָׁלוֹם"),
    ],
)
def test_what_terminals_do_not_agree_on_is_left_out(text: str, drawn: str) -> None:
    assert drawable(text) == drawn


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("abc", "abc"),
        ("", ""),
        ("日本", "日本"),
        ("שלום", f"{MARKED}שלום{MARKED}"),
        ("abc אב 12", f"{MARKED}abc אב 12{MARKED}"),
        ("مرحبا", f"{MARKED}مرحبا{MARKED}"),
    ],
)
def test_right_to_left_text_stands_between_marks(text: str, kept: str) -> None:
    assert isolated(text) == kept


@pytest.mark.parametrize(
    ("text", "align", "keep", "shown"),
    [
        ("abc", "left", "begin", "abc   "),
        ("abc", "right", "begin", "   abc"),
        ("abcdefgh", "left", "begin", "abcde…"),
        ("abcdefgh", "left", "end", "…defgh"),
        ("日本語テキ", "left", "begin", "日本… "),
        ("日本語テキ", "right", "end", " …テキ"),
        ("אבגדהוזח", "left", "begin", f"{MARKED}אבגדה…{MARKED}"),
        ("", "left", "begin", "      "),
    ],
)
def test_text_is_fitted_into_six_cells(
    text: str, align: Literal["left", "right"], keep: Literal["begin", "end"], shown: str
) -> None:
    assert fitted(text, 6, align, keep) == shown


def test_there_is_nothing_in_no_cells() -> None:
    assert fitted("abc", 0) == ""
    assert fitted("abc", -3) == ""


@given(
    st.text(max_size=60) | st.sampled_from([text[:2_000] for text in examples.HOSTILE]),
    st.integers(1, 40),
    st.sampled_from(["begin", "end"]),
)
def test_any_text_fits_exactly(text: str, width: int, keep: Literal["begin", "end"]) -> None:
    assert cell_len(fitted(text, width, keep=keep)) == width

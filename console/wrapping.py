"""Where text breaks into rows of a terminal. Works on cells, not characters: Hebrew points take none, some letters take two."""

import re

from rich.cells import cell_len

Row = tuple[int, int]
"""From which character to which (not included); the blank at a break belongs to no row."""

_WORD = re.compile(r"\S+")


def rows_of(text: str, width: int) -> list[Row]:
    """``text`` in rows of at most ``width`` cells, broken at blanks; a word that is longer is broken anywhere. At least one row."""
    width = max(1, width)
    plain = text.isascii()
    if plain and len(text) <= width:
        return [(0, len(text))]
    rows: list[Row] = []
    start = end = cells = 0
    for word in _WORD.finditer(text):
        first, last = word.span()
        wide = last - first if plain else cell_len(word.group())
        if end > start and cells + (first - end) + wide <= width:
            cells, end = cells + (first - end) + wide, last
            continue
        if end > start:
            rows.append((start, end))
        *full, (start, end) = _pieces(text, first, last, width, plain=plain) if wide > width else [(first, last)]
        rows.extend(full)
        cells = end - start if plain else cell_len(text[start:end])
    rows.append((start, end))
    return rows


def _pieces(text: str, first: int, last: int, width: int, *, plain: bool) -> list[Row]:
    """A word too long for a row, in pieces that fit; what takes no cell stays with the character before it."""
    if plain:
        return [(start, min(start + width, last)) for start in range(first, last, width)]
    pieces: list[Row] = []
    start, cells = first, 0
    for place in range(first, last):
        wide = cell_len(text[place])
        if wide and place > start and cells + wide > width:
            pieces.append((start, place))
            start, cells = place, 0
        cells += wide
    pieces.append((start, last))
    return pieces

"""Strangers' text in a grid of cells: made drawable, cut to a width, and kept from turning what stands beside it around.

Terminals disagree on two things. One is how wide joined emoji and invisible format characters are, so those characters are left
out: what remains is as wide everywhere as is computed here. The other is right-to-left text: some terminals reorder a line as the
Unicode bidirectional algorithm says, most leave it as it comes. Text is therefore kept in logical order, left-aligned, and a
left-to-right mark on either side of a right-to-left text ends its reach, so that a terminal that reorders does so within the cell.
"""

import re
import unicodedata
from typing import Literal

from rich.cells import cell_len, set_cell_size

MORE = "…"
LEFT_TO_RIGHT = "\u200e"
_VARIATION = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef\U0001f3fb-\U0001f3ff]")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")


def drawable(text: str) -> str:
    """``text`` without the characters no two terminals agree on; half a surrogate pair becomes a replacement character."""
    if text.isascii():
        return text
    return "".join(map(_drawable, _VARIATION.sub("", text)))


def _drawable(character: str) -> str:
    match unicodedata.category(character):
        case "Cf" | "Cc" | "Zl" | "Zp":
            return ""
        case "Cs":
            return "\ufffd"
        case _:
            return character


def isolated(text: str) -> str:
    """``text``; if any of it is right to left, between marks that keep its direction to itself. As wide as before."""
    return f"{LEFT_TO_RIGHT}{text}{LEFT_TO_RIGHT}" if _RIGHT_TO_LEFT.search(text) else text


def fitted(text: str, width: int, align: Literal["left", "right"] = "left", keep: Literal["begin", "end"] = "begin") -> str:
    """``text`` in exactly ``width`` cells: filled up with blanks, or cut with an ellipsis on the side that is not kept."""
    if width <= 0:
        return ""
    text = drawable(text)
    wide = cell_len(text)
    if wide > width:
        text = _cut(text, width, keep)
        wide = cell_len(text)
    blanks = " " * (width - wide)
    return blanks + isolated(text) if align == "right" else isolated(text) + blanks


def _cut(text: str, width: int, keep: Literal["begin", "end"]) -> str:
    if keep == "begin":
        return set_cell_size(text, width - 1).rstrip() + MORE
    # No more than this can be seen; the text may be much longer.
    text = text[-width * 2 :]
    while text and (cell_len(text) > width - 1 or unicodedata.combining(text[0])):
        text = text[1:]
    return MORE + text

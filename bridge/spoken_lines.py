"""The sentences the bridge can say without a model: μ-law recordings that come with it, one a language and line.

They are rendered from ``calls.language`` by ``scripts/render_lines``; ``lines.toml`` holds the text each recording was made from.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from bridge.conversation.agent_voice import SpokenLine

NAMES = ("apology", "goodbye", "one_moment", "still_there", "busy")
"""The lines every shipped language has."""


def lines_of(language: str) -> Mapping[str, SpokenLine]:
    """The lines of a language, English where it has none."""
    lines = _all_lines()
    return lines.get(language) or lines["en"]


@cache
def _all_lines() -> Mapping[str, Mapping[str, SpokenLine]]:
    folder = resources.files("bridge").joinpath("lines")
    texts: dict[str, dict[str, str]] = tomllib.loads(folder.joinpath("lines.toml").read_text(encoding="utf-8"))
    return {
        language: {
            name: SpokenLine(text=text, audio=folder.joinpath(f"{language}-{name}.ulaw").read_bytes())
            for name, text in lines.items()
        }
        for language, lines in texts.items()
    }

"""The recordings that come with the bridge."""

import pytest

from bridge.conversation.g711 import rms
from bridge.spoken_lines import NAMES, lines_of
from calls.language import PHRASES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", PHRASES)
def test_every_shipped_language_has_every_line_as_audible_speech_of_its_present_text(language: str, name: str) -> None:
    line = lines_of(language)[name]
    assert line.text == getattr(PHRASES[language], name)  # otherwise: scripts/render_lines
    assert 0.7 < len(line.audio) / 8000 < 8
    assert rms(line.audio) > 500


def test_a_language_without_lines_has_the_english_ones() -> None:
    assert lines_of("de") == lines_of("en")

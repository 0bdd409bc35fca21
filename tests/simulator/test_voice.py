import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from simulator import g711, voice

LINE = "Hi, my furnace stopped working last night and the house is freezing."
HEBREW = "שלום, הרכב שלי לא מניע מהבוקר."


def rms(audio: bytes) -> float:
    return float(np.sqrt(np.mean(g711.decode(audio).astype(float) ** 2)))


@pytest.mark.parametrize(("text", "name"), [(LINE, "en-us+m3"), (HEBREW, "he+f3"), ("No.", "en-us+f3"), ("כן", "he+m3")])
def test_a_line_is_as_loud_as_a_person_on_the_phone(text: str, name: str) -> None:
    assert 2_500 <= rms(voice.speak(text, name)) <= 4_000


def test_a_line_begins_and_ends_with_sound() -> None:
    audio = voice.speak(LINE, "en-us+m3")
    assert rms(audio[:400]) > 50
    assert rms(audio[-400:]) > 50


def test_a_sentence_lasts_as_long_as_it_takes_to_say() -> None:
    assert 2_500 <= voice.duration_ms(voice.speak(LINE, "en-us+m3")) <= 6_000


@pytest.mark.parametrize("word", HEBREW.split())
def test_unpointed_hebrew_is_spoken_word_by_word(word: str) -> None:
    assert 200 <= voice.duration_ms(voice.speak(word, "he+f3")) <= 2_000


def test_hebrew_points_and_direction_marks_change_nothing() -> None:
    assert voice.speak("שָׁלוֹם\u200f עוֹלָם", "he+f3") == voice.speak("שלום עולם", "he+f3")


def test_the_same_line_is_the_same_bytes_whatever_was_said_before() -> None:
    first = voice._rendered.__wrapped__(LINE, "en-us+m3")
    voice._rendered.__wrapped__(HEBREW, "he+f3")
    assert voice._rendered.__wrapped__(LINE, "en-us+m3") == first


def test_threads_speaking_at_once_do_not_mix_their_lines() -> None:
    texts = [f"This is line number {number}." for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda text: voice._rendered.__wrapped__(text, "en-us+f3"), texts))
    assert together == [voice._rendered.__wrapped__(text, "en-us+f3") for text in texts]


def test_voices_differ() -> None:
    assert len({voice.speak("Hello there.", name) for name in ("en-us+m3", "en-us+f3", "fr+f3")}) == 3


@pytest.mark.parametrize("text", ["", "   ", "\n\t", "…", "\u200f", "\0\x1b"])
def test_text_with_nothing_to_say_is_no_audio(text: str) -> None:
    assert voice.speak(text, "en-us+f3") == b""


def test_control_characters_separate_words_and_do_not_end_the_line() -> None:
    assert voice.speak("one\0two\nthree", "en-us+f3") == voice.speak("one two three", "en-us+f3")


def test_emoji_and_markup_are_harmless() -> None:
    assert voice.speak("Hello 🙂 <speak>&amp;</speak> [[x]] \ud800", "en-us+f3")


def test_an_unknown_voice_is_named_in_one_sentence() -> None:
    with pytest.raises(voice.VoiceError, match="no voice 'xx\\+f3': give a language"):
        voice.speak("Hello.", "xx+f3")


def test_without_the_package_that_brings_the_library_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(voice.VoiceError, match="eSpeak NG is not installed; install the package espeakng-loader"):
        voice._rendered.__wrapped__("Hello.", "en-us+f3")


def test_a_line_that_is_too_long_is_refused() -> None:
    with pytest.raises(voice.VoiceError, match="at most 5000"):
        voice.speak("a" * 5_001, "en-us+f3")


def test_prepared_lines_are_not_rendered_again() -> None:
    voice.prepare([("Prepared ahead.", "en-us+f3")])
    before = voice._rendered.cache_info()
    voice.speak("Prepared ahead.", "en-us+f3")
    after = voice._rendered.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)

"""Which words end a call: phrase × language × what stands around it."""

import pytest

from bridge.conversation.farewell import END, IGNORED, Farewells
from calls.business import Closing

ENDS = [(language, phrase.strip()) for language, text in END.items() for phrase in text.split(",")]
STAYS = [(language, phrase.strip()) for language, text in IGNORED.items() for phrase in text.split(",")]
AROUND = [
    "{}",
    "{}.",
    "  {}!!  ",
    "“{}”",
    "{} 👋🏽",
    "\u200f{}\u200f",
    "\u202b{}\u202c",
    "– {} –",
    "{}\x00",
    "\ufeff{}",
]


def farewells(language: str = "en", phrases: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> Farewells:
    return Farewells(language, Closing(phrases=phrases, ignore=ignore))


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(("language", "phrase"), ENDS)
def test_an_end_phrase_ends_the_call_whatever_punctuation_stands_around_it(language: str, phrase: str, around: str) -> None:
    assert farewells(language).end_phrase(around.format(phrase)) is not None
    assert farewells(language).end_phrase(around.format(phrase.upper())) is not None


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize(("language", "phrase"), STAYS)
def test_an_ignored_phrase_never_ends_the_call_even_repeated(language: str, phrase: str, around: str) -> None:
    text = around.format(phrase)
    assert farewells(language).end_phrase(text) is None
    assert farewells(language).end_phrase(f"{text}, {text} {text}") is None


@pytest.mark.parametrize(
    ("language", "text", "ends"),
    [
        ("he", "אין צורך", True),
        ("he", "תודה, אין צורך, ביי ביי", True),
        ("he", "אֵין צֹרֶךְ", False),  # written without the vav: another word
        ("he", "אֵין צוֹרֶךְ", True),
        ("he", "ביי ביי", False),
        ("he", "היי כבי", False),
        ("he", "היי ביי", False),
        ("he", "ביי ביי ביי ביי", False),
        ("he", "הלא צריכים", False),
        ("he", "לא צריכים", False),
        ("he", "שאין צורך", False),
        ("he", "עזובה", False),
        ("he", "no thanks", True),
        ("en", "no thanks", True),
        ("en", "No. Thanks!", True),
        ("en", "thanks, bye", False),
        ("en", "thanks bye bye thank you", False),
        ("en", "No, that’s all, thank you.", True),
        ("en", "that's allowed", False),
        ("en", "is that all right?", False),
        ("en", "nothing elsewhere", False),
        ("en", "", False),
        ("en", "אין צורך", False),
        ("fr", "Non, merci.", True),
        ("es", "No, gracias", True),
        ("ru", "Нет, спасибо!", True),
        ("ar", "لا، شكراً", True),
    ],
)
def test_whole_words_and_the_longest_phrase_decide(language: str, text: str, ends: bool) -> None:
    assert (farewells(language).end_phrase(text) is not None) is ends


def test_a_business_adds_phrases_of_its_own_and_wins_over_what_is_shipped() -> None:
    own = farewells("en", phrases=("cancel my account", "goodbye"), ignore=("see you", "that's all"))
    assert own.end_phrase("Please cancel my account!") == "cancel my account"
    assert own.end_phrase("goodbye") == "goodbye"
    assert own.end_phrase("that's all") is None


@pytest.mark.parametrize(
    ("language", "text", "means"),
    [
        ("en", "bye bye", False),
        ("en", "Thanks, you too, have a nice day!", False),
        ("en", "OK great, no thanks, bye", False),
        ("en", "wait, one more thing", True),
        ("en", "Thanks. Also, what does it cost?", True),
        ("he", "תודה רבה, יום טוב, ביי", False),
        ("he", "רגע, עוד שאלה", True),
        ("en", "", False),
        ("en", "👍", False),
    ],
)
def test_only_words_that_mean_something_reopen_a_call(language: str, text: str, means: bool) -> None:
    assert farewells(language).means_something(text) is means

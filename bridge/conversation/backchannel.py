"""Backchannels: "uh-huh", "כן", "d'accord": words that say "I am listening" and ask for no answer."""

import re
import unicodedata

BACKCHANNELS: dict[str, str] = {
    "en": "uh huh, uhhuh, mhm, mm hmm, mmhmm, mm, hmm, hm, yeah, yes, yep, ok, okay, right, sure, i see, got it, oh, ah, aha",
    "he": "אהה, אה, כן, אוקיי, אוקי, או קיי, בסדר, הבנתי, נכון, בטח, אממ, המ, מממ, יופי, טוב, סבבה",
    "es": "sí, ajá, vale, ok, claro, ya, bueno, mm, entiendo, bien",
    "fr": "oui, ouais, ok, d accord, hum, mm, ah, bien, je vois, voilà",
    "ar": "نعم, اه, آه, طيب, تمام, ماشي, أيوه, ايوه, حسنا, أوكي, اوكي, فاهم",
    "ru": "да, ага, угу, хорошо, ок, окей, понятно, ясно, так, мм, ну да",
}
"""Per language, separated by commas."""
_SEPARATORS = re.compile(r"[^\w]+")


def spoken_words(text: str) -> str:
    """The words of ``text`` for comparing: compatibility forms folded, marks (niqqud) and punctuation gone, lower case."""
    decomposed = unicodedata.normalize("NFKD", " ".join(text.casefold().split()))
    letters = "".join(char for char in decomposed if not unicodedata.category(char).startswith(("M", "C")))
    return " ".join(_SEPARATORS.sub(" ", letters.replace("_", " ")).split())


_BACKCHANNEL_WORDS = {language: frozenset(map(spoken_words, words.split(","))) for language, words in BACKCHANNELS.items()}


def is_backchannel(text: str, language: str) -> bool:
    """Whether ``text`` only says "I am listening": such words, any number of them, and nothing else."""
    rest = f" {spoken_words(text)} "
    known = _BACKCHANNEL_WORDS["en"] | _BACKCHANNEL_WORDS.get(language, frozenset())
    for phrase in sorted(known, key=len, reverse=True):
        while f" {phrase} " in rest:
            rest = rest.replace(f" {phrase} ", " ")
    return not rest.strip()

"""Goodbyes: which of the caller's words end a call, which never do, and which mean nothing either way.

Text is compared by whole words after Unicode normalisation, without niqqud, punctuation and case. End and ignored phrases are matched
together, the longest first at each position, so that "no thanks" ends a call and "thanks, bye" does not.
"""

from collections.abc import Iterable

from bridge.conversation.backchannel import spoken_words
from calls.business import Closing

END = {
    "he": "אין צורך, לא צריך, לא צריכה, עזוב, עזבי, אין לי צורך, לא צריך כלום, לא צריכה כלום, זה הכל, זה הכול",
    "en": "no thanks, no thank you, that's all, that is all, thats all, that'll be all, that will be all, nothing else, not interested, "
    "i'm not interested, i'm all set, im all set, i am all set, that's everything, that is everything",
    "es": "no gracias, eso es todo, nada más, no me interesa, no hace falta, no necesito nada más",
    "fr": "non merci, c'est tout, ce sera tout, rien d'autre, ça ne m'intéresse pas, pas besoin, pas la peine",
    "ar": "لا شكرا, هذا كل شيء, هذا كل شي, لا شيء آخر, لا حاجة, ما في داعي, غير مهتم, غير مهتمة, بس هيك",
    "ru": "нет спасибо, это всё, это все, больше ничего, не надо, не нужно, не интересует, мне не интересно, всё спасибо",
}
"""Phrases that end a call, per language, separated by commas."""

IGNORED = {
    "he": "היי כבי, היי ביי, ביי ביי, ביי, להתראות, תודה, תודה רבה, יאללה ביי",
    "en": "bye, bye bye, goodbye, good bye, thanks, thank you, thank you very much, thanks a lot, see you",
    "es": "adiós, chao, gracias, muchas gracias, hasta luego",
    "fr": "au revoir, salut, merci, merci beaucoup, à bientôt",
    "ar": "مع السلامة, باي, باي باي, شكرا, شكرا جزيلا, إلى اللقاء",
    "ru": "пока, пока пока, до свидания, спасибо, спасибо большое",
}
"""Phrases that never end a call, even repeated."""

COURTESY = {
    "he": "יום טוב, יום נעים, שיהיה יום טוב, ערב טוב, לילה טוב, שבת שלום, כל טוב, גם לך, אוקיי, בסדר, טוב, סבבה, כן, לא, מעולה, יופי, נתראה",
    "en": "have a nice day, have a good day, have a great day, you too, take care, same to you, ok, okay, alright, all right, great, good, "
    "perfect, yes, yeah, no, cool, cheers, nice, fine, good night, good evening, talk to you later, see you tomorrow, later, so, well, then",
    "es": "que tenga un buen día, buen día, igualmente, vale, ok, bueno, sí, no, perfecto, cuídese, nos vemos",
    "fr": "bonne journée, bonne soirée, à vous aussi, d'accord, ok, oui, non, parfait, très bien, à plus",
    "ar": "يوم سعيد, طاب يومك, وأنت أيضا, حسنا, طيب, تمام, نعم, لا, ممتاز",
    "ru": "хорошего дня, всего доброго, всего хорошего, вам тоже, и вам, хорошо, ладно, да, нет, отлично, ок",
}
"""Words that mean nothing once a goodbye has been said."""

Words = tuple[str, ...]


def _phrases(lists: Iterable[str]) -> frozenset[Words]:
    return _exact(phrase for text in lists for phrase in text.split(","))


class Farewells:
    """The phrases of one business: English, its own language, and what its file adds."""

    __slots__ = ("_courtesy", "_end", "_ignored", "_written")

    def __init__(self, language: str, settings: Closing) -> None:
        languages = dict.fromkeys((language, "en"))
        own_end, own_ignored = _exact(settings.phrases), _exact(settings.ignore)
        # What a business adds wins over what is shipped.
        self._ignored = (_phrases(IGNORED.get(name, "") for name in languages) - own_end) | own_ignored
        self._end = (_phrases(END.get(name, "") for name in languages) - own_ignored) | own_end
        listed = [*settings.phrases, *(phrase for name in languages for phrase in END.get(name, "").split(","))]
        self._written = {tuple(spoken_words(phrase).split()): phrase.strip() for phrase in reversed(listed)}
        self._courtesy = _phrases(COURTESY.get(name, "") for name in languages)

    def end_phrase(self, text: str) -> str | None:
        """The first phrase in ``text`` that ends the call, as it is listed; ``None`` if there is none."""
        words = tuple(spoken_words(text).split())
        for phrase in _cut_up(words, self._end | self._ignored):
            if phrase in self._end:
                return self._written.get(phrase, " ".join(phrase))
        return None

    def means_something(self, text: str) -> bool:
        """Whether words remain once end, ignored and courtesy phrases are taken out: the caller has more to say."""
        words = tuple(spoken_words(text).split())
        known = self._end | self._ignored | self._courtesy
        return any(phrase not in known for phrase in _cut_up(words, known))


def _exact(phrases: Iterable[str]) -> frozenset[Words]:
    return frozenset(tuple(spoken_words(phrase).split()) for phrase in phrases) - {()}


def _cut_up(words: Words, phrases: frozenset[Words]) -> Iterable[Words]:
    """``words`` as phrases, the longest known one first at each position; unknown words one by one."""
    longest = max(map(len, phrases), default=1)
    at = 0
    while at < len(words):
        size = next((size for size in range(longest, 0, -1) if words[at : at + size] in phrases), 1)
        yield words[at : at + size]
        at += size

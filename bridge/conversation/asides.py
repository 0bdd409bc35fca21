"""Asides: turns the caller finished while the AI could be heard, without cutting it.

They are answered only once the AI has finished, and only if they were more than a backchannel.
"""

from collections.abc import Callable, Mapping
from math import inf

import msgspec

from bridge.conversation.backchannel import is_backchannel
from bridge.conversation.greeting import SUBSTANTIAL_MS

TEXT_WAIT_MS = 1500
"""How long the text of an aside is waited for once the AI has finished."""


class Aside(msgspec.Struct, frozen=True):
    """A turn that ended while the AI could be heard."""

    item_id: str
    speech_ms: float


class Asides:
    """Turns that ended over the AI's voice: answered after it has finished, and only if they were more than a backchannel."""

    __slots__ = ("_kept", "_language", "_quiet_since_ms")

    def __init__(self, language: str) -> None:
        self._language = language
        self._kept: list[Aside] = []
        self._quiet_since_ms: float | None = None

    def keep(self, item_id: str, speech_ms: float) -> None:
        """A turn ended while the AI was audible and went on."""
        self._kept.append(Aside(item_id, speech_ms))

    def decide(self, texts: Mapping[str, str | None], now_ms: float) -> bool:
        """The AI has finished: whether an answer is due now. Keeps undecided turns for later.

        Args:
            texts: per item id its text, or ``None`` while that is not known.
        """
        if not self._kept:
            return False
        if self._quiet_since_ms is None:
            self._quiet_since_ms = now_ms
        waited = now_ms >= self._quiet_since_ms + TEXT_WAIT_MS
        undecided = [aside for aside in self._kept if texts.get(aside.item_id) is None]
        answer = any(self._deserves_answer(aside, texts.get(aside.item_id), waited=waited) for aside in self._kept)
        if answer or waited or not undecided:
            self.forget()
        return answer

    def _deserves_answer(self, aside: Aside, text: str | None, *, waited: bool) -> bool:
        if text is None:
            return waited and aside.speech_ms >= SUBSTANTIAL_MS
        return bool(text) and not is_backchannel(text, self._language)

    def audible_again(self) -> None:
        """The AI speaks again before a decision."""
        self._quiet_since_ms = None

    def forget_all_but(self, has_text: Callable[[str], bool]) -> None:
        """Those whose text is not known will be heard again."""
        self._kept = [aside for aside in self._kept if has_text(aside.item_id)]

    def forget(self) -> None:
        """A reply is on its way; it answers these too."""
        self._kept.clear()
        self._quiet_since_ms = None

    @property
    def item_ids(self) -> list[str]:
        """The turns waited for."""
        return [aside.item_id for aside in self._kept]

    @property
    def wake_at_ms(self) -> float:
        """When to stop waiting for text; ``inf`` while the AI is audible or nothing is kept."""
        return self._quiet_since_ms + TEXT_WAIT_MS if self._kept and self._quiet_since_ms is not None else inf

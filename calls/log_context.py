"""What the log lines of a piece of work are about: a call, its business, the process that serves it.

Whoever begins the work says so once, and what is found out later is filled in::

    with About(owner="bridge-1") as about:
        ...
        about.note(call_sid="CA…")

Every line written inside carries it, and so does every line of the tasks and threads begun inside, also of those that were begun
before something was filled in: they share the object and not a copy (:mod:`contextvars`). Nothing else gets to see it.
"""

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self


class About:
    """Facts that every line within it carries. It may be entered again, from elsewhere too, as long as it is left as often."""

    __slots__ = ("_before", "_facts")

    def __init__(self, **facts: str | None) -> None:
        self._facts: dict[str, str] = {}
        self._before: list[Token[About | None]] = []
        self.note(**facts)

    def note(self, **facts: str | None) -> None:
        """More has become known; ``None`` is nothing."""
        self._facts.update({name: fact for name, fact in facts.items() if fact is not None})

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known by now."""
        return self._facts

    def __enter__(self) -> Self:
        self._before.append(_about.set(self))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        _about.reset(self._before.pop())


_about: ContextVar[About | None] = ContextVar("about", default=None)


def note(**facts: str | None) -> None:
    """More has become known of what is being worked on; nothing happens where nobody has said what that is."""
    about = _about.get()
    if about is not None:
        about.note(**facts)


def known_facts() -> Mapping[str, str]:
    """What a line written here is about."""
    about = _about.get()
    return about.facts if about is not None else {}

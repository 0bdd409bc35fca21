"""One response at a time.

The Realtime API refuses a ``response.create`` while a response is active (``conversation_already_has_active_response``), and
drops it. So a response that is wanted waits for the ``response.done`` of the one before. Who wants it is its *purpose*; a purpose
that is already waiting is not queued twice, since one reply answers everything said so far.
"""

from enum import Enum
from math import inf

import msgspec

UNANSWERED_AFTER_MS = 3000
"""A response that the model has not even begun after this long is not coming."""
STALLED_AFTER_MS = 6000
"""One of which nothing more is heard for this long is not, either."""


class Purpose(Enum):
    """Why a response was asked for."""

    GREETING = "greeting"
    REPLY = "reply"
    PROMPT = "prompt"
    """A sentence of the bridge's choosing: still there?, one moment."""
    OPERATOR = "operator"
    """A line an operator has the AI speak."""
    CLOSING = "closing"


class Wish(msgspec.Struct, frozen=True):
    """A response that is wanted."""

    purpose: Purpose
    instruction: str | None = None
    """Put into the conversation as a ``system`` item right before the response is asked for."""
    text: str | None = None
    """Word for word what is to be said, where that is known."""
    with_tools: bool = True
    attempt: int = 1
    told: bool = False
    """The instruction stands in the conversation already."""


class Response(msgspec.Struct):
    """A response in the making. ``id`` is empty until the model names it."""

    wish: Wish
    last_sign_ms: float
    id: str = ""
    has_audio: bool = False
    is_spoken: bool = False
    """The model has sent all it has to say."""
    is_refused: bool = False
    """The model was busy with something else when it was asked for."""
    is_dead: bool = False
    """Cut off: what still arrives of it is dropped, but the model is not free before its ``response.done``."""
    items: list[str] = []
    """The conversation items it has produced so far."""

    @property
    def has_begun(self) -> bool:
        """Whether the model has said anything about it."""
        return bool(self.id) or self.is_refused

    @property
    def purpose(self) -> Purpose:
        """Why it was asked for."""
        return self.wish.purpose

    def mention(self, item_id: str) -> None:
        """An event names an item of this response."""
        if item_id and item_id not in self.items:
            self.items.append(item_id)


class Responses:
    """What has been asked of the model, and what is still to be asked."""

    __slots__ = ("_over", "_waiting", "active", "has_been_asked", "withheld")

    def __init__(self) -> None:
        self.active: Response | None = None
        self.has_been_asked = False
        """Whether any response was ever asked for."""
        self.withheld: frozenset[Purpose] = frozenset()
        """What is not asked for at present, however much it is wanted."""
        self._waiting: list[Wish] = []
        self._over: set[str] = set()

    def want(self, wish: Wish) -> None:
        """A response is wanted as soon as the model is free. Of what an operator has said, every line is."""
        if wish.purpose is Purpose.OPERATOR or not self.wants(wish.purpose):
            self._waiting.append(wish)

    def want_no_more(self, *purposes: Purpose) -> None:
        """Wishes that something else has taken the place of."""
        self._waiting = [wish for wish in self._waiting if wish.purpose not in purposes]

    @property
    def is_wanted(self) -> bool:
        """Whether a response is waiting for its turn."""
        return bool(self._waiting)

    def wants(self, purpose: Purpose) -> bool:
        """Whether a response of this purpose is waiting."""
        return any(wish.purpose is purpose for wish in self._waiting)

    def next(self, now_ms: float) -> Response | None:
        """The response to create now, or ``None`` while one is active or none is wanted."""
        wish = next((wish for wish in self._waiting if wish.purpose not in self.withheld), None)
        if self.active is not None or wish is None:
            return None
        self._waiting.remove(wish)
        self.has_been_asked = True
        self.active = Response(wish, now_ms)
        return self.active

    def sign(self, response_id: str, now_ms: float) -> Response | None:
        """The model mentions a response: the active one if it fits, ``None`` if that response is over.

        ``response.created`` may be missing when a response is interrupted very early, so any mention names it.
        """
        active = self.active
        if active is None or active.is_refused or response_id in self._over:
            return None
        if not active.id:
            active.id = response_id
        elif response_id and response_id != active.id:
            return None
        active.last_sign_ms = now_ms
        return active

    def done(self, response_id: str, now_ms: float) -> Response | None:
        """``response.done``: the model is free again. ``None`` if this one was over before or none of ours."""
        if self.active is not None and self.active.is_refused:
            self._waiting.insert(0, msgspec.structs.replace(self.active.wish, told=True))
            self.active = None
            return None
        response = self.sign(response_id, now_ms)
        if response is not None:
            self._over.add(response.id)
            self.active = None
        return response

    def kill(self) -> Response | None:
        """The active response is not wanted any more. Returns it if the model is still generating it."""
        response = self.active
        if response is None or response.is_dead:
            return None
        response.is_dead = True
        return response

    def refused_as_busy(self) -> None:
        """Our ``response.create`` came while the model was busy: it is asked for again at the next ``response.done``."""
        if self.active is not None and not self.active.id:
            self.active.is_refused = True

    def left(self) -> Response | None:
        """The session is left. Returns what it was asked for and did not finish; what is waiting will be asked of another one."""
        active, self.active = self.active, None
        self._waiting = [_untold(wish) for wish in self._waiting]
        if active is not None:
            active.wish = _untold(active.wish)
        return active

    def want_first(self, wish: Wish) -> None:
        """A response that comes before all others that are waiting; one of the same purpose is covered by it."""
        if wish.purpose is not Purpose.OPERATOR:
            self.want_no_more(wish.purpose)
        self._waiting.insert(0, wish)

    def forget(self) -> None:
        """The model is gone, and everything asked of it."""
        self.active = None
        self._waiting.clear()

    def is_awaited_from(self, now_ms: float) -> None:
        """The model is there; what it was asked for before counts from now."""
        if self.active is not None:
            self.active.last_sign_ms = now_ms

    @property
    def stalled_at_ms(self) -> float:
        """When the active response counts as not coming."""
        if self.active is None:
            return inf
        return self.active.last_sign_ms + (STALLED_AFTER_MS if self.active.has_begun else UNANSWERED_AFTER_MS)


def _untold(wish: Wish) -> Wish:
    return msgspec.structs.replace(wish, attempt=1, told=False)

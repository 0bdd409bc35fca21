"""What a Lambda function knows of the bridges: what each has said of itself in the store."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from calls.fleet import FRESH, TaskLoad, nobody_accepts
from calls.store.base import StoreError
from webhooks.log import write

ASKED_EVERY = timedelta(seconds=2)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FleetAsked:
    """Whether no bridge takes callers, by what the bridges have said of themselves last. Asked of the store every ``ASKED_EVERY`` at
    most: all bridges' lines have one key, and it must not be read for every call."""

    def __init__(self, loads: Callable[[datetime], Sequence[TaskLoad]], now: Callable[[], datetime] = _utc_now) -> None:
        self._loads, self._now = loads, now
        self._known: Sequence[TaskLoad] = ()
        self._asked_at: datetime | None = None

    def nobody_accepts(self) -> bool:
        """``False`` if that is not known."""
        now = self._now()
        if self._asked_at is None or now - self._asked_at >= ASKED_EVERY:
            self._asked_at, self._known = now, self._ask(now)
        return nobody_accepts(self._known, now)

    def _ask(self, now: datetime) -> Sequence[TaskLoad]:
        try:
            return self._loads(now - FRESH)
        except StoreError as error:
            write("warning", "fleet.unknown", why=str(error))
            return ()

"""Businesses that are read from the store, for code that cannot await: looked for again by the way, when calls come in."""

from collections.abc import Callable
from time import monotonic
from typing import Protocol

from calls.applied import AppliedFiles
from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory
from calls.ids import BusinessId
from calls.store.base import StoreError
from calls.store.businesses import Applied
from webhooks.log import Log, write

LOOK_EVERY_S = 30.0
NOT_SOONER_THAN_S = 5.0
"""After a store that could not be read: a caller waits while it is tried, and one request asks several times."""


class AppliedStore(Protocol):
    """What has been applied to a store. Methods raise ``StoreError``."""

    def read_version(self) -> int:
        """See ``BusinessStore.version``."""

    def read(self) -> Applied:
        """See ``BusinessStore.load``."""


class StoredBusinesses:
    """The businesses in ``store``; ``where`` is what the log calls it. Implements :class:`webhooks.context.Businesses`.

    Until they could be read for the first time, asking raises ``StoreError``. From then on a store that is away leaves them as they are.
    While there are none, they are looked for whenever somebody asks: a function may have been started before any was applied.
    """

    def __init__(self, store: AppliedStore, where: str, *, now_s: Callable[[], float] = monotonic, log: Log = write) -> None:
        self._store, self._where, self._now_s, self._log = store, where, now_s, log
        self._files = AppliedFiles(where)
        self._version: int | None = None
        self._look_from_s = 0.0
        self._failed: StoreError | None = None
        self.read_so_far = BusinessDirectory([])
        """What is known without asking the store."""

    def find(self, address: str) -> BusinessProfile | None:
        """See :meth:`webhooks.context.Businesses.find`."""
        self.look()
        return self.read_so_far.find(address)

    def get(self, business_id: BusinessId) -> BusinessProfile | None:
        """See :meth:`webhooks.context.Businesses.get`."""
        self.look()
        return self.read_so_far.get(business_id)

    def read_ahead(self) -> None:
        """Reads them before anybody asks. If that fails, ``StoreError`` is raised, and the first who asks tries once more: what was slow
        while a function started may be there when a caller waits."""
        self._read()

    def look(self) -> None:
        """Takes over what has been applied since, every ``LOOK_EVERY_S`` at most."""
        if self._version is None:
            self._look_first()
        elif self._now_s() >= self._look_from_s:
            try:
                self._look_again()
            except StoreError as error:
                self._log("warning", "businesses.not_read", why=str(error))

    def _look_first(self) -> None:
        if self._failed is not None and self._now_s() < self._look_from_s:
            raise self._failed
        try:
            self._read()
        except StoreError as error:
            self._failed, self._look_from_s = error, self._now_s() + NOT_SOONER_THAN_S
            raise

    def _look_again(self) -> None:
        wait_s = LOOK_EVERY_S if len(self.read_so_far) else 0.0
        self._look_from_s = self._now_s() + max(wait_s, NOT_SOONER_THAN_S)  # if it fails
        if self._store.read_version() != self._version:
            self._read()
        else:
            self._look_from_s = self._now_s() + wait_s

    def _read(self) -> None:
        applied = self._store.read()
        usable = self._files.usable(applied, self.read_so_far)
        self.read_so_far.replace(usable.profiles)
        self._version = applied.version
        self._look_from_s = self._now_s() + (LOOK_EVERY_S if usable.profiles else 0.0)
        for problem in usable.problems:
            # What doubtful files need to be told was told to whoever applied them; tools and their secrets are no matter of webhooks.
            if problem.severity == "error":
                self._log("error", "businesses.unusable", what=str(problem))
        if not usable.profiles:
            self._log("error", "businesses.none", where=self._where)

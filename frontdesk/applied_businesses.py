"""Businesses that are read from the store, and followed while calls are answered.

Calls that are going on keep the settings they began with; those that come in after a change get the new ones. A file that cannot be
used leaves its business as it is, and a store that cannot be read leaves all of them so.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import structlog

from calls.applied import AppliedFiles, Usable, must_be_some
from calls.business_files import BusinessDirectory, Problem
from calls.recordings.place import Place
from calls.store.base import StoreError
from calls.store.businesses import BusinessStore
from frontdesk.recordings import as_recorded

LOOK_EVERY_S = 30.0
"""How often the store is asked whether there is a new version: one read of one small item."""

log = structlog.get_logger()


class AppliedBusinesses:
    """Keeps ``directory`` at what has been applied to a store. ``where`` is what the log calls the store; ``place``: where calls are
    recorded to."""

    def __init__(self, store: BusinessStore, directory: BusinessDirectory, *, where: str, place: Place | None) -> None:
        self._store, self._directory, self._where, self._place = store, directory, where, place
        self._files = AppliedFiles(where)
        self._version: int | None = None
        self._is_away = False

    async def start(self) -> None:
        """Reads them for the first time.

        Raises:
            BusinessFileError: there is no business that could be answered for.
            StoreError: the store cannot be read.
        """
        must_be_some(await self._read(), self._where)

    async def look(self) -> None:
        """Takes over what has been applied since. Never raises."""
        try:
            if await self._store.version() != self._version:
                await self._read()
            self._is_away = False
        except StoreError as error:
            if not self._is_away:
                log.warning("businesses.not_read", why=str(error))
            self._is_away = True
        except Exception:
            log.exception("businesses.not_read")

    async def _read(self) -> Usable:
        applied = await self._store.load()
        # Checking takes some milliseconds of computing a file, which the loop that carries audio does not have.
        usable = await asyncio.to_thread(self._files.usable, applied, self._directory)
        self._take_over(usable)
        self._version = applied.version
        log.info("businesses.read", where=self._where, version=applied.version, businesses=len(self._directory))
        return usable

    def _take_over(self, usable: Usable) -> None:
        _tell(usable.problems)
        self._directory.replace(as_recorded(BusinessDirectory(usable.profiles), self._place))


@asynccontextmanager
async def followed(
    businesses: AppliedBusinesses, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Reads them, then looks again every ``LOOK_EVERY_S`` while the block runs. Raises as :meth:`AppliedBusinesses.start` does."""
    await businesses.start()

    async def follow() -> None:
        while True:
            await sleep(LOOK_EVERY_S)
            await businesses.look()

    task = asyncio.create_task(follow(), name="businesses")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _tell(problems: Sequence[Problem]) -> None:
    for problem in problems:
        if problem.severity == "error":
            log.error("businesses.unusable", what=str(problem))
        else:
            log.warning("businesses.doubtful", what=str(problem))

"""Posts what businesses want to know to their own webhooks, out of the store's outbox.

At least once: a row leaves the outbox when the business has answered 2xx, and a process that dies in between leaves a lease that
runs out. The events of one call are posted in order. Nothing here is on the way of audio or of the record: the rows are there
already when this looks, and posting waits for nobody else.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import aiohttp
import structlog

from bridge.placeholders import PlaceholderMissing, filled
from calls.outbox import KEY_HEADER, SIGNATURE_HEADER, Businesses, Posting, next_try, signature
from calls.store.base import StoreError
from calls.store.outbox import Outbox

WITHIN_S = 10.0
"""How long a business may take to answer; well below ``calls.store.outbox.LEASE_S``."""
AT_ONCE = 16
"""Posts under way in one process."""
POLL_S = 5.0
"""How often the outbox is looked at for what other processes left."""
_LEAVE_WITHIN_S = 3.0

log = structlog.get_logger()


class PostFailed(Exception):
    """A business has not taken a message. ``str()`` says why, without address or secret."""


class Poster:
    """Posts for one process. ``now`` and ``jitter`` are given for tests."""

    def __init__(
        self,
        outbox: Outbox,
        businesses: Businesses,
        session: aiohttp.ClientSession,
        owner: str,
        *,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._businesses, self._session, self._owner = outbox, businesses, session, owner
        self._environ, self._now, self._jitter = environ, now, jitter
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Posts whatever comes, until cancelled."""
        while True:
            pause_s = POLL_S
            try:
                now = self._now()
                if not await self.start_due(now):
                    pause_s = await self._pause_s(now)
            except StoreError as error:
                log.warning("outbox.unavailable", why=str(error))
            except Exception:
                log.exception("outbox.failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._outbox.filled.wait()
            self._outbox.filled.clear()

    async def start_due(self, now: datetime) -> int:
        """Takes what is due and begins to post it, at most :data:`AT_ONCE` at a time. Returns how many."""
        taken = await self._outbox.take(self._owner, now, AT_ONCE - len(self._under_way))
        for posting in taken:
            task = asyncio.create_task(self._post(posting), name=f"post-{posting.key}")
            self._under_way.add(task)
            task.add_done_callback(self._finished)
        return len(taken)

    async def settled(self) -> None:
        """Returns once nothing is being posted."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def leave(self) -> None:
        """Waits a little for what is under way, then leaves the rest to other processes."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LEAVE_WITHIN_S)
        left = list(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        try:
            await self._outbox.give_back(self._owner)
        except StoreError as error:
            log.warning("outbox.unavailable", why=str(error))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("outbox.failed", exc_info=task.exception())
        self._outbox.filled.set()  # the call's next event may go

    async def _pause_s(self, now: datetime) -> float:
        """Until something is due. What waits for a post that is under way here is not waited for: it is told of when it is over."""
        due = await self._outbox.next_due(now)
        return POLL_S if due is None else min((due - now).total_seconds(), POLL_S)

    async def _post(self, posting: Posting) -> None:
        try:
            try:
                await self._send(posting)
            except PostFailed as failed:
                await self._put_off(posting, str(failed))
            else:
                await self._outbox.posted(posting)
        except StoreError as error:  # the lease runs out, and it is posted again with the same key
            log.warning("outbox.unavailable", why=str(error), key=posting.key)

    async def _send(self, posting: Posting) -> None:
        url, headers = self._request(posting)
        try:
            async with (
                asyncio.timeout(WITHIN_S),
                self._session.post(url, data=posting.body, headers=headers, allow_redirects=False) as response,
            ):
                if not 200 <= response.status < 300:
                    raise PostFailed(f"answered with status {response.status}")
        except TimeoutError:
            raise PostFailed(f"no answer within {WITHIN_S:g} s") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise PostFailed(f"could not be reached ({type(error).__name__})") from None

    def _request(self, posting: Posting) -> tuple[str, dict[str, str]]:
        profile = self._businesses.get(posting.business_id)
        if profile is None or profile.webhook is None:
            raise PostFailed("the business file names no webhook")
        try:
            url, secret = filled(profile.webhook.url, self._environ), filled(profile.webhook.secret, self._environ)
        except PlaceholderMissing as missing:
            raise PostFailed(str(missing)) from None
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Frontdesk",
            KEY_HEADER: posting.key,
            SIGNATURE_HEADER: signature(secret, posting.body, self._now()),
        }
        return url, headers

    async def _put_off(self, posting: Posting, why: str) -> None:
        retry_at = next_try(posting, self._now(), self._jitter())
        facts = {
            "key": posting.key,
            "call_sid": posting.call_sid,
            "business_id": posting.business_id,
            "kind": posting.kind,
            "attempts": posting.attempts + 1,
        }
        if retry_at is None:
            log.error("webhook.given_up", why=why, **facts)
        else:
            log.warning("webhook.failed", why=why, retry_at=retry_at.isoformat(timespec="seconds"), **facts)
        await self._outbox.failed(posting, self._owner, why, retry_at)


@asynccontextmanager
async def posting(outbox: Outbox, businesses: Businesses, owner: str) -> AsyncIterator[None]:
    """Posts while the block runs. What is not posted by its end waits for the next process."""
    # Redirects could carry a signed message to another host, and cookies have no business here.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        poster = Poster(outbox, businesses, session, owner)
        loop = asyncio.create_task(poster.run(), name="poster")
        try:
            yield
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)
            await poster.leave()

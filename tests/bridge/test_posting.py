"""Posting to a business's own server, over sockets: signed, in order, again until it is taken, by one process at a time."""

import asyncio
import hmac
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge.posting import Poster, posting
from calls import events
from calls.business import BusinessProfile
from calls.business_files import BusinessDirectory
from calls.outbox import GIVE_UP_AFTER, Posting, wanted_by
from calls.store import outbox_of
from calls.store.base import StoreUnavailable
from calls.store.outbox import AT_ONCE, LEASE_S, Outbox
from calls.store.sqlite import SqliteStore
from tests.bridge.receiver import SECRET, WITHIN_S, Receiver, receiving
from tests.bridge.shops import shop
from tests.calls.examples import START, event, new_call, sid
from tests.calls.virtual_loop import run_virtually

LEAD = events.LeadCaptured(fields={"name": "דנה", "phone": "+15005550199"})
PHONE = "15005550199"


class Clock:
    """A clock the test sets."""

    def __init__(self) -> None:
        self.now = START + timedelta(minutes=1)

    def __call__(self) -> datetime:
        return self.now


class Post:
    """A store with an outbox, the business's server, and a poster that posts when it is told to."""

    def __init__(self, store: SqliteStore, receiver: Receiver, session: aiohttp.ClientSession, profile: BusinessProfile) -> None:
        self.store, self.receiver, self.clock = store, receiver, Clock()
        self.outbox: Outbox = outbox_of(store)
        self.environ = {"WEBHOOK_SECRET": SECRET}
        self.poster = self.another_poster(session, profile, "here")

    def another_poster(self, session: aiohttp.ClientSession, profile: BusinessProfile, owner: str) -> Poster:
        directory = BusinessDirectory([profile])
        return Poster(self.outbox, directory, session, owner, environ=self.environ, now=self.clock, jitter=lambda: 1.0)

    async def call(self, *bodies: events.AnyEvent, call: int = 1) -> None:
        await self.store.open_call(new_call(call, business="acme"), START)
        await self.store.append([event(seq, body, call=call) for seq, body in enumerate(bodies, start=2)])

    async def round(self) -> int:
        """Posts what is due now and waits for the answers."""
        begun = await self.poster.start_due(self.clock())
        await self.poster.settled()
        return begun

    async def after(self, **passed: float) -> int:
        self.clock.now += timedelta(**passed)
        return await self.round()


@asynccontextmanager
async def post_of(path: Path, profile: BusinessProfile | None = None) -> AsyncIterator[Post]:
    async with receiving() as receiver, aiohttp.ClientSession() as session:
        profile = profile or shop(receiver.url)
        store = SqliteStore(path, wants=wanted_by(BusinessDirectory([profile])))
        await store.open()
        try:
            yield Post(store, receiver, session, profile)
        finally:
            await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture
async def post(path: Path) -> AsyncIterator[Post]:
    async with post_of(path) as post:
        yield post


def key(seq: int = 2, call: int = 1) -> str:
    return f"{sid(call)}/{seq}"


async def test_a_message_is_posted_signed_and_gone(post: Post) -> None:
    await post.call(LEAD)
    assert await post.round() == 1
    (received,) = post.receiver.received
    stamp = int(post.clock.now.timestamp())
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + received.body, sha256).hexdigest()
    assert received.headers["Frontdesk-Signature"] == f"t={stamp},v1={digest}"
    assert received.headers["Content-Type"] == "application/json"
    assert (received.key, received.message["id"]) == (key(), key())
    assert received.message["event"]["fields"] == {"name": "דנה", "phone": "+15005550199"}
    assert await post.outbox.list() == []
    assert await post.round() == 0


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_any_success_is_an_acknowledgement(post: Post, status: int) -> None:
    post.receiver.answers = [status]
    await post.call(LEAD)
    await post.round()
    assert await post.outbox.list() == []


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 429, 500, 503])
async def test_anything_else_is_tried_again_with_the_same_key_and_a_new_signature(post: Post, status: int) -> None:
    post.receiver.answers = [status]
    await post.call(LEAD)
    await post.round()
    ((queued),) = await post.outbox.list()
    assert (queued.attempts, queued.last_error) == (1, f"answered with status {status}")
    assert await post.after(seconds=4) == 0
    assert await post.after(seconds=1) == 1
    first, second = post.receiver.received
    assert (first.key, first.body) == (second.key, second.body)
    assert first.headers["Frontdesk-Signature"] != second.headers["Frontdesk-Signature"]
    assert await post.outbox.list() == []


async def test_pauses_grow_while_the_server_fails(post: Post) -> None:
    post.receiver.answers = [500, 500, 500]
    await post.call(LEAD)
    begun = [await post.round()]
    for pause_s in (5, 15, 45):
        begun += [await post.after(seconds=pause_s - 1), await post.after(seconds=1)]
    assert begun == [1, 0, 1, 0, 1, 0, 1]


async def test_a_server_that_is_not_there_is_tried_again(path: Path) -> None:
    async with post_of(path, shop("http://127.0.0.1:1/hook")) as post:
        await post.call(LEAD)
        await post.round()
        ((queued),) = await post.outbox.list()
        assert queued.last_error == "could not be reached (ClientConnectorError)"


async def test_after_three_days_a_message_is_dead_and_said_to_be_and_kept(post: Post) -> None:
    post.receiver.answers = [500, 500]
    await post.call(LEAD)
    await post.round()
    with capture_logs() as logs:
        await post.after(seconds=GIVE_UP_AFTER.total_seconds())
        assert await post.after(days=30) == 0
    ((queued),) = await post.outbox.list(state="dead")
    assert queued.id == key()
    assert [(entry["event"], entry["log_level"], entry["key"]) for entry in logs] == [("webhook.given_up", "error", key())]


async def test_a_dead_message_is_posted_when_somebody_asks_for_it(post: Post) -> None:
    post.receiver.answers = [500]
    post.clock.now += GIVE_UP_AFTER
    await post.call(LEAD)
    await post.round()
    assert await post.outbox.retry(None, post.clock.now, post.clock.now + GIVE_UP_AFTER) == 1
    assert await post.round() == 1
    assert await post.outbox.list() == []


async def test_the_events_of_a_call_arrive_in_order_whatever_fails(post: Post) -> None:
    post.receiver.answers = [500, 204, 500]
    await post.call(LEAD, events.Dtmf(digit="1"), events.Dtmf(digit="2"))
    for _ in range(8):
        await post.after(minutes=1)
    assert post.receiver.keys() == [key(2), key(2), key(3), key(3), key(4)]


async def test_a_business_gets_a_few_calls_messages_at_once_and_no_more(post: Post) -> None:
    for call in range(1, 2 * AT_ONCE + 1):
        await post.call(LEAD, call=call)
    everybody = asyncio.Event()
    post.receiver.hold = everybody.wait
    assert await post.poster.start_due(post.clock()) == AT_ONCE
    await post.receiver.has(AT_ONCE)
    assert await post.poster.start_due(post.clock()) == 0
    everybody.set()
    await post.poster.settled()
    assert await post.round() == AT_ONCE
    assert post.receiver.busiest == AT_ONCE
    assert sorted(post.receiver.keys()) == sorted(key(2, call) for call in range(1, 2 * AT_ONCE + 1))


@pytest.mark.parametrize(
    ("environ", "changes", "why"),
    [
        ({}, {}, "the environment variable WEBHOOK_SECRET is not set"),
        ({"WEBHOOK_SECRET": ""}, {}, "the environment variable WEBHOOK_SECRET is not set"),
        ({"WEBHOOK_SECRET": "s"}, {"webhook": None}, "the business file names no webhook"),
    ],
)
async def test_what_cannot_be_signed_is_not_sent(path: Path, environ: dict[str, str], changes: dict[str, None], why: str) -> None:
    async with post_of(path) as post, aiohttp.ClientSession() as session:
        post.environ.clear()
        post.environ.update(environ)
        await post.call(LEAD)
        poster = post.another_poster(session, shop(post.receiver.url, **changes), "there")
        assert await poster.start_due(post.clock()) == 1
        await poster.settled()
        ((queued),) = await post.outbox.list()
        assert (queued.last_error, post.receiver.received) == (why, [])


async def test_the_address_may_hold_a_secret_which_is_never_logged(path: Path) -> None:
    async with receiving() as other:
        profile = shop(f"{other.url}/${{HOOK_KEY}}")
        async with post_of(path, profile) as post:
            post.environ["HOOK_KEY"] = "tell-nobody"
            other.answers = [500]
            await post.call(LEAD)
            with capture_logs() as logs:
                await post.round()
            ((queued),) = await post.outbox.list()
            told = f"{logs} {queued}"
            assert logs
            assert [text for text in ("tell-nobody", SECRET, other.url, PHONE, "דנה") if text in told] == []


async def test_a_redirect_is_not_followed(post: Post) -> None:
    post.receiver.answers = [307]
    await post.call(LEAD)
    await post.round()
    assert len(post.receiver.received) == 1


async def test_two_posters_share_an_outbox_without_posting_anything_twice(post: Post) -> None:
    for call in range(1, 9):
        await post.call(LEAD, events.Dtmf(digit="1"), call=call)
    async with aiohttp.ClientSession() as session:
        posters = [post.poster, post.another_poster(session, shop(post.receiver.url), "there")]
        while await post.outbox.list():
            await asyncio.gather(*(poster.start_due(post.clock()) for poster in posters))
            await asyncio.gather(*(poster.settled() for poster in posters))
    keys = post.receiver.keys()
    assert len(keys) == len(set(keys)) == 16
    for call in range(1, 9):
        assert keys.index(key(2, call)) < keys.index(key(3, call))


async def test_a_poster_that_leaves_gives_back_what_it_could_not_finish(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.posting._LEAVE_WITHIN_S", 0)
    await post.call(LEAD)
    post.receiver.hold = asyncio.Event().wait
    await post.poster.start_due(post.clock())
    await post.receiver.has(1)
    await post.poster.leave()
    post.receiver.hold = None
    async with aiohttp.ClientSession() as session:
        other = post.another_poster(session, shop(post.receiver.url), "there")
        assert await other.start_due(post.clock()) == 1
        await other.settled()
    assert post.receiver.keys() == [key(), key()]
    assert await post.outbox.list() == []


async def test_while_it_runs_what_is_stored_is_posted_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr("bridge.posting.POLL_S", 1e9)
    async with post_of(path) as post:
        directory = BusinessDirectory([shop(post.receiver.url)])
        async with posting(post.outbox, directory, "here"):
            await post.call(LEAD, events.Dtmf(digit="1"))
            await post.receiver.has(2)
            await post.store.append_next(sid(), events.Dtmf(digit="2"), START)
            received = await post.receiver.has(3)
        assert await post.outbox.list() == []
    assert [one.key for one in received] == [key(2), key(3), key(4)]


class Sleeper:
    """An outbox with nothing in it until a moment; it keeps when it was looked into."""

    def __init__(self, due_in_s: float, breaks: bool = False) -> None:
        self.filled = asyncio.Event()
        self.looked_at: list[float] = []
        self._due_in_s, self._breaks = due_in_s, breaks

    async def take(self, owner: str, now: datetime, limit: int) -> list[Posting]:
        self.looked_at.append((now - START).total_seconds())
        if self._breaks:
            raise StoreUnavailable("the disk is full")
        return []

    async def next_due(self, now: datetime) -> datetime | None:
        due = START + timedelta(seconds=self._due_in_s)
        return due if due > now else None


@pytest.mark.parametrize(
    ("sleeper", "looks"),
    [
        (Sleeper(3), [0, 3, 8, 13]),
        (Sleeper(100), [0, 5, 10, 15]),
        (Sleeper(0, breaks=True), [0, 5, 10, 15]),
    ],
)
def test_the_outbox_is_looked_into_when_something_is_due_and_every_few_seconds(sleeper: Sleeper, looks: list[float]) -> None:
    async def look() -> None:
        loop = asyncio.get_running_loop()
        poster = Poster(
            cast(Outbox, sleeper),
            BusinessDirectory([]),
            cast(aiohttp.ClientSession, None),
            "here",
            now=lambda: START + timedelta(seconds=loop.time()),
        )
        with suppress(TimeoutError):
            async with asyncio.timeout(looks[-1] + 0.1):
                await poster.run()

    run_virtually(look())
    assert sleeper.looked_at == pytest.approx(looks)


@asynccontextmanager
async def processes(number: int, path: Path, url: str) -> AsyncIterator[list[asyncio.subprocess.Process]]:
    """That many processes that post; what is left of them at the end is killed."""
    command = (sys.executable, "-m", "tests.bridge.posting_process", str(path), url)
    started = [await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE) for _ in range(number)]
    try:
        yield started
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def test_what_a_killed_process_had_under_way_is_posted_again_with_the_same_key(post: Post, path: Path) -> None:
    await post.call(LEAD, events.Dtmf(digit="1"))
    post.receiver.hold = asyncio.Event().wait
    async with processes(1, path, post.receiver.url):
        await post.receiver.has(1)
    post.receiver.hold = None
    post.clock.now = datetime.now(UTC)
    assert await post.round() == 0  # for all this process knows, the other one is still posting it
    assert await post.after(seconds=LEASE_S) == 1
    assert await post.round() == 1
    assert post.receiver.keys() == [key(2), key(2), key(3)]
    first, again, _ = post.receiver.received
    assert first.body == again.body
    assert await post.outbox.list() == []


async def test_two_processes_post_everything_once(post: Post, path: Path) -> None:
    for call in range(1, 21):
        await post.call(LEAD, events.Dtmf(digit="1"), call=call)
    async with processes(2, path, post.receiver.url) as both:
        await post.receiver.has(40)
        async with asyncio.timeout(WITHIN_S):
            for process in both:
                await process.communicate(b"")
        assert [process.returncode for process in both] == [0, 0]
    keys = post.receiver.keys()
    assert len(keys) == len(set(keys)) == 40
    for call in range(1, 21):
        assert keys.index(key(2, call)) < keys.index(key(3, call))
    assert await post.outbox.list() == []

"""Businesses that are read from the store: a server that runs takes over what is applied, and nothing that cannot be used."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from calls.business_files import BusinessDirectory, BusinessFileError
from calls.ids import BusinessId
from calls.recordings.place import parse_place
from calls.store.base import StoreUnavailable
from calls.store.businesses import Applied, BusinessesChanged, BusinessText
from calls.store.sqlite import SqliteStore
from calls.store.sqlite_businesses import SqliteBusinesses
from frontdesk.applied_businesses import LOOK_EVERY_S, AppliedBusinesses, followed

BOB = """
id = "{id}"
name = "{name}"
numbers = ["{number}"]
language = "en"
voice = "alloy"
instructions = "You answer the phone."
{more}
"""


def text(business_id: str = "bob", name: str = "Bob", number: str = "+15005550006", more: str = "") -> BusinessText:
    toml = BOB.format(id=business_id, name=name, number=number, more=more)
    return BusinessText(business_id=BusinessId(business_id), text=toml, applied_at="2026-01-01T12:00:00+00:00")


BROKEN = BusinessText(business_id=BusinessId("bob"), text="x = 1", applied_at="2026-01-01T12:00:00+00:00")


class Kept:
    """A store in memory that can be away, and counts how often it was read."""

    def __init__(self, *texts: BusinessText) -> None:
        self.applied = Applied(version=1 if texts else 0, businesses=texts)
        self.is_away = False
        self.loads = 0

    def becomes(self, *texts: BusinessText) -> None:
        self.applied = Applied(version=self.applied.version + 1, businesses=texts)

    async def version(self) -> int:
        if self.is_away:
            raise StoreUnavailable("the call store is away")
        return self.applied.version

    async def load(self) -> Applied:
        self.loads += 1
        return self.applied

    async def apply(self, put: Sequence[BusinessText], remove: Sequence[BusinessId], version: int) -> int:
        raise BusinessesChanged


class Server:
    """What a server answers by."""

    def __init__(self, store: Kept, place: str = "off") -> None:
        self.directory = BusinessDirectory([])
        self.applied = AppliedBusinesses(store, self.directory, where="dynamodb:calls", place=parse_place(place))

    def name_at(self, number: str = "+15005550006") -> str | None:
        found = self.directory.find(number)
        return found.name if found else None


async def started(store: Kept) -> Server:
    server = Server(store)
    await server.applied.start()
    return server


async def test_a_server_answers_by_what_has_been_applied() -> None:
    server = await started(Kept(text(), text("ann", "Ann", "+15005550007")))
    assert (server.name_at(), server.name_at("+15005550007"), len(server.directory)) == ("Bob", "Ann", 2)


async def test_what_is_applied_later_is_taken_over_at_the_next_look_and_read_once() -> None:
    store = Kept(text(), text("ann", "Ann", "+15005550007"))
    server = await started(store)
    store.becomes(text(name="Bob & Sons"), text("cat", "Cat", "+15005550008"))
    await server.applied.look()
    await server.applied.look()
    assert (server.name_at(), server.name_at("+15005550007"), server.name_at("+15005550008")) == ("Bob & Sons", None, "Cat")
    assert store.loads == 2


async def test_a_file_that_cannot_be_used_leaves_its_business_as_it_is_and_changes_the_others() -> None:
    store = Kept(text(), text("ann", "Ann", "+15005550007"))
    server = await started(store)
    store.becomes(text("ann", "Ann 2", "+15005550007"), BROKEN)
    with capture_logs() as logs:
        await server.applied.look()
    assert (server.name_at(), server.name_at("+15005550007")) == ("Bob", "Ann 2")
    assert {line["event"] for line in logs if line["log_level"] == "error"} == {"businesses.unusable"}
    assert any("dynamodb:calls/bob" in line.get("what", "") for line in logs)


async def test_at_the_start_a_file_that_cannot_be_used_keeps_no_other_business_from_being_answered() -> None:
    server = await started(Kept(BROKEN, text("ann", "Ann", "+15005550007")))
    assert (server.name_at(), server.name_at("+15005550007")) == (None, "Ann")


async def test_a_number_that_has_gone_to_another_business_is_the_others() -> None:
    store = Kept(text())
    server = await started(store)
    store.becomes(text("ann", "Ann", "+15005550006"), BROKEN)
    await server.applied.look()
    assert server.name_at() == "Ann"


@pytest.mark.parametrize(
    ("store", "why"), [(Kept(), "frontdesk businesses apply"), (Kept(BROKEN), "dynamodb:calls/bob")], ids=["nothing", "broken"]
)
async def test_a_server_without_any_business_does_not_start_and_says_what_to_do(store: Kept, why: str) -> None:
    with pytest.raises(BusinessFileError, match=why):
        await started(store)


async def test_a_store_that_is_away_changes_nothing_and_is_told_of_once() -> None:
    store = Kept(text())
    server = await started(store)
    store.becomes(text(name="New"))
    store.is_away = True
    with capture_logs() as logs:
        await server.applied.look()
        await server.applied.look()
    assert [line["event"] for line in logs] == ["businesses.not_read"]
    assert server.name_at() == "Bob"
    store.is_away = False
    await server.applied.look()
    assert server.name_at() == "New"


async def test_where_nothing_is_recorded_no_caller_is_told_so_after_a_change_either() -> None:
    store = Kept(text(more="[recording]\nenabled = true"))
    server = await started(store)
    store.becomes(text(name="New", more="[recording]\nenabled = true"))
    await server.applied.look()
    profile = server.directory.get("bob")
    assert profile is not None
    assert (profile.name, profile.recording.enabled) == ("New", False)


async def test_the_store_is_looked_at_again_and_again_while_the_server_runs() -> None:
    store = Kept(text())
    server = Server(store)
    slept: list[float] = []
    has_looked = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            has_looked.set()
            await asyncio.Event().wait()

    async with followed(server.applied, sleep=sleep):
        store.becomes(text(name="New"))
        await has_looked.wait()
    assert server.name_at() == "New"
    assert slept == [LOOK_EVERY_S, LOOK_EVERY_S]


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "calls.db")
    await store.open()
    yield store
    await store.close()


async def test_a_real_store_is_followed(sqlite: SqliteStore) -> None:
    businesses = SqliteBusinesses(sqlite)
    version = await businesses.apply([text()], [], 0)
    directory = BusinessDirectory([])
    applied = AppliedBusinesses(businesses, directory, where="store", place=None)
    await applied.start()
    await businesses.apply([text(name="New")], [], version)
    await applied.look()
    assert [profile.name for profile in directory] == ["New"]

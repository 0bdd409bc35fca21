"""The stores that the one suite of store tests runs against."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import pytest

from calls.outbox import Wants, nobody_wants
from calls.store.base import CallStore
from calls.store.sqlite import SqliteStore
from tests.calls.dynamodb import Dynamo


class MakeStore(Protocol):
    """Makes a store of the kind a test runs on, still to be opened; all that a test makes hold the same."""

    def __call__(self, *, wants: Wants = nobody_wants) -> CallStore:
        """One more connection to it, as another process has it."""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRONTDESK_STORE", "FRONTDESK_BUSINESSES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture(params=["sqlite", "dynamodb"])
def store_url(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every kind of store there is, as ``FRONTDESK_STORE`` names it for this process and those it starts."""
    if request.param == "sqlite":
        return f"sqlite:{path}"
    dynamodb: Dynamo = request.getfixturevalue("dynamodb")
    for name, value in dynamodb.environ.items():
        monkeypatch.setenv(name, value)
    return f"dynamodb:{dynamodb.new_table()}"


@pytest.fixture
def make_store(request: pytest.FixtureRequest, store_url: str) -> MakeStore:
    """Makes stores at ``store_url``."""
    kind, _, place = store_url.partition(":")
    if kind == "sqlite":
        return lambda *, wants=nobody_wants: SqliteStore(place, wants=wants)
    dynamodb: Dynamo = request.getfixturevalue("dynamodb")
    return lambda *, wants=nobody_wants: dynamodb.store(place, wants=wants)


@pytest.fixture
async def store(make_store: MakeStore) -> AsyncIterator[CallStore]:
    """Every kind of store, opened and empty."""
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
async def other_store(make_store: MakeStore, store: CallStore) -> AsyncIterator[CallStore]:
    """A second connection to what ``store`` holds, as another process has it."""
    opened = make_store()
    await opened.open()
    yield opened
    await opened.close()

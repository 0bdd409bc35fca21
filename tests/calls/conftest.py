"""The stores that the one suite of store tests runs against."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from calls.store.base import CallStore
from calls.store.sqlite import SqliteStore


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRONTDESK_STORE", "FRONTDESK_BUSINESSES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


@pytest.fixture(params=["sqlite"])
async def store(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[CallStore]:
    """Every kind of store, opened and empty."""
    opened = {"sqlite": SqliteStore}[request.param](path)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite"])
async def other_store(request: pytest.FixtureRequest, store: CallStore, path: Path) -> AsyncIterator[CallStore]:
    """A second connection to what ``store`` holds, as another process has it."""
    opened = {"sqlite": SqliteStore}[request.param](path)
    await opened.open()
    yield opened
    await opened.close()

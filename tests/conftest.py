"""What all tests share: hypothesis draws the same examples every time, unless it is asked to explore, and no async test leaves a task
behind."""

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.calls import moto_s3
from tests.calls.dynamodb import Dynamo, served

settings.register_profile("repeatable", derandomize=True, database=None, print_blob=True)
settings.register_profile("explore", print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

ROUNDS_OF_THE_LOOP = 200
"""What ends on its own ends within these; it is a count, not a time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every async test is looked after by ``leaves_no_task_behind``; sync tests have no loop to look at."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "leaves_no_task_behind")


@pytest.fixture
async def leaves_no_task_behind() -> AsyncIterator[None]:
    """Fails a test that leaves a task running. Set up before, and so torn down after, everything else a test uses."""
    before = asyncio.all_tasks()
    yield
    for _ in range(ROUNDS_OF_THE_LOOP):
        left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task() and not task.done()}
        if not left:
            break
        await asyncio.sleep(0)
    assert left == set()


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """An S3 on this machine."""
    with moto_s3.served() as url:
        yield url


@pytest.fixture
def s3(s3_url: str, tmp_path: Path) -> Iterator[moto_s3.S3]:
    """An empty bucket of it, that this process and those it starts find by their environment."""
    with moto_s3.empty_bucket(s3_url, tmp_path / "tmp") as bucket:
        yield bucket


@pytest.fixture(scope="session")
def dynamodb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dynamo]:
    """A DynamoDB on this machine."""
    with served(tmp_path_factory.mktemp("dynamodb")) as server:
        yield server

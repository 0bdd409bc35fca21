"""Every test here leaves nothing behind, whatever becomes of its call."""

from collections.abc import AsyncIterator

import pytest

from tests.whole_calls.leftovers import nothing_left


@pytest.fixture(autouse=True)
async def leaves_nothing_behind() -> AsyncIterator[None]:
    async with nothing_left():
        yield

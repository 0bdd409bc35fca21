"""The event loop a process runs in."""

import asyncio
import logging

import pytest

from frontdesk.runner import run


def _reported(failure: BaseException, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says once something has failed of which nobody else hears."""

    async def work() -> None:
        asyncio.get_running_loop().call_exception_handler({"message": "a callback failed", "exception": failure})

    with caplog.at_level(logging.ERROR, "asyncio"):
        run(work())
    return [record.getMessage() for record in caplog.records]


def test_a_connection_that_ends_with_the_process_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    assert _reported(asyncio.CancelledError(), caplog) == []


def test_any_other_failure_that_nobody_hears_of_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert "a callback failed" in _reported(ValueError("x"), caplog)[0]


def test_what_the_work_comes_to_is_handed_back() -> None:
    async def work() -> int:
        return 7

    assert run(work()) == 7

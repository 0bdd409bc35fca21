"""The log holds neither secrets nor callers' numbers."""

import io
import json
import logging
from typing import Any

import pytest
import structlog

from calls.log_privacy import keep_private
from calls.store.base import StoreUnavailable
from frontdesk.logs import PRIVATE, library_handler


@pytest.mark.parametrize("key", ["token", "signature", "authorization", "auth_token", "api_key", "secret"])
def test_secrets_are_blanked(key: str) -> None:
    assert keep_private(None, "info", {key: "hunter2", "event": "x"}) == {key: "…", "event": "x"}


@pytest.mark.parametrize("key", ["from", "from_", "to", "caller", "called", "address"])
def test_numbers_keep_their_last_two_digits_however_often_they_are_masked(key: str) -> None:
    once = keep_private(None, "info", {key: "+15005550006"})
    assert once == {key: "+*********06"}
    assert keep_private(None, "info", once) == {key: "+*********06"}


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        ("no answer from +15005550006", "no answer from +*********06"),
        ("GET /x?From=%2B15005550006&y=1", "GET /x?From=************06&y=1"),
        ("15005550006 is not E.164", "*********06 is not E.164"),
        ("whatsapp:+15005550006!", "whatsapp:+*********06!"),
        ("at 2026-11-21T05:47:23.671947Z on 127.0.0.1:54321", "at 2026-11-21T05:47:23.671947Z on 127.0.0.1:54321"),
        ("CA00000000000000000000000000000001 after 12345678 ms", "CA00000000000000000000000000000001 after 12345678 ms"),
    ],
)
def test_a_number_is_masked_wherever_it_stands(text: str, logged: str) -> None:
    assert keep_private(None, "info", {"event": text, "why": [text, {"deep": text}], "n": 150055500060}) == {
        "event": logged,
        "why": [logged, {"deep": logged}],
        "n": 150055500060,
    }


def fail(error: BaseException) -> None:
    """Raises an error while another is being handled."""
    try:
        raise RuntimeError("my name is Mallory")
    except RuntimeError as first:
        raise error from first


def logged(error: BaseException) -> dict[str, Any]:
    try:
        fail(error)
    except BaseException:
        event: Any = {"event": "x", "exc_info": True}
        for processor in PRIVATE:
            event = processor(None, "error", event)
    return dict(event)


def test_an_exception_is_shown_by_kind_and_place_without_what_it_quotes() -> None:
    shown = logged(ValueError("Mallory said +15005550006"))["exception"]
    assert "Mallory" not in shown.replace('RuntimeError("my name is Mallory")', "")  # the line of this very file
    assert "ValueError" in shown
    assert "RuntimeError" in shown
    assert "test_logs.py" in shown


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (StoreUnavailable("the disk is full"), "StoreUnavailable: the disk is full"),
        (OSError(24, "Too many open files"), "OSError: Too many open files"),
        (OSError("Mallory"), "OSError"),
    ],
)
def test_what_the_store_and_the_system_say_is_shown(error: BaseException, words: str) -> None:
    assert words in logged(error)["exception"].splitlines()


def test_libraries_log_in_the_same_shape_and_no_more_than_a_line() -> None:
    out = io.StringIO()
    handler = library_handler(structlog.processors.JSONRenderer(), out)
    record = logging.LogRecord("asyncio", logging.ERROR, "", 1, "never retrieved\nfuture: <ValueError('Mallory')>", None, None)
    record.exc_info = (ValueError, ValueError("Mallory"), None)
    handler.emit(record)
    line = json.loads(out.getvalue())
    del line["timestamp"]
    assert line == {"event": "never retrieved", "logger": "asyncio", "level": "error", "exception": "ValueError"}

"""Who listens to a topic, and what becomes of what they are told."""

import msgspec
from structlog.testing import capture_logs

from calls.bus.listeners import Listeners


def test_what_cannot_be_understood_is_one_line_of_the_log_and_keeps_nothing_from_the_others() -> None:
    listeners = Listeners()
    taken: list[bytes] = []
    listeners.add("frontdesk:live", _take_a_number)
    listeners.add("frontdesk:live", taken.append)
    with capture_logs() as lines:
        listeners.tell("frontdesk:live", b"\xff\x00 \xd7\x90")
        listeners.tell("frontdesk:live", b"")
    assert taken == [b"\xff\x00 \xd7\x90", b""]
    assert lines == [
        {"event": "bus.not_understood", "topic": "frontdesk:live", "size": size, "log_level": "warning"} for size in (5, 0)
    ]


def test_a_taker_that_fails_keeps_nothing_from_the_others() -> None:
    listeners = Listeners()
    taken: list[bytes] = []
    listeners.add("frontdesk:live", _fail)
    listeners.add("frontdesk:live", taken.append)
    with capture_logs() as lines:
        listeners.tell("frontdesk:live", b"x")
    assert taken == [b"x"]
    assert [(line["event"], line["log_level"]) for line in lines] == [("bus.taker_failed", "error")]


def _take_a_number(payload: bytes) -> None:
    msgspec.msgpack.decode(payload, type=int)


def _fail(payload: bytes) -> None:
    raise IndexError(payload)

"""The readings of the console's benchmark: stamped messages, and when a screen first shows them or later ones."""

import json
from pathlib import Path

import pytest

from benchmarks.console_traffic import PATTERNS, STAMP, is_text, stamp, talking_calls
from benchmarks.figures import Amount, write_json
from benchmarks.on_screen import Watcher, delays_ms
from console.protocol import CallSummary, Event, Levels, Malformed, Partial, decode, summary_of


def test_a_message_names_its_call_and_its_number() -> None:
    found = STAMP.search(f"AI: {stamp(7, 123)} and so on".encode())
    assert found is not None
    assert (int(found[1]), int(found[2])) == (7, 123)


def test_a_message_that_is_replaced_by_a_later_one_of_its_call_counts_as_shown_with_that() -> None:
    sent = {"0#1": 10.0, "0#2": 10.1, "0#3": 10.2, "1#1": 10.0}
    delays, never = delays_ms(sent, {0: [(2, 10.15), (3, 10.4)], 1: [(1, 10.05)]})
    assert sorted(delays) == pytest.approx([50, 50, 150, 200])
    assert never == 0


def test_a_message_that_nothing_later_covers_was_never_seen() -> None:
    delays, never = delays_ms({"0#1": 1.0, "0#2": 1.1, "1#1": 1.0}, {0: [(1, 1.2)]})
    assert delays == pytest.approx([200])
    assert never == 2


def test_a_stamp_that_lies_across_two_pieces_is_found_once_with_the_time_of_the_second() -> None:
    watcher = Watcher()
    watcher.take(b"\x1b[1mc03#00", 1.0)
    watcher.take(b"042 hello c03#00041", 2.0)
    watcher.take(b" c03#00042", 3.0)
    assert watcher.newest == {3: [(42, 2.0)]}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_console_understands_everything_the_made_up_bridge_says(pattern: str) -> None:
    (call,) = talking_calls(1, pattern)
    assert isinstance(summary_of(call.summary()), CallSummary)
    messages = [call.say() for _ in range(100)]
    decoded = [decode(json.dumps(message)) for message in messages]
    assert not [message for message in decoded if isinstance(message, Malformed)]
    assert {type(message) for message in decoded} <= {Event, Partial, Levels}
    seqs = [message.seq for message in decoded if isinstance(message, Event)]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    stamps = [int(found[2]) for found in STAMP.finditer(json.dumps(messages).encode())]
    assert stamps == sorted(set(stamps))
    assert len(stamps) == sum(map(is_text, messages))


@pytest.mark.parametrize(("pattern", "share"), [("mixed", 0.4), ("events", 1.0)])
def test_so_many_of_the_messages_are_numbered_events(pattern: str, share: float) -> None:
    (call,) = talking_calls(1, pattern)
    kinds = [call.say()["type"] for _ in range(200)]
    assert kinds.count("event") == 200 * share


def test_an_amount_is_judged_by_its_target_and_written_down(tmp_path: Path) -> None:
    amounts = [
        Amount(figure="cpu", case="a", value=value, unit="%", most=most) for value, most in ((30, 30), (31, 30), (31, None))
    ]
    write_json(tmp_path / "figures.json", {"seed": 1}, [], amounts=amounts)
    written = json.loads((tmp_path / "figures.json").read_text())
    assert [amount["verdict"] for amount in written["amounts"]] == ["met", "missed", ""]

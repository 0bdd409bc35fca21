"""The board: what rows add up to, what they survive, how they are filtered and ordered."""

from datetime import timedelta
from typing import Any

import pytest

from console import board as boards
from console.board import Board, CallRow, arranged, matches
from console.protocol import MAX_LIST, Event, Partial, PhaseChanged, Snapshot
from tests.console import examples
from tests.console.fake_bridge import START
from tests.console.scripted import call

NOW = examples.NOW
SID = "CA" + "0" * 31 + "1"


def event(seq: int, kind: str, *, ms: int = 0, sid: str = SID, **fields: Any) -> Event:
    return examples.event(sid, seq, kind, ms=ms, **fields)


def with_calls(*calls: Any) -> Board:
    board = Board()
    board.take(Snapshot(list(calls)), NOW)
    return board


def told(*messages: Any, board: Board | None = None) -> CallRow:
    """The row of the first call after these messages."""
    board = board or with_calls(call(1))
    for message in messages:
        board.take(message, NOW)
    return board.rows[SID]


def partial(side: Any, text: str, heard_chars: int | None = None) -> Partial:
    heard = len(text) if heard_chars is None else heard_chars
    return Partial(call_sid=SID, side=side, item_id="i", text=text, heard_chars=heard, over=False)


# --- what rows add up to


def test_the_events_of_a_call_add_up_to_what_the_bridge_says_of_it() -> None:
    board = Board()
    for sid in (examples.FURNACE, examples.GARAGE, examples.PRANK):
        for one in examples.events(sid):
            board.take(one, NOW)
    for summary in examples.calls():
        if (row := board.rows.get(summary.call_sid)) is not None:
            assert (row.caller, row.business_id, row.to, row.channel) == (
                summary.from_, summary.business_id, summary.to, summary.channel,
            )  # fmt: skip
            assert (row.phase, row.greeting_latency_ms, row.barge_ins, row.cost_usd, row.muted) == (
                summary.phase, summary.greeting_latency_ms, summary.barge_ins, summary.cost_usd, summary.muted,
            )  # fmt: skip
            assert (row.last_line, row.last_seq, row.started_at) == (summary.last_line, summary.last_seq, summary.started_at)
            assert (row.ended_at, row.end_reason, row.duration_ms) == (summary.ended_at, summary.end_reason, summary.duration_ms)


@pytest.mark.parametrize(
    ("told_event", "field", "value"),
    [
        (event(6, "greeting.requested", mode="live"), "phase", "greeting"),
        (event(6, "greeting.finished", heard_ms=1), "phase", "conversing"),
        (event(6, "closing.started", reason="farewell"), "phase", "closing"),
        (event(6, "closing.reopened"), "phase", "conversing"),
        (event(6, "call.ended", reason="x", duration_ms=5), "phase", "ended"),
        (event(6, "greeting.first_audio", latency_ms=900), "greeting_latency_ms", 900),
        (event(6, "greeting.first_audio", latency_ms="soon"), "greeting_latency_ms", None),
        (event(6, "barge_in.cut", heard_ms=1), "barge_ins", 1),
        (event(6, "barge_in.dismissed"), "barge_ins", 0),
        (event(6, "agent.transcript", text="hello"), "last_line", "hello"),
        (event(6, "agent.transcript", text="hello"), "last_side", "agent"),
        (event(6, "caller.transcript", text="hi"), "last_side", "caller"),
        (event(6, "operator.command", operator="ann", action="mute"), "muted", True),
        (event(6, "operator.command", operator="ann", action="say"), "muted", False),
        (event(6, "tool.called", name="x", arguments="{}"), "tools", 1),
        (event(6, "lead.captured", fields={}), "lead", True),
        (event(6, "error", where="model", message="m"), "errors", 1),
        (event(6, "model.lost", reason="closed"), "errors", 1),
        (event(6, "a.kind.of.tomorrow", anything=[1]), "last_seq", 6),
        (PhaseChanged(SID, "closing", True), "phase", "closing"),
        (PhaseChanged(SID, "closing", True), "muted", True),
        (PhaseChanged(SID, "", False), "phase", "conversing"),
        (PhaseChanged(SID, "ended", False), "ended", True),
        (partial("caller", "my furn"), "last_line", "my furn"),
        (partial("agent", "Hello there", 5), "last_line", "Hello"),
        (partial("agent", "Hello there", 0), "last_line", "line of call 1"),
    ],
)  # fmt: skip
def test_a_message_changes_its_field(told_event: Any, field: str, value: object) -> None:
    assert getattr(told(told_event), field) == value


def test_an_event_counts_once_however_often_it_comes() -> None:
    board = with_calls(call(1))
    cut, error = event(6, "barge_in.cut", heard_ms=1), event(7, "error", where="model", message="m")
    row = told(cut, error, cut, error, board=board)
    assert (row.barge_ins, row.errors, board.figures.barge_ins.total(NOW)) == (1, 1, 1)


def test_what_a_snapshot_includes_is_not_applied_again_but_errors_missed_are_counted() -> None:
    board = with_calls(call(1, last_seq=5, barge_ins=1))
    board.take(Snapshot([call(1, last_seq=8, barge_ins=3, last_line="newest")]), NOW)
    row = told(event(6, "barge_in.cut", heard_ms=1), event(7, "caller.transcript", text="older"), board=board)
    assert (row.barge_ins, row.last_line) == (3, "newest")
    row = told(event(8, "error", where="model", message="m"), event(9, "barge_in.cut", heard_ms=1), board=board)
    assert (row.errors, row.barge_ins, row.last_seq) == (1, 4, 9)


def test_a_call_that_is_carried_on_is_followed_under_numbers_that_were_told_before() -> None:
    told_before = [event(seq, "dtmf", digit="1") for seq in (2, 3, 4)]
    row = told(*told_before, event(3, "call.resumed", ms=900), event(4, "closing.started", reason="farewell"))
    assert (row.last_seq, row.phase) == (4, "closing")


def test_an_older_snapshot_takes_nothing_back() -> None:
    board = with_calls(call(1))
    told(event(6, "caller.transcript", text="newest"), board=board)
    board.take(Snapshot([call(1)]), NOW)
    assert board.rows[SID].last_line == "newest"


def test_a_live_call_that_a_new_snapshot_lacks_has_ended() -> None:
    board = with_calls(call(1), call(2))
    board.take(Snapshot([call(2)]), NOW)
    row = board.rows[SID]
    assert (row.phase, row.ended_at, board.live) == ("ended", NOW, 1)
    row = told(event(6, "greeting.requested"), event(7, "call.ended", ms=9_000, reason="busy", duration_ms=8_000), board=board)
    assert (row.phase, row.ended_at, row.end_reason) == ("ended", START + timedelta(seconds=9), "busy")


def test_a_snapshot_that_was_cut_short_ends_no_call() -> None:
    board = with_calls(call(1))
    board.take(Snapshot([call(number) for number in range(2, MAX_LIST + 2)]), NOW)
    assert not board.rows[SID].ended


def test_a_partial_line_of_an_unknown_or_ended_call_is_passed_over() -> None:
    board = Board()
    board.take(partial("caller", "hello"), NOW)
    board.take(PhaseChanged(SID, "greeting", False), NOW)
    assert board.rows == {}
    row = told(event(6, "call.ended", reason="x"), partial("caller", "late"))
    assert row.last_line == "line of call 1"


def test_only_the_calls_that_changed_are_dirty() -> None:
    board = with_calls(call(1), call(2))
    board.dirty.clear()
    before = board.rows[SID].revision
    told(partial("caller", "hello"), board=board)
    assert board.dirty == {SID}
    assert board.rows[SID].revision > before


def test_the_age_of_a_call_grows_until_it_ends() -> None:
    row = told()
    assert row.age_s(row.started_at + timedelta(seconds=61)) == 61
    assert row.age_s(row.started_at - timedelta(seconds=5)) == 0
    row = told(event(6, "call.ended", ms=10_000, reason="x"))
    assert row.age_s(NOW + timedelta(hours=1)) == 9
    row = told(event(6, "call.ended", ms=10_000, reason="x", duration_ms=7_000))
    assert row.age_s(NOW) == 7


def test_a_last_line_keeps_its_length_in_bounds() -> None:
    row = told(event(6, "caller.transcript", text="x" * 1_000_000))
    assert len(row.last_line) == boards.LAST_LINE_KEPT
    row = told(partial("caller", "y" * 8_000))
    assert len(row.last_line) == boards.LAST_LINE_KEPT


@pytest.mark.parametrize("year", [2000, 2199])
def test_a_call_from_another_age_does_no_harm(year: int) -> None:
    summary = call(1, started_at=START.replace(year=year).isoformat())
    board = with_calls(summary)
    assert board.rows[SID].age_s(NOW) >= 0
    board.take(examples.event(SID, 6, "turn.first_audio", latency_ms=1), NOW)
    assert arranged(board.rows.values())


# --- bounds


def test_ended_calls_are_kept_a_while_and_then_let_go() -> None:
    board = with_calls(call(1))
    told(event(6, "call.ended", ms=120_000, reason="x"), board=board)
    board.forget_old(NOW + boards.ENDED_KEPT)
    assert SID in board.rows
    board.forget_old(NOW + boards.ENDED_KEPT + timedelta(seconds=1))
    assert SID not in board.rows
    assert SID in board.dirty


def test_of_many_ended_calls_the_latest_are_kept() -> None:
    board = Board()
    number = boards.ENDED_KEPT_CALLS + 3
    board.take(Snapshot([call(one) for one in range(number)]), NOW)
    for one in range(number):
        board.take(examples.event(f"CA{one:032x}", 6, "call.ended", ms=one * 10, reason="x"), NOW)
    board.forget_old(NOW)
    assert set(board.rows) == {f"CA{one:032x}" for one in range(3, number)}


def test_live_calls_are_never_let_go() -> None:
    board = with_calls(call(1))
    board.forget_old(NOW + timedelta(days=9))
    assert SID in board.rows


def test_more_calls_than_can_be_kept_are_counted_and_ended_ones_make_room() -> None:
    board = Board()
    board.take(Snapshot([call(number) for number in range(boards.MAX_CALLS + 5)]), NOW)
    assert (len(board.rows), board.not_listed) == (boards.MAX_CALLS, 5)
    board.take(examples.event(f"CA{0:032x}", 6, "call.ended", reason="x"), NOW)
    board.take(examples.event("CAnew", 1, "call.started", business_id="b"), NOW)
    assert "CAnew" in board.rows
    assert len(board.rows) == boards.MAX_CALLS


# --- figures


def test_the_figures_are_fed() -> None:
    board = Board()
    for sid in (examples.FURNACE, examples.TROUBLE):
        for one in examples.events(sid):
            board.take(one, NOW)
    figures = board.figures
    assert figures.greeting_ms.spread(NOW) == (2, 420, 3992)
    assert figures.turn_ms.spread(NOW) == (2, 690, 1310)
    assert (figures.barge_ins.total(NOW), figures.false_alarms.total(NOW)) == (1, 1)
    assert (figures.calls.total(NOW), figures.errors.total(NOW)) == (2, 2)
    assert [(error.where, error.message) for error in board.errors] == [("model", "socket closed"), ("twilio", "odd message")]


def test_calls_known_from_a_snapshot_count_once() -> None:
    board = with_calls(call(1, greeting_latency_ms=700))
    board.take(Snapshot([call(1, greeting_latency_ms=700, last_seq=9)]), NOW)
    assert board.figures.greeting_ms.spread(NOW).number == 1
    assert board.figures.calls.total(NOW) == 1


def test_live_calls_are_counted_per_task_and_per_phase() -> None:
    board = with_calls(call(1, owner="b"), call(2, owner="a"), call(3, owner="a"), call(4, owner=""), call(5, owner="b"))
    board.take(event(6, "call.ended", reason="x"), NOW)
    assert list(board.by_owner().items()) == [("a", 2), ("", 1), ("b", 1)]
    assert board.by_phase() == {"conversing": 4}


# --- filter and order


@pytest.mark.parametrize(
    ("expression", "numbers"),
    [
        ("", [1, 2, 3]),
        ("   ", [1, 2, 3]),
        ("furnace", [1]),
        ("FURNACE", [1]),
        ("furnace bobs", [1]),
        ("furnace dana", []),
        ("!furnace", [2, 3]),
        ("!furnace !muted", [3]),
        ("!", []),
        ("555", [1, 2, 3]),
        ("הרכב", [2]),
        ("muted", [2]),
        ("greeting", [3]),
        ("talking", [1, 2]),
        ("000003", [3]),
        ("[/nope]", []),
        (".*", []),
    ],
)
def test_a_filter_finds_calls_that_have_all_its_words(expression: str, numbers: list[int]) -> None:
    board = with_calls(
        call(1, last_line="My Furnace stopped"),
        call(2, business_id="dana-garage", last_line="הרכב שלי", muted=True),
        call(3, phase="greeting"),
    )
    assert [int(row.call_sid[2:], 16) for row in arranged(board.rows.values(), expression)] == numbers


def test_a_filter_finds_calls_by_lead_and_error() -> None:
    row = told(event(6, "lead.captured", fields={}), event(7, "error", where="a", message="b"))
    assert matches(row, "lead error")


ORDERED = {
    "age": [1, 2, 3],
    "caller": [3, 1, 2],
    "business": [2, 1, 3],
    "phase": [2, 3, 1],
    "greeting": [3, 1, 2],
    "cuts": [1, 3, 2],
    "cost": [2, 3, 1],
    "last line": [3, 2, 1],
}


def three() -> list[CallRow]:
    return list(
        with_calls(
            call(1, **{"from": "+2"}, business_id="b", phase="closing", greeting_latency_ms=900, barge_ins=0, last_line="z"),
            call(2, **{"from": "+3"}, business_id="a", phase="connecting", barge_ins=5, cost_usd=0.1, last_line="y"),
            call(3, **{"from": "+1"}, business_id="c", phase="greeting", greeting_latency_ms=100, barge_ins=2, cost_usd=0.5, last_line="x"),
        ).rows.values()
    )  # fmt: skip


@pytest.mark.parametrize("sort", boards.SORTS)
def test_calls_are_ordered_by_any_column(sort: str) -> None:
    assert [int(row.call_sid[2:], 16) for row in arranged(three(), sort=sort)] == ORDERED[sort]


@pytest.mark.parametrize("sort", boards.SORTS)
def test_an_inverted_order_is_the_other_way_round_but_those_without_a_value_stay_last(sort: str) -> None:
    without = {"greeting": 1, "cost": 1}.get(sort, 0)
    order = ORDERED[sort]
    expected = [*reversed(order[: 3 - without]), *order[3 - without :]]
    assert [int(row.call_sid[2:], 16) for row in arranged(three(), sort=sort, inverted=True)] == expected


def test_ended_calls_come_after_the_live_ones_whatever_the_order() -> None:
    board = with_calls(call(1), call(2))
    board.take(event(6, "call.ended", reason="x"), NOW)
    for sort in boards.SORTS:
        for inverted in (False, True):
            assert arranged(board.rows.values(), sort=sort, inverted=inverted)[-1].call_sid == SID

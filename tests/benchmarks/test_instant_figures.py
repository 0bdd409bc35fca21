"""What the benchmark of greetings measures, and which of its rows have a target."""

from benchmarks.instant import CROWD_STAYS_MS, LATE, SPREAD_S, Dialling, diallings, rows_of

SEEN = {"cold": [510.0, 500.0], "warm": [100.0, 130.0], "recorded": [30.0, 10.0], LATE: [0.1, 2.0]}


def test_crowds_dial_within_two_seconds_and_in_the_same_instant() -> None:
    assert [str(dialling) for dialling in diallings(100)] == [
        "1 call",
        "20 calls within 2 s",
        "20 calls in a burst",
        "100 calls within 2 s",
        "100 calls in a burst",
    ]


def test_few_calls_are_no_crowd_of_twenty() -> None:
    assert [str(dialling) for dialling in diallings(5)] == ["1 call", "5 calls within 2 s", "5 calls in a burst"]
    assert diallings(1) == [Dialling(1)]


def test_only_a_burst_has_no_target() -> None:
    assert [dialling.is_burst for dialling in diallings(20)] == [False, False, True]


def test_the_first_of_a_crowd_is_still_there_when_the_last_one_dials() -> None:
    assert SPREAD_S * 1000 < CROWD_STAYS_MS


def test_what_warm_sockets_save_is_taken_in_the_order_of_latencies() -> None:
    cold, warm, saved, recorded, late = rows_of("case", SEEN, connect_ms=400)
    assert (saved.min, saved.max, saved.verdict) == (380.0, 400.0, "met")
    assert (cold.max, warm.max, recorded.max) == (510.0, 130.0, 30.0)
    assert (recorded.verdict, late.verdict, late.max) == ("missed", "", 2.0)


def test_a_burst_is_reported_without_a_verdict() -> None:
    rows = rows_of("case", SEEN, connect_ms=400, has_target=False)
    assert [row.verdict for row in rows] == [""] * 5
    assert rows[3].p95 == 30.0

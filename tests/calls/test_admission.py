"""Who is let through to the AI: blocked callers, opening hours, lines and budgets; two processes at one store."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from calls.admission import Admission, day_began, is_blocked, refusal_at_the_door, withholds_number
from calls.business import BusinessProfile
from calls.hours import greeting_at, is_open_at
from calls.record import CallRecord, Disposition
from calls.store.base import CallStore, NewCall, OpenedCall
from tests.calls.examples import START, after_ms, new_call, sid

MONDAY = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)  # 09:00 in New York
SUNDAY = MONDAY - timedelta(days=1)
OPEN_MONDAYS = {"timezone": "America/New_York", "mon": ["09:00-17:00"]}
DIAL = Disposition(action="dial", reason="", to="+15005550010", timeout_s=20)


def shop(**changes: Any) -> BusinessProfile:
    file = {"id": "a", "name": "Acme", "numbers": ["+15005550006"], "language": "en", "voice": "alloy", "instructions": "Hi."}
    return msgspec.convert(file | changes, BusinessProfile)


@pytest.mark.parametrize(
    ("entry", "caller", "blocked"),
    [
        ("+15005550100", "+15005550100", True),
        ("+15005550100", "whatsapp:+15005550100", True),
        ("whatsapp:+15005550100", "+15005550100", True),
        ("+15005550100", "+15005550101", False),
        ("+15005550100", "+1500555010", False),
        ("sip:mallory@home.example", "sip:mallory@HOME.example:5060;transport=udp", True),
        ("sip:mallory@home.example", "sip:alice@home.example", False),
        ("client:mallory", "client:mallory", True),
        ("anonymous", "anonymous", True),
        ("anonymous", "Restricted", True),
        ("anonymous", "+266696687", True),
        ("anonymous", "", True),
        ("anonymous", "sip:anonymous@anonymous.invalid", True),
        ("anonymous", "+15005550100", False),
        ("anonymous", "12345", False),
        ("anonymous", "client:alice", False),
        ("+15005550100", "anonymous", False),
    ],
)
def test_a_blocked_caller_is_known_by_any_spelling_of_their_address(entry: str, caller: str, blocked: bool) -> None:
    assert is_blocked(shop(blocked=[entry]), caller) is blocked
    assert refusal_at_the_door(shop(blocked=[entry]), caller, MONDAY) == ("blocked" if blocked else None)


def test_nobody_is_blocked_by_default() -> None:
    assert not is_blocked(shop(), "anonymous")
    assert withholds_number("anonymous")


def test_a_business_that_closes_its_phone_refuses_outside_its_hours_only() -> None:
    closing = shop(hours={**OPEN_MONDAYS, "when_closed": "fallback"})
    assert refusal_at_the_door(closing, "+15005550100", MONDAY) is None
    assert refusal_at_the_door(closing, "+15005550100", MONDAY - timedelta(minutes=1)) == "closed"
    assert refusal_at_the_door(closing, "+15005550100", SUNDAY) == "closed"
    assert refusal_at_the_door(shop(hours=OPEN_MONDAYS), "+15005550100", SUNDAY) is None
    assert refusal_at_the_door(shop(), "+15005550100", SUNDAY) is None


def test_hours_that_name_no_day_close_nothing() -> None:
    assert is_open_at(shop(hours={"timezone": "Asia/Jerusalem", "when_closed": "fallback"}), SUNDAY)


def test_the_greeting_is_the_one_of_the_hour() -> None:
    two = shop(hours=OPEN_MONDAYS, greeting={"text": "{name}, hello.", "closed_text": "{name} is closed."})
    assert (greeting_at(two, MONDAY), greeting_at(two, SUNDAY)) == ("Acme, hello.", "Acme is closed.")
    one = shop(hours=OPEN_MONDAYS, greeting={"text": "Hello."})
    assert greeting_at(one, SUNDAY) == "Hello."


@pytest.mark.parametrize(
    ("zone", "now", "began"),
    [
        ("UTC", "2026-03-02T14:00+00:00", "2026-03-02T00:00+00:00"),
        ("America/New_York", "2026-03-02T04:59+00:00", "2026-03-01T05:00+00:00"),
        ("America/New_York", "2026-03-08T12:00+00:00", "2026-03-08T05:00+00:00"),  # clocks went forward at 02:00
        ("America/New_York", "2026-03-09T12:00+00:00", "2026-03-09T04:00+00:00"),
        ("Asia/Jerusalem", "2026-03-02T22:00+00:00", "2026-03-02T22:00+00:00"),
        ("Pacific/Kiritimati", "2026-03-02T09:59+00:00", "2026-03-01T10:00+00:00"),
    ],
)
def test_a_day_begins_at_the_business_s_own_midnight(zone: str, now: str, began: str) -> None:
    assert day_began(shop(hours={"timezone": zone}), datetime.fromisoformat(now)) == datetime.fromisoformat(began)


def test_without_hours_the_day_is_utc_s() -> None:
    assert day_began(shop(), MONDAY) == MONDAY.replace(hour=0)


RINGING = CallRecord(
    call_sid=sid(), business_id=new_call().business_id, from_="a", to="b", channel="pstn", started_at="2026-01-01T12:00:00.000Z"
)
LINES: list[tuple[str, dict[str, Any], int, bool]] = [
    ("ringing", {}, 5, True),
    ("never came to its stream", {}, 61, False),
    ("served", {"owner": "b", "accepted_at": "2026-01-01T12:00:01.000Z"}, 800, True),
    ("served by a bridge that died unheard", {"owner": "b", "accepted_at": "2026-01-01T12:00:01.000Z"}, 2401, False),
    ("left by its bridge", {"owner": "b", "accepted_at": "x", "action_requested_at": "y"}, 30, False),
    ("with a human", {"accepted_at": "x", "disposition": DIAL}, 30, False),
    ("given up", {"accepted_at": "x", "released_at": "y"}, 30, False),
    ("over", {"ended_at": "2026-01-01T12:00:10.000Z"}, 30, False),
]


@pytest.mark.parametrize(("changes", "age_s", "holds"), [case[1:] for case in LINES], ids=[case[0] for case in LINES])
def test_a_line_is_held_by_who_talks_to_the_ai_or_is_about_to(changes: dict[str, Any], age_s: int, holds: bool) -> None:
    admission = Admission(otherwise=DIAL, max_live=1, max_call_s=900)
    record = msgspec.structs.replace(RINGING, **changes)
    assert admission.counts(record, START + timedelta(seconds=age_s)) is holds


# --- the store counts ------------------------------------------------------------------------------------------------------


def admitted(number: int, *, business: str = "bobs-hvac", **terms: Any) -> NewCall:
    return msgspec.structs.replace(new_call(number, business=business), admission=Admission(otherwise=DIAL, **terms))


async def opened(store: CallStore, call: NewCall, at: datetime = START) -> OpenedCall:
    return await store.open_call(call, at)


async def test_the_call_beyond_the_last_line_is_refused_and_has_its_disposition(store: CallStore) -> None:
    for number in (1, 2):
        assert (await opened(store, admitted(number, max_live=2))).refusal is None
    third = await opened(store, admitted(3, max_live=2))

    assert third.refusal == "all_lines_busy"
    assert third.record.disposition == msgspec.structs.replace(DIAL, reason="all_lines_busy")
    assert [one.kind for one in await store.events(sid(3))] == ["call.started"]


async def test_a_refused_call_stays_refused_when_twilio_asks_again(store: CallStore) -> None:
    await opened(store, admitted(1, max_live=1))
    await opened(store, admitted(2, max_live=1))
    await store.end_call(sid(1), "completed", after_ms(10))

    again = await opened(store, admitted(2, max_live=1))
    assert (again.refusal, again.event) == ("all_lines_busy", None)


async def test_an_admitted_call_stays_admitted_when_twilio_asks_again(store: CallStore) -> None:
    await opened(store, admitted(1, max_live=1))
    again = await opened(store, admitted(1, max_live=1))
    assert (again.refusal, again.event) == (None, None)


async def test_a_line_is_free_again_once_its_call_is_over(store: CallStore) -> None:
    await opened(store, admitted(1, max_live=1))
    await store.end_call(sid(1), "completed", after_ms(10))
    assert (await opened(store, admitted(2, max_live=1), after_ms(20))).refusal is None


async def test_refused_callers_hold_no_line(store: CallStore) -> None:
    await opened(store, admitted(1, max_live=2))
    await opened(store, admitted(2, refusal="closed"))
    assert (await opened(store, admitted(3, max_live=2))).refusal is None


async def test_each_business_has_lines_of_its_own(store: CallStore) -> None:
    await opened(store, admitted(1, max_live=1))
    assert (await opened(store, admitted(2, max_live=1, business="dana-garage"))).refusal is None


async def test_of_many_who_ring_at_once_at_two_processes_as_many_get_through_as_there_are_lines(
    store: CallStore, other_store: CallStore
) -> None:
    calls = [opened((store, other_store)[number % 2], admitted(number, max_live=3)) for number in range(1, 13)]
    results = await asyncio.gather(*calls)
    assert [one.refusal for one in results].count(None) == 3


RINGS = """
import asyncio, sys
from calls.store import open_store
from tests.calls.examples import START
from tests.calls.test_admission import admitted

async def ring(url, first):
    store = open_store(url)
    await store.open()
    sys.stdin.readline()
    opened = [await store.open_call(admitted(number, max_live=4), START) for number in range(first, first + 8)]
    print(sum(one.refusal is None for one in opened))
    await store.close()

asyncio.run(ring(sys.argv[1], int(sys.argv[2])))
"""


async def test_several_processes_never_give_away_more_lines_than_there_are(store: CallStore, store_url: str) -> None:
    command = (sys.executable, "-c", RINGS, store_url)
    pipe = asyncio.subprocess.PIPE
    ringing = [await asyncio.create_subprocess_exec(*command, str(first), stdin=pipe, stdout=pipe) for first in (100, 200, 300)]
    async with asyncio.timeout(60):
        admitted_by = await asyncio.gather(*(process.communicate(b"now\n") for process in ringing))
    assert sum(int(out) for out, _ in admitted_by) == 4
    assert len(await store.list_calls(live=True)) == 24


async def spent(store: CallStore, number: int, usd: float | None, at: datetime = START) -> None:
    """A call that is over and has cost so much."""
    token = (await store.open_call(new_call(number), at)).token
    await store.claim_stream(token, "bridge-1", at)
    await store.release_stream(sid(number), "bridge-1", {"input_text": 1}, at, usd)
    await store.end_call(sid(number), "farewell", at)


async def test_the_calls_of_a_day_may_cost_so_much_and_then_no_more_are_taken(store: CallStore) -> None:
    terms: dict[str, Any] = {"max_cost_usd": 1.0, "day_began": START}
    await spent(store, 1, 0.6)
    assert (await opened(store, admitted(2, **terms))).refusal is None
    await spent(store, 3, 0.4)
    assert (await opened(store, admitted(4, **terms))).refusal == "over_budget"


async def test_what_was_spent_before_the_day_began_is_forgotten(store: CallStore) -> None:
    await spent(store, 1, 5.0, START - timedelta(milliseconds=1))
    await spent(store, 2, None)
    assert (await opened(store, admitted(3, max_cost_usd=1.0, day_began=START))).refusal is None


async def test_the_cost_is_on_the_record_and_in_the_last_event(store: CallStore) -> None:
    await spent(store, 1, 0.25)
    record = await store.get_call(sid(1))
    assert record is not None
    assert record.cost_usd == 0.25
    assert (await store.events(sid(1)))[-1].flat()["cost_usd"] == 0.25


@pytest.mark.parametrize(
    ("first", "second", "total"),
    [
        (({"input_text": 1}, 0.1), ({"input_text": 1}, 0.2), 0.3),
        (({}, 0.0), ({"input_text": 1}, 0.2), 0.2),
        (({}, None), ({"input_text": 1}, 0.2), 0.2),  # a stream that used nothing has no unknown cost
        (({"input_text": 1}, None), ({"input_text": 1}, 0.2), None),
        (({"input_text": 1}, 0.1), ({"input_text": 1}, None), None),
        (({"input_text": 1}, 0.1), ({}, None), 0.1),
    ],
)
def test_the_cost_of_two_streams_is_their_sum_and_unknown_if_either_is(
    first: tuple[dict[str, int], float | None], second: tuple[dict[str, int], float | None], total: float | None
) -> None:
    after_first = msgspec.structs.replace(RINGING, usage=first[0], cost_usd=RINGING.cost_with(*first))
    assert after_first.cost_with(*second) == total

"""The message a business gets, its signature, and when it is tried again."""

import hmac
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.business import BusinessProfile, Webhook
from calls.business_files import BusinessDirectory
from calls.events import LeadCaptured, timestamp
from calls.ids import BusinessId
from calls.outbox import GIVE_UP_AFTER, Posting, body_of, next_try, nobody_wants, retry_delay_s, signature, wanted_by
from calls.record import CallRecord
from tests.calls.examples import HOSTILE, START, event, sid


def business(**changes: Any) -> BusinessProfile:
    six = {
        "id": "corner-shop",
        "name": "Shop",
        "numbers": ["client:a"],
        "language": "en",
        "voice": "alloy",
        "instructions": "Hi.",
    }
    return msgspec.convert(six | changes, BusinessProfile)


RECORD = CallRecord(
    call_sid=sid(),
    business_id=BusinessId("bobs-hvac"),
    from_="+15005550001",
    to="+15005550006",
    channel="pstn",
    started_at=timestamp(START),
)


def posting(attempts: int = 0) -> Posting:
    return Posting(
        call_sid=sid(),
        seq=7,
        business_id=BusinessId("bobs-hvac"),
        kind="lead.captured",
        attempts=attempts,
        give_up_at=START + GIVE_UP_AFTER,
        body=b"{}",
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_message_holds_the_event_as_it_is_exported_and_whose_call_it_was(name: str) -> None:
    captured = event(7, LeadCaptured(fields={"name": name}))
    assert json.loads(body_of(RECORD, captured)) == {
        "id": f"{sid()}/7",
        "business_id": "bobs-hvac",
        "call": {
            "call_sid": sid(),
            "from": "+15005550001",
            "to": "+15005550006",
            "channel": "pstn",
            "started_at": "2026-01-01T12:00:00.000Z",
        },
        "event": captured.flat(),
    }


def test_the_signature_is_the_hmac_of_time_and_body() -> None:
    body = '{"name": "דנה"}'.encode()
    digest = hmac.new(b"s3cret", b"1767268800." + body, sha256).hexdigest()
    assert signature("s3cret", body, START) == f"t=1767268800,v1={digest}"


def test_the_same_body_at_another_time_has_another_signature() -> None:
    assert signature("s", b"x", START) != signature("s", b"x", START + timedelta(seconds=1))


@pytest.mark.parametrize(("attempts", "pause_s"), [(1, 5), (2, 15), (3, 45), (4, 135), (7, 3600), (8, 3600), (10_000, 3600)])
def test_pauses_grow_to_an_hour(attempts: int, pause_s: float) -> None:
    assert retry_delay_s(attempts, 1) == pause_s
    assert retry_delay_s(attempts, 0) == pause_s / 2


def test_a_failed_message_is_put_off_by_the_pause_after_its_attempt() -> None:
    assert next_try(posting(attempts=2), START, jitter=1) == START + timedelta(seconds=45)


def test_a_message_whose_next_try_would_come_after_three_days_is_given_up() -> None:
    late = START + GIVE_UP_AFTER - timedelta(seconds=20)
    assert next_try(posting(attempts=1), late, jitter=1) == late + timedelta(seconds=15)
    assert next_try(posting(attempts=2), late, jitter=1) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_a_webhook_that_never_answers_is_asked_a_hundred_odd_times_at_most(jitters: list[float]) -> None:
    at, attempts = START, 0
    while (again := next_try(posting(attempts), at, jitters[attempts % len(jitters)])) is not None:
        assert again > at
        at, attempts = again, attempts + 1
    assert 70 <= attempts <= 160


def test_a_business_gets_the_kinds_its_file_names_and_others_nothing() -> None:
    wants = wanted_by(
        BusinessDirectory(
            [
                business(webhook={"url": "https://x.example", "secret": "${S}", "events": ["dtmf"]}),
                business(id="other", numbers=["client:other"]),
            ]
        )
    )
    assert [wants(BusinessId("corner-shop"), kind) for kind in ("dtmf", "call.ended")] == [True, False]
    assert not wants(BusinessId("other"), "dtmf")
    assert not wants(BusinessId("unknown"), "dtmf")
    assert not nobody_wants(BusinessId("corner-shop"), "dtmf")


def test_unless_told_otherwise_leads_bookings_and_ends_are_posted() -> None:
    assert Webhook(url="https://x.example", secret="${S}").events == ("lead.captured", "appointment.booked", "call.ended")

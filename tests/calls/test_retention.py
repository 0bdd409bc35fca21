"""Forgetting: calls that are old, callers who want to be forgotten; on the command line, and what is left in the file."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from calls import events
from calls.appointments import Appointment
from calls.business import BusinessProfile
from calls.cli import calls_group
from calls.ids import BusinessId, CallSid
from calls.record import Message
from calls.retention import BadAge, Forgotten, Kept, enforce, erase, known_of, outdated, parse_age, purge
from calls.store import appointments_of, outbox_of, retention_of
from calls.store.base import CallStore, StoreUnavailable
from calls.store.blocking import run_with_store
from calls.store.sqlite import SqliteStore
from tests.calls.examples import START, answered, new_call, said, sid

DAY = timedelta(days=1)
CALLER = "+15005550100"
OTHER = "+15005550101"


class Recordings:
    """Something else that keeps what belongs to calls."""

    def __init__(self, *, broken: bool = False) -> None:
        self.forgotten: list[CallSid] = []
        self._broken = broken

    async def forget(self, call_sids: Sequence[CallSid]) -> None:
        if self._broken:
            raise StoreUnavailable("the recordings cannot be reached")
        self.forgotten += call_sids


def kept_in(store: CallStore, *others: Recordings) -> Kept:
    return Kept(retention_of(store), appointments_of(store), others)


async def talked(
    store: CallStore, number: int, at: datetime, *, from_: str = CALLER, business: str = "bobs-hvac", ends: bool = True
) -> None:
    """A call with a conversation and a lead."""
    await store.open_call(new_call(number, business=business, from_=from_), at)
    lead = events.LeadCaptured(fields={"name": "Mallory Marker", "phone": from_})
    for body in (answered("How can I help?"), said("It is Mallory Marker speaking"), lead):
        await store.append_next(sid(number), body, at)
    if ends:
        await store.end_call(sid(number), "farewell", at + timedelta(minutes=1))


def appointment(number: int, starts_at: datetime, *, caller: str | None = CALLER, business: str = "bobs-hvac") -> Appointment:
    return Appointment(
        appointment_id=f"A{number}",
        business_id=BusinessId(business),
        business_name="Bob's HVAC",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=1),
        timezone="UTC",
        name="Mallory Marker",
        phone=caller or "",
        call_sid=sid(number),
        caller=caller,
        dialled="+15005550006",
        created_at=START,
        changed_at=START,
    )


async def left(store: CallStore) -> list[CallSid]:
    return [record.call_sid for record in await store.list_calls(limit=100)]


# --- purge -----------------------------------------------------------------------------------------------------------------


async def test_calls_that_ended_before_the_day_are_deleted_with_their_events(store: CallStore) -> None:
    await talked(store, 1, START - 31 * DAY)
    await talked(store, 2, START - 29 * DAY)
    before = START - 30 * DAY

    assert await outdated(kept_in(store), before) == Forgotten(calls=1)
    assert await purge(kept_in(store), before, START) == Forgotten(calls=1)
    assert await left(store) == [sid(2)]
    assert await store.events(sid(1)) == []
    assert len(await store.events(sid(2))) == 5


async def test_a_call_is_as_old_as_its_end(store: CallStore) -> None:
    await talked(store, 1, START)
    assert await purge(kept_in(store), START + timedelta(seconds=59), START + DAY) == Forgotten()
    assert await purge(kept_in(store), START + timedelta(seconds=61), START + DAY) == Forgotten(calls=1)


async def test_one_business_s_calls_are_purged_alone(store: CallStore) -> None:
    await talked(store, 1, START - 40 * DAY)
    await talked(store, 2, START - 40 * DAY, business="dana-garage")
    await purge(kept_in(store), START - DAY, START, BusinessId("dana-garage"))
    assert await left(store) == [sid(1)]


async def test_a_call_that_is_going_on_stays(store: CallStore) -> None:
    await talked(store, 1, START, ends=False)
    later = START + timedelta(hours=3)
    assert await purge(kept_in(store), later, later) == Forgotten()
    assert await left(store) == [sid(1)]


async def test_a_call_whose_end_nobody_reported_is_over_after_a_day(store: CallStore) -> None:
    await talked(store, 1, START - 40 * DAY, ends=False)
    assert await purge(kept_in(store), START - 30 * DAY, START) == Forgotten(calls=1)


async def test_more_calls_than_one_transaction_takes_are_deleted(store: CallStore) -> None:
    for number in range(1, 252):
        await store.open_call(new_call(number), START)
        await store.end_call(sid(number), "completed", START)
    assert (await purge(kept_in(store), START + DAY, START + DAY)).calls == 251
    assert await left(store) == []


async def test_appointments_go_once_they_are_over_for_as_long(store: CallStore) -> None:
    await talked(store, 1, START - 40 * DAY)
    await talked(store, 2, START - 40 * DAY)
    appointments = appointments_of(store)
    await appointments.book(appointment(1, START - 35 * DAY), per_slot=1)
    await appointments.book(appointment(2, START + DAY), per_slot=1)

    gone = await purge(kept_in(store), START - 30 * DAY, START)
    assert gone == Forgotten(calls=2, appointments=1)
    assert await appointments.get("A1") is None
    assert await appointments.get("A2") is not None, "somebody will come"


async def test_what_is_still_to_be_posted_of_a_call_goes_with_it(path: Path) -> None:
    store = SqliteStore(path, wants=lambda _, kind: kind == "lead.captured")
    await store.open()
    await talked(store, 1, START - 40 * DAY)
    assert len(await outbox_of(store).list()) == 1
    await purge(kept_in(store), START - DAY, START)
    assert await outbox_of(store).list() == []
    await store.close()


async def test_what_else_is_kept_of_a_call_is_forgotten_first(store: CallStore) -> None:
    await talked(store, 1, START - 40 * DAY)
    recordings = Recordings()
    await purge(kept_in(store, recordings), START - DAY, START)
    assert recordings.forgotten == [sid(1)]

    await talked(store, 2, START - 40 * DAY)
    with pytest.raises(StoreUnavailable):
        await purge(kept_in(store, Recordings(broken=True)), START - DAY, START)
    assert await left(store) == [sid(2)], "nothing is left behind that nobody can find any more"


# --- one caller ------------------------------------------------------------------------------------------------------------


async def test_a_caller_is_erased_from_every_business_and_whatever_they_called_from(store: CallStore) -> None:
    await talked(store, 1, START)
    await talked(store, 2, START, business="dana-garage", from_=f"whatsapp:{CALLER}")
    await talked(store, 3, START, from_=OTHER)
    await talked(store, 4, START, from_="anonymous")
    await appointments_of(store).book(appointment(1, START - DAY), per_slot=1)
    await appointments_of(store).book(appointment(2, START + DAY), per_slot=1)
    await appointments_of(store).book(appointment(3, START + 2 * DAY, caller=OTHER), per_slot=1)

    expected = Forgotten(calls=2, appointments=2, upcoming=1)
    assert await known_of(kept_in(store), CALLER, START) == expected
    assert await erase(kept_in(store), CALLER, START) == expected
    assert sorted(await left(store)) == [sid(3), sid(4)]
    assert await appointments_of(store).get("A3") is not None
    assert await known_of(kept_in(store), CALLER, START) == Forgotten()


async def test_a_number_that_only_contains_the_caller_s_is_somebody_else(store: CallStore) -> None:
    await talked(store, 1, START, from_=f"{CALLER}7")
    assert await erase(kept_in(store), CALLER, START) == Forgotten()
    assert await left(store) == [sid(1)]


async def test_callers_without_a_number_can_be_erased_by_their_address(store: CallStore) -> None:
    await talked(store, 1, START, from_='sip:o"hara@home.example')
    await talked(store, 2, START, from_="client:דנה")
    assert (await erase(kept_in(store), 'sip:o"hara@home.example', START)).calls == 1
    assert (await erase(kept_in(store), "client:דנה", START)).calls == 1


async def test_a_live_call_of_theirs_stays_and_is_told(store: CallStore) -> None:
    await talked(store, 1, START)
    await talked(store, 2, START, ends=False)
    assert await erase(kept_in(store), CALLER, START) == Forgotten(calls=1, live=1)
    assert await left(store) == [sid(2)]


async def test_messages_that_twilio_keeps_are_named(store: CallStore) -> None:
    await talked(store, 1, START)
    await store.note_message(sid(1), Message(recording_url="https://api.twilio.com/recordings/RE1", duration_s=9))
    assert (await erase(kept_in(store), CALLER, START)).recordings == ("https://api.twilio.com/recordings/RE1",)


# --- what a business wants -------------------------------------------------------------------------------------------------


def keeping(days: int | None, business: str = "bobs-hvac") -> BusinessProfile:
    file: dict[str, Any] = {"id": business, "name": "B", "numbers": ["client:b"], "language": "en", "voice": "alloy"}
    return msgspec.convert({**file, "instructions": "Hi.", "privacy": {"retention_days": days}}, BusinessProfile)


async def test_each_business_s_calls_are_kept_for_as_long_as_it_says(store: CallStore) -> None:
    for number, (business, age) in enumerate((b, a) for b in ("bobs-hvac", "dana-garage", "smile") for a in (5, 40)):
        await talked(store, number + 1, START - age * DAY, business=business)
    with capture_logs() as logs:
        await enforce(kept_in(store), [keeping(30), keeping(3, "dana-garage"), keeping(None, "smile")], START)

    assert sorted(await left(store)) == [sid(1), sid(5), sid(6)]
    assert [(one["business_id"], one["calls"]) for one in logs] == [("bobs-hvac", 1), ("dana-garage", 2)]


async def test_a_business_that_cannot_be_dealt_with_does_not_keep_others_from_being(store: CallStore) -> None:
    await talked(store, 1, START - 40 * DAY)
    await talked(store, 2, START - 40 * DAY, business="dana-garage")

    class OnceBroken(Recordings):
        async def forget(self, call_sids: Sequence[CallSid]) -> None:
            if sid(1) in call_sids:
                raise StoreUnavailable("the recordings cannot be reached")

    with capture_logs() as logs:
        await enforce(kept_in(store, OnceBroken()), [keeping(30), keeping(30, "dana-garage")], START)
    assert await left(store) == [sid(1)]
    assert [one["event"] for one in logs] == ["retention.failed", "retention.deleted"]


# --- ages ------------------------------------------------------------------------------------------------------------------


def test_ages_are_hours_days_or_weeks() -> None:
    assert [parse_age(text) for text in ("12h", "30d", " 4w ")] == [timedelta(hours=12), 30 * DAY, 28 * DAY]


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5d", "30 d", "30D", "1y", "٣d", "999999d"])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(BadAge, match="write a number with h, d or w"):
        parse_age(text)


# --- the command line ------------------------------------------------------------------------------------------------------


@pytest.fixture
def filled(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def fill(store: CallStore) -> None:
        await talked(store, 1, START)
        await talked(store, 2, START, business="dana-garage", from_=OTHER)

    run_with_store(SqliteStore(path), fill)
    monkeypatch.setenv("FRONTDESK_STORE", f"sqlite:{path}")
    return path


def run(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(calls_group, arguments, input=answer)


def count(path: Path) -> int:
    return len(run_with_store(SqliteStore(path), lambda store: store.list_calls(limit=100)))


def test_purge_says_what_it_would_delete_and_then_does(filled: Path) -> None:
    looked = run("purge", "--older-than", "1d", "--dry-run")
    assert (looked.exit_code, looked.stdout) == (0, "")
    assert looked.stderr == "Would delete 2 calls, 0 appointments.\n"
    assert count(filled) == 2

    done = run("purge", "--older-than", "1d", "--business", "dana-garage", "--yes", "--json")
    assert (done.exit_code, done.stderr) == (0, "Deleted 1 call, 0 appointments.\n")
    assert json.loads(done.stdout) == {"calls": 1, "appointments": 0, "upcoming": 0, "live": 0, "recordings": []}
    assert count(filled) == 1


def test_nothing_is_deleted_that_nobody_has_said_yes_to(filled: Path) -> None:
    for arguments in (("purge", "--older-than", "1d"), ("erase", "--caller", CALLER)):
        refused = run(*arguments)
        assert refused.exit_code == 2
        assert "Give --yes to say so, or --dry-run to look first." in refused.stderr
    assert count(filled) == 2


def test_on_a_terminal_it_asks(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calls.cli_retention.is_terminal", lambda: True)
    declined = run("purge", "--older-than", "1d", answer="n\n")
    assert (declined.exit_code, count(filled)) == (1, 2)
    assert "for good: 2 calls, 0 appointments? [y/N]" in declined.stderr
    assert run("erase", "--caller", CALLER, answer="y\n").exit_code == 0
    assert count(filled) == 1


def test_with_nothing_to_delete_nothing_is_asked(filled: Path) -> None:
    done = run("purge", "--older-than", "9999w")
    assert (done.exit_code, done.stderr) == (0, "There is nothing to delete.\n")
    assert run("erase", "--caller", "+15005559999").stderr == "There is nothing to delete.\n"
    assert count(filled) == 2


def test_a_caller_may_be_written_as_people_do(filled: Path) -> None:
    done = run("erase", "--caller", "+1 (500) 555-0100", "--yes")
    assert (done.exit_code, done.stderr) == (0, "Deleted 1 call, 0 appointments.\n")


@pytest.mark.parametrize("caller", ["anonymous", "5005550100", "", "+266696687"])
def test_who_may_be_anybody_cannot_be_erased(filled: Path, caller: str) -> None:
    refused = run("erase", "--caller", caller, "--yes")
    assert refused.exit_code == 2
    assert "names no caller" in refused.stderr


@pytest.mark.parametrize("age", ["30", "soon"])
def test_an_age_that_cannot_be_read_is_refused(filled: Path, age: str) -> None:
    refused = run("purge", "--older-than", age, "--yes")
    assert refused.exit_code == 2
    assert "is no age" in refused.stderr


def test_erasing_somebody_who_is_on_the_line_says_that_it_is_not_finished(path: Path) -> None:
    async def fill(store: CallStore) -> None:
        await talked(store, 1, START)
        await talked(store, 2, START, ends=False)

    run_with_store(SqliteStore(path), fill)
    done = run("erase", "--caller", CALLER, "--yes", "--store", f"sqlite:{path}")
    assert done.exit_code == 1
    assert "1 call of theirs is still going on; run this again once they are over" in done.stderr
    assert count(path) == 1


def test_a_store_that_is_not_there_is_not_made(path: Path) -> None:
    refused = run("purge", "--older-than", "1d", "--yes", "--store", f"sqlite:{path}")
    assert refused.exit_code == 3
    assert not path.exists()


def test_an_erased_caller_is_not_to_be_found_in_the_files(filled: Path) -> None:
    async def book(store: CallStore) -> None:
        await appointments_of(store).book(appointment(1, START), per_slot=1)

    run_with_store(SqliteStore(filled), book)
    assert CALLER.encode() in b"".join(file.read_bytes() for file in filled.parent.glob("calls.db*"))
    assert run("erase", "--caller", CALLER, "--yes").exit_code == 0
    bytes_left = b"".join(file.read_bytes() for file in filled.parent.glob("calls.db*"))
    assert CALLER.encode() not in bytes_left
    assert OTHER.encode() in bytes_left

"""The calendar's tools as a model uses them: with good arguments and bad ones, for callers who are who they are."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bridge.booking import MAX_PER_CALL, MAX_TIMES, Booking
from bridge.builtin_tools import ToolAnswer, ToolRequest
from bridge.conversation.booking_tools import DECLARATIONS
from bridge.tool_runner import ToolFailed
from calls.address import channel_of
from calls.appointments import Appointment
from calls.business import BusinessProfile
from calls.events import AppointmentBooked, timestamp
from calls.ids import CallSid
from calls.record import CallRecord
from calls.store import appointments_of
from calls.store.appointments import AppointmentStore
from calls.store.sqlite import SqliteStore
from tests.calls.booking import ANNA, BEN, MONDAY_TEN, NOW, shop

HIDDEN = "+266696687"
HOUR = timedelta(hours=1)
BOOKED_BY_ANNA = {"starts_at": "2026-11-23T10:00", "name": "Anna Smith", "reason": "a leak"}


class Desk:
    """The tools of one business, at a time that stands still until it is moved on."""

    def __init__(self, calendar: AppointmentStore, profile: BusinessProfile) -> None:
        self.calendar = calendar
        self.profile = profile
        self.now = NOW
        self._booking = Booking(calendar, lambda: self.now)

    async def ask(self, tool: str, arguments: dict[str, Any] | None = None, caller: str = ANNA, call: int = 1) -> ToolAnswer:
        record = CallRecord(
            call_sid=CallSid(f"CA{call:032x}"),
            business_id=self.profile.business_id,
            from_=caller,
            to="+15005550006",
            channel=channel_of(caller),
            started_at=timestamp(self.now),
        )
        request = ToolRequest(profile=self.profile, record=record, name=tool, arguments=arguments or {})
        return await self._booking.tools[tool](request)

    async def told(self, tool: str, arguments: dict[str, Any] | None = None, caller: str = ANNA, call: int = 1) -> Any:
        return json.loads((await self.ask(tool, arguments, caller, call)).output)

    async def refused(self, tool: str, arguments: dict[str, Any] | None = None, caller: str = ANNA, call: int = 1) -> str:
        with pytest.raises(ToolFailed) as failed:
            await self.ask(tool, arguments, caller, call)
        return str(failed.value)

    async def everything(self) -> list[Appointment]:
        return list(await self.calendar.between(NOW - timedelta(days=400), NOW + timedelta(days=800), with_cancelled=True))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "calls.db")
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def desk(store: SqliteStore) -> Desk:
    return Desk(appointments_of(store), shop())


# check_availability


async def test_free_times_are_told_by_day_with_the_time_it_is_now(desk: Desk) -> None:
    told = await desk.told("check_availability", {"date": "2026-11-23", "days": 2})
    times = ["09:00", "10:00", "11:00", "13:00", "14:00", "15:00", "16:00"]
    assert told == {
        "now": "2026-11-20T10:00",
        "timezone": "America/New_York",
        "minutes": 60,
        "free": [
            {"date": "2026-11-23", "weekday": "Monday", "times": times},
            {"date": "2026-11-24", "weekday": "Tuesday", "times": times},
        ],
    }


async def test_without_a_day_it_is_today_from_the_notice_on(desk: Desk) -> None:
    (today,) = (await desk.told("check_availability"))["free"]
    assert (today["date"], today["times"]) == ("2026-11-20", ["11:00", "13:00", "14:00", "15:00", "16:00"])


async def test_what_is_taken_is_not_offered(desk: Desk) -> None:
    await desk.ask("book_appointment", BOOKED_BY_ANNA)
    (monday,) = (await desk.told("check_availability", {"date": "2026-11-23"}))["free"]
    assert monday["times"] == ["09:00", "11:00", "13:00", "14:00", "15:00", "16:00"]


async def test_a_day_on_which_nothing_is_free_is_answered_with_the_next_times(desk: Desk) -> None:
    told = await desk.told("check_availability", {"date": "2026-11-21", "days": 2})
    assert told["free"] == []
    assert told["next_free"] == [{"date": "2026-11-23", "weekday": "Monday", "times": ["09:00", "10:00", "11:00"]}]


async def test_many_free_times_are_told_in_part(desk: Desk) -> None:
    told = await desk.told("check_availability", {"days": 14})
    assert sum(len(day["times"]) for day in told["free"]) == MAX_TIMES
    assert told["more"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"date": "next week"}, "'next week' is not a date; write it like 2026-11-23"),
        ({"date": "2020-01-01"}, "2020-01-01 is in the past; today is 2026-11-20"),
        ({"date": "9999-12-31"}, "9999-12-31 is too far ahead; the last day is 2026-12-20"),
        ({"date": "0001-01-01"}, "0001-01-01 is in the past"),
        ({"days": 0}, "wrong arguments"),
        ({"days": "many"}, "wrong arguments"),
    ],
)
async def test_days_that_make_no_sense_are_refused(desk: Desk, arguments: dict[str, Any], sentence: str) -> None:
    assert sentence in await desk.refused("check_availability", arguments)


async def test_a_time_that_comes_twice_that_night_is_told_with_its_offset_and_can_be_booked(store: SqliteStore) -> None:
    desk = Desk(appointments_of(store), shop(hours={"sun": ["00:00-04:00"]}))
    desk.now = datetime(2026, 10, 30, 12, 0, tzinfo=UTC)
    (sunday,) = (await desk.told("check_availability", {"date": "2026-11-01"}))["free"]
    assert sunday["times"] == ["00:00", "01:00-04:00", "01:00-05:00", "02:00", "03:00"]
    first = await desk.told("book_appointment", {"starts_at": "2026-11-01T01:00", "name": "Anna"})
    second = await desk.told("book_appointment", {"starts_at": "2026-11-01T01:00-05:00", "name": "Ben"})
    third = await desk.refused("book_appointment", {"starts_at": "2026-11-01T01:00", "name": "Cem"})
    assert third.startswith("2026-11-01T01:00-04:00 is taken. The next free times are 2026-11-01T02:00")
    await desk.ask("cancel_appointment", {"appointment_id": second["appointment_id"]})
    again = await desk.told("book_appointment", {"starts_at": "2026-11-01T01:00", "name": "Cem"})
    assert again["starts_at"] == "2026-11-01T01:00-05:00"
    assert (first["starts_at"], second["starts_at"]) == ("2026-11-01T01:00-04:00", "2026-11-01T01:00-05:00")


# book_appointment


async def test_an_appointment_is_booked_told_and_put_on_the_record(desk: Desk) -> None:
    answer = await desk.ask("book_appointment", BOOKED_BY_ANNA)
    (stored,) = await desk.everything()
    assert json.loads(answer.output) == {
        "ok": True,
        "appointment_id": stored.appointment_id,
        "starts_at": "2026-11-23T10:00",
        "weekday": "Monday",
        "minutes": 60,
        "name": "Anna Smith",
        "reason": "a leak",
    }
    assert answer.events == (
        AppointmentBooked(
            appointment_id=stored.appointment_id,
            starts_at="2026-11-23T10:00:00-05:00",
            ends_at="2026-11-23T11:00:00-05:00",
            summary="Anna Smith: a leak",
        ),
    )
    assert (stored.caller, stored.phone, stored.dialled, stored.call_sid) == (ANNA, ANNA, "+15005550006", f"CA{1:032x}")
    assert (stored.starts_at, stored.ends_at) == (MONDAY_TEN, MONDAY_TEN + HOUR)


async def test_the_same_tool_call_twice_books_once_and_says_the_same(desk: Desk) -> None:
    first = await desk.ask("book_appointment", BOOKED_BY_ANNA)
    assert await desk.ask("book_appointment", BOOKED_BY_ANNA) == first
    assert len(await desk.everything()) == 1


async def test_a_taken_time_is_refused_with_the_next_ones(desk: Desk) -> None:
    await desk.ask("book_appointment", BOOKED_BY_ANNA)
    assert await desk.refused("book_appointment", BOOKED_BY_ANNA, BEN, call=2) == (
        "2026-11-23T10:00 is taken. The next free times are 2026-11-23T11:00, 2026-11-23T13:00, 2026-11-23T14:00"
    )


async def test_of_two_callers_at_once_one_gets_the_time_and_the_other_the_next_ones(desk: Desk) -> None:
    results = await asyncio.gather(
        *(desk.ask("book_appointment", BOOKED_BY_ANNA, caller, call) for call, caller in enumerate((ANNA, BEN), start=1)),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["ToolAnswer", "ToolFailed"]
    assert len(await desk.everything()) == 1


@pytest.mark.parametrize(
    ("starts_at", "sentence"),
    [
        ("2026-11-22T10:00", "2026-11-22T10:00 is outside opening hours. The next free times are 2026-11-23T09:00, "),
        ("2026-11-23T10:20", "no appointment begins at 2026-11-23T10:20. The next free times are 2026-11-23T09:00, "),
        (
            "2026-11-20T10:30",
            "that is too soon; appointments have to be made 1 hour ahead. The next free times are 2026-11-20T11:00",
        ),
        (
            "2025-11-23T10:00",
            "that is in the past; it is now 2026-11-20T10:00 at the business. The next free times are 2026-11-20T11",
        ),
        (
            "2027-11-23T10:00",
            "that is too far ahead; appointments can be made 30 days ahead. The next free times are 2026-11-20T11",
        ),
        ("at ten", "'at ten' is not a date and time; write it like 2026-11-23T10:00"),
    ],
)
async def test_a_time_that_cannot_be_booked_is_refused_with_the_next_ones(desk: Desk, starts_at: str, sentence: str) -> None:
    assert sentence in await desk.refused("book_appointment", {"starts_at": starts_at, "name": "Anna"})
    assert await desk.everything() == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({}, "still missing: starts_at, name. Ask the caller"),
        ({"starts_at": "2026-11-23T10:00", "name": None}, "still missing: name. Ask the caller"),
        ({"starts_at": "2026-11-23T10:00", "name": " \x00 "}, "the name is missing; ask the caller for it"),
        ({"starts_at": 20261123, "name": "Anna"}, "wrong arguments: Expected `str`, got `int` - at `$.starts_at`"),
    ],
)
async def test_arguments_that_are_missing_or_wrong_are_named(desk: Desk, arguments: dict[str, Any], sentence: str) -> None:
    assert await desk.refused("book_appointment", arguments) == sentence


async def test_when_everything_is_booked_the_ai_is_told_to_take_a_message(store: SqliteStore) -> None:
    desk = Desk(appointments_of(store), shop(hours={"mon": ["09:00-10:00"]}, horizon_days=4))
    await desk.ask("book_appointment", {"starts_at": "2026-11-23T09:00", "name": "Anna"})
    refusal = await desk.refused("book_appointment", {"starts_at": "2026-11-23T09:00", "name": "Ben"}, BEN, call=2)
    assert refusal == ("2026-11-23T09:00 is taken. Nothing is free as far ahead as can be booked; offer to take a message")


async def test_a_call_cannot_book_the_whole_calendar(desk: Desk) -> None:
    times = [f"2026-11-23T{hour:02}:00" for hour in (9, 10, 11, 13, 14, 15)]
    for starts_at in times[:MAX_PER_CALL]:
        await desk.ask("book_appointment", {"starts_at": starts_at, "name": "Anna"})
    refusal = await desk.refused("book_appointment", {"starts_at": times[MAX_PER_CALL], "name": "Anna"})
    assert refusal == "one call can book 5 appointments at most; offer to take a message"
    await desk.ask("book_appointment", {"starts_at": times[0], "name": "Anna"})
    await desk.ask("book_appointment", {"starts_at": times[MAX_PER_CALL], "name": "Anna"}, call=2)


async def test_two_of_a_family_come_at_the_same_time_where_there_is_room(store: SqliteStore) -> None:
    desk = Desk(appointments_of(store), shop(per_slot=2))
    anna = await desk.told("book_appointment", BOOKED_BY_ANNA)
    ben = await desk.told("book_appointment", {**BOOKED_BY_ANNA, "name": "Ben Smith"})
    assert anna["appointment_id"] != ben["appointment_id"]


async def test_an_id_that_is_taken_is_replaced_by_another(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = iter(["00000001", "00000001", "00000002"])
    monkeypatch.setattr("bridge.booking.new_appointment_id", lambda: next(ids))
    await desk.ask("book_appointment", BOOKED_BY_ANNA)
    told = await desk.told("book_appointment", {"starts_at": "2026-11-23T11:00", "name": "Ben"}, BEN, call=2)
    assert told["appointment_id"] == "00000002"


async def test_a_business_without_hours_says_so(desk: Desk) -> None:
    desk.profile = msgspec.structs.replace(desk.profile, hours=None)
    for tool, arguments in (("check_availability", {}), ("book_appointment", BOOKED_BY_ANNA)):
        assert "has not said when appointments can be; offer to take a message" in await desk.refused(tool, arguments)


# Whose appointments


async def booked(desk: Desk, starts_at: str = "2026-11-23T10:00", caller: str = ANNA, name: str = "Anna Smith") -> str:
    told = await desk.told("book_appointment", {"starts_at": starts_at, "name": name}, caller, call=7)
    return str(told["appointment_id"])


async def test_a_caller_finds_what_was_booked_from_their_number_on_the_telephone_or_whatsapp(desk: Desk) -> None:
    appointment_id = await booked(desk)
    await booked(desk, "2026-11-23T11:00", BEN, "Ben")
    for caller in (ANNA, f"whatsapp:{ANNA}"):
        (found,) = (await desk.told("find_appointments", caller=caller))["appointments"]
        assert (found["appointment_id"], found["starts_at"], found["name"]) == (appointment_id, "2026-11-23T10:00", "Anna Smith")


async def test_a_caller_finds_nothing_of_others(desk: Desk) -> None:
    await booked(desk)
    assert await desk.told("find_appointments", caller=BEN) == {"appointments": []}


@pytest.mark.parametrize("hidden", [HIDDEN, "anonymous", "client:anonymous", ""])
async def test_callers_who_hide_their_number_do_not_see_each_others_appointments(desk: Desk, hidden: str) -> None:
    appointment_id = await booked(desk, caller=hidden)
    assert await desk.told("find_appointments", caller=hidden) == {"appointments": []}
    for tool in ("cancel_appointment", "find_appointments"):
        assert "no such appointment" in await desk.refused(tool, {"appointment_id": appointment_id}, caller=hidden)
    found = await desk.told("find_appointments", {"appointment_id": appointment_id, "name": "anna"}, caller=hidden)
    assert found["appointments"][0]["starts_at"] == "2026-11-23T10:00"


@pytest.mark.parametrize("tool", ["find_appointments", "move_appointment", "cancel_appointment"])
async def test_from_another_number_the_digits_and_the_name_are_needed_and_nothing_is_given_away(desk: Desk, tool: str) -> None:
    appointment_id = await booked(desk)
    (before,) = await desk.everything()
    when = {"starts_at": "2026-11-23T11:00"} if tool == "move_appointment" else {}
    refusals = {
        await desk.refused(tool, {**which, **when}, caller=BEN, call=2)
        for which in (
            {"appointment_id": appointment_id},
            {"appointment_id": appointment_id, "name": "Ben"},
            {"appointment_id": "99999999", "name": "Anna Smith"},
            {"appointment_id": "", "name": "Anna Smith"} if tool != "find_appointments" else {"appointment_id": "x"},
            {"appointment_id": "'; DROP TABLE appointments; --", "name": "Anna"},
        )
    }
    (only_refusal,) = refusals
    assert "Anna" not in only_refusal
    assert await desk.everything() == [before]
    answer = await desk.ask(tool, {"appointment_id": f" {appointment_id[:4]}-{appointment_id[4:]} ", "name": "anna", **when}, BEN)
    assert appointment_id in answer.output


async def test_an_appointment_of_another_business_is_none_here(desk: Desk, store: SqliteStore) -> None:
    appointment_id = await booked(desk)
    elsewhere = Desk(appointments_of(store), msgspec.structs.replace(shop(), id="other"))
    for tool in ("find_appointments", "cancel_appointment"):
        assert "no such appointment" in await elsewhere.refused(tool, {"appointment_id": appointment_id, "name": "Anna Smith"})
    assert await elsewhere.told("find_appointments") == {"appointments": []}


@pytest.mark.parametrize("spelling", ["{}", 0, "٠٠٠٠٠٠٠١"])
async def test_the_digits_may_come_as_a_number_or_in_another_script(
    desk: Desk, spelling: str | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.booking.new_appointment_id", lambda: "00000001")
    await booked(desk)
    given_id = 1 if spelling == 0 else str(spelling).format("0000 0001")
    assert (await desk.told("cancel_appointment", {"appointment_id": given_id}))["ok"]


# cancel and move


async def test_a_cancelled_appointment_makes_room_and_is_kept(desk: Desk) -> None:
    await booked(desk)
    answer = await desk.ask("cancel_appointment")
    (kept,) = await desk.everything()
    assert (kept.status, kept.sequence, answer.events) == ("cancelled", 1, ())
    assert json.loads(answer.output)["cancelled"]["starts_at"] == "2026-11-23T10:00"
    await booked(desk, caller=BEN, name="Ben")


async def test_cancelling_twice_is_no_failure(desk: Desk) -> None:
    appointment_id = await booked(desk)
    first = await desk.ask("cancel_appointment", {"appointment_id": appointment_id})
    assert await desk.ask("cancel_appointment", {"appointment_id": appointment_id}) == first
    (kept,) = await desk.everything()
    assert kept.sequence == 1


async def test_an_appointment_is_moved_told_and_put_on_the_record(desk: Desk) -> None:
    appointment_id = await booked(desk)
    answer = await desk.ask("move_appointment", {"starts_at": "2026-11-24T11:00"})
    assert json.loads(answer.output)["starts_at"] == "2026-11-24T11:00"
    assert answer.events == (
        AppointmentBooked(
            appointment_id=appointment_id,
            starts_at="2026-11-24T11:00:00-05:00",
            ends_at="2026-11-24T12:00:00-05:00",
            summary="Anna Smith",
            moved_from="2026-11-23T10:00:00-05:00",
        ),
    )
    (moved,) = await desk.everything()
    assert (moved.appointment_id, moved.sequence) == (appointment_id, 1)
    await booked(desk, caller=BEN, name="Ben")


async def test_moving_to_where_it_is_already_changes_nothing(desk: Desk) -> None:
    await booked(desk)
    answer = await desk.ask("move_appointment", {"starts_at": "2026-11-23T10:00"})
    (kept,) = await desk.everything()
    assert (kept.sequence, answer.events) == (0, ())


async def test_a_move_to_a_time_that_is_taken_or_closed_leaves_it_where_it_is(desk: Desk) -> None:
    await booked(desk)
    await booked(desk, "2026-11-23T11:00", BEN, "Ben")
    taken = await desk.refused("move_appointment", {"starts_at": "2026-11-23T11:00"})
    assert taken == "2026-11-23T11:00 is taken. The next free times are 2026-11-23T13:00, 2026-11-23T14:00, 2026-11-23T15:00"
    assert "outside opening hours" in await desk.refused("move_appointment", {"starts_at": "2026-11-22T11:00"})
    assert [one.starts_at for one in await desk.everything()] == [MONDAY_TEN, MONDAY_TEN + HOUR]


async def test_a_time_that_only_the_appointment_itself_takes_is_offered_for_moving_it(store: SqliteStore) -> None:
    desk = Desk(appointments_of(store), shop(duration_min=60, step_min=30))
    await booked(desk)
    refusal = await desk.refused("move_appointment", {"starts_at": "2026-11-23T10:10"})
    assert refusal == (
        "no appointment begins at 2026-11-23T10:10. The next free times are 2026-11-23T09:00, 2026-11-23T09:30, 2026-11-23T10:00"
    )


async def test_with_several_the_ai_is_told_which_there_are_and_asks(desk: Desk) -> None:
    first, second = await booked(desk), await booked(desk, "2026-11-24T10:00")
    refusal = await desk.refused("cancel_appointment")
    assert refusal.startswith("the caller has 2 appointments; ask which, and give its appointment_id")
    assert first in refusal
    assert second in refusal
    assert (await desk.told("cancel_appointment", {"appointment_id": second}))["ok"]


async def test_with_several_the_name_may_tell_which(desk: Desk) -> None:
    await booked(desk)
    ben = await booked(desk, "2026-11-24T10:00", name="Ben Smith")
    assert (await desk.told("cancel_appointment", {"name": "Ben"}))["cancelled"]["appointment_id"] == ben


@pytest.mark.parametrize("tool", ["cancel_appointment", "move_appointment", "find_appointments"])
async def test_what_has_begun_or_was_cancelled_is_not_changed_any_more(desk: Desk, tool: str) -> None:
    appointment_id = await booked(desk)
    cancelled = await booked(desk, "2026-11-23T11:00")
    await desk.ask("cancel_appointment", {"appointment_id": cancelled})
    when = {"starts_at": "2026-11-25T11:00"} if tool == "move_appointment" else {}
    if tool != "cancel_appointment":
        assert "has been cancelled" in await desk.refused(tool, {"appointment_id": cancelled, **when})
    desk.now = MONDAY_TEN
    assert "has begun or is over" in await desk.refused(tool, {"appointment_id": appointment_id, **when})


# When the calendar is away


async def test_a_calendar_that_cannot_be_reached_is_a_sentence_and_no_name_is_logged(desk: Desk, store: SqliteStore) -> None:
    await store.close()
    with capture_logs() as logs:
        for tool, arguments in (("check_availability", {}), ("book_appointment", BOOKED_BY_ANNA), ("find_appointments", {})):
            assert await desk.refused(tool, arguments) == (
                "the calendar cannot be reached right now; say so, and offer to take a message"
            )
    assert [line["event"] for line in logs] == ["booking.failed"] * 3
    assert "Anna" not in str(logs)
    assert ANNA not in str(logs)


async def test_an_appointment_somebody_else_changes_meanwhile_is_looked_up_again(desk: Desk) -> None:
    appointment_id = await booked(desk)

    class Behind:
        """The calendar, one version behind."""

        def __getattr__(self, name: str) -> Any:
            return getattr(desk.calendar, name)

        async def get(self, appointment_id: str) -> Appointment | None:
            found = await desk.calendar.get(appointment_id)
            return msgspec.structs.replace(found, sequence=found.sequence - 1) if found else None

    behind = Desk(Behind(), desk.profile)
    refusal = await behind.refused("cancel_appointment", {"appointment_id": appointment_id})
    assert refusal == "the appointment has been changed by somebody else just now; look it up again"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(DECLARATIONS)),
    st.dictionaries(
        st.sampled_from(["starts_at", "name", "reason", "phone", "appointment_id", "date", "days"]),
        anything | st.sampled_from(["2026-11-23T10:00", "2026-11-24T13:00", "Anna", "00000001", 3]),
    ),
)
async def test_any_arguments_are_answered_with_json_or_a_sentence(desk: Desk, tool: str, arguments: dict[str, Any]) -> None:
    with suppress(ToolFailed):
        assert json.loads((await desk.ask(tool, arguments)).output)
        return
    assert 10 < len(await desk.refused(tool, arguments)) < 600


def test_every_tool_that_is_declared_is_run_and_no_other(desk: Desk) -> None:
    assert list(Booking(desk.calendar).tools) == list(DECLARATIONS)


def test_nothing_a_tool_is_told_is_needed_that_it_does_not_describe() -> None:
    for declared in DECLARATIONS.values():
        parameters = declared["parameters"]
        assert set(parameters.get("required", ())) <= parameters["properties"].keys()

"""Appointments booked, moved and cancelled on the telephone, by callers who are who they are."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from calls.appointments import Appointment, Bookable
from calls.business import WEEKDAYS, BusinessProfile
from calls.events import AnyEvent, AppointmentBooked, ToolCalled, ToolFinished
from calls.ids import BusinessId, CallSid
from calls.store import appointments_of
from calls.store.appointments import AppointmentStore
from simulator.scenario import CallerStep, Reply, Scenario, ToolCall
from tests.whole_calls.playing import CALLER, HANGS_UP, Call, Playing, business, of_kind, playing, scenario, spoken

ZONE = "Asia/Jerusalem"
OTHER_CALLER = "+15005550101"
ASKS = CallerStep(after_ms=60, say="Anna here, may I come?")


def shop(**rules: int) -> BusinessProfile:
    """A shop that is open all day, every day, so that these calls can be played at any time."""
    hours = {"timezone": ZONE} | {day: ["00:00-24:00"] for day in WEEKDAYS}
    return business(hours=hours, appointments=rules, tools={"builtin": ["check_availability", "book_appointment"]})


def tomorrow(profile: BusinessProfile, hour: int) -> str:
    """A beginning that can be booked, as the AI writes it."""
    day = datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=2)
    wall = f"{day}T{hour:02}:00"
    assert Bookable(profile, datetime.now(UTC)).start_of(wall)
    return wall


def calls_tool(*calls: ToolCall, then: str, caller: str = CALLER) -> Scenario:
    """A caller who asks, and a model that uses tools and then says something."""
    played = scenario(ASKS, HANGS_UP, caller=caller)
    reply = Reply(hears="come", call=calls, after_tools=then)
    return msgspec.structs.replace(played, mind=msgspec.structs.replace(played.mind, replies=(reply,)))


def books(starts_at: str, then: str = "Booked.", caller: str = CALLER) -> Scenario:
    call = ToolCall(name="book_appointment", arguments={"starts_at": starts_at, "name": "Anna", "reason": "a leak"})
    return calls_tool(call, then=then, caller=caller)


def calendar_of(stage: Playing) -> AppointmentStore:
    return appointments_of(stage.stage.deployment.store)


async def booked_before(stage: Playing, profile: BusinessProfile, starts_at: str, caller: str) -> Appointment:
    """An appointment of an earlier call."""
    (start,) = Bookable(profile, datetime.now(UTC)).start_of(starts_at)
    local = start.astimezone(ZoneInfo(ZONE))
    now = datetime.now(UTC)
    one = Appointment(
        appointment_id="12345678",
        business_id=BusinessId(profile.id),
        business_name=profile.name,
        starts_at=local,
        ends_at=local + timedelta(hours=1),
        timezone=ZONE,
        name="Ben Cohen",
        call_sid=CallSid("CA" + "7" * 32),
        caller=caller,
        dialled=profile.numbers[0],
        created_at=now,
        changed_at=now,
    )
    return await calendar_of(stage).book(one, per_slot=1)


async def played(stage: Playing, call: Call) -> tuple[list[AnyEvent], list[Any]]:
    """The call's events, and what its tools answered."""
    events = await call.over()
    (session,) = stage.stage.model.sessions
    items = [event.get("item", {}) for _, event in session.received]
    return events, [json.loads(item["output"]) for item in items if item.get("type") == "function_call_output"]


async def test_an_appointment_is_booked_said_and_on_the_record(tmp_path: Path) -> None:
    profile = shop()
    starts_at = tomorrow(profile, 10)
    asks = ToolCall(name="check_availability", arguments={"date": starts_at[:10]})
    wanted = books(starts_at)
    both = calls_tool(asks, *wanted.mind.replies[0].call, then="Booked.")
    async with playing(tmp_path, both, profile=profile) as stage:
        call = stage.call()
        events, outputs = await played(stage, call)
        free, answer = outputs
        stored = await calendar_of(stage).get(answer["appointment_id"])

    assert starts_at[11:] in free["free"][0]["times"]
    assert spoken("Booked.") in call.heard
    assert stored is not None
    assert (stored.local_start, stored.name, stored.caller, stored.call_sid) == (starts_at, "Anna", CALLER, call.sid)
    assert of_kind(events, AppointmentBooked) == [
        AppointmentBooked(
            appointment_id=stored.appointment_id,
            starts_at=stored.starts_at.isoformat(),
            ends_at=stored.ends_at.isoformat(),
            summary="Anna: a leak",
        )
    ]
    assert [(tool.name, tool.ok) for tool in of_kind(events, ToolFinished)] == [
        ("check_availability", True),
        ("book_appointment", True),
    ]


async def test_a_model_that_books_twice_has_booked_once(tmp_path: Path) -> None:
    profile = shop()
    (call_twice,) = books(tomorrow(profile, 10)).mind.replies[0].call
    async with playing(tmp_path, calls_tool(call_twice, call_twice, then="Booked."), profile=profile) as stage:
        events, outputs = await played(stage, stage.call())

    assert outputs[0] == outputs[1]
    assert len(of_kind(events, ToolCalled)) == 2
    assert len(of_kind(events, AppointmentBooked)) == 1


async def test_of_two_callers_who_want_one_hour_one_gets_it_and_both_are_told(tmp_path: Path) -> None:
    profile = shop()
    starts_at = tomorrow(profile, 10)
    first, second = books(starts_at), books(starts_at, caller=OTHER_CALLER)
    async with playing(tmp_path, first, second, profile=profile) as stage:
        calls = [stage.call(first), stage.call(second)]
        events = [event for call in calls for event in await call.over()]
        sessions = stage.stage.model.sessions
        items = [event.get("item", {}) for session in sessions for _, event in session.received]
        kept = await calendar_of(stage).between(datetime.now(UTC), datetime.now(UTC) + timedelta(days=9))

    answers = [json.loads(item["output"]) for item in items if item.get("type") == "function_call_output"]
    assert len(kept) == 1
    assert len(of_kind(events, AppointmentBooked)) == 1
    assert sorted(tool.ok for tool in of_kind(events, ToolFinished)) == [False, True]
    (refused,) = [answer["error"] for answer in answers if "error" in answer]
    assert refused.startswith(f"{starts_at} is taken. The next free times are {starts_at[:11]}11:00")
    assert all(spoken("Booked.") in call.heard for call in calls)  # what the scripted model says to either answer


async def test_a_caller_moves_their_appointment_and_nobody_elses(tmp_path: Path) -> None:
    profile = shop()
    own, wanted = tomorrow(profile, 10), tomorrow(profile, 15)
    moves = ToolCall(name="move_appointment", arguments={"starts_at": wanted})
    async with playing(tmp_path, calls_tool(moves, then="Moved."), profile=profile) as stage:
        before = await booked_before(stage, profile, own, CALLER)
        events, (answer,) = await played(stage, stage.call())
        after = await calendar_of(stage).get(before.appointment_id)

    assert after is not None
    assert (after.local_start, after.sequence, answer["starts_at"]) == (wanted, 1, wanted)
    (told,) = of_kind(events, AppointmentBooked)
    assert (told.starts_at, told.moved_from) == (after.starts_at.isoformat(), before.starts_at.isoformat())


async def test_a_caller_cancels_nothing_of_others_and_learns_nothing_of_them(tmp_path: Path) -> None:
    profile = shop()
    finds = ToolCall(name="find_appointments")
    cancels = ToolCall(name="cancel_appointment", arguments={"appointment_id": "12345678", "name": "Anna"})
    async with playing(tmp_path, calls_tool(finds, cancels, then="I can't find it."), profile=profile) as stage:
        before = await booked_before(stage, profile, tomorrow(profile, 10), OTHER_CALLER)
        events, (found, refused) = await played(stage, stage.call())
        after = await calendar_of(stage).get(before.appointment_id)

    assert after == before
    assert found == {"appointments": []}
    assert refused["error"].startswith("there is no such appointment")
    assert "Ben" not in json.dumps(refused)
    assert [(tool.name, tool.ok) for tool in of_kind(events, ToolFinished)] == [
        ("find_appointments", True),
        ("cancel_appointment", False),
    ]


async def test_a_caller_with_the_digits_and_the_name_cancels_from_any_telephone(tmp_path: Path) -> None:
    profile = shop()
    cancels = ToolCall(name="cancel_appointment", arguments={"appointment_id": "12345678", "name": "ben cohen"})
    async with playing(tmp_path, calls_tool(cancels, then="Cancelled."), profile=profile) as stage:
        before = await booked_before(stage, profile, tomorrow(profile, 10), OTHER_CALLER)
        await played(stage, stage.call())
        after = await calendar_of(stage).get(before.appointment_id)

    assert after is not None
    assert (after.status, after.sequence) == ("cancelled", 1)


async def test_a_calendar_that_fails_in_mid_call_is_told_to_the_model_and_the_call_goes_on(tmp_path: Path) -> None:
    profile = shop()
    async with playing(tmp_path, books(tomorrow(profile, 10), then="Sorry, I will take a message."), profile=profile) as stage:
        store = stage.stage.deployment.store
        await store.write(lambda db: db.execute("DROP TABLE appointments").rowcount)  # type: ignore[attr-defined]  # the store here is SQLite's
        call = stage.call()
        events, (answer,) = await played(stage, call)

    assert answer == {"error": "the calendar cannot be reached right now; say so, and offer to take a message"}
    assert spoken("Sorry, I will take a message.") in call.heard
    assert of_kind(events, AppointmentBooked) == []

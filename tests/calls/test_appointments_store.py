"""The calendar that is kept: booking, changing, looking up, forgetting."""

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from calls.appointments import Appointment
from calls.ids import BusinessId
from calls.store import appointments_of
from calls.store.appointments import AppointmentChanged, AppointmentIdTaken, AppointmentStore, SlotTaken
from calls.store.base import CallStore, StoreError, StoreUnavailable
from calls.store.dynamodb import DynamoStore
from calls.store.sqlite import SqliteStore
from tests.calls.booking import ANNA, BEN, MONDAY_TEN, NOW, appointment
from tests.calls.examples import HOSTILE

HOUR = timedelta(hours=1)
SHOP = BusinessId("corner-shop")
OTHER = BusinessId("other")


@pytest.fixture
def calendar(store: CallStore) -> AppointmentStore:
    return appointments_of(store)


async def booked(calendar: AppointmentStore, *appointments: Appointment) -> None:
    for one in appointments:
        await calendar.book(one, per_slot=100)


async def test_what_is_booked_is_there_for_everybody(calendar: AppointmentStore, other_store: CallStore) -> None:
    assert await calendar.book(appointment(), per_slot=1) == appointment()
    found = await appointments_of(other_store).get("00000001")
    assert found == appointment()
    assert found is not None
    assert found.starts_at.utcoffset() == MONDAY_TEN.utcoffset()


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:20]))
async def test_names_and_reasons_come_back_as_they_were(calendar: AppointmentStore, text: str) -> None:
    one = appointment(name=text, reason=text)
    await calendar.book(one, per_slot=1)
    assert await calendar.get(one.appointment_id) == one


async def test_a_slot_is_full_when_as_many_take_place_as_can(calendar: AppointmentStore) -> None:
    await calendar.book(appointment(1), per_slot=2)
    await calendar.book(appointment(2), per_slot=2)
    with pytest.raises(SlotTaken):
        await calendar.book(appointment(3), per_slot=2)
    with pytest.raises(SlotTaken):
        await calendar.book(appointment(3, starts_at=MONDAY_TEN + HOUR / 2), per_slot=2)
    around = [appointment(3, starts_at=MONDAY_TEN + HOUR), appointment(4, starts_at=MONDAY_TEN - HOUR)]
    assert [await calendar.book(one, per_slot=2) for one in around] == around


async def test_businesses_do_not_take_each_others_time(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1))
    elsewhere = appointment(2, business_id=OTHER)
    assert await calendar.book(elsewhere, per_slot=1) == elsewhere


async def test_what_is_cancelled_makes_room(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1))
    await calendar.change(appointment(1, status="cancelled", sequence=1), per_slot=1)
    assert await calendar.book(appointment(2), per_slot=1) == appointment(2)


async def test_an_appointment_over_midnight_takes_time_on_both_days(calendar: AppointmentStore) -> None:
    midnight = MONDAY_TEN.replace(hour=0)
    await calendar.book(appointment(1, starts_at=midnight - HOUR, minutes=120), per_slot=1)
    for start in (midnight - HOUR / 2, midnight + HOUR / 2):
        with pytest.raises(SlotTaken):
            await calendar.book(appointment(2, starts_at=start), per_slot=1)
    moved = appointment(1, starts_at=midnight + HOUR, minutes=120, sequence=1)
    await calendar.change(moved, per_slot=1)
    assert await calendar.book(appointment(2, starts_at=midnight - HOUR, minutes=120), per_slot=1)
    assert [one.appointment_id[-1] for one in await calendar.between(midnight, midnight + 9 * HOUR)] == ["2", "1"]


async def test_what_was_erased_makes_room(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1))
    await calendar.erase_caller(ANNA)
    again = appointment(1, caller=BEN)
    assert await calendar.book(again, per_slot=1) == again
    assert await calendar.of_caller(ANNA, SHOP, NOW) == []


async def test_a_call_that_asks_again_gets_what_it_has(calendar: AppointmentStore) -> None:
    first = appointment(1)
    await calendar.book(first, per_slot=1)
    again = msgspec.structs.replace(first, appointment_id="00000002", name="SMITH, anna", reason="a bigger leak")
    assert await calendar.book(again, per_slot=1) == first
    assert await calendar.get("00000002") is None


async def test_two_of_one_call_at_the_same_time_under_two_names_are_two(calendar: AppointmentStore) -> None:
    anna = appointment(1)
    ben = msgspec.structs.replace(anna, appointment_id="00000002", name="Ben Smith")
    await booked(calendar, anna)
    with pytest.raises(SlotTaken):
        await calendar.book(ben, per_slot=1)
    assert await calendar.book(ben, per_slot=2) == ben


async def test_an_id_is_given_out_once(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1))
    with pytest.raises(AppointmentIdTaken):
        await calendar.book(appointment(1, business_id=OTHER, name="Ben"), per_slot=1)
    assert await calendar.get("00000001") == appointment(1)


async def test_an_appointment_is_moved_even_by_less_than_its_own_length(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1))
    moved = appointment(1, starts_at=MONDAY_TEN + HOUR / 2, sequence=1)
    await calendar.change(moved, per_slot=1)
    assert await calendar.get("00000001") == moved


async def test_a_move_into_a_full_slot_changes_nothing(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1), appointment(2, starts_at=MONDAY_TEN + HOUR))
    with pytest.raises(SlotTaken):
        await calendar.change(appointment(1, starts_at=MONDAY_TEN + HOUR, sequence=1), per_slot=1)
    assert await calendar.get("00000001") == appointment(1)


@pytest.mark.parametrize("sequence", [0, 2])
async def test_only_the_version_that_follows_is_written(calendar: AppointmentStore, sequence: int) -> None:
    await booked(calendar, appointment(1))
    with pytest.raises(AppointmentChanged):
        await calendar.change(appointment(1, status="cancelled", sequence=sequence), per_slot=1)
    assert await calendar.get("00000001") == appointment(1)


async def test_what_was_never_booked_cannot_be_changed(calendar: AppointmentStore) -> None:
    with pytest.raises(AppointmentChanged):
        await calendar.change(appointment(9, sequence=1), per_slot=1)


async def test_a_stretch_of_time_has_what_takes_place_in_it_in_order(calendar: AppointmentStore) -> None:
    hours = [3, 1, 2, 0]
    await booked(calendar, *(appointment(hour + 1, starts_at=MONDAY_TEN + hour * HOUR) for hour in hours))
    await booked(calendar, appointment(8, business_id=OTHER))
    await calendar.change(appointment(2, starts_at=MONDAY_TEN + HOUR, status="cancelled", sequence=1), per_slot=1)

    async def found(since: float, until: float, **narrowed: object) -> list[str]:
        got = await calendar.between(MONDAY_TEN + since * HOUR, MONDAY_TEN + until * HOUR, **narrowed)  # type: ignore[arg-type]
        return [one.appointment_id[-1] for one in got]

    assert await found(0, 4, business_id=SHOP) == ["1", "3", "4"]
    assert await found(0, 4, business_id=SHOP, with_cancelled=True) == ["1", "2", "3", "4"]
    assert await found(0.5, 2.5, business_id=SHOP) == ["1", "3"]
    assert await found(1, 2, business_id=SHOP) == []
    assert await found(0, 1) == ["1", "8"]


async def test_a_caller_has_what_they_booked_and_is_still_to_come(calendar: AppointmentStore) -> None:
    await booked(
        calendar,
        appointment(1, starts_at=MONDAY_TEN + HOUR),
        appointment(2),
        appointment(3, caller=BEN),
        appointment(4, caller=None),
        appointment(5, business_id=OTHER),
        appointment(6, starts_at=NOW - HOUR),
    )
    await calendar.change(appointment(1, starts_at=MONDAY_TEN + HOUR, status="cancelled", sequence=1), per_slot=1)
    assert [one.appointment_id for one in await calendar.of_caller(ANNA, SHOP, NOW)] == ["00000002"]


async def test_a_caller_is_forgotten_everywhere(calendar: AppointmentStore) -> None:
    await booked(calendar, appointment(1), appointment(2, business_id=OTHER), appointment(3, caller=BEN))
    await calendar.change(appointment(1, status="cancelled", sequence=1), per_slot=1)
    assert await calendar.erase_caller(ANNA) == 2
    left = await calendar.between(NOW, MONDAY_TEN + 5 * HOUR, with_cancelled=True)
    assert [one.appointment_id for one in left] == ["00000003"]


async def test_what_is_long_over_is_deleted(calendar: AppointmentStore) -> None:
    old = NOW - timedelta(days=40)
    await booked(calendar, appointment(1, starts_at=old), appointment(2, starts_at=old, business_id=OTHER), appointment(3))
    assert await calendar.purge(NOW - timedelta(days=30), SHOP) == 1
    assert await calendar.purge(NOW - timedelta(days=30)) == 1
    assert await calendar.get("00000003") == appointment(3)


async def test_a_store_that_is_closed_says_so(path: Path) -> None:
    store = SqliteStore(path)
    await store.open()
    calendar = appointments_of(store)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await calendar.book(appointment(), per_slot=1)
    with pytest.raises(StoreUnavailable):
        await calendar.get("00000001")


async def test_a_row_that_cannot_be_read_is_an_error_of_the_store(calendar: AppointmentStore, store: CallStore) -> None:
    await booked(calendar, appointment(1))
    await spoil(store)
    with pytest.raises(StoreError, match="cannot read"):
        await calendar.get("00000001")


async def spoil(store: CallStore) -> None:
    """What is stored of appointments makes no sense any more."""
    if isinstance(store, DynamoStore):
        store.table.put({"pk": "APPOINTMENT#00000001", "sk": "APPOINTMENT", "sequence": 0, "appointment": "{}"})
        return
    assert isinstance(store, SqliteStore)
    await store.write(lambda db: db.execute("UPDATE appointments SET appointment = '{}'").rowcount)


def test_a_store_of_another_kind_keeps_no_appointments() -> None:
    with pytest.raises(StoreUnavailable, match="object keeps no appointments"):
        appointments_of(object())  # type: ignore[arg-type]

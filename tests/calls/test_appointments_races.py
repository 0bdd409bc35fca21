"""Several processes at one calendar: no slot is given away more often than it is there."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from calls.store import appointments_of
from calls.store.appointments import AppointmentChanged, AppointmentStore, SlotTaken
from calls.store.base import CallStore
from tests.calls.booking import MONDAY_TEN, appointment
from tests.calls.booking_process import HOURS
from tests.calls.test_store_races import outcomes

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60


@pytest.fixture
def here(store: CallStore) -> AppointmentStore:
    return appointments_of(store)


@pytest.fixture
def there(other_store: CallStore) -> AppointmentStore:
    return appointments_of(other_store)


async def started(stack: AsyncExitStack, url: str, number: int, per_slot: int) -> asyncio.subprocess.Process:
    """A process that is ready to book."""
    arguments = (url, str(number), MONDAY_TEN.isoformat(), str(per_slot))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.calls.booking_process", *arguments,
        cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stack.push_async_callback(_gone, process)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def _gone(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.mark.parametrize("per_slot", [1, 2])
async def test_of_processes_that_want_the_same_slots_exactly_as_many_get_each_as_there_is_room(
    store_url: str, here: AppointmentStore, per_slot: int
) -> None:
    async with asyncio.timeout(WITHIN_S), AsyncExitStack() as stack:
        processes = [await started(stack, store_url, number, per_slot) for number in range(1, 4)]
        answers = [text.decode().strip() for text, _ in await asyncio.gather(*(one.communicate(b"go\n") for one in processes))]
    stored = await here.between(MONDAY_TEN, MONDAY_TEN.replace(year=2027))

    assert [len(answer) for answer in answers] == [HOURS] * 3
    assert [sum(int(answer[hour]) for answer in answers) for hour in range(HOURS)] == [per_slot] * HOURS
    assert len(stored) == per_slot * HOURS


async def test_of_two_tasks_that_book_one_slot_exactly_one_does(here: AppointmentStore, there: AppointmentStore) -> None:
    results = await outcomes(*((here, there)[number % 2].book(appointment(number), per_slot=1) for number in range(10)))
    assert sorted(type(result).__name__ for result in results) == ["Appointment"] + ["SlotTaken"] * 9
    (stored,) = await here.between(MONDAY_TEN, MONDAY_TEN.replace(hour=16))
    assert stored in results


async def test_of_a_move_and_a_cancellation_of_one_version_exactly_one_is_done(
    here: AppointmentStore, there: AppointmentStore
) -> None:
    await here.book(appointment(), per_slot=1)
    later = MONDAY_TEN.replace(hour=18)
    moved = appointment(starts_at=later, sequence=1)
    cancelled = appointment(status="cancelled", sequence=1)
    results = await outcomes(here.change(moved, per_slot=1), there.change(cancelled, per_slot=1))
    assert [type(result) for result in results].count(AppointmentChanged) == 1
    assert await here.get(moved.appointment_id) == (moved if results[0] is None else cancelled)


async def test_of_a_move_and_a_booking_into_one_slot_exactly_one_gets_it(here: AppointmentStore, there: AppointmentStore) -> None:
    await here.book(appointment(), per_slot=1)
    later = MONDAY_TEN.replace(hour=18)
    moving, booking = appointment(starts_at=later, sequence=1), appointment(2, starts_at=later)
    results = await outcomes(here.change(moving, per_slot=1), there.book(booking, per_slot=1))
    assert [type(result) for result in results].count(SlotTaken) == 1
    assert len(await here.between(later, later.replace(hour=19))) == 1


async def test_a_call_that_asks_twice_at_once_has_one_appointment(here: AppointmentStore, there: AppointmentStore) -> None:
    first, again = appointment(1), appointment(2, call_sid=appointment(1).call_sid)
    results = await asyncio.gather(here.book(first, per_slot=5), there.book(again, per_slot=5))
    assert results[0] == results[1]
    assert len(await here.between(MONDAY_TEN, MONDAY_TEN.replace(hour=16))) == 1

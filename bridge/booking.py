"""The tools of the calendar: what is free, book, find, move, cancel.

Their arguments come from a model, and the model has them from a caller: whatever is wrong is answered with a sentence that helps
both on. A caller gets at their own appointments only, which are those booked from the number they call from, and the one whose
number and name they can give.
"""

import asyncio
import json
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
import structlog

from bridge.builtin_tools import BuiltinRun, ToolAnswer, ToolRequest
from bridge.conversation.booking_tools import DECLARATIONS, WITHIN_MS
from bridge.tool_runner import ToolFailed
from calls.appointments import (
    MAX_NAME,
    MAX_REASON,
    Appointment,
    Bookable,
    Busy,
    NotPossible,
    days_of,
    is_same_person,
    new_appointment_id,
    parse_day,
    plain_text,
    wall_clock,
)
from calls.business import BusinessProfile
from calls.caller_identity import identity_of
from calls.events import AppointmentBooked
from calls.ids import BusinessId
from calls.opening_times import instants_of
from calls.record import CallRecord
from calls.store.appointments import AppointmentChanged, AppointmentIdTaken, AppointmentStore, SlotTaken
from calls.store.base import StoreError

MAX_TIMES = 24
"""Free times told at once; the AI offers two or three of them."""
NEXT_TIMES = 3
"""Free times told with a refusal."""
MAX_PER_CALL = 5
"""Appointments one call may book: a family's, not a prankster's."""
_ID_ATTEMPTS = 5
_DAY = timedelta(days=1)
_NONE_SUCH = (
    "there is no such appointment booked from this number; ask for the eight digits of the appointment and the name it was booked "
    "under, and give both"
)

log = structlog.get_logger()
_T = TypeVar("_T")


class _Days(msgspec.Struct, frozen=True):
    date: str | None = None
    days: Annotated[int, msgspec.Meta(ge=1, le=14)] = 1


class _Wish(msgspec.Struct, frozen=True):
    starts_at: str
    name: str
    reason: str | None = None
    phone: str | None = None


class _Which(msgspec.Struct, frozen=True):
    appointment_id: str | Annotated[int, msgspec.Meta(ge=0, le=99_999_999)] | None = None
    name: str | None = None


class _Move(_Which, frozen=True, kw_only=True):
    starts_at: str


class Booking:
    """The calendar's tools, for all calls of a process. ``clock`` says what time it is, aware."""

    def __init__(self, appointments: AppointmentStore, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._appointments = appointments
        self._clock = clock
        run: Mapping[str, Callable[[ToolRequest], Awaitable[ToolAnswer]]] = {
            "check_availability": self._check_availability,
            "book_appointment": self._book,
            "find_appointments": self._find,
            "move_appointment": self._move,
            "cancel_appointment": self._cancel,
        }
        self.tools: Mapping[str, BuiltinRun] = {name: _spoken(run[name]) for name in DECLARATIONS}
        """By name. Each raises :class:`bridge.tool_runner.ToolFailed` with a sentence, and nothing else."""

    async def _check_availability(self, request: ToolRequest) -> ToolAnswer:
        asked = _given(request, _Days)
        bookable = Bookable(request.profile, self._clock())
        since, until = _days_asked_for(asked, bookable)
        taken = await self._taken(request.profile.business_id, since, until)
        free = await asyncio.to_thread(bookable.free, since, until, taken, MAX_TIMES + 1)
        told: dict[str, Any] = {
            "now": wall_clock(bookable.now, bookable.zone),
            "timezone": bookable.zone.key,
            "minutes": request.profile.appointments.duration_min,
            "free": days_of(free[:MAX_TIMES], bookable.zone),
        }
        if len(free) > MAX_TIMES:
            told["more"] = "there are more; ask again from a later day"
        if not free:
            told["next_free"] = days_of(await self._next_free(request.profile, bookable, until), bookable.zone)
        return _answer(told)

    async def _book(self, request: ToolRequest) -> ToolAnswer:
        wish = _given(request, _Wish)
        name = plain_text(wish.name, MAX_NAME)
        if not name:
            raise NotPossible("the name is missing; ask the caller for it")
        bookable = Bookable(request.profile, self._clock())
        starts = await self._starts(request.profile, bookable, wish.starts_at)
        await self._may_book_more(request.record, bookable, starts)
        wanted = _wanted(request, bookable, wish, name)
        booked = await self._first_with_room(starts, wanted, request.profile, bookable)
        return ToolAnswer(_json({"ok": True, **_told(booked)}), (_booked(booked),))

    async def _find(self, request: ToolRequest) -> ToolAnswer:
        which = _given(request, _Which)
        if which.appointment_id is not None:
            return _answer({"appointments": [_told(self._to_come(await self._one(request, which)))]})
        return _answer({"appointments": [_told(one) for one in await self._own(request)]})

    async def _move(self, request: ToolRequest) -> ToolAnswer:
        move = _given(request, _Move)
        bookable = Bookable(request.profile, self._clock())
        old = self._to_come(await self._one(request, move))
        starts = await self._starts(request.profile, bookable, move.starts_at, old)
        if old.starts_at in starts:
            return _answer({"ok": True, **_told(old)})
        new = msgspec.structs.replace(old, sequence=old.sequence + 1, changed_at=bookable.now)
        moved = await self._first_with_room(starts, new, request.profile, bookable)
        return ToolAnswer(_json({"ok": True, **_told(moved)}), (_booked(moved, moved_from=old),))

    async def _cancel(self, request: ToolRequest) -> ToolAnswer:
        old = await self._one(request, _given(request, _Which))
        if old.status == "cancelled":
            return _answer({"ok": True, "cancelled": _told(old)})
        self._to_come(old)
        now = self._clock().astimezone(UTC)
        new = msgspec.structs.replace(old, status="cancelled", sequence=old.sequence + 1, changed_at=now)
        await self._appointments.change(new, per_slot=0)
        return _answer({"ok": True, "cancelled": _told(new)})

    # --- times -------------------------------------------------------------------------------------------------------------

    async def _starts(
        self, profile: BusinessProfile, bookable: Bookable, text: str, moving: Appointment | None = None
    ) -> list[datetime]:
        """The instants that are meant. Raises :class:`NotPossible` with the next times that are free."""
        try:
            return bookable.start_of(text)
        except NotPossible as refused:
            free = await self._next_free(profile, bookable, _near(text, bookable), moving)
            raise NotPossible(f"{refused}. {_offer(free, bookable)}") from None

    async def _next_free(
        self, profile: BusinessProfile, bookable: Bookable, since: datetime, moving: Appointment | None = None
    ) -> list[datetime]:
        until = bookable.latest + _DAY
        if since >= bookable.latest:
            since = bookable.now
        taken = await self._taken(profile.business_id, since, until, moving)
        return await asyncio.to_thread(bookable.free, since, until, taken, NEXT_TIMES)

    async def _taken(
        self, business_id: BusinessId, since: datetime, until: datetime, moving: Appointment | None = None
    ) -> list[Busy]:
        found = await self._appointments.between(since, until + _DAY, business_id=business_id)
        own = moving.appointment_id if moving is not None else None
        return [Busy(one.starts_at, one.ends_at) for one in found if one.appointment_id != own]

    async def _first_with_room(
        self, starts: Sequence[datetime], wanted: Appointment, profile: BusinessProfile, bookable: Bookable
    ) -> Appointment:
        """Books, or moves, to the first of the instants that has room."""
        for start in starts:
            ends_at = (start + bookable.length).astimezone(bookable.zone)
            timed = msgspec.structs.replace(wanted, starts_at=start.astimezone(bookable.zone), ends_at=ends_at)
            try:
                return await self._written(timed, bookable.per_slot)
            except SlotTaken:
                continue
        moving = wanted if wanted.sequence else None
        free = await self._next_free(profile, bookable, starts[0], moving)
        raise NotPossible(f"{wall_clock(starts[0], bookable.zone)} is taken. {_offer(free, bookable)}")

    async def _written(self, appointment: Appointment, per_slot: int) -> Appointment:
        if appointment.sequence:
            await self._appointments.change(appointment, per_slot)
            return appointment
        for _ in range(_ID_ATTEMPTS):
            try:
                return await self._appointments.book(appointment, per_slot)
            except AppointmentIdTaken:
                appointment = msgspec.structs.replace(appointment, appointment_id=new_appointment_id())
        raise StoreError("no free appointment id was found")

    async def _may_book_more(self, record: CallRecord, bookable: Bookable, starts: Sequence[datetime]) -> None:
        others = await self._appointments.between(bookable.now, bookable.latest + _DAY, business_id=record.business_id)
        if sum(one.call_sid == record.call_sid and one.starts_at not in starts for one in others) >= MAX_PER_CALL:
            raise NotPossible(f"one call can book {MAX_PER_CALL} appointments at most; offer to take a message")

    # --- whose it is -------------------------------------------------------------------------------------------------------

    async def _own(self, request: ToolRequest) -> Sequence[Appointment]:
        """The caller's appointments to come."""
        caller = identity_of(request.record.from_)
        if caller is None:
            return []
        return await self._appointments.of_caller(caller, request.profile.business_id, self._clock())

    async def _one(self, request: ToolRequest, which: _Which) -> Appointment:
        """The appointment that is meant, if it is the caller's own; it may be over, or cancelled.

        Raises:
            NotPossible: otherwise. Nothing tells an appointment of somebody else from none at all.
        """
        if which.appointment_id is None:
            return _only(await self._own(request), which.name)
        found = await self._appointments.get(_digits(which.appointment_id))
        if found is None or found.business_id != request.profile.business_id or not _is_theirs(found, request, which):
            raise NotPossible(_NONE_SUCH)
        return found

    def _to_come(self, one: Appointment) -> Appointment:
        if one.status == "cancelled":
            raise NotPossible("that appointment has been cancelled; offer to book a new one")
        if one.starts_at <= self._clock():
            raise NotPossible("that appointment has begun or is over, and can not be changed any more")
        return one


def _spoken(run: BuiltinRun) -> BuiltinRun:
    """The tool with all that can go wrong in words, and bounded in time."""

    async def bounded(request: ToolRequest) -> ToolAnswer:
        try:
            async with asyncio.timeout(WITHIN_MS / 1000):
                return await run(request)
        except NotPossible as refused:
            raise ToolFailed(str(refused)) from None
        except AppointmentChanged:
            raise ToolFailed("the appointment has been changed by somebody else just now; look it up again") from None
        except (StoreError, TimeoutError) as error:
            log.error("booking.failed", call_sid=request.record.call_sid, tool=request.name, why=str(error) or "timeout")
            raise ToolFailed("the calendar cannot be reached right now; say so, and offer to take a message") from None

    return bounded


def _given(request: ToolRequest, shape: type[_T]) -> _T:
    """The arguments, as far as they are known. Raises :class:`NotPossible`."""
    sent = {key: value for key, value in request.arguments.items() if value not in (None, "")}
    try:
        return msgspec.convert(sent, shape)
    except msgspec.ValidationError as error:
        required = DECLARATIONS[request.name]["parameters"].get("required", [])
        missing = [name for name in required if name not in sent]
        if missing:
            raise NotPossible(f"still missing: {', '.join(missing)}. Ask the caller") from None
        raise NotPossible(f"wrong arguments: {str(error)[:200]}") from None


def _days_asked_for(asked: _Days, bookable: Bookable) -> tuple[datetime, datetime]:
    """From when until when to look."""
    first = parse_day(asked.date) if asked.date is not None else bookable.now.astimezone(bookable.zone).date()
    nearest, farthest = bookable.now.date() - 2 * _DAY, bookable.latest.date() + 2 * _DAY
    if not nearest <= first <= farthest:
        past = first < nearest
        today = wall_clock(bookable.now, bookable.zone)[:10]
        raise NotPossible(
            f"{first} is in the past; today is {today}"
            if past
            else f"{first} is too far ahead; the last day is {farthest - 2 * _DAY}"
        )
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return _midnight(since, bookable), _midnight(since + asked.days * _DAY, bookable)


def _midnight(day: datetime, bookable: Bookable) -> datetime:
    """When a day begins at the business."""
    naive = day.replace(tzinfo=None)
    for minutes in range(0, 180, 15):  # where clocks jump over midnight the day begins when they have
        if found := instants_of(naive + timedelta(minutes=minutes), bookable.zone):
            return found[0]
    return day


def _near(text: str, bookable: Bookable) -> datetime:
    """From when on other times are offered instead: the day that was asked for, if there is one."""
    try:
        day = parse_day(text)
    except NotPossible:
        return bookable.now
    if not bookable.now.date() - _DAY <= day <= bookable.latest.date():
        return bookable.now
    return max(bookable.now, _midnight(datetime(day.year, day.month, day.day, tzinfo=UTC), bookable))


def _wanted(request: ToolRequest, bookable: Bookable, wish: _Wish, name: str) -> Appointment:
    caller = identity_of(request.record.from_)
    return Appointment(
        appointment_id=new_appointment_id(),
        business_id=request.profile.business_id,
        business_name=request.profile.name,
        starts_at=bookable.now,
        ends_at=bookable.now,
        timezone=bookable.zone.key,
        name=name,
        reason=plain_text(wish.reason or "", MAX_REASON),
        phone=plain_text(wish.phone or "", MAX_NAME) or (caller or ""),
        call_sid=request.record.call_sid,
        caller=caller,
        dialled=request.record.to,
        created_at=bookable.now,
        changed_at=bookable.now,
    )


def _is_theirs(one: Appointment, request: ToolRequest, which: _Which) -> bool:
    caller = identity_of(request.record.from_)
    return (caller is not None and one.caller == caller) or is_same_person(which.name or "", one.name)


def _only(own: Sequence[Appointment], name: str | None) -> Appointment:
    """The one that is meant without its digits."""
    fitting = [one for one in own if name is None or is_same_person(name, one.name)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise NotPossible(_NONE_SUCH)
    some = "; ".join(f"{one.appointment_id}: {one.local_start}, {one.name}" for one in fitting[:5])
    raise NotPossible(f"the caller has {len(fitting)} appointments; ask which, and give its appointment_id ({some})")


def _digits(appointment_id: str | int) -> str:
    """The digits, however they are grouped and in whichever script."""
    if isinstance(appointment_id, int):
        return f"{appointment_id:08d}"
    return "".join(str(unicodedata.digit(char)) for char in appointment_id if char.isdigit())


def _offer(free: Sequence[datetime], bookable: Bookable) -> str:
    if not free:
        return "Nothing is free as far ahead as can be booked; offer to take a message"
    return f"The next free times are {', '.join(wall_clock(at, bookable.zone) for at in free)}"


def _told(one: Appointment) -> dict[str, Any]:
    """An appointment as the AI is told of it."""
    return {
        "appointment_id": one.appointment_id,
        "starts_at": one.local_start,
        "weekday": one.starts_at.strftime("%A"),
        "minutes": round((one.ends_at - one.starts_at).total_seconds() / 60),
        "name": one.name,
        "reason": one.reason,
    }


def _booked(one: Appointment, moved_from: Appointment | None = None) -> AppointmentBooked:
    return AppointmentBooked(
        appointment_id=one.appointment_id,
        starts_at=one.starts_at.isoformat(),
        ends_at=one.ends_at.isoformat(),
        summary=one.summary,
        moved_from=moved_from.starts_at.isoformat() if moved_from is not None else None,
    )


def _answer(told: dict[str, Any]) -> ToolAnswer:
    return ToolAnswer(_json(told))


def _json(told: dict[str, Any]) -> str:
    return json.dumps(msgspec.to_builtins(told), ensure_ascii=False)

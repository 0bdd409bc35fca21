"""Businesses and appointments the tests of the calendar are about."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from calls.appointments import Appointment
from calls.business import BusinessProfile
from calls.ids import BusinessId, CallSid

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
"""A Friday, ten in the morning in New York."""
MONDAY_TEN = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
WEEK = {day: ["09:00-12:00", "13:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
ANNA = "+15005550001"
BEN = "+15005550002"


def shop(zone: str = "America/New_York", hours: dict[str, list[str]] | None = None, **rules: int) -> BusinessProfile:
    """A business; ``rules`` are keys of its [appointments]."""
    file: dict[str, Any] = {
        "id": "corner-shop",
        "name": "Corner Shop",
        "numbers": ["+15005550006"],
        "language": "en",
        "voice": "alloy",
        "instructions": "You answer the phone.",
        "hours": {"timezone": zone, **(WEEK if hours is None else hours)},
        "appointments": rules,
        "tools": {"builtin": ["check_availability", "book_appointment"]},
    }
    return msgspec.convert(file, BusinessProfile)


def appointment(number: int = 1, *, starts_at: datetime = MONDAY_TEN, minutes: int = 60, **changes: Any) -> Appointment:
    """An appointment of Anna's on Monday at ten, in New York."""
    one = Appointment(
        appointment_id=f"{number:08d}",
        business_id=BusinessId("corner-shop"),
        business_name="Corner Shop",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        timezone="America/New_York",
        name="Anna Smith",
        reason="a leak",
        phone=ANNA,
        call_sid=CallSid(f"CA{number:032x}"),
        caller=ANNA,
        dialled="+15005550006",
        created_at=NOW,
        changed_at=NOW,
    )
    return msgspec.structs.replace(one, **changes)

"""The tools of the calendar as the model is told of them. ``bridge.booking`` runs them."""

from typing import Any, Final

WITHIN_MS = 5000
"""How long a look into the calendar may take."""

_LOCAL = "on the clock at the business, such as 2026-11-23T10:00; add an offset only where a free time was given with one"
_START = {"type": "string", "description": f"A beginning that check_availability gave, {_LOCAL}"}
_NAME = {"type": "string", "description": "The caller's name, as they confirmed it"}
_WHICH: dict[str, Any] = {
    "appointment_id": {
        "type": "string",
        "description": "The eight digits of the appointment. May be left out if the caller has only one, booked from this number",
    },
    "name": {
        "type": "string",
        "description": "The name it was booked under; needed, with the digits, if it was booked from another number",
    },
}

DECLARATIONS: Final[dict[str, dict[str, Any]]] = {
    "check_availability": {
        "description": (
            "Says which appointments are free. Call it before you offer or book a time; never make one up. Offer the caller two or "
            "three of the times, not all."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "date": {"type": "string", "description": "The first day to look at, such as 2026-11-23; today if left out"},
                "days": {"type": "integer", "description": "How many days to look at, 1 to 14; 1 if left out"},
            },
        },
    },
    "book_appointment": {
        "description": (
            "Books an appointment. Only after the caller has confirmed the day, the time and the name. It is booked once this tool "
            "says so, not before. Then tell the caller the day and the time, and the number of the appointment digit by digit."
        ),
        "parameters": {
            "type": "object",
            "properties": {
                "starts_at": _START,
                "name": _NAME,
                "reason": {"type": "string", "description": "What it is about, in a few words"},
                "phone": {"type": "string", "description": "A number to reach the caller at, if not the one they call from"},
            },
            "required": ["starts_at", "name"],
        },
    },
    "find_appointments": {
        "description": (
            "Says which appointments the caller has: those booked from the number they call from, or the one whose digits and name "
            "they give. You cannot look up anybody else's."
        ),
        "parameters": {"type": "object", "properties": _WHICH},
    },
    "move_appointment": {
        "description": "Moves an appointment of the caller to another time, once they have confirmed it.",
        "parameters": {"type": "object", "properties": {**_WHICH, "starts_at": _START}, "required": ["starts_at"]},
    },
    "cancel_appointment": {
        "description": "Cancels an appointment of the caller, once they have confirmed which.",
        "parameters": {"type": "object", "properties": _WHICH},
    },
}

"""Calls the business itself places: what becomes of one that a machine answers, and how the voice webhook learns of it.

Twilio asks the address that was given when the call was placed. What was wanted travels in that address, as one parameter without
anything that would have to be escaped: Twilio signs addresses as they are given and may send their queries differently spelled.
"""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal, get_args

import msgspec

Direction = Literal["inbound", "outbound"]

OnMachine = Literal["hang-up", "leave-message", "talk"]
"""What to do when a machine answers; ``talk``: whoever answers gets the AI, at once and unasked."""
ON_MACHINE: tuple[OnMachine, ...] = get_args(OnMachine)

PARAMETER = "outbound"
MAX_MESSAGE_CHARS = 500
"""Of a message given with the call; it has to fit into an address."""

_MACHINES = frozenset(("machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax"))


class Errand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the caller of an outbound call wants."""

    on_machine: OnMachine = "hang-up"
    message: str | None = None
    """Left on a machine instead of the business's own."""

    def query(self) -> str:
        """The query of the address Twilio asks."""
        encoded = urlsafe_b64encode(msgspec.json.encode(self)).decode("ascii").rstrip("=")
        return f"{PARAMETER}={encoded}"


def errand_of(parameter: str) -> Errand:
    """The errand of an address. One that cannot be read is the cautious one: hang up on a machine."""
    try:
        return msgspec.json.decode(urlsafe_b64decode(parameter + "=" * (-len(parameter) % 4)), type=Errand)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        return Errand()


def is_machine(answered_by: str) -> bool:
    """Whether ``AnsweredBy`` says that nobody is listening (Twilio, *Answering machine detection*). ``unknown`` is taken for a
    person: a silent line is worse for one than a greeting is for a machine."""
    return answered_by.lower() in _MACHINES

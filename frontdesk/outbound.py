"""Placing a call (Twilio, *Call resource: create a call*) and following it to its end."""

import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from calls.address import is_e164
from calls.admission import is_blocked
from calls.business import BusinessProfile
from calls.business_checks import address_key
from calls.cli_output import CommandError
from calls.exit_codes import ExitCode
from calls.hours import is_open_at
from calls.outbound import MAX_MESSAGE_CHARS, Errand, OnMachine, is_machine

if TYPE_CHECKING:
    from twilio.rest import Client

EVERY_S = 1.0
_PASSING = (404, 429)  # a call that was just placed may not be known everywhere yet
GIVES_UP_AFTER = 5
"""Questions in a row that Twilio does not answer."""
_OVER = ("completed", "busy", "failed", "no-answer", "canceled")
_DETECTION = {"hang-up": "Enable", "leave-message": "DetectMessageEnd"}
_IN_WORDS = {
    "ringing": "ringing",
    "busy": "busy",
    "failed": "the call could not be connected",
    "no-answer": "nobody answered",
    "canceled": "the call was canceled",
}


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A call to be placed, checked."""

    to: str
    from_: str = msgspec.field(name="from")
    errand: Errand


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a call has come."""

    call_sid: str
    status: str
    answered_by: str | None = None
    duration_s: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.status in _OVER


def call_to(profile: BusinessProfile, to: str, from_: str | None, on_machine: OnMachine, message: str | None = None) -> Placed:
    """The call as it will be asked for.

    Raises:
        CommandError: a number is none, is not the business's, or is blocked; or there is nothing to leave on a machine.
    """
    number = _number(to)
    own = _own_number(profile, from_)
    if address_key(number) in map(address_key, profile.numbers):
        raise CommandError(f"{number} is {profile.id}'s own number; it would call itself", ExitCode.USAGE)
    if is_blocked(profile, number):
        raise CommandError(f"{profile.id} has blocked {number}; take it from blocked in its file to call it")
    if message is not None and on_machine != "leave-message":
        raise CommandError("--text is what is left on a machine; give --machine leave-message with it", ExitCode.USAGE)
    if message is not None and (not message.strip() or len(message) > MAX_MESSAGE_CHARS):
        raise CommandError(f"--text has to have 1 to {MAX_MESSAGE_CHARS} characters", ExitCode.USAGE)
    if on_machine == "leave-message" and message is None and profile.machine_message is None:
        raise CommandError(
            f"{profile.id} has nothing to leave on a machine; give --text, or add machine_message to [outbound] in its file",
            ExitCode.USAGE,
        )
    return Placed(to=number, from_=own, errand=Errand(on_machine=on_machine, message=message))


def doubts(profile: BusinessProfile, now: datetime) -> list[str]:
    """What speaks against calling now."""
    return [] if is_open_at(profile, now) else [f"{profile.name} is closed now"]


def place(client: "Client", placed: Placed, origin: str) -> str:
    """Places the call and returns its SID. Twilio asks ``/incoming-call`` once somebody has answered.

    Raises:
        CommandError: it is not known whether the call was placed.
    """
    from requests.exceptions import ConnectTimeout, Timeout  # noqa: PLC0415  # takes longer to load than `--help` may

    on_machine = placed.errand.on_machine
    extra: dict[str, Any] = {"machine_detection": _DETECTION[on_machine]} if on_machine in _DETECTION else {}
    try:
        call = client.calls.create(
            to=placed.to,
            from_=placed.from_,
            url=f"{origin}/incoming-call?{placed.errand.query()}",
            fallback_url=f"{origin}/fallback",
            status_callback=f"{origin}/call-status",
            **extra,
        )
    except ConnectTimeout:
        raise
    except Timeout:
        raise CommandError(
            "Twilio has not answered in time, so the call may have been placed; look into Twilio's call log before you try again"
        ) from None
    return str(call.sid)


def follow(client: "Client", call_sid: str, tell: Callable[[str], None], sleep: Callable[[float], None] = time.sleep) -> Progress:
    """Says what becomes of a call, as it becomes known, until it is over.

    Raises:
        requests.exceptions.RequestException, twilio.base.exceptions.TwilioRestException: Twilio has not answered five times in a
            row; the call goes on.
    """
    from requests.exceptions import RequestException  # noqa: PLC0415
    from twilio.base.exceptions import TwilioRestException  # noqa: PLC0415

    told: str | None = None
    failures = 0
    while True:
        try:
            progress = _progress(client, call_sid)
            failures = 0
        except (RequestException, TwilioRestException) as error:
            if isinstance(error, TwilioRestException) and error.status not in _PASSING and error.status < 500:
                raise
            failures += 1
            if failures == GIVES_UP_AFTER:
                raise
        else:
            sentence = in_words(progress)
            if sentence is not None and sentence != told:
                tell(sentence)
                told = sentence
            if progress.is_over:
                return progress
        sleep(EVERY_S)


def in_words(progress: Progress) -> str | None:
    """What to tell of it; ``None`` before anything has happened."""
    who = progress.answered_by
    match progress.status:
        case "in-progress":
            return f"answered by {_who(who)}" if who else "answered"
        case "completed":
            by = f", answered by {_who(who)}" if who else ""
            return f"ended after {progress.duration_s or 0} s{by}"
        case status:
            return _IN_WORDS.get(status)


def has_reached_somebody(progress: Progress, errand: Errand) -> bool:
    """Whether the call did what it was for: a conversation, or the message left."""
    if progress.status != "completed":
        return False
    who = progress.answered_by or ""
    return not is_machine(who) or (errand.on_machine == "leave-message" and who != "fax")


def _who(answered_by: str) -> str:
    if answered_by == "human":
        return "a person"
    if answered_by == "fax":
        return "a fax machine"
    return "a machine" if is_machine(answered_by) else "somebody or a machine, which could not be told"


def _progress(client: "Client", call_sid: str) -> Progress:
    call = client.calls(call_sid).fetch()
    duration = str(call.duration or "")
    return Progress(
        call_sid=call_sid,
        status=str(call.status or ""),
        answered_by=call.answered_by or None,
        duration_s=int(duration) if duration.isdecimal() else None,
    )


def _number(text: str) -> str:
    digits = re.sub(r"[\s().-]", "", text)
    if not is_e164(digits):
        raise CommandError(f"{text!r} is no number that can be called; write it in full, such as +15005550100", ExitCode.USAGE)
    return digits


def _own_number(profile: BusinessProfile, from_: str | None) -> str:
    """The number the called person sees: one that brings them back to the business when they call it."""
    numbers = [number for number in profile.numbers if is_e164(number)]
    if not numbers:
        raise CommandError(f"{profile.id} has no telephone number to call from; add one to numbers in its file")
    if from_ is None:
        return numbers[0]
    number = _number(from_)
    if number not in numbers:
        raise CommandError(f"{number} is not a number of {profile.id}, which has {', '.join(numbers)}", ExitCode.USAGE)
    return number

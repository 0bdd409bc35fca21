"""Calls the business has placed (Twilio, *Call resource: create a call*): Twilio asks the same webhook once somebody has picked up.

The business is then who calls, and the person who is called is the other party. There is nobody to reject, and no message to take:
who is called did not want anything.
"""

from twilio.twiml.voice_response import VoiceResponse

from calls.admission import Refusal, is_blocked
from calls.business import BusinessProfile
from calls.outbound import PARAMETER, errand_of, is_machine
from calls.record import Disposition
from webhooks.event import Event, text
from webhooks.parties import caller_of
from webhooks.twiml import hang_up, hang_up_after, sorry

NOTHING_MORE = Disposition(action="hang_up", reason="")
"""What becomes of somebody who was called and does not get the AI."""


def refusal_of_placed(profile: BusinessProfile, event: Event) -> Refusal | None:
    """Why whoever picked up does not get the AI: the business wants nothing to do with them, or it is a machine."""
    if is_blocked(profile, caller_of(event).address):
        return "blocked"
    wants_people = errand_of(text(event, PARAMETER)).on_machine != "talk"
    return "answering_machine" if wants_people and is_machine(text(event, "AnsweredBy")) else None


def refused(profile: BusinessProfile, event: Event, refusal: str) -> VoiceResponse:
    """What whoever picked up hears instead of the AI: on a machine the message that is to be left, if there is one."""
    match refusal:
        case "answering_machine":
            return _message_left(profile, event)
        case "blocked":
            return hang_up()
        case _:
            return sorry(profile)


def _message_left(profile: BusinessProfile, event: Event) -> VoiceResponse:
    errand = errand_of(text(event, PARAMETER))
    if errand.on_machine != "leave-message" or text(event, "AnsweredBy").lower() == "fax":
        return hang_up()
    return hang_up_after(errand.message or profile.machine_message or "", profile.language)

"""Who calls whom, under which SIDs, and the parameters every webhook of the call carries.

Follows Twilio, *TwiML request parameters*, and the key set of live requests: the ``Called…``/``Caller…`` twins, blank values
such as ``FromZip=``, ``CallToken`` and ``StirVerstat`` are there because the real ones are.
"""

import random
from dataclasses import dataclass

_COUNTRIES = {"+1": "US", "+972": "IL", "+44": "GB", "+49": "DE", "+33": "FR", "+34": "ES", "+81": "JP"}


def new_sid(prefix: str, rng: random.Random) -> str:
    """A SID of Twilio's form: ``prefix`` and 32 hex digits."""
    return f"{prefix}{rng.getrandbits(128):032x}"


@dataclass(frozen=True, slots=True)
class Identity:
    """The call, as its parameters name it."""

    account_sid: str
    call_sid: str
    from_: str
    to: str
    call_token: str
    application_sid: str
    sip_call_id: str
    direction: str = "inbound"
    """``outbound-api``: the account has placed the call."""

    @classmethod
    def draw(cls, account_sid: str, from_: str, to: str, rng: random.Random, direction: str = "inbound") -> "Identity":
        """The same generator state gives the same identity."""
        return cls(
            account_sid=account_sid,
            call_sid=new_sid("CA", rng),
            from_=from_,
            to=to,
            call_token=f"{rng.getrandbits(256):064x}",
            application_sid=new_sid("AP", rng),
            sip_call_id=f"{rng.getrandbits(96):024x}@203.0.113.9",
            direction=direction,
        )

    def params(self, call_status: str) -> dict[str, str]:
        """The standard parameters of a voice webhook; ``call_status`` is ``ringing`` in the first and ``in-progress`` later."""
        params = {
            "AccountSid": self.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.call_sid,
            "CallStatus": call_status,
            "Called": self.to,
            "Caller": self.from_,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
        }
        if self.direction != "inbound":
            return params | self._places()
        match self.from_.partition(":")[0]:
            case "whatsapp":
                return params | {"ApplicationSid": self.application_sid}
            case "client":
                return params | {"ApplicationSid": self.application_sid}
            case "sip" | "sips":
                return params | self._sip()
        return params | {"CallToken": self.call_token} | self._places() | {"StirVerstat": "TN-Validation-Passed-A"}

    def _sip(self) -> dict[str, str]:
        user, _, domain = self.to.partition(":")[2].partition("@")
        return {
            "SipCallId": self.sip_call_id,
            "SipDomain": (domain or user).partition(";")[0],
            "SipDomainSid": "SD" + self.application_sid[2:],
            "SipSourceIp": "203.0.113.9",
            "SipUsername": self.from_.partition(":")[2].partition("@")[0],
        }

    def _places(self) -> dict[str, str]:
        places: dict[str, str] = {}
        for side, number in (("From", self.from_), ("Caller", self.from_), ("To", self.to), ("Called", self.to)):
            country = _country(number)
            places |= {f"{side}City": "", f"{side}Country": country, f"{side}State": _state(country), f"{side}Zip": ""}
        return places


def _country(number: str) -> str:
    """The ISO code, blank for what is not a number."""
    return next((country for prefix, country in _COUNTRIES.items() if number.startswith(prefix)), "")


def _state(country: str) -> str:
    return "CA" if country == "US" else ""

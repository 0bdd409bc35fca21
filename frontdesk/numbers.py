"""What a Twilio number does with its calls (Twilio, *IncomingPhoneNumber resource*): reading it, and saying it in words."""

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from calls.address import is_e164
from calls.cli_output import CommandError
from calls.exit_codes import ExitCode

if TYPE_CHECKING:
    from twilio.rest import Client

_CALLS_AT = ("/incoming-call", "/api/realtime/incoming", "/api/twiml")
_PAGE = 200
_SERVED_BY = (
    (re.compile(r"handler\.twilio\.com"), "a TwiML Bin"),
    (re.compile(r"webhooks\.twilio\.com"), "a Studio flow"),
    (re.compile(r"demo\.twilio\.com"), "Twilio's demo"),
    (re.compile(r".*\.twil\.io"), "a Twilio Function"),
)


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number's calls go; ``""`` for what is not set. The names are those of Twilio's parameters."""

    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str = ""
    """A TwiML app: Twilio then asks its addresses instead of these."""
    trunk_sid: str = ""
    """A SIP trunk: Twilio then asks nobody."""

    def differences(self, other: "Setup") -> dict[str, tuple[str, str]]:
        """What would have to change to make it ``other``: by name, from and to."""
        mine, others = msgspec.structs.asdict(self), msgspec.structs.asdict(other)
        return {name: (value, others[name]) for name, value in mine.items() if value != others[name]}


class OwnNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number of the Twilio account."""

    sid: str
    account_sid: str
    number: str
    name: str
    setup: Setup


def setup_for(origin: str) -> Setup:
    """How a number is set up to reach a Frontdesk at ``origin``."""
    return Setup(
        voice_url=f"{origin}/incoming-call", voice_fallback_url=f"{origin}/fallback", status_callback=f"{origin}/call-status"
    )


def all_numbers(client: "Client") -> list[OwnNumber]:
    """Every number of the account, page by page."""
    return [_number_of(one) for one in client.incoming_phone_numbers.list(page_size=_PAGE)]


def number_named(client: "Client", name: str) -> OwnNumber:
    """The number with these digits, or this SID.

    Raises:
        CommandError: it is neither, or the account has none such.
    """
    if re.fullmatch(r"PN[0-9a-f]{32}", name):
        return _number_of(client.incoming_phone_numbers(name).fetch())
    digits = re.sub(r"[\s().-]", "", name)
    if not is_e164(digits):
        raise CommandError(f"{name!r} is no telephone number; write it in full, such as +15005550006", ExitCode.USAGE)
    found = (_number_of(one) for one in client.incoming_phone_numbers.list(phone_number=digits, page_size=_PAGE))
    number = next((one for one in found if one.number == digits), None)
    if number is None:
        raise CommandError(
            f"the Twilio account has no number {digits}; `frontdesk numbers show` lists those it has", ExitCode.NOT_FOUND
        )
    return number


def set_up(client: "Client", number: OwnNumber, wanted: Setup) -> Setup:
    """Changes what has to be changed, in one request, and returns what Twilio has made of it."""
    changes: dict[str, Any] = {name: new for name, (_, new) in number.setup.differences(wanted).items()}
    return _number_of(client.incoming_phone_numbers(number.sid).update(**changes)).setup if changes else number.setup


def in_words(setup: Setup, origin: str | None) -> str:
    """What happens to a call. ``origin``: where Frontdesk is, if that is known."""
    if setup.trunk_sid:
        return f"SIP trunk {setup.trunk_sid}: calls go there, the addresses are not asked"
    if setup.voice_application_sid:
        return f"TwiML app {setup.voice_application_sid}: its addresses are asked instead of these"
    if not setup.voice_url:
        return "points nowhere: callers hear that nothing is set up"
    if origin is not None and _is_below(setup.voice_url, origin):
        return _here(setup, origin)
    return f"points to {setup.voice_url}{_served_by(setup.voice_url)}"


def _here(setup: Setup, origin: str) -> str:
    path = setup.voice_url.partition("#")[0].partition("?")[0].removeprefix(origin).rstrip("/")
    if path not in _CALLS_AT:
        return f"points here, to {path or '/'}, which answers no calls"
    wanted = setup_for(origin)
    missing = [
        what
        for what, has, should in (
            ("fallback", setup.voice_fallback_url, wanted.voice_fallback_url),
            ("status callback", setup.status_callback, wanted.status_callback),
        )
        if has.partition("#")[0] != should
    ]
    return f"points here, without {' and '.join(missing)}" if missing else "points here"


def _is_below(url: str, origin: str) -> bool:
    return url == origin or url.startswith((f"{origin}/", f"{origin}?", f"{origin}#"))


def _served_by(url: str) -> str:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    return next((f" ({what})" for pattern, what in _SERVED_BY if pattern.fullmatch(host)), "")


def _number_of(one: Any) -> OwnNumber:
    """From the SDK's instance; what is not set comes as ``None`` or as an empty text."""
    settings = {name: getattr(one, name, None) or "" for name in Setup.__struct_fields__}
    for name in ("voice_method", "voice_fallback_method", "status_callback_method"):
        settings[name] = settings[name] or "POST"
    return OwnNumber(
        sid=one.sid or "",
        account_sid=one.account_sid or "",
        number=one.phone_number or "",
        name=one.friendly_name or "",
        setup=Setup(**settings),
    )

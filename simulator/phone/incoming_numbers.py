"""The account's own numbers (Twilio, *IncomingPhoneNumber resource*): what they do when somebody calls them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from simulator.phone.refused import Refused

DEFAULT_PAGE = 50
LARGEST_PAGE = 1000
_METHODS = ("GET", "POST")
_NAMES = {
    "FriendlyName": "friendly_name",
    "VoiceUrl": "voice_url",
    "VoiceMethod": "voice_method",
    "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method",
    "StatusCallback": "status_callback",
    "StatusCallbackMethod": "status_callback_method",
    "VoiceApplicationSid": "voice_application_sid",
    "TrunkSid": "trunk_sid",
}


class PhoneNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number and where its calls go. Nothing set is ``""`` for addresses, ``None`` for SIDs, as the real one writes it."""

    sid: str
    phone_number: str
    friendly_name: str = ""
    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str | None = None
    """A TwiML app; the number's own voice addresses are then not asked."""
    trunk_sid: str | None = None
    """A SIP trunk; calls then reach neither app nor addresses."""

    def updated(self, form: Mapping[str, str]) -> "PhoneNumber":
        """The number after ``POST IncomingPhoneNumbers/{sid}``. What the form does not name stays. Raises :class:`Refused`."""
        changes: dict[str, Any] = {_NAMES[name]: value for name, value in form.items() if name in _NAMES}
        for name, value in changes.items():
            _check(name, value)
        for one, other in (("trunk_sid", "voice_application_sid"), ("voice_application_sid", "trunk_sid")):
            if changes.get(one):  # each takes the other's place
                changes.setdefault(other, "")
        for name in ("trunk_sid", "voice_application_sid"):
            if name in changes:
                changes[name] = changes[name] or None
        new = msgspec.structs.replace(self, **changes)
        if new.voice_fallback_url and not new.voice_url:
            raise Refused(400, 21405, "A fallback URL can only be set together with a VoiceUrl")
        return new

    def json(self, account_sid: str) -> dict[str, Any]:
        """As the API shows it."""
        facts = {
            "account_sid": account_sid,
            "api_version": "2010-04-01",
            "beta": False,
            "capabilities": {"fax": False, "mms": True, "sms": True, "voice": True},
            "date_created": "Thu, 01 Jan 2026 00:00:00 +0000",
            "date_updated": "Thu, 01 Jan 2026 00:00:00 +0000",
            "origin": "twilio",
            "sms_url": "",
            "status": "in-use",
            "uri": f"{_folder(account_sid)}/{self.sid}.json",
            "voice_caller_id_lookup": False,
            "voice_receive_mode": "voice",
        }
        return facts | msgspec.structs.asdict(self)


def listed(numbers: Sequence[PhoneNumber], account_sid: str, query: Mapping[str, str]) -> dict[str, Any]:
    """One page of those that match, and where the next one is."""
    wanted = query.get("PhoneNumber", "")
    found = [number for number in numbers if wanted.strip("*") in number.phone_number]
    size = min(max(_whole(query, "PageSize", DEFAULT_PAGE), 1), LARGEST_PAGE)
    page = max(_whole(query, "Page", 0), 0)
    begin = page * size
    shown = found[begin : begin + size]
    pages = {name: _page_uri(account_sid, query, size, to) for name, to in (("first_page_uri", 0), ("uri", page))}
    return {
        "incoming_phone_numbers": [number.json(account_sid) for number in shown],
        **pages,
        "next_page_uri": _page_uri(account_sid, query, size, page + 1) if begin + size < len(found) else None,
        "previous_page_uri": _page_uri(account_sid, query, size, page - 1) if page else None,
        "start": begin,
        "end": begin + max(len(shown) - 1, 0),
        "page": page,
        "page_size": size,
    }


def _folder(account_sid: str) -> str:
    return f"/2010-04-01/Accounts/{account_sid}/IncomingPhoneNumbers"


def _page_uri(account_sid: str, query: Mapping[str, str], size: int, page: int) -> str:
    kept = {name: value for name, value in query.items() if name not in ("Page", "PageSize", "PageToken")}
    return f"{_folder(account_sid)}.json?{urlencode(kept | {'PageSize': size, 'Page': page})}"


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    given = query.get(name, "")
    return int(given) if given.isdecimal() else default


def _check(name: str, value: str) -> None:
    if name.endswith("_method") and value.upper() not in _METHODS:
        raise Refused(400, 21403, f"{value} is not a valid HTTP method")
    if (name.endswith("_url") or name == "status_callback") and value and not _is_url(value):
        code = {"voice_url": 21402, "voice_fallback_url": 21405}.get(name, 21609)
        raise Refused(400, code, f"{name} is not a valid URL: {value}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)

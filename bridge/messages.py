"""Text messages: the built-in tool ``send_sms`` (Twilio, *Message resource: create a message*).

A message goes to the caller, or to a number the business file allows, and nowhere else, whoever talks the model into what. Every
refusal and failure is a sentence the AI can speak. That Twilio has taken a message does not mean that it has arrived.
"""

import asyncio
import json
from collections import OrderedDict
from typing import Any

import msgspec
import structlog
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from bridge.builtin_tools import ToolAnswer, ToolRequest
from bridge.settings import TwilioAccount
from bridge.tool_runner import ToolFailed
from bridge.twilio_rest import rest_client
from calls.address import is_e164, masked
from calls.business import BusinessProfile
from calls.caller_identity import identity_of
from calls.ids import CallSid
from calls.record import CallRecord
from calls.sms import segments

WITHIN_S = 5.0
MAX_SEGMENTS = 4
MAX_MESSAGES = 3
"""Messages of one call."""
_CALLS_REMEMBERED = 10_000

_NOT_SET_UP = "text messages are not set up here; nothing was sent"
_TRY_NOTHING = "the message could not be sent; do not try again in this call"

# Twilio, *Error and Warning Dictionary*. Codes come and go: what is not here is told in general words.
_REFUSALS = {
    21211: "that number is not valid, so nothing was sent",
    21217: "that number is not valid, so nothing was sent",
    21266: "the message would go to the number it comes from, so nothing was sent",
    21408: "messages to that country are not enabled, so nothing was sent",
    21610: "that number has opted out of messages from this business, so nothing was sent",
    21612: "that number cannot be reached by text message, so nothing was sent",
    21614: "that number cannot receive text messages; it may be a landline. Nothing was sent",
    21617: "the message is too long, so nothing was sent; make it shorter",
    20429: "too many messages are being sent just now, so nothing was sent; try once more in a while",
    30007: "the carrier has blocked the message",
}
_FAILED = ("failed", "undelivered", "canceled")

log = structlog.get_logger()


class _Sent(msgspec.Struct):
    """What was sent on one call: receiver and text, and whether Twilio has said that it has it."""

    messages: dict[tuple[str, str], bool] = {}


class Messages:
    """Sends text messages for all calls of a process. Use as ``with``: leaving it closes the connections that are kept."""

    def __init__(self, account: TwilioAccount) -> None:
        self._http = TwilioHttpClient(timeout=WITHIN_S)
        self._client = rest_client(account, self._http)
        self._sent: OrderedDict[CallSid, _Sent] = OrderedDict()

    def __enter__(self) -> "Messages":
        return self

    def __exit__(self, *_: object) -> None:
        if self._http.session is not None:
            self._http.session.close()

    async def send_sms(self, request: ToolRequest) -> ToolAnswer:
        """The tool: arguments ``text`` and, for a number of ``[sms] allow``, ``to``.

        Raises:
            ToolFailed: nothing was sent, or it is not known whether; the sentence says which and why.
        """
        text = _text(request.arguments.get("text"))
        to = _receiver(request.profile, request.record, request.arguments.get("to"))
        from_ = _sender(request.profile, request.record)
        if self._client is None:
            raise ToolFailed(_NOT_SET_UP)
        sent = self._sent_on(request.record.call_sid)
        if (to, text) in sent.messages:  # the model asks again
            return _answer(to, request.record, is_taken=sent.messages[to, text])
        if len(sent.messages) >= MAX_MESSAGES:
            raise ToolFailed(f"{MAX_MESSAGES} messages were sent on this call already, and no more are allowed; nothing was sent")
        # Counted before it is sent, so that calls made at once do not pass the limit together.
        sent.messages[to, text] = False
        try:
            sent.messages[to, text] = await _send(self._client, request.record.call_sid, to=to, from_=from_, text=text)
        except _NothingSent as refused:
            del sent.messages[to, text]
            raise ToolFailed(str(refused)) from None
        return _answer(to, request.record, is_taken=sent.messages[to, text])

    def _sent_on(self, call_sid: CallSid) -> _Sent:
        sent = self._sent.setdefault(call_sid, _Sent())
        if len(self._sent) > _CALLS_REMEMBERED:
            self._sent.popitem(last=False)
        return sent


class _NothingSent(Exception):
    """Twilio refused. ``str()`` is for the model."""


async def _send(client: Client, call_sid: CallSid, *, to: str, from_: str, text: str) -> bool:
    """Whether Twilio has taken the message; ``False`` if that cannot be said. Raises :class:`_NothingSent`."""
    try:
        async with asyncio.timeout(WITHIN_S):
            refusal = await asyncio.to_thread(_create, client, call_sid, to=to, from_=from_, text=text)
    except (TimeoutError, TwilioException, RequestException) as failed:
        log.warning("sms.failed", call_sid=call_sid, to=masked(to), why=type(failed).__name__)
        return False
    if refusal is not None:
        raise _NothingSent(refusal)
    return True


def _create(client: Client, call_sid: CallSid, *, to: str, from_: str, text: str) -> str | None:
    """Runs in a thread. ``None`` if Twilio has taken the message, otherwise why not."""
    try:
        message = client.messages.create(to=to, from_=from_, body=text)
    except TwilioRestException as refused:
        if refused.status >= 500:
            raise
        log.warning("sms.refused", call_sid=call_sid, to=masked(to), status=refused.status, code=refused.code)
        return _REFUSALS.get(refused.code or 0, _TRY_NOTHING)
    if str(message.status) in _FAILED:
        log.warning("sms.refused", call_sid=call_sid, to=masked(to), status=str(message.status), code=message.error_code)
        return _REFUSALS.get(message.error_code or 0, _TRY_NOTHING)
    return None


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ToolFailed("the message has no text; nothing was sent")
    text = given.strip().replace("\x00", "")
    if (length := segments(text)) > MAX_SEGMENTS:
        raise ToolFailed(
            f"the message is too long: it takes {length} segments, and {MAX_SEGMENTS} are allowed, which is about 600 letters, or 260 "
            "with letters other than Latin or with emoji. Nothing was sent; make it shorter"
        )
    return text


def _receiver(profile: BusinessProfile, record: CallRecord, given: Any) -> str:
    caller = identity_of(record.from_)
    number = caller if caller is not None and is_e164(caller) else None
    wanted = given.strip() if isinstance(given, str) else None
    if wanted and wanted != number:
        if wanted in profile.sms.allow:
            return wanted
        raise ToolFailed("messages can be sent only to the number the caller is calling from; nothing was sent")
    if number is None:
        raise ToolFailed("the caller's number is not known, so no message can be sent to them")
    return number


def _sender(profile: BusinessProfile, record: CallRecord) -> str:
    choices = (profile.sms.from_, record.to, *profile.numbers)
    sender = next((number for number in choices if number is not None and is_e164(number)), None)
    if sender is None:
        raise ToolFailed(_NOT_SET_UP)
    return sender


def _answer(to: str, record: CallRecord, *, is_taken: bool) -> ToolAnswer:
    if not is_taken:
        raise ToolFailed(
            "it is not known whether the message was sent; tell the caller it may not arrive, and do not send it again"
        )
    receiver = "the caller" if to == identity_of(record.from_) else to
    return ToolAnswer(json.dumps({"ok": True, "sent_to": receiver}))

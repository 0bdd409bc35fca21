"""The part of Twilio's REST API that a phone bridge uses: look up, update and create calls, send messages, set up numbers.

Follows Twilio, *Call resource*, *Message resource* and *IncomingPhoneNumber resource*: form in, lower_snake JSON out, dates as in
RFC 2822, errors as ``{"code", "message", "more_info", "status"}``, so that the ``twilio`` SDK reads it like the real one.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import wraps
from typing import Any, Protocol

from quart import Quart, Response, jsonify, request

from calls.address import is_e164
from calls.sms import segments
from simulator.phone.call import NotInProgress
from simulator.phone.incoming_numbers import PhoneNumber, listed
from simulator.phone.outgoing import MAX_TWIML_CHARACTERS, Outgoing, outgoing_of
from simulator.phone.refused import Refused, not_found
from simulator.phone.running import RunningCall

MAX_BODY_CHARACTERS = 1600
_FIRST_DELIVERY_ERROR = 30000  # Twilio's codes from here on come when the message exists already
_MESSAGE_ERRORS = {
    21211: "The 'To' number {to} is not a valid phone number.",
    21212: "The 'From' number {from_} is not a valid phone number.",
    21266: "'To' and 'From' number cannot be the same: {to}",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    21602: "Message body is required.",
    21603: "A 'From' phone number is required.",
    21604: "A 'To' phone number is required.",
    21610: "Attempt to send to unsubscribed recipient",
    21612: "Message cannot be sent with the current combination of 'To' ({to}) and 'From' ({from_}) parameters",
    21614: "'To' number is not a valid mobile number: {to}",
    21617: "The concatenated message body exceeds the 1600 character limit.",
}
_Json = dict[str, Any]
_View = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Message:
    """A text message that was asked for."""

    sid: str
    to: str
    from_: str
    body: str
    error_code: int | None = None
    """Why it was taken and not delivered."""


@dataclass(frozen=True, slots=True)
class CreatedCall:
    """An outbound call that was asked for."""

    sid: str
    params: Mapping[str, str] = field(repr=False)


class Account(Protocol):
    """What the REST API is about."""

    account_sid: str
    auth_token: str | None
    calls: dict[str, RunningCall]
    created: list[CreatedCall]
    messages: list[Message]
    texts_fail: dict[str, int]
    calls_fail: dict[str, int]
    numbers: dict[str, PhoneNumber]

    def new_sid(self, prefix: str) -> str:
        """A SID no other has."""

    def wall_clock(self, loop_ms: float) -> datetime:
        """The date of a time on the loop's clock."""

    def make_call(self, outgoing: Outgoing) -> RunningCall:
        """Calls somebody."""


def rest_app(account: Account) -> Quart:
    """The API of one account."""
    app = Quart(__name__)
    root = "/2010-04-01/Accounts/<account_sid>"

    def authorised(view: _View) -> _View:
        @wraps(view)
        async def checked(account_sid: str, **arguments: str) -> Response:
            _authorise(account, account_sid)
            return await view(**arguments)

        return checked

    @app.get(f"{root}/Calls/<call_sid>.json")
    @authorised
    async def fetch_call(call_sid: str) -> Response:
        return jsonify(_call_json(account, _find(account, call_sid)))

    @app.post(f"{root}/Calls/<call_sid>.json")
    @authorised
    async def update_call(call_sid: str) -> Response:
        call = _find(account, call_sid)
        _update(call, await request.form)
        return jsonify(_call_json(account, call))

    @app.post(f"{root}/Calls.json")
    @authorised
    async def create_call() -> Response:
        form = await request.form
        owned = frozenset(number.phone_number for number in account.numbers.values())
        events = form.getlist("StatusCallbackEvent")
        call = account.make_call(outgoing_of(form, events, owned=owned, fails=account.calls_fail))
        created = CreatedCall(call.call_sid, dict(form))
        account.created.append(created)
        return _with_status(jsonify(_created_json(account, created)), 201)

    @app.get(f"{root}/IncomingPhoneNumbers.json")
    @authorised
    async def list_numbers() -> Response:
        return jsonify(listed(list(account.numbers.values()), account.account_sid, request.args))

    @app.get(f"{root}/IncomingPhoneNumbers/<number_sid>.json")
    @authorised
    async def fetch_number(number_sid: str) -> Response:
        return jsonify(_number(account, number_sid).json(account.account_sid))

    @app.post(f"{root}/IncomingPhoneNumbers/<number_sid>.json")
    @authorised
    async def update_number(number_sid: str) -> Response:
        form = await request.form
        number = account.numbers[number_sid] = _number(account, number_sid).updated(form)
        return jsonify(number.json(account.account_sid))

    @app.post(f"{root}/Messages.json")
    @authorised
    async def create_message() -> Response:
        form = await request.form
        to, from_, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
        code = account.texts_fail.get(to)
        _check_message(to, from_, body, code)
        message = Message(account.new_sid("SM"), to, from_, body, code)
        account.messages.append(message)
        return _with_status(jsonify(_message_json(account, message)), 201)

    @app.errorhandler(Refused)
    async def refused(error: Refused) -> Response:
        return _with_status(jsonify(error.json()), error.status)

    return app


def _authorise(account: Account, account_sid: str) -> None:
    given = request.authorization
    expected = (account.account_sid, account.auth_token)
    if account.auth_token is not None and (given is None or (given.username, given.password) != expected):
        raise Refused(401, 20003, "Authenticate")
    if account_sid != account.account_sid:
        raise not_found(request.path)


def _find(account: Account, call_sid: str) -> RunningCall:
    call = account.calls.get(call_sid)
    if call is None:
        raise not_found(request.path)
    return call


def _number(account: Account, number_sid: str) -> PhoneNumber:
    number = account.numbers.get(number_sid)
    if number is None:
        raise not_found(request.path)
    return number


def _check_message(to: str, from_: str, body: str, code: int | None) -> None:
    """Twilio, *Error and Warning Dictionary*, 21xxx: what is refused before a message is made."""
    if code is not None and code < _FIRST_DELIVERY_ERROR:
        raise Refused(400, code, _MESSAGE_ERRORS.get(code, "The message cannot be sent").format(to=to, from_=from_))
    wrong = (
        (not to, 21604),
        (not from_, 21603),
        (not body, 21602),
        (len(body) > MAX_BODY_CHARACTERS, 21617),
        (not is_e164(to), 21211),
        (not is_e164(from_), 21212),
        (to == from_, 21266),
    )
    for is_wrong, why in wrong:
        if is_wrong:
            raise Refused(400, why, _MESSAGE_ERRORS[why].format(to=to, from_=from_))


def _update(call: RunningCall, form: Mapping[str, str]) -> None:
    status, twiml, url = form.get("Status"), form.get("Twiml"), form.get("Url")
    if twiml is not None and url is not None:
        raise Refused(400, 20001, "Url and Twiml are mutually exclusive: send one of them")
    if twiml is not None and len(twiml) > MAX_TWIML_CHARACTERS:
        raise Refused(400, 32018, f"Twiml is over {MAX_TWIML_CHARACTERS} characters")
    method = form.get("Method", "POST").upper()
    try:
        match status:
            case "completed" | "canceled":
                call.rest_update(status=status)
            case None:
                call.rest_update(twiml=twiml, url=url, method="GET" if method == "GET" else "POST")
            case _:
                raise Refused(400, 20001, f"Status {status!r} is not one of completed, canceled")
    except NotInProgress as error:
        raise Refused(400, 21220, f"Call is not in-progress. Cannot redirect. ({error})") from None


def _call_json(account: Account, call: RunningCall) -> _Json:
    machine = call.machine
    started = _date(account, machine.dialled_ms)
    ended = None if machine.ended_ms is None else _date(account, machine.ended_ms)
    return _bare_call_json(account, machine.call_sid) | {
        "date_created": started,
        "date_updated": ended or started,
        "answered_by": machine.answered_by,
        "direction": machine.identity.direction,
        "duration": str(machine.duration_s) if machine.is_over else None,
        "end_time": ended,
        "from": machine.identity.from_,
        "start_time": started,
        "status": machine.status,
        "to": machine.identity.to,
    }


def _created_json(account: Account, created: CreatedCall) -> _Json:
    numbers = {"from": created.params.get("From", ""), "to": created.params.get("To", "")}
    return _bare_call_json(account, created.sid) | numbers | {"direction": "outbound-api", "status": "queued"}


def _bare_call_json(account: Account, call_sid: str) -> _Json:
    absent = ("answered_by", "caller_name", "forwarded_from", "group_sid", "parent_call_sid", "price", "trunk_sid")
    facts = {
        "account_sid": account.account_sid,
        "api_version": "2010-04-01",
        "price_unit": "USD",
        "queue_time": "0",
        "sid": call_sid,
        "uri": f"/2010-04-01/Accounts/{account.account_sid}/Calls/{call_sid}.json",
    }
    return dict.fromkeys(absent) | facts


def _message_json(account: Account, message: Message) -> _Json:
    now = format_datetime(datetime.now(UTC))
    return {
        "account_sid": account.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": now,
        "date_sent": None,
        "date_updated": now,
        "direction": "outbound-api",
        "error_code": message.error_code,
        "error_message": None,
        "from": message.from_,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(segments(message.body)),
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": "queued" if message.error_code is None else "failed",
        "to": message.to,
        "uri": f"/2010-04-01/Accounts/{account.account_sid}/Messages/{message.sid}.json",
    }


def _date(account: Account, loop_ms: float) -> str:
    return format_datetime(account.wall_clock(loop_ms))


def _with_status(response: Response, status: int) -> Response:
    response.status_code = status
    return response

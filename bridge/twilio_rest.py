"""The one thing the bridge asks of Twilio's REST API: complete a call (Twilio, *Call resource: update a call*)."""

import asyncio

import structlog
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from bridge.settings import TwilioAccount
from calls.ids import CallSid

WITHIN_S = 3.0
_NOT_IN_PROGRESS = 21220
_NOT_FOUND = 20404

log = structlog.get_logger()


class CallControl:
    """Completes calls. Without credentials it does not, and the stream's ``action`` hangs up instead. Use as ``with``: leaving it
    closes the connections that are kept for the next request."""

    def __init__(self, account: TwilioAccount) -> None:
        self._http = TwilioHttpClient(timeout=WITHIN_S)
        self._client = rest_client(account, self._http)

    def __enter__(self) -> "CallControl":
        return self

    def __exit__(self, *_: object) -> None:
        if self._http.session is not None:
            self._http.session.close()

    async def complete(self, call_sid: CallSid) -> bool:
        """Ends the call. ``True`` if it is over, be it that it was over already; ``False`` if that could not be brought about
        within 3 s."""
        if self._client is None:
            return False
        try:
            async with asyncio.timeout(WITHIN_S):
                return await asyncio.to_thread(self._complete, self._client, call_sid)
        except TimeoutError:
            log.warning("twilio.complete_failed", call_sid=call_sid, why="timeout")
            return False

    def _complete(self, client: Client, call_sid: CallSid) -> bool:
        try:
            client.calls(call_sid).update(status="completed")
        except TwilioRestException as refused:
            if refused.status == 404 or refused.code in (_NOT_FOUND, _NOT_IN_PROGRESS):
                return True
            log.warning("twilio.complete_failed", call_sid=call_sid, status=refused.status, code=refused.code)
            return False
        except (TwilioException, RequestException) as failed:
            log.warning("twilio.complete_failed", call_sid=call_sid, why=type(failed).__name__)
            return False
        return True


def rest_client(account: TwilioAccount, http: TwilioHttpClient) -> Client | None:
    """A client of the account's REST API; ``None`` without credentials."""
    if not account.account_sid or not account.auth_token:
        return None
    # An empty environment keeps TWILIO_EDGE and TWILIO_REGION from rerouting requests unasked.
    client = Client(account.account_sid, account.auth_token, http_client=http, environment={"": ""})
    client.api.base_url = account.api_url
    return client

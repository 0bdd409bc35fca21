"""The webhooks in one execution environment of AWS Lambda: made when it starts, connected before its first request, kept for the others.

With SnapStart an environment is copied from a snapshot, many times and hours later (AWS Lambda, *Improving startup performance with
Lambda SnapStart*). So :meth:`WebhookService.prepare` does what is the same in all copies, which is most of the work, and
:meth:`WebhookService.connect` what must not be: connections, credentials, secrets, random numbers.
"""

import random
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any

import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]

from calls.keeping import kept_for
from calls.log_context import About
from calls.outbox import wanted_by
from calls.store.dynamodb_businesses import DynamoBusinesses
from calls.store.dynamodb_calls import DynamoCalls
from calls.store.dynamodb_fleet import DynamoFleet
from calls.store.dynamodb_table import DynamoTable, connect
from webhooks import emf
from webhooks.aws_businesses import StoredBusinesses
from webhooks.aws_event import NotARequest, event_answer, request_of
from webhooks.aws_fleet import FleetAsked
from webhooks.aws_secrets import Secrets, SecretUnreadable
from webhooks.aws_settings import LambdaSettings
from webhooks.context import Answered, Context, log_answered
from webhooks.dispatch import TwilioAuth, dispatch
from webhooks.log import explained, write
from webhooks.response import Response, plain

PATIENCE_S = 2.0
"""With the store: a webhook asks it several things, and Twilio waits for 15 s in all (*Webhooks connection overrides*)."""


@dataclass(frozen=True, slots=True)
class _Connected:
    secrets: Secrets
    businesses: StoredBusinesses
    context: Context


class WebhookService:
    """Answers requests with the handlers of :mod:`webhooks.handlers`. Everything in it blocks."""

    def __init__(self, settings: LambdaSettings) -> None:
        self._settings = settings
        self._session = botocore.session.get_session()
        self._connected: _Connected | None = None

    def prepare(self) -> None:
        """Has the libraries read what they need of their own files. Nothing is asked over the network."""
        for service in ("dynamodb", "secretsmanager"):
            # Credentials of nobody: the real ones are not to be in a snapshot.
            client = self._session.create_client(service, aws_access_key_id="-", aws_secret_access_key="-")  # noqa: S106
            client.close()

    def connect(self) -> None:
        """Reads secrets and businesses and makes clients of its own. Never raises: what cannot be read is logged, and tried again by
        whoever asks."""
        random.seed()
        try:
            self._connected = self._connect()
            self._connected.businesses.read_ahead()
        except SecretUnreadable as unreadable:
            write("error", "function.not_ready", why=str(unreadable))
        except Exception as error:
            write("error", "function.not_ready", why=explained(error))

    def answer(self, event: object, request_id: str | None = None) -> dict[str, Any]:
        """What the event's request is answered. Never raises: what fails without a handler is a 503, after which Twilio goes to the
        fallback URL."""
        with About(request_id=request_id):
            return event_answer(self._answer(event))

    def _answer(self, event: object) -> Response:
        try:
            request = request_of(event)
        except NotARequest as wrong:
            write("error", "function.no_request", why=str(wrong))
            return plain(400, str(wrong))
        if self._connected is None:
            self.connect()
        if self._connected is None:
            return plain(503, "The secrets of this function cannot be read; its log says why.")
        secrets = self._connected.secrets
        auth = TwilioAuth(auth_token=secrets.auth_token, newer=secrets.newer_auth_token)
        return dispatch(self._connected.context, auth, request)

    def _connect(self) -> _Connected:
        secrets = Secrets(self._settings, self._secrets_client)
        table = DynamoTable(self._settings.table, client=connect(session=self._session), patience_s=PATIENCE_S)
        businesses = StoredBusinesses(DynamoBusinesses(table), f"dynamodb:{table.name}")
        known = businesses.read_so_far
        context = Context(
            public_url=self._settings.public_url,
            stream_url=self._settings.stream_url,
            stream_token_secret=secrets.stream_token_secret,
            businesses=businesses,
            calls=DynamoCalls(table, wants=wanted_by(known), keeps=kept_for(known)),
            answered=partial(_told, self._settings.metrics_namespace),
            nobody_accepts=FleetAsked(DynamoFleet(table).read_loads).nobody_accepts,
        )
        return _Connected(secrets, businesses, context)

    def _secrets_client(self) -> Any:
        settings = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
        return self._session.create_client("secretsmanager", config=settings)


def _told(namespace: str, answered: Answered) -> None:
    log_answered(answered)
    sys.stdout.write(emf.document(answered, namespace) + "\n")
    sys.stdout.flush()

"""The secrets of a Lambda function: read once, and once more when a signature is wrong, since tokens are changed while it runs."""

import json
from collections.abc import Callable
from time import monotonic
from typing import Any

from webhooks.aws_settings import LambdaSettings, SecretSource
from webhooks.log import write

NOT_SOONER_THAN_S = 60.0
"""Wrong signatures are free for anybody to send; reading a secret is not."""

_PARTS_OF_AN_ARN = 7


class SecretUnreadable(Exception):
    """A secret could not be read; the message says which and why, and nothing of it."""


class Secrets:
    """The secrets that ``settings`` name.

    Args:
        client: botocore's for Secrets Manager; not asked for anything if the environment holds the secrets.
        now_s: a clock that only goes forward.

    Raises:
        SecretUnreadable: one of them cannot be read.
    """

    def __init__(self, settings: LambdaSettings, client: Callable[[], Any], *, now_s: Callable[[], float] = monotonic) -> None:
        self._source, self._client, self._now_s = settings.auth_token, client, now_s
        self.auth_token = self._read(settings.auth_token)
        self.stream_token_secret = self._read(settings.stream_token_secret)
        self._read_at_s = now_s()

    def newer_auth_token(self) -> str | None:
        """The auth token, read again; ``None`` if it is the same, cannot be read, or was read within the last minute."""
        if not self._source.arn or self._now_s() - self._read_at_s < NOT_SOONER_THAN_S:
            return None
        self._read_at_s = self._now_s()
        try:
            before, self.auth_token = self.auth_token, self._read(self._source)
        except SecretUnreadable as unreadable:
            write("warning", "secret.not_read", why=str(unreadable))
            return None
        return self.auth_token if self.auth_token != before else None

    def _read(self, source: SecretSource) -> str:
        if not source.arn:
            return source.value
        arn, key = _split(source.arn)
        try:
            text = str(self._client().get_secret_value(SecretId=arn)["SecretString"])
            secret = json.loads(text)[key] if key else text
        except Exception as error:  # whatever it says may quote the secret
            raise SecretUnreadable(f"{source.name} cannot be read from {arn}: {_kind_of(error)}") from None
        if not isinstance(secret, str) or not secret.strip():
            raise SecretUnreadable(f"{source.name} cannot be read from {arn}: it holds no text")
        return secret.strip()


def _split(reference: str) -> tuple[str, str]:
    """The ARN, and the key in what it holds, if there is one."""
    parts = reference.split(":")
    return ":".join(parts[:_PARTS_OF_AN_ARN]), next(iter(parts[_PARTS_OF_AN_ARN:]), "")


def _kind_of(error: Exception) -> str:
    """AWS's code for it, such as ``AccessDeniedException``, or what kind of error it is."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)

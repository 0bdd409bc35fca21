"""What a Lambda function is told by its environment. ``docs/reference/environment.md`` lists it.

A secret is there itself, or, better, by the ARN it has in Secrets Manager. An ARN may go on as it does in a task definition of Amazon
ECS (*Specifying sensitive data using Secrets Manager*): ``ARN:KEY::`` is the value of ``KEY`` in a secret that is a JSON object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from webhooks.emf import NAMESPACE, NAMESPACES


class SettingsError(ValueError):
    """A setting that cannot be used; one sentence that says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is: in the environment (``value``) or in Secrets Manager (``arn``)."""

    name: str
    """The variable that holds it, or would."""
    value: str = field(default="", repr=False)
    arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LambdaSettings:
    """The settings of the webhooks as a Lambda function."""

    public_url: str
    stream_url: str
    table: str
    auth_token: SecretSource
    stream_token_secret: SecretSource
    metrics_namespace: str = NAMESPACE
    """CloudWatch's, for the figures."""


def read_settings(environ: Mapping[str, str]) -> LambdaSettings:
    """Reads them. Raises :class:`SettingsError`."""
    return LambdaSettings(
        public_url=_url(environ, "PUBLIC_URL", "https", "the address at which Twilio reaches this function"),
        stream_url=_url(environ, "STREAM_URL", "wss", "the address of the bridge"),
        table=_table(environ),
        auth_token=_secret(environ, "TWILIO_AUTH_TOKEN"),
        stream_token_secret=_secret(environ, "STREAM_TOKEN_SECRET"),
        metrics_namespace=_namespace(environ),
    )


def _url(environ: Mapping[str, str], name: str, scheme: str, what: str) -> str:
    url = environ.get(name, "").strip()
    if not url:
        raise SettingsError(f"{name} is not set; set it to {what}.")
    parts = urlsplit(url)
    on_this_machine = parts.hostname in ("localhost", "127.0.0.1", "::1") and parts.scheme == scheme.removesuffix("s")
    if not parts.hostname or parts.query or parts.fragment or not (parts.scheme == scheme or on_this_machine):
        raise SettingsError(f"{name}={url} is not a {scheme} address without query; set it to {what}.")
    return url.rstrip("/")


def _table(environ: Mapping[str, str]) -> str:
    url = environ.get("FRONTDESK_STORE", "").strip()
    scheme, _, table = url.partition(":")
    if scheme != "dynamodb" or not table:
        raise SettingsError(f"FRONTDESK_STORE={url} names no DynamoDB table; write dynamodb:TABLE.")
    return table


def _namespace(environ: Mapping[str, str]) -> str:
    namespace = environ.get("FRONTDESK_METRICS_NAMESPACE", "").strip() or NAMESPACE
    if not NAMESPACES.fullmatch(namespace):
        raise SettingsError(f"FRONTDESK_METRICS_NAMESPACE={namespace} is no namespace of CloudWatch; write {NAMESPACE}/NAME.")
    return namespace


def _secret(environ: Mapping[str, str], name: str) -> SecretSource:
    value, arn = environ.get(name, "").strip(), environ.get(f"{name}_ARN", "").strip()
    if bool(value) == bool(arn):
        wrong = "Both of them are set" if value else "Neither of them is set"
        raise SettingsError(f"{wrong}: {name}_ARN, the ARN of the secret, and {name}, the secret itself; set one.")
    return SecretSource(name=name, value=value, arn=arn)

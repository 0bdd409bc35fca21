"""Settings and secrets of a Lambda function."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from tests.webhooks.aws import http_event
from tests.webhooks.doubles import Desk
from webhooks.aws_event import request_of
from webhooks.aws_secrets import NOT_SOONER_THAN_S, Secrets, SecretUnreadable
from webhooks.aws_settings import SettingsError, read_settings
from webhooks.dispatch import TwilioAuth, dispatch

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:frontdesk/twilio-AbCdEf"
ENVIRON = {
    "PUBLIC_URL": "https://phone.example/prod/",
    "STREAM_URL": "wss://bridge.example",
    "FRONTDESK_STORE": "dynamodb:frontdesk",
    "TWILIO_AUTH_TOKEN_ARN": ARN,
    "STREAM_TOKEN_SECRET": "stream",
}


@dataclass
class SecretsManager:
    """Holds secrets, and counts how often it is asked."""

    texts: dict[str, str] = field(default_factory=lambda: {ARN: "first"})
    asked: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803  (boto's own)
        self.asked += 1
        if SecretId not in self.texts:
            error = {"Error": {"Code": "AccessDeniedException", "Message": "secret text"}}
            raise ClientError(error, "GetSecretValue")
        return {"SecretString": self.texts[SecretId]}


@dataclass
class Vault:
    """Secrets as a function has them, with a clock that is set."""

    manager: SecretsManager = field(default_factory=SecretsManager)
    now_s: float = 1000.0

    def read(self, **changes: str) -> Secrets:
        return Secrets(read_settings({**ENVIRON, **changes}), lambda: self.manager, now_s=lambda: self.now_s)


def test_settings_are_read() -> None:
    settings = read_settings(ENVIRON)
    assert (settings.public_url, settings.stream_url, settings.table) == (
        "https://phone.example/prod",
        "wss://bridge.example",
        "frontdesk",
    )
    assert (settings.auth_token.arn, settings.stream_token_secret.value) == (ARN, "stream")
    assert settings.metrics_namespace == "Frontdesk"
    assert read_settings({**ENVIRON, "FRONTDESK_METRICS_NAMESPACE": "Frontdesk/cell-07"}).metrics_namespace == "Frontdesk/cell-07"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"PUBLIC_URL": ""}, "PUBLIC_URL is not set; set it to the address at which Twilio reaches this function."),
        ({"PUBLIC_URL": "http://a.example"}, "PUBLIC_URL=http://a.example is not a https address without query"),
        ({"PUBLIC_URL": "https://a.example?b"}, "is not a https address without query"),
        ({"STREAM_URL": "https://a.example"}, "STREAM_URL=https://a.example is not a wss address"),
        ({"STREAM_URL": "ws://a.example"}, "is not a wss address"),
        ({"FRONTDESK_STORE": "sqlite:a.db"}, "FRONTDESK_STORE=sqlite:a.db names no DynamoDB table; write dynamodb:TABLE."),
        ({"FRONTDESK_STORE": "dynamodb:"}, "names no DynamoDB table"),
        ({"TWILIO_AUTH_TOKEN": "both"}, "Both of them are set: TWILIO_AUTH_TOKEN_ARN"),
        ({"FRONTDESK_METRICS_NAMESPACE": "AWS/Lambda"}, "FRONTDESK_METRICS_NAMESPACE=AWS/Lambda is no namespace of CloudWatch"),
        ({"STREAM_TOKEN_SECRET": " "}, "Neither of them is set: STREAM_TOKEN_SECRET_ARN"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_in_a_sentence(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings({**ENVIRON, **changes})
    assert sentence in str(raised.value)
    assert "both" not in str(raised.value)


def test_addresses_of_this_machine_need_no_tls() -> None:
    settings = read_settings({**ENVIRON, "PUBLIC_URL": "http://127.0.0.1:4566", "STREAM_URL": "ws://localhost:8000"})
    assert (settings.public_url, settings.stream_url) == ("http://127.0.0.1:4566", "ws://localhost:8000")


def test_secrets_are_read_once_from_where_they_are() -> None:
    vault = Vault()
    secrets = vault.read()
    assert (secrets.auth_token, secrets.stream_token_secret, vault.manager.asked) == ("first", "stream", 1)


def test_one_value_of_a_json_object_is_named_as_ecs_does() -> None:
    vault = Vault(SecretsManager({ARN: json.dumps({"twilio": "a", "stream": "b"})}))
    secrets = vault.read(
        TWILIO_AUTH_TOKEN_ARN=f"{ARN}:twilio::", STREAM_TOKEN_SECRET_ARN=f"{ARN}:stream::", STREAM_TOKEN_SECRET=""
    )
    assert (secrets.auth_token, secrets.stream_token_secret) == ("a", "b")


@pytest.mark.parametrize("text", ["", "   ", '{"twilio": 7}', '{"other": "secret text"}', "secret text"])
def test_a_secret_without_the_value_is_unreadable_and_not_quoted(text: str) -> None:
    reference = f"{ARN}:twilio::" if text.strip() else ARN
    with pytest.raises(SecretUnreadable) as raised:
        Vault(SecretsManager({ARN: text})).read(TWILIO_AUTH_TOKEN_ARN=reference)
    assert str(raised.value).startswith(f"TWILIO_AUTH_TOKEN cannot be read from {ARN}: ")
    assert "secret text" not in str(raised.value)


def test_a_secret_that_must_not_be_read_says_so() -> None:
    with pytest.raises(SecretUnreadable, match="AccessDeniedException") as raised:
        Vault(SecretsManager({})).read()
    assert "secret text" not in str(raised.value)


def signed_with(token: str, vault_secrets: Secrets) -> int:
    auth = TwilioAuth(auth_token=vault_secrets.auth_token, newer=vault_secrets.newer_auth_token)
    return dispatch(Desk().context, auth, request_of(http_event(token=token))).status


def test_a_token_that_was_changed_is_read_again_when_a_signature_is_wrong() -> None:
    vault = Vault()
    secrets = vault.read()
    vault.manager.texts[ARN] = "second"
    vault.now_s += NOT_SOONER_THAN_S
    assert signed_with("second", secrets) == 200
    assert signed_with("second", secrets) == 200
    assert vault.manager.asked == 2
    assert signed_with("first", secrets) == 403


def test_wrong_signatures_have_the_token_read_once_a_minute() -> None:
    vault = Vault()
    secrets = vault.read()
    for _ in range(5):
        assert signed_with("a stranger's", secrets) == 403
    assert vault.manager.asked == 1
    vault.now_s += NOT_SOONER_THAN_S
    for _ in range(5):
        assert signed_with("a stranger's", secrets) == 403
    assert vault.manager.asked == 2


def test_requests_without_a_signature_have_nothing_read() -> None:
    vault = Vault()
    secrets = vault.read()
    vault.now_s += NOT_SOONER_THAN_S
    event = http_event()
    del event["headers"]["x-twilio-signature"]
    auth = TwilioAuth(auth_token=secrets.auth_token, newer=secrets.newer_auth_token)
    assert dispatch(Desk().context, auth, request_of(event)).status == 403
    assert vault.manager.asked == 1


def test_a_token_that_cannot_be_read_again_stays_as_it_is() -> None:
    vault = Vault()
    secrets = vault.read()
    vault.manager.texts.clear()
    vault.now_s += NOT_SOONER_THAN_S
    assert signed_with("second", secrets) == 403
    assert signed_with("first", secrets) == 200


def test_a_token_of_the_environment_is_never_looked_for_elsewhere() -> None:
    vault = Vault()
    secrets = vault.read(TWILIO_AUTH_TOKEN="here", TWILIO_AUTH_TOKEN_ARN="")
    vault.now_s += NOT_SOONER_THAN_S
    assert signed_with("wrong", secrets) == 403
    assert (secrets.auth_token, vault.manager.asked) == ("here", 0)

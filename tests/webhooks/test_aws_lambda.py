"""The webhooks as a Lambda function: the built bundle, under Amazon's own runtime client, with a DynamoDB to write to."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from xml.etree import ElementTree

import botocore.session  # type: ignore[import-untyped]
import pytest

from calls.events import CallStarted
from calls.language import ENGLISH
from calls.record import Disposition
from calls.store.businesses import BusinessText
from calls.store.dynamodb_businesses import DynamoBusinesses
from calls.store.dynamodb_calls import DynamoCalls
from calls.store.dynamodb_table import DynamoTable
from tests.calls.dynamodb import Dynamo
from tests.servers import free_port
from tests.webhooks.aws import http_event, with_
from tests.webhooks.doubles import AUTH_TOKEN, PUBLIC_URL, SECRET, SID
from tests.webhooks.lambda_runtime import ROOT, LambdaFunction, probe, running

BOB = (ROOT / "businesses" / "bobs-hvac.toml").read_text("utf-8")
NOT_ON_THE_WAY = {
    "numpy",
    "quart",
    "aiohttp",
    "boto3",
    "structlog",
    "prometheus_client",
    "sqlite3",
    "jsonschema",
    "requests",
    "xml.sax",
    "twilio.rest",
    "twilio.jwt",
    "twilio.http",
    "calls.store.sqlite",
    "calls.store.dynamodb",
    "webhooks.quart_routes",
}


class Store:
    """A table of its own, with a business in it."""

    def __init__(self, dynamodb: Dynamo) -> None:
        self.table = DynamoTable(dynamodb.new_table(), client=dynamodb.client)
        self.calls = DynamoCalls(self.table)
        self.businesses = DynamoBusinesses(self.table)

    async def apply(self, text: str = BOB) -> None:
        one = BusinessText(business_id="bobs-hvac", text=text, applied_at="2026-01-01T00:00:00.000Z")  # type: ignore[arg-type]
        await self.businesses.apply([one], [], await self.businesses.version())

    @property
    def kinds(self) -> list[str]:
        """The events of the call."""
        return [event.kind for event in self.calls.events(SID)]


@pytest.fixture
async def store(dynamodb: Dynamo) -> Any:
    """A table with Bob in it."""
    made = Store(dynamodb)
    await made.apply()
    yield made
    made.table.close()


@pytest.fixture
def environ(dynamodb: Dynamo, store: Store) -> dict[str, str]:
    """The environment of the function."""
    return {
        **dynamodb.environ,
        "PUBLIC_URL": PUBLIC_URL,
        "STREAM_URL": "wss://bridge.example",
        "FRONTDESK_STORE": f"dynamodb:{store.table.name}",
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "STREAM_TOKEN_SECRET": SECRET,
        "FRONTDESK_METRICS_NAMESPACE": "Frontdesk/cell-07",
    }


@pytest.fixture
def function(bundle: Path, environ: dict[str, str], tmp_path: Path) -> Iterator[LambdaFunction]:
    """The function, running."""
    with running([bundle, probe(tmp_path)], environ, tmp_path, handler="probe.handler") as function:
        yield function


@pytest.fixture
def secrets(dynamodb: Dynamo) -> Any:
    """A Secrets Manager with nothing in it that a test uses."""
    with mock.patch.dict(os.environ, dynamodb.environ):
        client = botocore.session.get_session().create_client("secretsmanager")
    yield client
    client.close()


def twiml(answer: Any) -> ElementTree.Element:
    assert answer["statusCode"] == 200, answer
    assert answer["headers"] == {"content-type": "text/xml; charset=utf-8"}
    return ElementTree.fromstring(answer["body"])


def token(answer: Any) -> str:
    parameter = twiml(answer).find("./Connect/Stream/Parameter[@name='token']")
    assert parameter is not None, answer
    return parameter.attrib["value"]


def test_a_caller_is_connected_and_the_call_is_on_record(function: LambdaFunction, store: Store) -> None:
    stream = twiml(function.invoke(http_event())).find("./Connect/Stream")

    assert stream is not None
    assert stream.attrib["url"] == "wss://bridge.example/media-stream/bobs-hvac"
    started = store.calls.events(SID)[0].body
    assert isinstance(started, CallStarted)
    assert (started.business_id, started.from_, started.to) == ("bobs-hvac", "+15005550001", "+15005550006")


def test_the_way_of_a_call_loads_nothing_it_does_not_need_and_nothing_twice(function: LambdaFunction, bundle: Path) -> None:
    at_start = set(function.invoke("modules"))
    token(function.invoke(http_event()))
    after_first = set(function.invoke("modules"))
    token(function.invoke(http_event(params=with_(CallSid="CA2"))))
    after_second = set(function.invoke("modules"))

    assert sorted(NOT_ON_THE_WAY & after_second) == []
    assert {"botocore", "twilio.twiml.voice_response", "webhooks.handlers.incoming_call"} <= at_start
    assert sorted(after_first - at_start) == []
    assert sorted(after_second - after_first) == []


def test_the_bundle_carries_only_packages_that_are_loaded(function: LambdaFunction, bundle: Path) -> None:
    token(function.invoke(http_event()))
    loaded = {name.partition(".")[0] for name in function.invoke("modules")}

    carried = {
        path.name.partition(".")[0] for path in bundle.iterdir() if "dist-info" not in path.name and path.name != "__pycache__"
    }
    assert carried - loaded == set()
    assert {path.name for path in (bundle / "botocore" / "data").iterdir() if path.is_dir()} == {"dynamodb", "secretsmanager"}


def test_our_own_modules_in_the_bundle_are_loaded_or_reached_from_what_is(function: LambdaFunction, bundle: Path) -> None:
    loaded = {name for name in function.invoke("modules") if name.partition(".")[0] in ("calls", "webhooks")}
    files = {path.relative_to(bundle).with_suffix("") for part in ("calls", "webhooks") for path in (bundle / part).rglob("*.py")}
    carried = {".".join(path.parts).removesuffix(".__init__") for path in files}
    assert loaded <= carried
    assert carried - loaded == {"webhooks.aws_fallback"}


def test_the_function_answers_each_webhook_of_a_call_to_its_end(function: LambdaFunction, store: Store) -> None:
    token(function.invoke(http_event()))
    store.calls.set_disposition(SID, Disposition(action="hang_up", reason="farewell", say="Bye."))
    assert [verb.tag for verb in twiml(function.invoke(http_event("/stream-ended")))] == ["Say", "Hangup"]
    answer = function.invoke(http_event("/call-status", with_(CallStatus="completed", CallDuration="61")))

    assert answer == {"statusCode": 204, "headers": {}, "body": "", "isBase64Encoded": False}
    assert store.kinds == ["call.started", "call.ended"]


def test_opening_hours_are_known_where_the_machine_knows_no_time_zones(function: LambdaFunction) -> None:
    assert "[hours]" in BOB
    token(function.invoke(http_event()))
    assert "webhook failed" not in function.output


def test_what_is_not_twilio_s_reaches_nothing(function: LambdaFunction, store: Store) -> None:
    assert function.invoke(http_event(token="wrong"))["statusCode"] == 403
    unsigned = http_event()
    del unsigned["headers"]["x-twilio-signature"]
    assert function.invoke(unsigned)["statusCode"] == 403
    assert store.kinds == []


def test_what_is_no_request_gets_a_sentence_and_the_next_caller_an_answer(function: LambdaFunction) -> None:
    answer = function.invoke({"httpMethod": "POST", "path": "/incoming-call"})
    assert (answer["statusCode"], "payload format 2.0" in answer["body"]) == (400, True)
    token(function.invoke(http_event()))


def test_figures_and_log_lines_name_the_call_and_never_the_secrets(function: LambdaFunction) -> None:
    token(function.invoke(http_event()))
    figures = next(line for line in function.lines if "_aws" in line)
    answered = next(line for line in function.lines if line.get("event") == "webhook.answered")

    assert (figures["CallsOffered"], figures["Path"]) == (1.0, "/incoming-call")
    assert figures["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Frontdesk/cell-07"
    assert (answered["call_sid"], answered["request_id"]) == (SID, "request-1")
    assert AUTH_TOKEN not in function.output
    assert SECRET not in function.output
    assert "+15005550001" not in function.output


def test_a_store_that_is_away_gets_the_caller_a_sentence(bundle: Path, environ: dict[str, str], tmp_path: Path) -> None:
    environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler") as function:
        answer = function.invoke(http_event())

    assert [verb.text for verb in twiml(answer)] == [ENGLISH.cannot_answer, None]
    assert "function.not_ready" in function.output


async def test_a_table_that_is_there_by_the_time_of_the_first_call_gets_the_caller_connected(
    bundle: Path, environ: dict[str, str], store: Store, tmp_path: Path
) -> None:
    late = DynamoTable(f"{store.table.name}-late", client=store.table._client)
    environ["FRONTDESK_STORE"] = f"dynamodb:{late.name}"
    with running([bundle, probe(tmp_path)], environ, tmp_path, handler="probe.handler") as function:
        function.invoke("modules")
        assert "function.not_ready" in function.output
        late.create()
        store.businesses = DynamoBusinesses(late)
        await store.apply()
        assert twiml(function.invoke(http_event())).find("./Connect/Stream") is not None


def test_a_table_that_is_gone_gets_the_caller_a_sentence(function: LambdaFunction, store: Store) -> None:
    function.invoke("modules")
    store.table._client.delete_table(TableName=store.table.name)
    assert [verb.tag for verb in twiml(function.invoke(http_event()))][-1] != "Connect"


@pytest.mark.parametrize("name", ["PUBLIC_URL", "STREAM_URL", "FRONTDESK_STORE", "TWILIO_AUTH_TOKEN", "STREAM_TOKEN_SECRET"])
def test_a_setting_that_is_missing_ends_the_start_and_is_named(
    name: str, bundle: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    del environ[name]
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler") as function:
        error = function.says("init/error")
    assert name in error["errorMessage"]
    assert error["errorType"] == "SettingsError"


# --- secrets ---------------------------------------------------------------------------------------------------------------


def in_secrets_manager(environ: dict[str, str], secrets: Any, value: str) -> str:
    """The function's auth token is in Secrets Manager; returns its ARN."""
    del environ["TWILIO_AUTH_TOKEN"]
    name = f"auth-{environ['FRONTDESK_STORE']}".replace(":", "-")
    arn = str(secrets.create_secret(Name=name, SecretString=value)["ARN"])
    environ["TWILIO_AUTH_TOKEN_ARN"] = arn
    return arn


def test_a_secret_is_read_from_secrets_manager(bundle: Path, environ: dict[str, str], secrets: Any, tmp_path: Path) -> None:
    in_secrets_manager(environ, secrets, f"{AUTH_TOKEN}\n")
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler") as function:
        token(function.invoke(http_event()))


def test_a_secret_in_a_json_object_is_named_as_ecs_names_it(
    bundle: Path, environ: dict[str, str], secrets: Any, tmp_path: Path
) -> None:
    arn = in_secrets_manager(environ, secrets, f'{{"twilio": "{AUTH_TOKEN}"}}')
    environ["TWILIO_AUTH_TOKEN_ARN"] = f"{arn}:twilio::"
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler") as function:
        token(function.invoke(http_event()))


def test_a_secret_that_cannot_be_read_sends_twilio_to_the_fallback_until_it_can(
    bundle: Path, environ: dict[str, str], secrets: Any, tmp_path: Path
) -> None:
    arn = in_secrets_manager(environ, secrets, AUTH_TOKEN)
    secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler") as function:
        assert function.invoke(http_event())["statusCode"] == 503
        assert function.invoke(http_event())["statusCode"] == 503
    assert re.search(r"TWILIO_AUTH_TOKEN cannot be read from arn:\S+: ResourceNotFoundException", function.output)


# --- SnapStart -------------------------------------------------------------------------------------------------------------


def test_before_the_snapshot_nothing_is_asked_of_anybody_and_after_it_calls_are_answered(
    bundle: Path, environ: dict[str, str], secrets: Any, tmp_path: Path
) -> None:
    arn = in_secrets_manager(environ, secrets, "of the time of the snapshot")
    with running([bundle, probe(tmp_path)], environ, tmp_path, handler="probe.handler", snap_start=True) as function:
        function.says("snapshot")
        secrets.put_secret_value(SecretId=arn, SecretString=AUTH_TOKEN)
        function.restored()
        at_first = set(function.invoke("modules"))
        token(function.invoke(http_event()))
        assert function.invoke("key") == "of-the-copy"
        assert sorted(set(function.invoke("modules")) - at_first) == []


def test_two_restored_copies_draw_different_random_numbers(bundle: Path, environ: dict[str, str], tmp_path: Path) -> None:
    drawn = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        seeded = probe(folder)
        text = (seeded / "probe.py").read_text("utf-8")
        (seeded / "probe.py").write_text(f"{text}\nrandom.seed(1)\n", "utf-8")  # what a snapshot does: all copies begin alike
        with running([bundle, seeded], environ, folder, handler="probe.handler", snap_start=True) as function:
            function.says("snapshot")
            function.restored()
            drawn.append(function.invoke("random"))
    assert drawn[0] != drawn[1]


def test_a_store_that_is_away_at_the_restore_does_not_fail_it(bundle: Path, environ: dict[str, str], tmp_path: Path) -> None:
    environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{free_port()}"
    with running([bundle], environ, tmp_path, handler="webhooks.aws_lambda.handler", snap_start=True) as function:
        function.says("snapshot")
        function.restored()
        assert [verb.tag for verb in twiml(function.invoke(http_event()))] == ["Say", "Hangup"]


# --- the fallback ----------------------------------------------------------------------------------------------------------


def test_the_fallback_answers_with_no_environment_at_all(bundle: Path, tmp_path: Path) -> None:
    with running([bundle], {}, tmp_path, handler="webhooks.aws_fallback.handler") as function:
        answers = [function.invoke(event) for event in (http_event("/fallback"), {}, None, "odd")]
    assert [[verb.text for verb in twiml(answer)] for answer in answers] == [[ENGLISH.cannot_answer, None]] * 4

"""The functions, and the API in front of them."""

import json
from typing import Any

from infra import figures
from infra.figures import FALLBACK_PATH, WEBHOOK_PATHS
from tests.infra.templates import Deployment, Json
from webhooks import aws_fallback
from webhooks.aws_settings import read_settings
from webhooks.routes import ROUTES

TWILIO_WAITS_S = 15
API = "https://a1.execute-api.us-east-1.amazonaws.com"


def function(deployment: Deployment, begins: str) -> Json:
    """A function's properties: ``Function`` or ``Fallback``."""
    return deployment.stack("webhooks").one("AWS::Lambda::Function", begins)


def routes(deployment: Deployment) -> dict[str, str]:
    """The logical id of the integration that each route leads to."""
    found = deployment.stack("webhooks").all("AWS::ApiGatewayV2::Route")
    return {route["RouteKey"]: route["Target"]["Fn::Join"][1][1]["Ref"] for route in found}


def test_the_api_has_a_route_for_every_webhook_and_no_other(either: Deployment) -> None:
    assert routes(either).keys() == {f"POST {path}" for path in ROUTES}
    assert {*WEBHOOK_PATHS, FALLBACK_PATH} == ROUTES.keys()


def test_the_fallback_shares_no_function_with_what_it_stands_in_for(either: Deployment) -> None:
    leads_to = routes(either)
    others = {target for route, target in leads_to.items() if route != "POST /fallback"}
    assert len(others) == 1
    assert leads_to["POST /fallback"] not in others
    fallback = function(either, "Fallback")
    assert fallback["Handler"] == "index.handler"
    assert "Environment" not in fallback
    space: dict[str, Any] = {}
    exec(compile(fallback["Code"]["ZipFile"], "index.py", "exec"), space)
    assert space["handler"]({}, None) == aws_fallback.handler()


def test_the_function_answers_before_twilio_gives_up(either: Deployment) -> None:
    for begins in ("Function", "Fallback"):
        assert function(either, begins)["Timeout"] < TWILIO_WAITS_S
    for integration in either.stack("webhooks").all("AWS::ApiGatewayV2::Integration"):
        assert integration["PayloadFormatVersion"] == "2.0"


def test_the_function_starts_from_a_snapshot_and_is_called_by_its_alias(either: Deployment) -> None:
    stack = either.stack("webhooks")
    main = function(either, "Function")
    assert main["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert main["Runtime"] == "python3.13"
    assert main["Architectures"] == ["arm64"]
    assert main["MemorySize"] == figures.WEBHOOK_MEMORY_MB == 1769
    assert main["Handler"] == "webhooks.aws_lambda.handler"
    (alias_id,) = stack.resources("AWS::Lambda::Alias")
    (version_id,) = stack.resources("AWS::Lambda::Version")
    assert stack.one("AWS::Lambda::Alias")["FunctionVersion"] == {"Fn::GetAtt": [version_id, "Version"]}
    integration = stack.one("AWS::ApiGatewayV2::Integration", "ApiPOSTincomingcall")
    assert alias_id in json.dumps(integration["IntegrationUri"])


def test_the_version_before_stays(either: Deployment) -> None:
    (version,) = either.stack("webhooks").resources("AWS::Lambda::Version").values()
    assert version["DeletionPolicy"] == "Retain"


def test_the_function_is_in_no_network_of_ours(either: Deployment) -> None:
    assert "VpcConfig" not in function(either, "Function")


def test_the_function_finds_every_setting_that_it_reads(least: Deployment, most: Deployment) -> None:
    for deployment, public_url in ((least, API), (most, "https://phone.example")):
        environment = function(deployment, "Function")["Environment"]["Variables"]
        assert environment.keys() == {
            "PUBLIC_URL",
            "STREAM_URL",
            "FRONTDESK_STORE",
            "TWILIO_AUTH_TOKEN_ARN",
            "STREAM_TOKEN_SECRET_ARN",
            "FRONTDESK_METRICS_NAMESPACE",
        }
        settings = read_settings({name: _resolved(value) for name, value in environment.items()})
        assert settings.public_url == public_url
        assert settings.stream_url == "wss://media.phone.example"
        assert settings.auth_token.arn.endswith(":auth_token::")
        assert settings.stream_token_secret.arn.endswith(":secret::")


def _resolved(value: Any) -> str:
    """A value of the template, with an example in place of every reference."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(map(_resolved, value["Fn::Join"][1]))
    if "Ref" in value:
        return {"AWS::URLSuffix": "amazonaws.com"}.get(value["Ref"], "a1")
    return (
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:frontdesk/x-a1b2c3"
        if "Secret" in str(value) or "Ref" in str(value)
        else "x"
    )


def test_strangers_cannot_ask_for_more_than_a_limit(least: Deployment, most: Deployment) -> None:
    for deployment, rate, burst in ((least, 100, 200), (most, 500, 1000)):
        stage = deployment.stack("webhooks").one("AWS::ApiGatewayV2::Stage")
        assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": rate, "ThrottlingBurstLimit": burst}


def test_the_access_log_has_no_parameters_of_calls(either: Deployment) -> None:
    written = json.loads(either.stack("webhooks").one("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"])
    assert {"status", "route", "ms"} <= written.keys()
    assert not [value for value in written.values() if "body" in value or "querystring" in value]


def test_a_domain_of_ones_own_is_mapped_to_the_api(least: Deployment, most: Deployment) -> None:
    assert not least.stack("webhooks").resources("AWS::ApiGatewayV2::DomainName")
    assert most.stack("webhooks").one("AWS::ApiGatewayV2::DomainName")["DomainName"] == "phone.example"
    assert len(most.stack("webhooks").all("AWS::ApiGatewayV2::ApiMapping")) == 1

"""The webhooks: two functions behind an HTTP API. One does everything, the other is there for when it cannot.

They are in no VPC: they speak to DynamoDB and Secrets Manager only, never to the bus.
"""

import json
from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Duration, Fn, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigw
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.data import Data, arn_of
from infra.exceptions import accept
from infra.figures import (
    FALLBACK_MEMORY_MB,
    FALLBACK_PATH,
    FALLBACK_TIMEOUT_S,
    WEBHOOK_MEMORY_MB,
    WEBHOOK_PATHS,
    WEBHOOK_TIMEOUT_S,
)
from infra.log_groups import log_group, writer_of
from infra.metrics import namespace_of
from infra.permissions import WEBHOOKS_ON_TABLE, on_table
from infra.settings import Settings

HANDLER = "webhooks.aws_lambda.handler"
FALLBACK = Path(__file__).parents[1] / "webhooks" / "aws_fallback.py"
"""A file that needs nothing, so it goes into the template as it is: no broken bundle can take it along."""

_ACCESS = {
    "request": "$context.requestId",
    "at": "$context.requestTime",
    "route": "$context.routeKey",
    "status": "$context.status",
    "ms": "$context.responseLatency",
    "function_ms": "$context.integrationLatency",
    "error": "$context.integrationErrorMessage",
    "from": "$context.identity.sourceIp",
}
"""What the access log says of a request. Parameters, which hold numbers of callers, are not in it."""


_RUNTIME_IS_MEANT = "The bundle is compiled and tested for this version of Python; another is another bundle."


class Webhooks(Stack):
    """Functions and API; :attr:`public_url` is what Twilio calls."""

    def __init__(self, scope: Construct, id: str, settings: Settings, data: Data, bundle: Path, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        self.api = apigw.HttpApi(self, "Api", api_name=f"{settings.name}-webhooks", create_default_stage=False)
        self._domain = self._own_domain(settings)
        self.public_url = settings.public_url or self._address(settings)
        self.function = self._function(settings, data, bundle)
        self.live = lambda_.Alias(self, "Live", alias_name="live", version=self.function.current_version)
        self.fallback = self._fallback(settings)
        self._routes()
        self.access_log = log_group(self, "AccessLog", settings, "access")
        self._stage(settings)
        CfnOutput(self, "PublicUrl", value=self.public_url, description="PUBLIC_URL: point numbers here")
        CfnOutput(self, "ApiId", value=self.api.api_id)

    def _own_domain(self, settings: Settings) -> apigw.DomainName | None:
        if not settings.webhook_domain:
            return None
        certificate = acm.Certificate.from_certificate_arn(self, "Certificate", settings.webhook_certificate_arn)
        domain = apigw.DomainName(self, "Domain", domain_name=settings.webhook_domain, certificate=certificate)
        CfnOutput(self, "DomainTarget", value=domain.regional_domain_name, description=f"CNAME of {settings.webhook_domain}")
        return domain

    def _address(self, settings: Settings) -> str:
        if settings.webhook_domain:
            return f"https://{settings.webhook_domain}"
        return Fn.join("", ["https://", self.api.api_id, ".execute-api.", self.region, ".", self.url_suffix])

    def _function(self, settings: Settings, data: Data, bundle: Path) -> lambda_.Function:
        log = log_group(self, "Log", settings, "webhooks")
        role = self._role("Role", log)
        role.add_to_policy(on_table(data, WEBHOOKS_ON_TABLE))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["secretsmanager:GetSecretValue"], resources=[arn_of(data.twilio), arn_of(data.stream_token)]
            )
        )
        function = lambda_.Function(
            self,
            "Function",
            description="Answers Twilio's webhooks",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(str(bundle)),
            handler=HANDLER,
            memory_size=WEBHOOK_MEMORY_MB,
            timeout=Duration.seconds(WEBHOOK_TIMEOUT_S),
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS,
            role=role,
            log_group=log,
            environment={
                "PUBLIC_URL": self.public_url,
                "STREAM_URL": settings.stream_origin,
                "FRONTDESK_STORE": f"dynamodb:{data.table.table_name}",
                "TWILIO_AUTH_TOKEN_ARN": f"{arn_of(data.twilio)}:auth_token::",
                "STREAM_TOKEN_SECRET_ARN": f"{arn_of(data.stream_token)}:secret::",
                "FRONTDESK_METRICS_NAMESPACE": namespace_of(settings),
            },
            # The version before stays, so that going back is one command.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        accept(function, "L1", _RUNTIME_IS_MEANT)
        return function

    def _fallback(self, settings: Settings) -> lambda_.Function:
        log = log_group(self, "FallbackLog", settings, "fallback")
        function = lambda_.Function(
            self,
            "Fallback",
            description="What Twilio asks when the webhooks could not answer",
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_inline(FALLBACK.read_text("utf-8")),
            handler="index.handler",
            memory_size=FALLBACK_MEMORY_MB,
            timeout=Duration.seconds(FALLBACK_TIMEOUT_S),
            role=self._role("FallbackRole", log),
            log_group=log,
        )
        accept(function, "L1", _RUNTIME_IS_MEANT)
        return function

    def _role(self, id: str, log: logs.LogGroup) -> iam.Role:
        role = iam.Role(self, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        role.add_to_policy(writer_of(log))
        return role

    def _routes(self) -> None:
        """Nothing but these is asked of a function; the rest is answered by the API, with 404."""
        answered = integrations.HttpLambdaIntegration("Answer", self.live, scope_permission_to_route=False)
        apology = integrations.HttpLambdaIntegration("Apology", self.fallback, scope_permission_to_route=False)
        for path in WEBHOOK_PATHS:
            self._route(path, answered)
        self._route(FALLBACK_PATH, apology)

    def _route(self, path: str, integration: integrations.HttpLambdaIntegration) -> None:
        for route in self.api.add_routes(path=path, methods=[apigw.HttpMethod.POST], integration=integration):
            accept(
                route, "APIG4", "Requests are known by Twilio's signature, which the function checks; an authorizer sees no body."
            )

    def _stage(self, settings: Settings) -> None:
        stage = apigw.CfnStage(
            self,
            "Stage",
            api_id=self.api.api_id,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=apigw.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=settings.webhooks_per_s, throttling_burst_limit=settings.webhooks_burst
            ),
            access_log_settings=apigw.CfnStage.AccessLogSettingsProperty(
                destination_arn=self.access_log.log_group_arn, format=json.dumps(_ACCESS)
            ),
        )
        if self._domain is not None:
            mapping = apigw.CfnApiMapping(
                self, "Mapping", api_id=self.api.api_id, domain_name=self._domain.name, stage=stage.stage_name
            )
            mapping.add_resource_dependency(stage)

"""What is kept: the table, the recordings, the secrets. It outlives its stack, unless ``protected`` is off."""

import json
from typing import Any, cast

from aws_cdk import CfnOutput, Duration, RemovalPolicy, SecretValue, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from infra.exceptions import accept
from infra.settings import Settings

INDEXES = ("gsi1", "gsi2", "gsi3")
TTL = "ttl"
RECORDINGS_PREFIX = "calls"
NOBODY = f"nobody:viewer:sha256:{'0' * 64}"
"""Operator tokens that let nobody in: no text is known that has this digest."""


class Data(Stack):
    """Table, bucket and secrets."""

    def __init__(self, scope: Construct, id: str, settings: Settings, **stack: Any) -> None:
        super().__init__(scope, id, **stack)
        self._kept = RemovalPolicy.RETAIN if settings.protected else RemovalPolicy.DESTROY
        self.table = self._table(settings)
        self.recordings = self._bucket(settings)
        self.twilio = self._secret(
            settings, "Twilio", "twilio", "The account's SID and its primary auth token", generated="auth_token", account_sid="AC"
        )
        self.openai = self._secret(settings, "OpenAi", "openai", "The key of the account that speaks", generated="api_key")
        self.stream_token = self._secret(
            settings, "StreamToken", "stream-token", "Binds media streams to their calls", generated="secret"
        )
        self.operators = self._operators(settings)
        CfnOutput(self, "TableName", value=self.table.table_name, description="FRONTDESK_STORE=dynamodb:…")
        CfnOutput(self, "RecordingsBucket", value=self.recordings.bucket_name)

    def _table(self, settings: Settings) -> dynamodb.Table:
        text = dynamodb.AttributeType.STRING
        table = dynamodb.Table(
            self,
            "Calls",
            table_name=settings.name,
            partition_key=dynamodb.Attribute(name="pk", type=text),
            sort_key=dynamodb.Attribute(name="sk", type=text),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=TTL,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True, recovery_period_in_days=35
            ),
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            deletion_protection=settings.protected,
            removal_policy=self._kept,
        )
        for index in INDEXES:
            table.add_global_secondary_index(
                index_name=index,
                partition_key=dynamodb.Attribute(name=f"{index}pk", type=text),
                sort_key=dynamodb.Attribute(name=f"{index}sk", type=text),
                projection_type=dynamodb.ProjectionType.KEYS_ONLY,
            )
        return table

    def _bucket(self, settings: Settings) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Recordings",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            versioned=False,  # what is erased must be gone
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="expire",
                    expiration=Duration.days(settings.recordings_kept_days),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                )
            ],
            removal_policy=self._kept,
        )
        accept(
            bucket,
            "S1",
            "Who may read is the bridge's role alone; the log of a log would hold the names of callers' files for longer.",
        )
        return bucket

    def _secret(
        self, settings: Settings, id: str, name: str, description: str, *, generated: str, **known: str
    ) -> secretsmanager.Secret:
        return self._kept_secret(
            id,
            secret_name=f"{settings.name}/{name}",
            description=description,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps(known),
                generate_string_key=generated,
                exclude_punctuation=True,
                password_length=48,
            ),
        )

    def _operators(self, settings: Settings) -> secretsmanager.Secret:
        return self._kept_secret(
            "Operators",
            secret_name=f"{settings.name}/operators",
            description="Who may watch and step in: name:role:token entries separated by commas",
            secret_object_value={"tokens": SecretValue.unsafe_plain_text(NOBODY)},
        )

    def _kept_secret(self, id: str, **properties: Any) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(self, id, removal_policy=self._kept, **properties)
        accept(secret, "SMG4", "Twilio and OpenAI give out their keys by hand; the page on deploying says how each is changed.")
        return secret


def arn_of(secret: secretsmanager.Secret) -> str:
    """Its ARN, asked for by that name: for what ``Ref`` means of a secret the emulator has an idea of its own."""
    return cast(secretsmanager.CfnSecret, secret.node.default_child).attr_id

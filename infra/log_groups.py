"""Logs, kept for as long as the settings say."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import Settings


def log_group(scope: Construct, id: str, settings: Settings, name: str) -> logs.LogGroup:
    """``/frontdesk/NAME``. It goes with its stack: what must stay is in the records."""
    group = logs.LogGroup(scope, id, log_group_name=f"/{settings.name}/{name}", removal_policy=RemovalPolicy.DESTROY)
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = settings.log_days
    return group


def writer_of(group: logs.LogGroup) -> iam.PolicyStatement:
    """The permission to write to it, and to no other. The group is there, so nobody needs to create one."""
    return iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.log_group_arn])

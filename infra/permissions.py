"""What roles may do with the table: as much as the code does, on the table and its indexes by name."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam

from infra.data import INDEXES, Data

BRIDGE_ON_TABLE = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
WEBHOOKS_ON_TABLE = (
    "dynamodb:BatchGetItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
)
"""They open calls and write to them. Nothing is deleted by who is asked from outside."""


def on_table(data: Data, actions: Sequence[str]) -> iam.PolicyStatement:
    """A permission for requests to the table, which is what items and indexes belong to."""
    arn = data.table.table_arn
    return iam.PolicyStatement(actions=list(actions), resources=[arn, *(f"{arn}/index/{index}" for index in INDEXES)])

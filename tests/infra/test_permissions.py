"""Roles may do exactly what the code does."""

import ast
import importlib.util
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path

from tests.infra.templates import Deployment, actions

ROOT = Path(__file__).parents[2]
BRIDGE_TASK = "TaskTaskRole"
STORE = ROOT / "calls" / "store"
APPLYING = STORE / "dynamodb_businesses.py"
"""What it writes is written by ``frontdesk businesses apply``."""
METHODS = {"get": "GetItem", "query": "Query", "batch_get": "BatchGetItem", "batch_delete": "BatchWriteItem"}
"""Of a table, besides writes."""
DOOR = STORE / "dynamodb_table.py"
"""What everybody goes through: it can do everything."""
WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "Check": "ConditionCheckItem"}
"""By themselves or in a transaction: it needs the permissions of what is in it (Amazon DynamoDB, *IAM and transactions*)."""


def operations(*paths: Path) -> set[str]:
    """What these files ask of a table, as permissions know it."""
    calls = [node.func for path in paths for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    named = {WRITES.get(call.id, "") for call in calls if isinstance(call, ast.Name)}
    on_tables = [call for call in calls if isinstance(call, ast.Attribute) and "table" in ast.unparse(call.value)]
    methods = METHODS | {name.lower(): operation for name, operation in WRITES.items() if name != "Check"}
    return {f"dynamodb:{name}" for name in (named | {methods.get(call.attr, "") for call in on_tables}) - {""}}


def of_the_webhooks() -> list[Path]:
    """What of the store is in the bundle, less what writes business files."""
    spec = importlib.util.spec_from_loader(
        "build_lambda", SourceFileLoader("build_lambda", str(ROOT / "scripts" / "build-lambda"))
    )
    assert spec is not None
    assert spec.loader is not None
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    bundled = [path for path in build._own_files() if path.parent == STORE and path.name.startswith("dynamodb")]
    return [path for path in bundled if path not in (APPLYING, DOOR)]


def methods_called_on(attribute: str, path: str) -> set[str]:
    """The names of methods that a file calls on ``self.ATTRIBUTE``."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Attribute)
        and node.func.value.attr == attribute
    }


def test_no_permission_has_a_wildcard_for_an_action(either: Deployment) -> None:
    for template in either.all():
        for policy in template.all("AWS::IAM::Policy"):
            assert not [action for action in actions(policy["PolicyDocument"]["Statement"]) if "*" in action]


def test_a_bridge_may_ask_of_the_table_what_the_store_asks(either: Deployment) -> None:
    allowed = actions(either.stack("media").statements(BRIDGE_TASK))
    asked = operations(*(path for path in STORE.glob("dynamodb*.py") if path != DOOR))
    assert {action for action in allowed if action.startswith("dynamodb:")} == asked
    assert len(asked) == 7


def test_the_webhooks_may_ask_of_the_table_what_opening_calls_asks_and_delete_nothing(either: Deployment) -> None:
    allowed = actions(either.stack("webhooks").statements("RoleDefaultPolicy"))
    on_the_table = {action for action in allowed if action.startswith("dynamodb:")}
    assert on_the_table == operations(*of_the_webhooks())
    assert methods_called_on("_store", "webhooks/aws_businesses.py") == {"read", "read_version"}, "which only read"
    assert allowed - on_the_table == {"secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents"}


def test_the_fallback_may_do_nothing_but_write_its_log(either: Deployment) -> None:
    allowed = actions(either.stack("webhooks").statements("FallbackRole"))
    assert allowed == {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_a_bridge_may_protect_itself_and_ask_for_nothing_else_of_ecs(either: Deployment) -> None:
    statements = either.stack("media").statements(BRIDGE_TASK)
    assert {action for action in actions(statements) if action.startswith("ecs:")} == {"ecs:UpdateTaskProtection"}
    (of_ecs,) = [statement for statement in statements if statement["Action"] == "ecs:UpdateTaskProtection"]
    assert f":task/{either.name}/*" in str(of_ecs["Resource"])


def test_a_bridge_may_do_with_recordings_what_the_code_does_if_there_are_any(least: Deployment, most: Deployment) -> None:
    asked = methods_called_on("_client", "calls/recordings/s3.py") - {"close", "get_paginator"}
    named = {"upload_file": "PutObject", "list_objects_v2": "ListBucket"}
    wanted = {f"s3:{named.get(name) or re.sub('(?:^|_)(.)', lambda found: found[1].upper(), name)}" for name in asked}
    assert {action for action in actions(most.stack("media").statements(BRIDGE_TASK)) if action.startswith("s3:")} == wanted
    assert not [action for action in actions(least.stack("media").statements(BRIDGE_TASK)) if action.startswith("s3:")]


def test_no_permission_is_for_everything_but_the_one_that_cannot_be_narrower(either: Deployment) -> None:
    for template in either.all():
        for policy in template.all("AWS::IAM::Policy"):
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Resource"] == "*":
                    assert statement["Action"] == "ecr:GetAuthorizationToken"

"""What is written to a DynamoDB table, and on what condition (Amazon DynamoDB, *Developer Guide*: condition and update expressions).

Expressions are DynamoDB's own; ``#name`` stands for the attribute of that name and ``:name`` for the value given under it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from calls.store.dynamodb_schema import PK, SK
from calls.store.dynamodb_values import Item, encode, encode_item

_NAME = re.compile(r"#(\w+)")


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression an item must meet. Make one with :func:`when`."""

    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)


def when(expression: str, **values: Any) -> Condition:
    """``when("#v = :v", v=3)``. Values that the expression does not name are an error of DynamoDB's."""
    return Condition(expression, values)


ABSENT = when(f"attribute_not_exists(#{PK})")
"""There is no such item."""
PRESENT = when(f"attribute_exists(#{PK})")
"""There is such an item."""


@dataclass(frozen=True, slots=True)
class Put:
    """The whole item, in the place of whatever was there."""

    item: Item
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Changes some attributes (``"SET #a = :a ADD #n :n REMOVE #b"``), and makes the item if it is missing."""

    pk: str
    sk: str
    expression: str
    values: Mapping[str, Any] = field(default_factory=dict)
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes the item; one that is not there is deleted already."""

    pk: str
    sk: str
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Writes nothing, but has the whole transaction fail unless the item meets the condition."""

    pk: str
    sk: str
    condition: Condition


Write = Put | Update | Delete | Check


def parameters_of(write: Write, table: str) -> tuple[str, dict[str, Any]]:
    """The name of the operation within a transaction, and its parameters."""
    parameters: dict[str, Any] = {"TableName": table, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    match write:
        case Put(item):
            parameters["Item"] = encode_item(item)
        case Update(pk, sk, expression):
            parameters |= {"Key": key(pk, sk), "UpdateExpression": expression}
        case Delete(pk, sk) | Check(pk, sk):
            parameters["Key"] = key(pk, sk)
    if write.condition is not None:
        parameters["ConditionExpression"] = write.condition.expression
    _name_everything(parameters, write)
    return "ConditionCheck" if isinstance(write, Check) else type(write).__name__, parameters


def key(pk: str, sk: str) -> dict[str, Any]:
    """The key of an item, on the wire."""
    return {PK: {"S": pk}, SK: {"S": sk}}


def names_in(*expressions: str) -> dict[str, str]:
    """``ExpressionAttributeNames`` of these expressions."""
    return {f"#{name}": name for expression in expressions for name in _NAME.findall(expression)}


def values_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """``ExpressionAttributeValues`` of these values."""
    return {f":{name}": encode(value) for name, value in values.items()}


def _name_everything(parameters: dict[str, Any], write: Write) -> None:
    updating = write if isinstance(write, Update) else None
    values = {**(updating.values if updating else {}), **(write.condition.values if write.condition else {})}
    names = names_in(updating.expression if updating else "", write.condition.expression if write.condition else "")
    if names:
        parameters["ExpressionAttributeNames"] = names
    if values:
        parameters["ExpressionAttributeValues"] = values_of(values)

"""Plain values as DynamoDB writes them, and back (Amazon DynamoDB, *API Reference*: AttributeValue).

Not boto3's own serialisers: those refuse ``float`` and take several times as long, in a process that has audio to carry.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Item = dict[str, Any]
"""An item: ``str``, ``bytes``, ``bool``, ``None``, ``int``, ``float``, lists, dicts and sets of ``str``."""


def encode_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item on the wire."""
    return {name: encode(value) for name, value in item.items()}


def decode_item(encoded: Mapping[str, Any]) -> Item:
    """The inverse of :func:`encode_item`."""
    return {name: decode(value) for name, value in encoded.items()}


def encode(value: Any) -> dict[str, Any]:
    """One value.

    Raises:
        TypeError: there is no such thing in DynamoDB.
    """
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | float() | Decimal():
            return {"N": _number(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case list() | tuple():
            return {"L": [encode(one) for one in value]}
        case dict():
            return {"M": encode_item(value)}
        case set() | frozenset():
            return {"SS": sorted(value)}
    raise TypeError(f"DynamoDB holds no {type(value).__name__}")


def decode(encoded: Mapping[str, Any]) -> Any:
    """The inverse of :func:`encode`; a number is an ``int`` if it is whole."""
    ((kind, value),) = encoded.items()
    match kind:
        case "N":
            return _plain(value)
        case "M":
            return decode_item(value)
        case "L":
            return [decode(one) for one in value]
        case "SS":
            return set(value)
        case "NULL":
            return None
    return value


def _number(value: int | float | Decimal) -> str:
    # `repr` of a float is the shortest that reads back the same, at most 17 of the 38 digits there are.
    return repr(value) if isinstance(value, float) else str(value)


def _plain(number: str) -> int | float:
    try:
        return int(number)
    except ValueError:
        return _whole(float(number))


def _whole(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

"""The shape of a business file: every key known, every value of its type and within its limits.

The shape is read off :class:`calls.business.BusinessProfile`. msgspec checks the same, but stops at the first problem and
speaks to programmers.
"""

import difflib
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect as shapes

from calls.business import BusinessProfile

Report = Callable[[str, str], None]
"""Takes the key and the sentence of a problem."""


class Walk(NamedTuple):
    """What a walk through a file collects."""

    report: Report
    places: dict[str, list[int]]
    """For each list, where its sound entries were before the others were left out."""


_PROFILE = cast(shapes.StructType, shapes.type_info(BusinessProfile))

_EXAMPLES = {
    "id": 'id = "bobs-hvac"',
    "name": 'name = "Bob\'s HVAC Service"',
    "numbers": 'numbers = ["+15005550006"]',
    "language": 'language = "en"',
    "voice": 'voice = "marin"',
    "instructions": 'instructions = "You answer the phone for {name} …"',
}

_FORMS = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": 'small letters, digits and hyphens, at most 63, such as "bobs-hvac"',
    r"^[a-z]{2}$": 'the two small letters of ISO 639-1, such as "en"',
    r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$": "letters, digits, _ and -, at most 64, not beginning with a digit",
}

_INDEX = re.compile(r"\[\d+\]")
_BAD: Any = object()


def sound_part(raw: dict[str, Any], walk: Walk) -> dict[str, Any]:
    """The part of a parsed file that fits, each misfit having been reported. Whether a required key is missing is reported,
    too; at the top level the rest is returned all the same."""
    return _table(raw, _PROFILE, "", walk)


def _checked(value: Any, shape: shapes.Type, key: str, walk: Walk) -> Any:
    """The sound part of ``value``, ``_BAD`` if nothing of it is."""
    if isinstance(shape, shapes.UnionType):
        shape = next(one for one in shape.types if not isinstance(one, shapes.NoneType))
    if isinstance(shape, shapes.StructType) and isinstance(value, dict):
        table = _table(value, shape, key, walk)
        return table if all(field.encode_name in table for field in shape.fields if field.required) else _BAD
    if isinstance(shape, shapes.VarTupleType) and isinstance(value, list):
        return _list(value, shape, key, walk)
    if isinstance(shape, shapes.DictType) and isinstance(value, dict):
        entries = {name: _checked(one, shape.value_type, f"{key}.{name}", walk) for name, one in value.items()}
        return {name: one for name, one in entries.items() if one is not _BAD}
    if problem := _misfit(value, shape):
        walk.report(key, problem)
        return _BAD
    return value


def _table(value: dict[str, Any], shape: shapes.StructType, key: str, walk: Walk) -> dict[str, Any]:
    known = {field.encode_name: field for field in shape.fields}
    prefix = f"{key}." if key else ""
    sound = {}
    for name, one in value.items():
        if name not in known:
            walk.report(f"{prefix}{name}", _unknown(name, list(known), key))
            continue
        checked = _checked(one, known[name].type, f"{prefix}{name}", walk)
        if checked is not _BAD:
            sound[name] = checked
    for name, field in known.items():
        if field.required and name not in value:
            example = "" if key else f"; add a line such as {_EXAMPLES.get(name, name)}"
            walk.report(f"{prefix}{name}", f"is missing{example or '; it is required here'}")
    return sound


def _list(value: list[Any], shape: shapes.VarTupleType, key: str, walk: Walk) -> Any:
    if len(value) < (shape.min_length or 0):
        walk.report(key, "is empty; give at least one")
        return _BAD
    entries = [_checked(one, shape.item_type, f"{key}[{place}]", walk) for place, one in enumerate(value)]
    walk.places[key] = [place for place, one in enumerate(entries) if one is not _BAD]
    sound = [one for one in entries if one is not _BAD]
    return sound if sound or not value else _BAD


def _unknown(name: str, known: list[str], table: str) -> str:
    if name == "temperature":
        return "the current Realtime API no longer has it; remove the line"
    if near := difflib.get_close_matches(name, known, 1):
        return f"is not a key of {_place(table)}; did you mean {near[0]}?"
    if homes := [home for home, keys in _tables().items() if name in keys and home != table]:
        return f"is not a key of {_place(table)}; it belongs in {_place(homes[0])}"
    return f"is not a key of {_place(table)}; it has {', '.join(known)}"


def _place(table: str) -> str:
    return f"[{_INDEX.sub('', table)}]" if table else "the file's top level"


def _tables() -> dict[str, list[str]]:
    """The keys of each table that stands at the top of the file."""
    tables = {"": [field.encode_name for field in _PROFILE.fields]}
    for field in _PROFILE.fields:
        for shape in field.type.types if isinstance(field.type, shapes.UnionType) else (field.type,):
            if isinstance(shape, shapes.StructType):
                tables[field.encode_name] = [inner.encode_name for inner in shape.fields]
    return tables


def _misfit(value: Any, shape: shapes.Type) -> str | None:
    match shape:
        case shapes.LiteralType():
            choices = ", ".join(f'"{choice}"' for choice in shape.values)
            return None if value in shape.values else f"must be one of {choices}, not {_in_words(value)}"
        case shapes.StrType():
            return _text_misfit(value, shape) if isinstance(value, str) else _wrong_type("text in quotes", value)
        case shapes.BoolType():
            return None if isinstance(value, bool) else _wrong_type("true or false, without quotes", value)
        case shapes.IntType():
            whole = isinstance(value, int) and not isinstance(value, bool)
            return _number_misfit(value, shape) if whole else _wrong_type("a whole number, without quotes", value)
        case shapes.FloatType():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return _number_misfit(value, shape) if number else _wrong_type("a number, without quotes", value)
        case shapes.StructType() | shapes.DictType():
            return _wrong_type("a table", value)
        case shapes.VarTupleType():
            return _wrong_type("a list in square brackets", value)
    return None


def _text_misfit(text: str, shape: shapes.StrType) -> str | None:
    if len(text) < (shape.min_length or 0):
        return "must not be empty"
    if shape.max_length is not None and len(text) > shape.max_length:
        return f"is {len(text)} characters long; at most {shape.max_length} fit"
    if shape.pattern is not None and re.search(shape.pattern, text) is None:
        return f"is {_in_words(text)}; it must be {_FORMS.get(shape.pattern, f'of the form {shape.pattern}')}"
    return None


def _number_misfit(number: float, shape: shapes.IntType | shapes.FloatType) -> str | None:
    bounds = [
        (words, bound, holds)
        for words, bound, holds in (
            ("at least", shape.ge, operator.ge),
            ("more than", shape.gt, operator.gt),
            ("at most", shape.le, operator.le),
            ("less than", shape.lt, operator.lt),
        )
        if bound is not None
    ]
    if all(holds(number, bound) for _, bound, holds in bounds):
        return None
    return f"must be {' and '.join(f'{words} {bound}' for words, bound, _ in bounds)}, not {number}"


def _wrong_type(wanted: str, value: Any) -> str:
    return f"must be {wanted}, not {_in_words(value)}"


def _in_words(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            short = value if len(value) <= 60 else f"{value[:60]}…"
            return msgspec.json.encode(short).decode()
        case int() | float():
            return str(value)
        case list():
            return "a list"
        case dict():
            return "a table"
    return "a date or time"

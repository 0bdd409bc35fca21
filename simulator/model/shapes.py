"""Small checks that add up to the shape of a request. A :data:`Shape` takes a value and its path and refuses what the API refuses."""

from collections.abc import Callable, Mapping
from typing import Any

from .refusals import Refused, missing_parameter, unknown_parameter, unsupported_value, wrong_type

Shape = Callable[[Any, str], None]
"""Raises :class:`~simulator.model.refusals.Refused`."""


def text(value: Any, path: str) -> None:
    """Any string."""
    if not isinstance(value, str):
        raise wrong_type(path, "a string", value)


def boolean(value: Any, path: str) -> None:
    """``true`` or ``false``."""
    if not isinstance(value, bool):
        raise wrong_type(path, "a boolean", value)


def anything(value: Any, path: str) -> None:
    """Checked elsewhere, or not at all."""


def mapping(value: Any, path: str) -> None:
    """Any object."""
    if not isinstance(value, dict):
        raise wrong_type(path, "an object", value)


def integer(lowest: int = 0, highest: int | None = None) -> Shape:
    """A whole number within bounds."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong_type(path, "an integer", value)
        _within(value, lowest, highest, path, "integer")

    return check


def decimal(lowest: float, highest: float) -> Shape:
    """A number within bounds."""

    def check(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong_type(path, "a decimal", value)
        _within(value, lowest, highest, path, "decimal")

    return check


def one_of(*choices: str) -> Shape:
    """One of some strings."""

    def check(value: Any, path: str) -> None:
        text(value, path)
        if value not in choices:
            raise unsupported_value(value, choices, path)

    return check


def nullable(shape: Shape) -> Shape:
    """The shape, or null."""

    def check(value: Any, path: str) -> None:
        if value is not None:
            shape(value, path)

    return check


def array(shape: Shape) -> Shape:
    """A list of that shape."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, list):
            raise wrong_type(path, "an array", value)
        for index, element in enumerate(value):
            shape(element, f"{path}[{index}]")

    return check


def record(fields: Mapping[str, Shape], *required: str) -> Shape:
    """An object with these keys and no others."""

    def check(value: Any, path: str) -> None:
        mapping(value, path)
        for name in value:
            if name not in fields:
                raise unknown_parameter(_join(path, name))
        for name in required:
            if name not in value:
                raise missing_parameter(_join(path, name))
        for name, element in value.items():
            fields[name](element, _join(path, name))

    return check


def tagged(tag: str, kinds: Mapping[str, Shape]) -> Shape:
    """An object whose key ``tag`` says which of the shapes it has."""
    choice = one_of(*kinds)

    def check(value: Any, path: str) -> None:
        mapping(value, path)
        if tag not in value:
            raise missing_parameter(_join(path, tag))
        choice(value[tag], _join(path, tag))
        kinds[value[tag]](value, path)

    return check


def text_or(choices: tuple[str, ...], shape: Shape) -> Shape:
    """One of some strings, or the shape when it is not a string."""
    choice = one_of(*choices)

    def check(value: Any, path: str) -> None:
        (choice if isinstance(value, str) else shape)(value, path)

    return check


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _within(value: float, lowest: float, highest: float | None, path: str, kind: str) -> None:
    if value < lowest:
        bound = f"{kind} below minimum value. Expected a value >= {lowest}, but got {value} instead."
        raise Refused(f"{kind}_below_min_value", f"Invalid '{path}': {bound}", path)
    if highest is not None and value > highest:
        bound = f"{kind} above maximum value. Expected a value <= {highest}, but got {value} instead."
        raise Refused(f"{kind}_above_max_value", f"Invalid '{path}': {bound}", path)

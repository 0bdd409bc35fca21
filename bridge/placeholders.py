"""``${NAME}`` in a business file: taken from the environment when it is used, so that no secret is kept, shown or logged."""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class PlaceholderMissing(Exception):
    """A variable is not set; ``name`` is its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the environment variable {name} is not set")


def filled(text: str, environ: Mapping[str, str]) -> str:
    """``text`` with its variables. Raises :class:`PlaceholderMissing`; an empty variable counts as not set."""

    def value(match: re.Match[str]) -> str:
        if not environ.get(match[1]):
            raise PlaceholderMissing(match[1])
        return environ[match[1]]

    return _PLACEHOLDER.sub(value, text)

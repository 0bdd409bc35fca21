"""Ids as the Realtime API makes them: a kind, an underscore and 21 characters; here they follow from a seed."""

import random
import string

_ALPHABET = string.ascii_letters + string.digits


class Ids:
    """A sequence of ids. The same seed gives the same sequence."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"ids {seed}")

    def new(self, kind: str) -> str:
        """``kind`` is ``event``, ``item``, ``resp``, ``conv``, ``sess``, ``call``."""
        return f"{kind}_{self.padding(16 if kind == 'call' else 21)}"

    def padding(self, length: int) -> str:
        """Meaningless characters: the ``obfuscation`` that hides how long a delta is."""
        return "".join(self._random.choices(_ALPHABET, k=length))

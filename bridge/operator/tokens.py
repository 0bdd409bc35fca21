"""Who may come in: the tokens of ``OPERATOR_TOKENS``, of which only digests are kept."""

import hmac
import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations

import msgspec

from calls.operator import Role

MIN_TOKEN_CHARS = 8
MAX_NAME_CHARS = 64

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_ROLES: dict[str, Role] = {"viewer": "viewer", "operator": "operator"}


class TokensUnusable(ValueError):
    """``OPERATOR_TOKENS`` cannot be used; ``str()`` is one sentence that names the entry and never a token."""


class OperatorKey(msgspec.Struct, frozen=True):
    """Somebody who may come in, and the SHA-256 digest of what they show at the door."""

    name: str
    role: Role
    digest: bytes

    def __repr__(self) -> str:
        return f"OperatorKey({self.name!r}, {self.role!r})"


def parse_tokens(text: str) -> tuple[OperatorKey, ...]:
    """The keys of ``name:role:token`` entries separated by commas. The token itself may be given as ``sha256:HEX``.

    Raises:
        TokensUnusable: the first entry that is wrong.
    """
    entries = [entry.strip() for entry in text.split(",")]
    keys = tuple(_key(nth, entry) for nth, entry in enumerate(entries, start=1) if entry)
    for one, other in combinations(keys, 2):
        if one.name == other.name:
            raise TokensUnusable(f"the name {one.name} is used twice; give every operator a name of their own.")
        if one.digest == other.digest:
            raise TokensUnusable(f"{one.name} and {other.name} have the same token; give every operator a token of their own.")
    return keys


def holder_of(keys: Sequence[OperatorKey], authorization: bytes | None) -> OperatorKey | None:
    """Whose token an ``Authorization: Bearer`` header shows, or ``None``. Takes as long whatever it is compared with."""
    scheme, _, token = (authorization or b"").strip().partition(b" ")
    shown = sha256(token.strip()).digest()
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, shown):
            found = key
    return found if scheme.lower() == b"bearer" else None


def _key(nth: int, entry: str) -> OperatorKey:
    name, _, rest = entry.partition(":")
    role, colon, token = rest.partition(":")
    name, role, token = name.strip(), role.strip(), token.strip()
    if not name or not colon:
        raise TokensUnusable(f"entry {nth} is not name:role:token.")
    if len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise TokensUnusable(f"the name of entry {nth} is not printable, or longer than {MAX_NAME_CHARS} characters.")
    if role not in _ROLES:
        raise TokensUnusable(f"the role of {name} is neither viewer nor operator.")
    return OperatorKey(name, _ROLES[role], _digest(name, token))


def _digest(name: str, token: str) -> bytes:
    if token.startswith("sha256:"):
        digest = token.removeprefix("sha256:")
        if not _DIGEST.fullmatch(digest):
            raise TokensUnusable(f"the sha256: of {name} is not 64 hexadecimal digits.")
        return bytes.fromhex(digest)
    if len(token) < MIN_TOKEN_CHARS:
        raise TokensUnusable(f"the token of {name} is shorter than {MIN_TOKEN_CHARS} characters; use a long random one.")
    return sha256(token.encode("utf-8", "surrogateescape")).digest()

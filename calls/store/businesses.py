"""Business files that have been applied to a store (``frontdesk businesses apply``): what every store does with them.

The store keeps their text, not what it means: that is read, and checked, by whoever answers calls.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from calls.ids import BusinessId
from calls.store.base import StoreError


class BusinessesChanged(StoreError):
    """Somebody else has applied businesses since they were looked at."""

    def __init__(self) -> None:
        super().__init__("somebody else has applied businesses just now; look at what has changed, and apply again")


class BusinessText(msgspec.Struct, frozen=True, kw_only=True):
    """One business file."""

    business_id: BusinessId
    text: str
    """TOML."""
    applied_at: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What has been applied, by id."""

    version: int
    """Grows whenever something is applied; 0: nothing ever was."""
    businesses: tuple[BusinessText, ...] = ()


class BusinessStore(Protocol):
    """Methods raise :class:`calls.store.base.StoreError` and nothing else."""

    async def version(self) -> int:
        """See :attr:`Applied.version`; cheap, for whoever asks again and again."""

    async def load(self) -> Applied:
        """All of them. ``version`` is never newer than what it comes with."""

    async def apply(self, put: Sequence[BusinessText], remove: Sequence[BusinessId], version: int) -> int:
        """Puts businesses in, in the place of those with the same id, and takes others out. Returns the new version.

        Args:
            version: of what was looked at.

        Raises:
            BusinessesChanged: there is a newer one, and nothing, or of a great many only the first, was written.
        """

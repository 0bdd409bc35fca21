"""Business files that have been applied, in the DynamoDB store. Implements :class:`calls.store.businesses.BusinessStore`."""

from collections.abc import Iterator, Sequence

from calls.ids import BusinessId
from calls.store.base import StoreError
from calls.store.businesses import Applied, BusinessesChanged, BusinessText
from calls.store.dynamodb_table import ConditionFailed, Delete, DynamoTable, Put, Update, Write
from calls.store.dynamodb_writes import ABSENT, when

MOST_BYTES = 380_000
"""Of one file; an item is 400 KB at most (Amazon DynamoDB, *Quotas*)."""

_PK = "BUSINESSES"
_VERSION = ("BUSINESSES_APPLIED", "VERSION")
_AT_ONCE, _BYTES_AT_ONCE = 90, 3_500_000
# Of a transaction's 100 writes and 4 MB (Amazon DynamoDB, *Quotas*).


class DynamoBusinesses:
    """The businesses in an open table."""

    def __init__(self, table: DynamoTable) -> None:
        self._table = table

    async def version(self) -> int:
        """See :meth:`calls.store.businesses.BusinessStore.version`."""
        return await self._table.run(self.read_version)

    async def load(self) -> Applied:
        """See :meth:`calls.store.businesses.BusinessStore.load`."""
        return await self._table.run(self.read)

    async def apply(self, put: Sequence[BusinessText], remove: Sequence[BusinessId], version: int) -> int:
        """See :meth:`calls.store.businesses.BusinessStore.apply`. All or nothing as far as it fits into one transaction: up to 90
        businesses. More are written in steps, each of which is a version.

        Raises:
            StoreError: a file is larger than ``MOST_BYTES``.
        """
        return await self._table.run(self._apply, put, remove, version)

    def read_version(self) -> int:
        """:meth:`version`, for code that cannot await."""
        item = self._table.get(*_VERSION)
        return 0 if item is None else int(item["version"])

    def read(self) -> Applied:
        """:meth:`load`, for code that cannot await."""
        version = self.read_version()  # first: what is applied meanwhile is found at the next look
        texts = [
            BusinessText(business_id=BusinessId(item["sk"]), text=item["text"], applied_at=item["applied_at"])
            for item in self._table.query(_PK)
        ]
        return Applied(version=version, businesses=tuple(texts))

    def _apply(self, put: Sequence[BusinessText], remove: Sequence[BusinessId], version: int) -> int:
        for one in put:
            if len(one.text.encode()) > MOST_BYTES:
                raise StoreError(f"the file of {one.business_id} is larger than {MOST_BYTES // 1000} KB; make it shorter")
        for step in _steps(put, remove):
            try:
                self._table.transact([_next(version), *step])
            except ConditionFailed:
                raise BusinessesChanged from None
            version += 1
        return version


def _next(version: int) -> Update:
    condition = ABSENT if version == 0 else when("#version = :was", was=version)
    return Update(*_VERSION, "SET #version = :version", {"version": version + 1}, condition)


def _steps(put: Sequence[BusinessText], remove: Sequence[BusinessId]) -> Iterator[list[Write]]:
    """What fits into a transaction each."""
    step: list[Write] = []
    room = _BYTES_AT_ONCE
    writes: list[tuple[Write, int]] = [(Delete(_PK, business_id), 0) for business_id in remove]
    writes += [(Put(_item(one)), len(one.text.encode())) for one in put]
    for write, size in writes:
        if step and (len(step) == _AT_ONCE or size > room):
            yield step
            step, room = [], _BYTES_AT_ONCE
        step.append(write)
        room -= size
    yield step


def _item(one: BusinessText) -> dict[str, str]:
    return {"pk": _PK, "sk": one.business_id, "text": one.text, "applied_at": one.applied_at}

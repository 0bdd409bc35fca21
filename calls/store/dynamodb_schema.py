"""The one table of the DynamoDB store: its keys, indexes and TTL. What describes the table elsewhere must say the same.

Every item has ``pk`` and ``sk``. Each index is sparse: an item is in it if it has both of its keys. The indexes hold keys only, so that
an item costs them nothing while its keys stay as they are; what is found there is then read from the table.
"""

from typing import Any, NamedTuple

PK = "pk"
SK = "sk"
TTL = "ttl"
"""Seconds since 1970 after which DynamoDB may delete an item; it takes its time, and readers must not wait for it."""


class Index(NamedTuple):
    """A global secondary index, keys only."""

    name: str

    @property
    def pk(self) -> str:
        """Its partition key's attribute."""
        return f"{self.name}pk"

    @property
    def sk(self) -> str:
        """Its sort key's attribute."""
        return f"{self.name}sk"


GSI1 = Index("gsi1")
"""What belongs to a business, by time."""
GSI2 = Index("gsi2")
"""What belongs to a caller, by time."""
GSI3 = Index("gsi3")
"""What all have in common, by time."""
INDEXES = (GSI1, GSI2, GSI3)


def table_description(name: str) -> dict[str, Any]:
    """The parameters of ``CreateTable`` (Amazon DynamoDB, *API Reference*)."""
    indexes = [
        {"IndexName": index.name, "KeySchema": _keys(index.pk, index.sk), "Projection": {"ProjectionType": "KEYS_ONLY"}}
        for index in INDEXES
    ]
    attributes = [PK, SK, *(attribute for index in INDEXES for attribute in (index.pk, index.sk))]
    return {
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _keys(PK, SK),
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"} for attribute in attributes],
        "GlobalSecondaryIndexes": indexes,
    }


def _keys(pk: str, sk: str) -> list[dict[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]

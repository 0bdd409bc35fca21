"""What DynamoDB's errors mean to a person: which table, what is wrong, what to do.

The codes are those of Amazon DynamoDB, *Developer Guide*: error handling, and of ``TransactionCanceledException``.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

from calls.store.base import StoreError, StoreUnavailable
from calls.store.dynamodb_values import Item, decode_item

CAUGHT = (BotoCoreError, ClientError)
"""All that the client raises."""

NO_SUCH_TABLE = "ResourceNotFoundException"

_IN_CONFLICT = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})
_IN_A_HURRY = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded",
        "ThrottlingException",
        "ThrottlingError",
        "RequestLimitExceeded",
        "LimitExceededException",
    }
)
_UNREACHED = (ConnectionError, HTTPClientError)
_CREDENTIALS = "give this process credentials: a task role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_SENTENCES = {
    **dict.fromkeys(_IN_A_HURRY, "DynamoDB throttles it, and went on doing so; it is tried again later"),
    NO_SUCH_TABLE: "there is no such table; deploy the Data stack, or name another table or region",
    "AccessDeniedException": "access is denied; allow this task's role to use the table and its indexes",
    "UnrecognizedClientException": f"the credentials are not accepted; {_CREDENTIALS}",
    "InvalidSignatureException": f"the credentials are not accepted; {_CREDENTIALS}",
    "InvalidClientTokenId": f"the credentials are not accepted; {_CREDENTIALS}",
    "ExpiredTokenException": f"the credentials have run out; {_CREDENTIALS}",
    "TransactionConflict": "others kept writing the same items; it is tried again later",
}


class ConditionFailed(StoreError):
    """A write's condition was not met, and nothing was written. ``index``: which of the writes; ``old``: the item as it is, ``None``
    if there is none."""

    def __init__(self, index: int, old: Item | None) -> None:
        self.index, self.old = index, old
        super().__init__("the item is not as it was expected to be")


def code_of(error: Exception) -> str:
    """DynamoDB's code for it; of a transaction, that of the first write that stood in the way."""
    if not isinstance(error, ClientError):
        return ""
    codes = [reason.get("Code", "None") for reason in _reasons(error)]
    return next((code for code in codes if code != "None"), str(error.response.get("Error", {}).get("Code", "")))


def is_conflict(error: Exception) -> bool:
    """Whether another write was just under way, so that trying again is all there is to do."""
    return code_of(error) in _IN_CONFLICT


def may_pass(error: Exception) -> bool:
    """Whether the same request may well succeed a moment later."""
    if isinstance(error, ClientError):
        return code_of(error) in _IN_A_HURRY or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500
    return isinstance(error, _UNREACHED)


def failed_condition(error: Exception) -> ConditionFailed | None:
    """The error as the condition that was not met, if that is what it was."""
    if not isinstance(error, ClientError):
        return None
    if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
        return ConditionFailed(0, _old(error.response))
    for index, reason in enumerate(_reasons(error)):
        if reason.get("Code") == "ConditionalCheckFailed":
            return ConditionFailed(index, _old(reason))
    return None


def explained(error: Exception, table: str) -> StoreError:
    """The error to raise instead of ``error``: :class:`StoreUnavailable` where trying again later can help."""
    where = f"the call store dynamodb:{table}"
    if isinstance(error, ClientError):
        return _of_dynamodb(error, where)
    if isinstance(error, (NoCredentialsError, PartialCredentialsError)):
        return StoreUnavailable(f"cannot use {where}: there are no credentials; {_CREDENTIALS}")
    if isinstance(error, NoRegionError):
        return StoreUnavailable(f"cannot use {where}: no region is set; set AWS_DEFAULT_REGION, for example us-east-1")
    if isinstance(error, _UNREACHED):
        return StoreUnavailable(f"cannot reach {where}: {error}; check the network, AWS_DEFAULT_REGION and AWS_ENDPOINT_URL")
    return StoreUnavailable(f"cannot use {where}: {error}")


def _of_dynamodb(error: Any, where: str) -> StoreError:
    code = code_of(error)
    if code in _SENTENCES:
        return StoreUnavailable(f"cannot use {where}: {_SENTENCES[code]}")
    message = error.response.get("Error", {}).get("Message") or code
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500:
        return StoreUnavailable(f"cannot use {where}: {message}")
    return StoreError(f"{where} refused: {message}")


def _reasons(error: Any) -> list[Mapping[str, Any]]:
    return error.response.get("CancellationReasons") or []


def _old(told: Mapping[str, Any]) -> Item | None:
    return decode_item(told["Item"]) if told.get("Item") else None

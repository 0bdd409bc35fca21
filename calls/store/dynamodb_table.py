"""One DynamoDB table, as far as this project uses it: plain values in and out, pages followed, errors in sentences.

Everything here blocks and may be used by several threads; :meth:`DynamoTable.run` is the way to it from a loop that has audio to
carry. Lost answers are asked for again: a transaction carries a token by which DynamoDB knows a repeated one (Amazon DynamoDB, *API
Reference*: TransactWriteItems), and what depends on a single write's condition has to recognise its own.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import botocore.session  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from calls.store.base import StoreUnavailable
from calls.store.dynamodb_errors import (
    CAUGHT,
    NO_SUCH_TABLE,
    ConditionFailed,
    code_of,
    explained,
    failed_condition,
    is_conflict,
    may_pass,
)
from calls.store.dynamodb_schema import PK, SK, TTL, Index, table_description
from calls.store.dynamodb_values import Item, decode_item
from calls.store.dynamodb_writes import (
    Check,
    Condition,
    Delete,
    Put,
    Update,
    Write,
    key,
    names_in,
    parameters_of,
    values_of,
)

__all__ = ["Check", "Condition", "ConditionFailed", "Delete", "DynamoTable", "Item", "Put", "Update", "Write", "connect"]

THREADS = 8
"""Requests under way at a time from one process; more wait for a thread."""

MAX_WRITES = 100
"""Writes in a transaction (Amazon DynamoDB, *Quotas*)."""

_PAGE = 1000  # items that a page of a query is asked for
_GETS = 100  # items of one BatchGetItem
_DELETES = 25  # items of one BatchWriteItem
_ATTEMPTS = 12  # of what is in conflict with somebody else's write, or was left over
_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.5
_PAUSES_S = (0.05, 0.1, 0.2, 0.4)  # between requests that fail for a reason that may pass

PATIENCE_S = 6.0
"""After which what fails is not tried again."""

_MADE_WITHIN = 60  # looks at a table that is being made

P = ParamSpec("P")
T = TypeVar("T")


def connect(threads: int = THREADS, *, session: Any = None) -> Any:
    """A botocore client for DynamoDB; credentials, region and ``AWS_ENDPOINT_URL`` come from the environment. It costs a tenth of a
    second, a tenth of that for one more from the same botocore ``session``, and may be shared by all threads."""
    settings = Config(
        connect_timeout=1,
        read_timeout=3,
        # What passes is tried again here, and sooner: botocore waits for up to a second, and somebody is on the line.
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=threads,
        tcp_keepalive=True,
        parameter_validation=False,  # what is wrong is refused by DynamoDB, and told apart from what may pass
    )
    return (session or botocore.session.get_session()).create_client("dynamodb", config=settings)


class DynamoTable:
    """The table ``name``. Methods raise :class:`calls.store.base.StoreError`, writes with a condition
    :class:`calls.store.dynamodb_errors.ConditionFailed`, which is one.

    Args:
        client: shared with others, and left open; without one, it is made when it is first needed.
        threads: requests under way at a time, of those made through :meth:`run`.
        now_s: seconds since 1970, by which an item has outlived its TTL.
        sleep: how a thread waits before it tries again.
        patience_s: after which what fails is not tried again. A request may take four seconds more.
    """

    def __init__(
        self,
        name: str,
        *,
        client: Any = None,
        threads: int = THREADS,
        now_s: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.name = name
        self._patience_s = patience_s
        self._client, self._is_shared, self._threads = client, client is not None, threads
        self._now_s, self._sleep = now_s, sleep
        self._connecting = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    # Opening and closing

    def open(self, *, create: bool = False) -> None:
        """Returns if the table is there and lets us read.

        Args:
            create: makes it if it is missing, but never on AWS: there it is deployed, with what protects it.
        """
        try:
            self.check()
        except StoreUnavailable as error:
            if not (create and _is_missing(error) and not self.is_on_aws):
                raise
            self.create()

    def check(self) -> None:
        """Returns if the table answers; raises :class:`StoreUnavailable` otherwise."""
        self.get("CHECK", "CHECK")

    def create(self) -> None:
        """Makes the table, or finds that another process has, and waits until it can be used."""
        try:
            self._call("CreateTable", table_description(self.name))
        except CAUGHT as error:
            if code_of(error) != "ResourceInUseException":
                raise explained(error, self.name) from error
        with self._errors():
            for _ in range(_MADE_WITHIN):
                if self._call("DescribeTable", {"TableName": self.name})["Table"]["TableStatus"] == "ACTIVE":
                    break
                self._sleep(_LONGEST_PAUSE_S)
        self._turn_ttl_on()

    def _turn_ttl_on(self) -> None:
        specification = {"Enabled": True, "AttributeName": TTL}
        try:
            self._call("UpdateTimeToLive", {"TableName": self.name, "TimeToLiveSpecification": specification})
        except CAUGHT as error:
            if code_of(error) != "ValidationException":  # it is on already
                raise explained(error, self.name) from error

    def close(self) -> None:
        """Waits for what is under way and lets go. The table may be opened again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        if self._client is not None and not self._is_shared:
            self._client.close()
            self._client = None

    @property
    def is_on_aws(self) -> bool:
        """Whether requests go to AWS and not to something that speaks its protocol."""
        with self._errors():
            host = urlsplit(self._connected().meta.endpoint_url).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls a function that uses the table in a thread: no request is ever made on the loop. Whoever is cancelled while it runs
        does not stop it."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="dynamodb")
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(function, *args, **kwargs))

    def expiry(self, kept: timedelta) -> int:
        """The TTL of something that is written now and kept for so long."""
        return int(self._now_s() + kept.total_seconds())

    def pause(self, seconds: float) -> None:
        """Has the thread wait, before it tries something again."""
        self._sleep(seconds)

    # Reading

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        """One item; ``None`` if there is none or it has outlived its TTL."""
        with self._errors():
            answer = self._call("GetItem", {"TableName": self.name, "Key": key(pk, sk), "ConsistentRead": consistent})
        return next(self._living([answer["Item"]] if "Item" in answer else []), None)

    def query(
        self,
        pk: str,
        *,
        begins: str | None = None,
        between: tuple[str, str] | None = None,
        index: Index | None = None,
        descending: bool = False,
        limit: int | None = None,
        consistent: bool | None = None,
    ) -> list[Item]:
        """The items of a partition, by their sort key.

        Args:
            begins: only those whose sort key begins so.
            between: only those whose sort key is between these two, both included.
            index: of an index, which gives keys only and may be a moment behind.
            consistent: by default wherever it can be, that is not in an index.
        """
        asked = self._asked(pk, begins, between, index)
        asked |= {"ConsistentRead": index is None if consistent is None else consistent, "ScanIndexForward": not descending}
        found: list[Item] = []
        with self._errors():
            for page in self._pages(asked, limit):
                found.extend(self._living(page))
                if limit is not None and len(found) >= limit:
                    return found[:limit]
        return found

    def _asked(self, pk: str, begins: str | None, between: tuple[str, str] | None, index: Index | None) -> dict[str, Any]:
        pk_name, sk_name = (PK, SK) if index is None else (index.pk, index.sk)
        expression, values = f"#{pk_name} = :pk", {"pk": pk}
        if begins is not None:
            expression, values["begins"] = f"{expression} AND begins_with(#{sk_name}, :begins)", begins
        elif between is not None:
            expression, values["first"], values["last"] = f"{expression} AND #{sk_name} BETWEEN :first AND :last", *between
        asked = {
            "TableName": self.name,
            "KeyConditionExpression": expression,
            "ExpressionAttributeNames": names_in(expression),
            "ExpressionAttributeValues": values_of(values),
        }
        return asked if index is None else {**asked, "IndexName": index.name}

    def _pages(self, asked: dict[str, Any], limit: int | None) -> Iterator[list[Mapping[str, Any]]]:
        if limit is not None:
            asked["Limit"] = min(max(limit, 1), _PAGE)
        while True:
            answer = self._call("Query", asked)
            yield answer.get("Items", [])
            if not answer.get("LastEvaluatedKey"):
                return
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def batch_get(self, keys: Sequence[tuple[str, str]], *, consistent: bool = True) -> dict[tuple[str, str], Item]:
        """Those of the items that are there, any number, by their keys."""
        found: dict[tuple[str, str], Item] = {}
        wanted = list(dict.fromkeys(keys))
        for first in range(0, len(wanted), _GETS):
            chunk: Any = {"Keys": [key(*one) for one in wanted[first : first + _GETS]], "ConsistentRead": consistent}
            found |= self._batch_get(chunk)
        return found

    def _batch_get(self, chunk: Any) -> dict[tuple[str, str], Item]:
        found: dict[tuple[str, str], Item] = {}
        for pause_s in self._pauses():
            with self._errors():
                answer = self._call("BatchGetItem", {"RequestItems": {self.name: chunk}})
            found |= {(item[PK], item[SK]): item for item in self._living(answer["Responses"].get(self.name, []))}
            chunk = answer.get("UnprocessedKeys", {}).get(self.name)
            if not chunk:
                return found
            self._sleep(pause_s)
        raise self._overburdened()

    # Writing

    def put(self, item: Item, condition: Condition | None = None) -> None:
        """Writes a whole item."""
        self.write(Put(item, condition))

    def update(
        self, pk: str, sk: str, expression: str, values: Mapping[str, Any] | None = None, condition: Condition | None = None
    ) -> Item:
        """Changes an item (see :class:`Update`) and returns it as it is then."""
        return self.write(Update(pk, sk, expression, values or {}, condition)) or {}

    def delete(self, pk: str, sk: str, condition: Condition | None = None) -> None:
        """Deletes an item."""
        self.write(Delete(pk, sk, condition))

    def write(self, write: Put | Update | Delete) -> Item | None:
        """Writes one item. After an update, what it is then.

        Raises:
            ConditionFailed: also for a write whose answer was lost, and that was asked for again.
        """
        operation, parameters = parameters_of(write, self.name)
        if operation == "Update":
            parameters["ReturnValues"] = "ALL_NEW"
        answer = self._despite_conflicts(f"{operation}Item", parameters)
        return decode_item(answer["Attributes"]) if answer.get("Attributes") else None

    def transact(self, writes: Sequence[Write]) -> None:
        """Writes all or nothing: up to ``MAX_WRITES`` different items, 4 MB together.

        Raises:
            ConditionFailed: of one of them; ``index`` says of which.
        """
        items = [{operation: parameters} for operation, parameters in (parameters_of(write, self.name) for write in writes)]
        self._despite_conflicts("TransactWriteItems", {"TransactItems": items}, is_transaction=True)

    def batch_delete(self, keys: Sequence[tuple[str, str]]) -> None:
        """Deletes any number of items, in no order."""
        for first in range(0, len(keys), _DELETES):
            self._batch_delete([{"DeleteRequest": {"Key": key(*one)}} for one in keys[first : first + _DELETES]])

    def _batch_delete(self, requests: Any) -> None:
        for pause_s in self._pauses():
            with self._errors():
                answer = self._call("BatchWriteItem", {"RequestItems": {self.name: requests}})
            requests = answer.get("UnprocessedItems", {}).get(self.name)
            if not requests:
                return
            self._sleep(pause_s)
        raise self._overburdened()

    # Requests

    def _despite_conflicts(self, operation: str, parameters: dict[str, Any], *, is_transaction: bool = False) -> Any:
        pauses = iter(self._pauses())
        while True:
            # A token is of one attempt and of all its repetitions: DynamoDB remembers what became of it.
            token = {"ClientRequestToken": str(uuid4())} if is_transaction else {}
            try:
                return self._call(operation, {**parameters, **token})
            except CAUGHT as error:
                if failed := failed_condition(error):
                    raise failed from None
                pause_s = next(pauses, None)
                if pause_s is None or not is_conflict(error):
                    raise explained(error, self.name) from error
                self._sleep(pause_s)

    def _call(self, operation: str, parameters: Mapping[str, Any]) -> Any:
        """One request, and again while what stands in its way may pass."""
        request = getattr(self._connected(), _METHODS[operation])
        no_later_than_s = time.monotonic() + self._patience_s
        pauses = iter(_PAUSES_S)
        while True:
            try:
                return request(**parameters)
            except CAUGHT as error:
                pause_s = next(pauses, None)
                if pause_s is None or not may_pass(error) or time.monotonic() > no_later_than_s:
                    raise
                self._sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311  (to part those who were throttled together)

    def _connected(self) -> Any:
        if self._client is None:
            with self._connecting:
                if self._client is None:
                    self._client = self._made()
        return self._client

    def _made(self) -> Any:
        try:
            return connect(self._threads)
        except CAUGHT:
            raise
        except ValueError as error:  # botocore has no error of its own for an address that is none
            raise StoreUnavailable(f"cannot use the call store dynamodb:{self.name}: {error}; check AWS_ENDPOINT_URL") from None

    def _living(self, encoded: Sequence[Mapping[str, Any]]) -> Iterator[Item]:
        now_s = self._now_s()
        for item in map(decode_item, encoded):
            if TTL not in item or item[TTL] > now_s:
                yield item

    def _pauses(self) -> Iterator[float]:
        for attempt in range(_ATTEMPTS):
            yield random.uniform(0.5, 1) * min(_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S)  # noqa: S311  (to part two who meet)

    def _overburdened(self) -> StoreUnavailable:
        return StoreUnavailable(f"cannot use the call store dynamodb:{self.name}: it takes only part of what it is given")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except CAUGHT as error:
            raise explained(error, self.name) from error


_METHODS = {
    "GetItem": "get_item",
    "Query": "query",
    "BatchGetItem": "batch_get_item",
    "PutItem": "put_item",
    "UpdateItem": "update_item",
    "DeleteItem": "delete_item",
    "TransactWriteItems": "transact_write_items",
    "BatchWriteItem": "batch_write_item",
    "CreateTable": "create_table",
    "DescribeTable": "describe_table",
    "UpdateTimeToLive": "update_time_to_live",
}


def _is_missing(error: StoreUnavailable) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and code_of(cause) == NO_SUCH_TABLE

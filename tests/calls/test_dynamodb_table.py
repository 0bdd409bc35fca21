"""One DynamoDB table: values, conditions, pages, transactions, and what is said when it cannot be used."""

import asyncio
import os
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from calls.store.base import StoreError, StoreUnavailable
from calls.store.dynamodb_errors import ConditionFailed, explained, may_pass
from calls.store.dynamodb_schema import GSI1, INDEXES, PK, SK, TTL, table_description
from calls.store.dynamodb_table import DynamoTable, connect
from calls.store.dynamodb_values import decode, encode
from calls.store.dynamodb_writes import ABSENT, PRESENT, Check, Delete, Put, Update, when
from tests.calls.dynamodb import Dynamo
from tests.calls.examples import HOSTILE

SOME_TIME_S = 1_767_225_600.0


@pytest.fixture
def table(dynamodb: Dynamo) -> DynamoTable:
    return DynamoTable(dynamodb.new_table(), client=dynamodb.client, now_s=lambda: SOME_TIME_S)


VALUES = st.recursive(
    st.text()
    | st.integers(-(10**15), 10**15)
    | st.floats(-1e15, 1e15, allow_subnormal=False)
    | st.booleans()
    | st.none()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_value_comes_back_as_it_went_in(value: object) -> None:
    assert decode(encode(value)) == value


def test_sets_and_decimals_are_values_and_anything_else_is_not() -> None:
    assert decode(encode({"b", "a"})) == {"a", "b"}
    assert decode(encode(Decimal("1.5"))) == 1.5
    with pytest.raises(TypeError, match="DynamoDB holds no object"):
        encode(object())


def test_hostile_text_and_bytes_are_kept_by_the_server(table: DynamoTable) -> None:
    item = {PK: "a", SK: "1", "texts": list(HOSTILE), "bytes": bytes(range(256)), "number": -0.1, "empty": "", "none": None}
    table.put(item)
    assert table.get("a", "1") == item


def test_a_condition_that_is_not_met_tells_what_is_there(table: DynamoTable) -> None:
    table.put({PK: "a", SK: "1", "n": 1}, ABSENT)
    with pytest.raises(ConditionFailed) as put:
        table.put({PK: "a", SK: "1", "n": 2}, ABSENT)
    with pytest.raises(ConditionFailed) as deleted:
        table.delete("a", "2", PRESENT)
    with pytest.raises(ConditionFailed) as updated:
        table.update("a", "1", "SET #n = :n", {"n": 3}, when("#n = :was", was=9))

    assert [one.value.old for one in (put, deleted, updated)] == [{PK: "a", SK: "1", "n": 1}, None, {PK: "a", SK: "1", "n": 1}]


def test_an_update_answers_with_what_the_item_is_then(table: DynamoTable) -> None:
    assert table.update("a", "1", "SET #x = :x ADD #n :n", {"x": "y", "n": 2}) == {PK: "a", SK: "1", "x": "y", "n": 2}
    assert table.update("a", "1", "REMOVE #x ADD #n :n", {"n": 1}) == {PK: "a", SK: "1", "n": 3}


def test_a_transaction_writes_all_or_nothing_and_says_which_condition_it_was(table: DynamoTable) -> None:
    table.put({PK: "a", SK: "1", "n": 1})
    with pytest.raises(ConditionFailed) as failed:
        table.transact([Put({PK: "a", SK: "2"}), Update("a", "1", "SET #n = :n", {"n": 2}, when("#n = :was", was=7))])
    assert (failed.value.index, failed.value.old) == (1, {PK: "a", SK: "1", "n": 1})
    assert table.get("a", "2") is None

    table.transact([Put({PK: "a", SK: "2"}), Delete("a", "1", PRESENT), Check("a", "3", ABSENT)])
    assert table.query("a") == [{PK: "a", SK: "2"}]


def test_a_partition_is_read_by_prefix_by_range_and_from_either_end(table: DynamoTable) -> None:
    for number in range(1, 6):
        table.put({PK: "a", SK: f"x{number}", GSI1.pk: "g", GSI1.sk: f"{9 - number}"})
    table.put({PK: "a", SK: "y1"})

    def keys(**how: Any) -> list[str]:
        return [item[SK] for item in table.query("g" if "index" in how else "a", **how)]

    assert keys(begins="x") == ["x1", "x2", "x3", "x4", "x5"]
    assert keys(between=("x2", "x4")) == ["x2", "x3", "x4"]
    assert keys(descending=True, limit=2) == ["y1", "x5"]
    assert keys(index=GSI1, limit=2) == ["x5", "x4"]
    assert keys(limit=0) == []


def test_what_does_not_fit_on_a_page_is_read_all_the_same(table: DynamoTable) -> None:
    for number in range(6):
        table.put({PK: "a", SK: str(number), "text": "x" * 300_000})
    assert [item[SK] for item in table.query("a")] == ["0", "1", "2", "3", "4", "5"]
    assert [item[SK] for item in table.query("a", descending=True, limit=5)] == ["5", "4", "3", "2", "1"]


def test_any_number_of_items_is_read_and_deleted_by_their_keys(table: DynamoTable) -> None:
    keys = [("a", f"{number:03d}") for number in range(130)]
    for first in range(0, 130, 65):
        table.transact([Put({PK: pk, SK: sk}) for pk, sk in keys[first : first + 65]])

    assert set(table.batch_get([*keys, *keys, ("a", "none")])) == set(keys)
    table.batch_delete(keys[:-1])
    assert [item[SK] for item in table.query("a")] == ["129"]


def test_an_item_that_has_outlived_its_ttl_is_gone_wherever_one_looks(table: DynamoTable) -> None:
    for sk, ttl in (("old", int(SOME_TIME_S)), ("new", table.expiry(timedelta(seconds=1)))):
        table.put({PK: "a", SK: sk, TTL: ttl})

    assert (table.get("a", "old"), table.get("a", "new") is not None) == (None, True)
    assert [item[SK] for item in table.query("a")] == ["new"]
    assert list(table.batch_get([("a", "old"), ("a", "new")])) == [("a", "new")]


def test_a_table_is_made_as_it_is_described(dynamodb: Dynamo) -> None:
    made = dynamodb.client.describe_table(TableName=dynamodb.new_table())["Table"]
    described = table_description("any")

    assert made["KeySchema"] == described["KeySchema"]
    assert made["BillingModeSummary"]["BillingMode"] == described["BillingMode"]
    assert {one["IndexName"]: one["Projection"] for one in made["GlobalSecondaryIndexes"]} == {
        index.name: {"ProjectionType": "KEYS_ONLY"} for index in INDEXES
    }
    ttl = dynamodb.client.describe_time_to_live(TableName=made["TableName"])["TimeToLiveDescription"]
    assert (ttl["TimeToLiveStatus"], ttl["AttributeName"]) == ("ENABLED", TTL)


def test_a_missing_table_is_made_only_where_it_may_be(dynamodb: Dynamo) -> None:
    table = DynamoTable("calls-missing", client=dynamodb.client)
    with pytest.raises(StoreUnavailable, match="dynamodb:calls-missing: there is no such table; deploy the Data stack"):
        table.open()
    table.open(create=True)
    table.open()
    table.create()
    assert table.get("a", "1") is None


def test_a_table_on_aws_is_never_made() -> None:
    made: list[object] = []
    missing = ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no"}}, "GetItem")
    client = SimpleNamespace(
        meta=SimpleNamespace(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com"),
        get_item=mock.Mock(side_effect=missing),
        create_table=lambda **given: made.append(given),
    )
    with pytest.raises(StoreUnavailable, match="deploy the Data stack"):
        DynamoTable("calls", client=client).open(create=True)
    assert made == []


def answered(code: str, status: int = 400, message: str = "told so") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutItem")


def cancelled(*codes: str) -> ClientError:
    reasons = [{"Code": code} for code in codes]
    answer: Any = {"Error": {"Code": "TransactionCanceledException", "Message": "no"}, "CancellationReasons": reasons}
    return ClientError(answer, "TransactWriteItems")


URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("error", "words", "passes"),
    [
        (answered("ThrottlingException"), "DynamoDB throttles it", True),
        (answered("ProvisionedThroughputExceededException"), "DynamoDB throttles it", True),
        (cancelled("None", "ThrottlingError"), "DynamoDB throttles it", True),
        (cancelled("TransactionConflict", "None"), "others kept writing the same items", False),
        (answered("AccessDeniedException"), "allow this task's role", False),
        (answered("UnrecognizedClientException"), "credentials are not accepted", False),
        (answered("ExpiredTokenException"), "credentials have run out", False),
        (answered("ResourceNotFoundException"), "deploy the Data stack", False),
        (answered("InternalServerError", 500), "told so", True),
        (NoCredentialsError(), "there are no credentials; give this process credentials", False),
        (EndpointConnectionError(endpoint_url=URL), "cannot reach the call store dynamodb:calls", True),
        (ConnectTimeoutError(endpoint_url=URL), "cannot reach the call store dynamodb:calls", True),
        (ReadTimeoutError(endpoint_url=URL), "cannot reach the call store dynamodb:calls", True),
    ],
    ids=lambda value: getattr(value, "operation_name", None) and str(value)[:60],
)
def test_what_may_be_better_later_is_unavailable_and_said_in_a_sentence(error: Exception, words: str, *, passes: bool) -> None:
    told = explained(error, "calls")
    assert isinstance(told, StoreUnavailable)
    assert words in str(told)
    assert may_pass(error) is passes


@pytest.mark.parametrize(
    "error", [answered("ValidationException"), cancelled("ValidationError"), cancelled("ItemCollectionSizeLimitExceeded")]
)
def test_what_dynamodb_will_never_take_is_an_error_that_is_not_waited_out(error: Exception) -> None:
    told = explained(error, "calls")
    assert not isinstance(told, StoreUnavailable)
    assert isinstance(told, StoreError)
    assert "dynamodb:calls refused" in str(told)


@pytest.mark.parametrize(
    ("without", "words"),
    [("AWS_DEFAULT_REGION", "no region is set; set AWS_DEFAULT_REGION"), ("AWS_ACCESS_KEY_ID", "there are no credentials")],
)
def test_a_process_that_is_told_too_little_is_told_what_is_missing(dynamodb: Dynamo, without: str, words: str) -> None:
    environ = {name: value for name, value in dynamodb.environ.items() if name != without}
    with mock.patch.dict(os.environ, environ):
        for name in (without, "AWS_SECRET_ACCESS_KEY") if without == "AWS_ACCESS_KEY_ID" else (without,):
            os.environ.pop(name, None)
        table = DynamoTable("calls")
        with pytest.raises(StoreUnavailable, match=words):
            table.open(create=True)
        table.close()


def test_an_address_that_is_none_is_said_so(dynamodb: Dynamo) -> None:
    with mock.patch.dict(os.environ, {**dynamodb.environ, "AWS_ENDPOINT_URL": "nonsense"}):
        table = DynamoTable("calls")
        with pytest.raises(StoreUnavailable, match="Invalid endpoint: nonsense; check AWS_ENDPOINT_URL"):
            table.open(create=True)
        table.close()


def test_a_table_opens_again_after_it_was_closed(dynamodb: Dynamo) -> None:
    name = dynamodb.new_table()
    with mock.patch.dict(os.environ, dynamodb.environ):
        table = DynamoTable(name)
        for sk in ("1", "2"):
            table.open()
            table.put({PK: "a", SK: sk})
            table.close()
        table.open()
        assert len(table.query("a")) == 2
        table.close()


async def test_functions_run_in_other_threads_and_at_most_so_many_at_a_time(dynamodb: Dynamo) -> None:
    table = DynamoTable("calls", client=dynamodb.client, threads=2)
    meeting = threading.Barrier(2)

    def meet() -> str:
        meeting.wait(10)
        return threading.current_thread().name

    names = await asyncio.gather(*(table.run(meet) for _ in range(6)))
    table.close()

    assert len(set(names)) == 2
    assert threading.current_thread().name not in names


Unprocessed = Callable[..., Any]


def test_what_a_batch_leaves_over_is_asked_for_again(dynamodb: Dynamo, table: DynamoTable) -> None:
    for sk in ("1", "2"):
        table.put({PK: "a", SK: sk})
    pauses: list[float] = []
    client = SimpleNamespace(
        batch_get_item=one_at_a_time(dynamodb.client.batch_get_item, "UnprocessedKeys"),
        batch_write_item=one_at_a_time(dynamodb.client.batch_write_item, "UnprocessedItems"),
    )
    slow = DynamoTable(table.name, client=client, sleep=pauses.append, now_s=lambda: SOME_TIME_S)

    assert set(slow.batch_get([("a", "1"), ("a", "2")])) == {("a", "1"), ("a", "2")}
    slow.batch_delete([("a", "1"), ("a", "2")])

    assert table.query("a") == []
    assert len(pauses) == 2


def one_at_a_time(ask: Unprocessed, rest_is: str) -> Unprocessed:
    """As DynamoDB answers when there is little capacity left."""

    def asked(**parameters: Any) -> Any:
        ((name, wanted),) = parameters["RequestItems"].items()
        requests = wanted["Keys"] if isinstance(wanted, dict) else wanted
        first, rest = requests[:1], requests[1:]
        answer = ask(RequestItems={name: {**wanted, "Keys": first} if isinstance(wanted, dict) else first})
        left = {name: {**wanted, "Keys": rest} if isinstance(wanted, dict) else rest} if rest else {}
        return {**answer, rest_is: left}

    return asked


def test_a_client_needs_no_more_than_the_environment(dynamodb: Dynamo) -> None:
    with mock.patch.dict(os.environ, dynamodb.environ):
        client = connect()
    assert client.meta.endpoint_url == dynamodb.url
    client.close()

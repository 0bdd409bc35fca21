"""A DynamoDB that speaks HTTP, in a process of its own, and stores on it."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from calls.outbox import Wants, nobody_wants
from calls.store.dynamodb import DynamoStore
from calls.store.dynamodb_table import DynamoTable, connect
from tests.servers import aws_emulator, aws_environment

_numbers = itertools.count(1)


class Dynamo:
    """A running one. Every test has a table of its own; all share a client, which takes a tenth of a second to make."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environ = aws_environment(url)
        """What a process needs in order to use it."""
        self.client = self.connected()

    def connected(self, url: str | None = None) -> Any:
        """A client of its own, for this server or for something in front of it."""
        with mock.patch.dict(os.environ, aws_environment(url or self.url)):
            return connect()

    def new_table(self) -> str:
        """The name of an empty table that nothing else uses."""
        name = f"calls-{os.getpid()}-{next(_numbers)}"
        DynamoTable(name, client=self.client).create()
        return name

    def store(self, table: str, *, wants: Wants = nobody_wants) -> DynamoStore:
        """A store on a table, still to be opened."""
        return DynamoStore(DynamoTable(table, client=self.client), wants=wants)


@contextmanager
def served(folder: Path) -> Iterator[Dynamo]:
    """While the block runs."""
    with aws_emulator(folder) as url:
        dynamo = Dynamo(url)
        try:
            yield dynamo
        finally:
            dynamo.client.close()

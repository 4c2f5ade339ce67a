"""A DynamoDB for the tests, whichever is configured, and tables in it that are gone afterwards.

Unless told, ministack, started for the session. `SLUICE_DYNAMODB_URL` names any other endpoint, such as DynamoDB
Local's; with `SLUICE_AWS=1` it is AWS itself, by its own ways of finding credentials and region, which costs a little
money. Tables have a prefix of their own, and whatever carries it is deleted at the end, also what a test left behind.
"""

from __future__ import annotations

import itertools
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sluice.local.documents import DocumentStore
from sluice.local.ports import free_port
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.client import dynamodb_client, streams_client
from sluice.stores.dynamodb.tables import TableDefinition

_COUNT = itertools.count(1)


@dataclass(frozen=True)
class Documents:
    """A running engine. `endpoint` None is AWS; `store` is there when it is our own scratch one."""

    endpoint: str | None
    key: str | None
    secret: str | None
    region: str = "us-east-1"
    store: DocumentStore | None = None
    prefix: str = field(default_factory=lambda: f"sluice-test-{secrets.token_hex(4)}-")

    @cached_property
    def _own(self) -> Any:
        return self.client()

    def client(self) -> Any:
        """Give a fresh client, which takes a fifth of a second to make, set as the project's own are."""
        return dynamodb_client(self.endpoint, self.key, self.secret, self.region)

    def streams(self) -> Any:
        """Give a fresh client of the streams."""
        return streams_client(self.endpoint, self.key, self.secret, self.region)

    def make(self, partition: str = "id", sort: str | None = None, *, name: str = "", **rest: Any) -> str:
        """Make a table with a stream, by the fields of TableDefinition; give its name."""
        definition = {"stream": True, **rest}
        wanted = TableDefinition(self.fresh_name(name or "table"), partition, sort, **definition)
        apply_tables(self._own, (wanted,))
        return wanted.name

    def fresh_name(self, name: str) -> str:
        """Give the name of a table that is not there."""
        return f"{self.prefix}{name}-{next(_COUNT)}"

    def drop(self, table: str) -> None:
        """Delete a table; nothing if it is gone. On AWS one that is still changing must settle first."""
        for _ in range(60):
            try:
                self._own.delete_table(TableName=table)
            except self._own.exceptions.ResourceNotFoundException:
                return
            except self._own.exceptions.ResourceInUseException:
                time.sleep(2)
            else:
                return

    def sweep(self) -> None:
        """Delete every table that carries our prefix."""
        for page in self._own.get_paginator("list_tables").paginate():
            for table in page["TableNames"]:
                if table.startswith(self.prefix):
                    self.drop(table)


@contextmanager
def running(folder: Path) -> Iterator[Documents]:
    """Give the engine that the environment asks for; ours lives in `folder` and is ended afterwards."""
    documents = _asked_for() or _scratch(folder)
    try:
        if documents.store:
            documents.store.start(os.environ)
        yield documents
    finally:
        documents.store.stop() if documents.store else documents.sweep()


def _asked_for() -> Documents | None:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    if os.environ.get("SLUICE_AWS") == "1":
        return Documents(None, None, None, region)
    if url := os.environ.get("SLUICE_DYNAMODB_URL"):
        key = os.environ.get("AWS_ACCESS_KEY_ID", "LOCAL")
        return Documents(url, key, os.environ.get("AWS_SECRET_ACCESS_KEY", "local"), region)
    return None


def _scratch(folder: Path) -> Documents:
    store = DocumentStore(folder, free_port(), "SCRATCH", secrets.token_urlsafe())
    return Documents(store.url, store.key, store.secret, store=store)


class Between:
    """A client that passes everything on, but for one call, which `instead` may answer itself."""

    def __init__(self, client: Any, call: str, instead: Callable[..., Any]) -> None:
        self.client, self.call, self.instead, self.calls = client, call, instead, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.client, name)
        return real if name != self.call else lambda **asked: self._answer(real, asked)

    def _answer(self, real: Callable[..., Any], asked: dict[str, Any]) -> Any:
        self.calls += 1
        return self.instead(self.calls, real, asked)

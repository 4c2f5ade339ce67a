"""The design of `tyler` for the tests of the access library, and its tables on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sluice.access.cursors import Seal
from sluice.access.entities import Entities
from sluice.access.layout import Layout
from sluice.access.store import Endpoint, Store
from sluice.estate.design import TableDesign
from sluice.estate.read import read_model
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.tables import Index, TableDefinition
from sluice.stores.dynamodb.values import Item, key_of

from tests.documents import Documents

MODEL = Path(__file__).resolve().parents[2] / "include/estate/tyler.yaml"
KEY = b"only for tests, at least 16 bytes"


@dataclass(frozen=True)
class Tyler:
    """The design with its tables made, and what an application has of it."""

    documents: Documents
    layout: Layout
    client: Any

    @cached_property
    def store(self) -> Store:
        return Store(Endpoint(self.client))

    @cached_property
    def seal(self) -> Seal:
        return Seal((KEY,))

    @cached_property
    def entities(self) -> Entities:
        return Entities(self.store, self.layout, self.seal)

    def table(self, name: str) -> str:
        return self.layout.prefix + self.layout.model.tables[name].name

    def items(self, name: str = "entity") -> list[Item]:
        """All that a table holds."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.table(name), ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def fill(self, items: list[Item], name: str = "entity") -> None:
        """Put many at once, past the library."""
        requests = [{"PutRequest": {"Item": item}} for item in items]
        for start in range(0, len(requests), 25):
            self.client.batch_write_item(RequestItems={self.table(name): requests[start : start + 25]})

    def empty(self) -> None:
        """Delete what a test left."""
        for name in self.layout.model.tables:
            names = self.layout.model.tables[name].key.names
            found = [{"DeleteRequest": {"Key": key_of(item, *names)}} for item in self.items(name)]
            for start in range(0, len(found), 25):
                self.client.batch_write_item(RequestItems={self.table(name): found[start : start + 25]})


@contextmanager
def tyler_on(documents: Documents, prefix: str) -> Iterator[Tyler]:
    """Make the tables, and drop them afterwards."""
    layout = Layout(read_model(MODEL), documents.prefix + prefix)
    client = documents.client()
    wanted = tuple(_definition(layout.prefix, design) for design in layout.model.tables.values())
    apply_tables(client, wanted)
    try:
        yield Tyler(documents, layout, client)
    finally:
        for table in wanted:
            documents.drop(table.name)


def _definition(prefix: str, design: TableDesign) -> TableDefinition:
    indexes = tuple(Index(name, key.partition, key.sort) for name, key in design.indexes.items())
    return TableDefinition(prefix + design.name, design.key.partition, design.key.sort, indexes=indexes)

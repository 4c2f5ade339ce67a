"""What an application needs for its own tests and its development: the design's tables, and a route that it sets itself.

Where Sluice moves the data it makes both.
"""

from __future__ import annotations

from typing import Any

from sluice.access.layout import Layout
from sluice.access.routing import MARKS, Route
from sluice.errors import Terminal
from sluice.estate.design import TableDesign
from sluice.stores.dynamodb.actions import Put
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.reads import get_item
from sluice.stores.dynamodb.tables import Index, TableDefinition
from sluice.stores.dynamodb.writes import write_one


class RouteTaken(Terminal):
    """Sluice itself tells this route: whoever changed it would have writes go where nobody looks for them."""


def make_tables(client: Any, layout: Layout) -> None:
    """Make the design's tables where they are not there yet, on demand. Nothing is ever deleted.

    Raises TableRefused for one that is there and is another; TableNotReady, Throttled, DynamoDown, AccessDenied.
    """
    apply_tables(client, tuple(_definition(layout.prefix, design) for design in layout.model.tables.values()))


def set_route(client: Any, migration: str, route: Route, table: str = MARKS) -> None:
    """Tell applications where to read and write, as Sluice does in a migration. Raises RouteTaken where it does."""
    apply_tables(client, (TableDefinition(table, "PK", "SK"),))
    if get_item(client, table, {"PK": {"S": migration}, "SK": {"S": "STATE"}}):
        raise RouteTaken(
            f"{table} has a migration {migration} of Sluice's: its route is not yours to set. Take another table."
        )
    numbers = {"epoch": route.epoch, "lease_seconds": route.lease_seconds}
    told = {"PK": migration, "SK": "ROUTE", "read_from": route.read_from, "write_to": route.write_to}
    item = {name: {"S": text} for name, text in told.items()} | {name: {"N": str(one)} for name, one in numbers.items()}
    write_one(client, Put(table, item))


def _definition(prefix: str, design: TableDesign) -> TableDefinition:
    indexes = tuple(Index(name, key.partition, key.sort) for name, key in design.indexes.items())
    return TableDefinition(
        prefix + design.name,
        design.key.partition,
        design.key.sort,
        indexes=indexes,
        ttl=design.ttl,
        stream=design.stream,
    )

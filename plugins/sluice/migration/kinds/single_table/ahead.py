"""A first look at the source of a migration: some of its items, and a forecast of its copy. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sluice.migration.kinds.dynamodb_source.headroom import (
    NEW_ON_DEMAND,
    Forecast,
    Rate,
    look,
    units_of,
)
from sluice.migration.kinds.single_table.tables import Tables
from sluice.records import Record, Unmappable
from sluice.stores.dynamodb.values import Item


@dataclass(frozen=True)
class Ahead:
    """The first items of the source, and what its copy is about to meet."""

    items: tuple[Item, ...]
    forecast: Forecast


def look_ahead(client: Any, streams: Any, tables: Tables, measured: float = 0.0) -> Ahead:
    """Look at a few pages and forecast. `measured` is what a copy under way does, in items a second."""
    m = tables.migration
    lanes, declared = m.backfill.lanes, m.replication.changes_per_second
    looked = look(client, streams, tables.source.name, lanes, declared, measured)
    units = units_of([_written(tables, item) for item in looked.some])
    return Ahead(looked.some, looked.forecast(bearing(tables), units))


def bearing(tables: Tables) -> Rate:
    """Write units that the targets bear, the weakest first: declared, provisioned, or what a new on-demand table has."""
    if declared := tables.migration.backfill.write_units:
        return Rate(declared, "backfill.write_units")
    provisioned = [table.capacity[1] for table in tables.targets if table.capacity]
    if provisioned:
        return Rate(min(provisioned), "the most units of the weakest table, where autoscaling grants them")
    return Rate(NEW_ON_DEMAND, "what a new on-demand table bears at once")


def _written(tables: Tables, item: Item) -> Sequence[tuple[Item, int]]:
    try:
        records = tables.forth.wanted(item)
    except Unmappable:
        return ()
    return [(record.item, _indexes(tables, record)) for record in records]


def _indexes(tables: Tables, record: Record) -> int:
    table = next(one for one in tables.targets if one.name == record.table)
    return sum(index.partition in record.item for index in table.indexes)

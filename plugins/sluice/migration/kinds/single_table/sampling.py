"""A typed sample of a migration's records, for suites that a person writes: each record a row, each attribute a column."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sluice.migration.kinds.dynamodb_source.export_lines import plain
from sluice.migration.kinds.single_table.ours import FROM, is_gone, without_marks
from sluice.migration.kinds.single_table.tables import Tables
from sluice.proof.gates.rows import RowsSubject
from sluice.proof.gates.verdict import Row
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Value

SEGMENTS = 64
"""Places all over a table where the sample is taken, in random order."""
RECORD, TABLE = "record", "table"
"""The columns beside the attributes: the record's type, and the table that it lies in."""


def sample_of(client: Any, tables: Tables) -> RowsSubject:
    """Where a suite takes its rows: records of this migration, from all over its tables."""

    def take(most: int) -> list[Row]:
        each = -(-most // len(tables.targets))
        return [row for table in tables.targets for row in _some(client, tables, table.name, each)][:most]

    keys = {name for table in tables.targets for name in tables.key_names(table)}
    return RowsSubject(tables.migration.becomes, take, (TABLE, *sorted(keys)))


def _some(client: Any, tables: Tables, table: str, most: int) -> list[Row]:
    order, found = random.sample(range(SEGMENTS), SEGMENTS), list[Row]()
    for segment in order:
        items = scan_page(client, table, segment, SEGMENTS, limit=max(10, most // 8)).items
        found += [row_of(tables, table, item) for item in _mine(tables, items)]
        if len(found) >= most:
            break
    return found[:most]


def _mine(tables: Tables, items: tuple[Item, ...]) -> Iterator[Item]:
    whose = f"{tables.migration.name}/"
    return (item for item in items if not is_gone(item) and item.get(FROM, {}).get("S", "").startswith(whose))


def row_of(tables: Tables, table: str, item: Item) -> Row:
    """Give a record as a row, typed: text, whole numbers, Decimal, true and false, and text of what is none of these."""
    values = {name: typed(value) for name, value in without_marks(item).items()}
    return {**values, RECORD: tables.type_of(table, item), TABLE: table.removeprefix(tables.prefix)}


def typed(value: Value) -> Any:
    """Give a value as Python has it: NULL is None, a set or a document its JSON, binary its base64."""
    ((kind, inner),) = value.items()
    if kind == "N":
        number = Decimal(inner)
        return int(number) if number == number.to_integral_value() else number
    if kind in ("S", "BOOL"):
        return inner
    if kind == "NULL":
        return None
    if kind in ("SS", "NS"):
        return json.dumps(sorted(inner))
    ((_, told),) = plain(value).items()
    return told if kind == "B" else json.dumps(told, sort_keys=True)

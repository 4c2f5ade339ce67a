"""A typed sample of a migration's records, for suites that a person writes: each record a row, each attribute a column."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

from sluice.migration.kinds.single_table.ours import FROM, as_known, is_gone, without_marks
from sluice.migration.kinds.single_table.tables import Tables
from sluice.proof.gates.rows import RowsSubject
from sluice.proof.gates.verdict import Row
from sluice.records import Unmappable
from sluice.stores.dynamodb.export_lines import plain
from sluice.stores.dynamodb.reads import get_items
from sluice.stores.dynamodb.scan import scan_page
from sluice.stores.dynamodb.values import Item, Key, Value

SEGMENTS = 64
"""Places all over the source where the sample is taken, in random order."""
RECORD, TABLE = "record", "table"
"""The columns beside the attributes: the record's type, and the table that it lies in."""


def sample_of(client: Any, tables: Tables) -> RowsSubject:
    """Where a suite takes its rows: the records that stand for items from all over the source.

    Not from all over the target: that is others' too, and of a few thousand records among millions a look finds none.
    """

    def take(most: int) -> list[Row]:
        found, each = list[Row](), max(10, most // 8)
        for segment in random.sample(range(SEGMENTS), SEGMENTS):
            items = scan_page(client, tables.source.name, segment, SEGMENTS, limit=each).items
            found += _rows(client, tables, items)
            if len(found) >= most:
                break
        return found[:most]

    keys = {name for table in tables.targets for name in tables.key_names(table)}
    return RowsSubject(tables.migration.becomes, take, (TABLE, *sorted(keys)))


def _rows(client: Any, tables: Tables, items: tuple[Item, ...]) -> Iterator[Row]:
    """Give the records of some items as they stand. What is not there, or another's, the comparison knows of."""
    wanted = dict[str, list[Key]]()
    for item in filter(None, (as_known(tables.migration.name, item) for item in items)):
        with suppress(Unmappable):
            for record in tables.forth.wanted(item):
                wanted.setdefault(record.table, []).append(record.key)
    for table, keys in wanted.items():
        there = get_items(client, table, keys).values()
        yield from (row_of(tables, table, one) for one in there if _is_mine(tables, one))


def _is_mine(tables: Tables, item: Item) -> bool:
    return not is_gone(item) and item.get(FROM, {}).get("S", "").startswith(f"{tables.migration.name}/")


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

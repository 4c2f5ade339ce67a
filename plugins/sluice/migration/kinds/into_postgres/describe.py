"""The plan of a migration for a person: what is made, and what becomes of a few real items. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.migration.kinds.dynamodb_source.headroom import Looked
from sluice.migration.kinds.into_postgres.copying import Source
from sluice.migration.kinds.into_postgres.layout import plan_parts, scan_span, statements
from sluice.migration.kinds.into_postgres.shape import RowShape, origin_of
from sluice.records import Unmappable
from sluice.stores.dynamodb.values import Item
from sluice.stores.postgres import Connection
from sluice.stores.statements import as_text

SHOWN = 5


def plan(c: Connection, m: IntoPostgresMigration, shape: RowShape, source: Source, looked: Looked) -> str:
    """Say what would be made, statements included, what the copy is about to meet, and show some items as rows."""
    span = scan_span(c, m.target, shape, source)
    parts = plan_parts(c, m.target, span)
    made = [as_text(one, c) for one in statements(m.target, shape, parts, None)]
    covered = f"{len(parts)} partitions from {span.lower} to {span.upper}" if span.lower else f"{len(parts)} partitions"
    shown = _shown(shape, source, looked.some[:SHOWN])
    ahead = str(looked.forecast(None, 0.0))
    return "\n".join([f"{source.table} → {m.target.table}, {covered}", *made, "", ahead, *shown])


def _shown(shape: RowShape, source: Source, some: Sequence[Item]) -> Iterator[str]:
    for item in some:
        yield origin_of(source.key_of(item))
        yield from (f"  {line}" for line in _row(shape, item))


def _row(shape: RowShape, item: Item) -> Iterator[str]:
    try:
        row = shape.row_of(item)
    except Unmappable as why:
        yield f"quarantined: {why}"
        return
    for name, text in zip(shape.names, row.values, strict=True):
        yield f"{name} = {'NULL' if text is None else text[:80]}"

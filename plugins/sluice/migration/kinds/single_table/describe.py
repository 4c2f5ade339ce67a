"""The plan of a migration for a person: what is made, and what becomes of a few real items. Read-only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sluice.migration.engine.contract import Phase, Position, Progress
from sluice.migration.kinds.single_table.ahead import look_ahead
from sluice.migration.kinds.single_table.tables import Tables
from sluice.records.preview import preview
from sluice.stores.dynamodb.tables import describe, plan_tables

SHOWN = 5


def plan(client: Any, streams: Any, tables: Tables, position: Position, progress: Progress) -> str:
    """Say what would be done."""
    if position.phase is Phase.RETIRED:
        into = ", ".join(table.name for table in tables.targets)
        return f"{tables.migration.name} is retired: its records in {into} are the data, and nothing is left to do."
    found = {table.name: describe(client, table.name) for table in tables.targets}
    looked = look_ahead(client, streams, tables, progress.rate)
    lines = [
        f"{tables.migration.name}: {tables.source.name} → {', '.join(found)}",
        f"It is {position.phase}, epoch {position.epoch}; backfill {progress}",
        *(str(plan) for plan in plan_tables(list(tables.targets), found)),
        *([str(looked.forecast)] if position.phase.rank < Phase.BACKFILLED.rank else []),
        preview(tables.shape, looked.items[:SHOWN], datetime.now(UTC).replace(tzinfo=None)),
    ]
    return "\n".join(lines)

"""The plan of a migration for a person: what is made, and what becomes of a few real items. Read-only."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sluice.migration.engine.contract import Position, Progress
from sluice.migration.kinds.single_table.preflight import sample
from sluice.migration.kinds.single_table.tables import Tables
from sluice.records.preview import preview
from sluice.stores.dynamodb.tables import describe, plan_tables

SHOWN = 5


def plan(client: Any, tables: Tables, position: Position, progress: Progress) -> str:
    """Say what would be done."""
    found = {table.name: describe(client, table.name) for table in tables.targets}
    lines = [
        f"{tables.migration.name}: {tables.source.name} → {', '.join(found)}",
        f"It is {position.phase}, epoch {position.epoch}; backfill {progress}",
        *(str(plan) for plan in plan_tables(list(tables.targets), found)),
        preview(tables.shape, sample(client, tables.source.name)[:SHOWN], datetime.now(UTC).replace(tzinfo=None)),
    ]
    return "\n".join(lines)

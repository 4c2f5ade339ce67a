"""What our own archive has taken out of a table for good: rows by its ledger, bytes by what a row took when it went.

A table that shrank because months were dropped has not stopped growing: whoever forecasts adds these back. The ledger knows
rows and no bytes; so what is newly gone is counted at what a row of the table takes now, and what was counted before stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.ledger.samples import Sample, Series
from sluice.stores.postgres import Connection, one, rows
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Archived:
    """A month that was taken out of its table: dropped, or beside it until it is."""

    parent: str
    partition: str
    dropped: bool
    rows: float


def archived_in(c: Connection) -> list[Archived]:
    """List what the archive's ledger knows in this database; nothing where it has never been, or may not be read."""
    if not one(c, statement("collecting.has_archive"))["may"]:
        return []
    return [
        Archived(
            f"{row['parent_schema']}.{row['parent_name']}",
            f"{row['partition_schema']}.{row['partition_name']}",
            row["dropped"],
            row["rows"],
        )
        for row in rows(c, statement("collecting.list_archived"))
    ]


def carry_dropped(
    store: str, archived: Sequence[Archived], row_bytes: Mapping[str, float], before: Mapping[Series, Sample]
) -> dict[Series, float]:
    """Give rows and bytes that are gone of each table, from those of the last look on. Pure.

    `row_bytes` is what a row of each table takes; where there is no row to go by, what was told before is told again.
    """
    gone: dict[str, float] = {}
    for month in archived:
        gone[month.parent] = gone.get(month.parent, 0.0) + (month.rows if month.dropped else 0.0)
    made: dict[Series, float] = {}
    for table, count in gone.items():
        of_rows, of_bytes = Series(store, "dropped_rows_count", table), Series(store, "dropped_bytes", table)
        old_rows, old_bytes = (before[one].value if one in before else 0.0 for one in (of_rows, of_bytes))
        if table in row_bytes or count == old_rows:
            made[of_rows] = count
            made[of_bytes] = max(0.0, old_bytes + (count - old_rows) * row_bytes.get(table, 0.0))
    return made

"""Whether there is room for the target: its names, and its bytes on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from sluice.estate.models import SameClusterMigration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.route import ATTIC, old_table
from sluice.migration.kinds.same_cluster.said import inform, refuse
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.postgres import Connection, Table, rows
from sluice.stores.statements import statement

COPY_BYTES_PER_SECOND = 40e6
"""A cautious rate of the backfill, for the estimate only: heap bytes into partitions with indexes."""
WAL_PER_HEAP = 2.0


def about_target(c: Connection, migration: SameClusterMigration) -> Iterator[Finding]:
    """The target and the old table need names that are free."""
    target = Table.parse(migration.target.table)
    source = Table.parse(migration.source.table)
    if target.schema != source.schema:
        yield refuse(
            "other_schema", f"{target} is not in schema {source.schema}.", "Keep into.table in from.table's schema."
        )
    old = old_table(source)
    for taken in (target, old, Table(ATTIC, old.name)):
        if find_table(c, taken) is not None:
            yield refuse(
                "target_exists",
                f"{taken} is there already and is not ours.",
                "Choose another into.table, or drop it, or rename it.",
            )


def about_size(c: Connection, shape: Shape) -> Iterator[Finding]:
    """What the copy costs: disk, time, WAL."""
    total, heap = shape.facts["total_bytes"], shape.facts["heap_bytes"]
    yield inform(
        "size",
        f"{shape.table} has {shape.rows_said} in {_mb(total)}: the copy takes as much disk again,"
        f" about {heap / COPY_BYTES_PER_SECOND:.0f} s of undisturbed copying and {_mb(heap * WAL_PER_HEAP)} of WAL.",
    )
    free = _free_bytes(c)
    if free is not None and free < 1.5 * total:
        yield refuse(
            "disk_room",
            f"The server's disk has {_mb(free)} free, the copy wants {_mb(1.5 * total)}.",
            "Make room first.",
        )


def _free_bytes(c: Connection) -> int | None:
    """Free bytes of the data directory, where the server runs on this machine and lets us know where."""
    if c.info.host not in ("127.0.0.1", "localhost", "::1") and not c.info.host.startswith("/"):
        return None
    found = rows(c, statement("load.find_data_directory"))
    try:
        return shutil.disk_usage(found[0]["directory"]).free if found and found[0]["directory"] else None
    except OSError:
        return None


def _mb(size: Any) -> str:
    return f"{float(size) / 1e6:,.0f} MB"

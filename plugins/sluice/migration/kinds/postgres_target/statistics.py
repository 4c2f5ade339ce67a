"""What the planner knows of a target that was filled a moment ago."""

from __future__ import annotations

from sluice.failpoints import failpoint
from sluice.stores.catalogue import partitions
from sluice.stores.postgres import Connection, Table
from sluice.stores.statements import statement


def refresh_statistics(c: Connection, oid: int, parent: Table) -> None:
    """VACUUM (ANALYZE) the partitions and ANALYZE the parent, which autovacuum never does. Outside any transaction."""
    parts = [Table(part["schema"], part["name"]) for part in partitions(c, oid)]
    for table in parts or [parent]:
        c.execute(statement("swap.vacuum_table", table=table.identifier))
        failpoint("statistics.partition")
    c.execute(statement("swap.analyze_table", table=parent.identifier))

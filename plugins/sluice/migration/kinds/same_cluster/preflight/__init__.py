"""Everything that would stop this migration, all at once. Read-only."""

from __future__ import annotations

from sluice.estate.models import SameClusterMigration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster import surroundings
from sluice.migration.kinds.same_cluster.preflight.columns import about_columns
from sluice.migration.kinds.same_cluster.preflight.key import about_key
from sluice.migration.kinds.same_cluster.preflight.partition import about_partitions
from sluice.migration.kinds.same_cluster.preflight.role import about_role
from sluice.migration.kinds.same_cluster.preflight.room import about_size, about_target
from sluice.migration.kinds.same_cluster.preflight.table import about_table
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.said import refuse
from sluice.migration.kinds.same_cluster.shadow.reads import about_reads
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connection, Table


def findings(c: Connection, migration: SameClusterMigration, *, fresh: bool) -> list[Finding]:
    """List what stands in the way and what a person should know. `fresh` is whether the target is still to be made."""
    source = Table.parse(migration.source.table)
    shape = find_table(c, source)
    if shape is None:
        return [
            refuse(
                "missing_table",
                f"{source} is not there in store {migration.source.store}.",
                "Mend from.table.",
            )
        ]
    route = Route(migration, shape, source, Table.parse(migration.target.table))
    seen = [
        *about_table(shape),
        *about_key(shape, migration, c.info.server_version),
        *about_columns(c, route),
        *about_partitions(c, route),
        *about_role(c, shape),
        *(about_target(c, migration) if fresh else ()),
        *about_reads(c, migration),
    ]
    # A target that cannot be planned cannot be rehearsed.
    stopped = any(one.blocks and not one.acceptable for one in seen)
    return [*seen, *surroundings.findings(c, route, fresh=fresh and not stopped), *about_size(c, shape)]

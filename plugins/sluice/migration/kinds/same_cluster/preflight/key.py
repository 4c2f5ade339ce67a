"""What the key and the unique indexes must be."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.models import SameClusterMigration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.said import accept, refuse
from sluice.stores.catalogue import Shape

EXCLUDES_ON_PARTITIONS = 170000
"""From this version on a partitioned table takes an exclusion constraint, where the partition columns are in it with `=`."""


def about_key(shape: Shape, migration: SameClusterMigration, server_version: int) -> Iterator[Finding]:
    """Every row must be told apart, here and in the target."""
    cut_by = tuple(dict.fromkeys(cut.column for cut in migration.target.cuts))
    added = tuple(column for column in cut_by if column not in shape.key)
    if not shape.key:
        yield refuse(
            "no_key",
            f"{shape.table} has neither a primary key nor a unique index over columns that are never NULL:"
            " rows could not be told apart.",
            _key_way_on(shape),
        )
        return
    if shape.key_deferrable:
        yield refuse("deferrable_key", f"{shape.table}'s key is deferrable.", "Make it NOT DEFERRABLE first.")
    if added:
        key, wider = ", ".join(shape.key), ", ".join((*shape.key, *added))
        yield accept(
            "weaker_key",
            f"The key ({key}) becomes ({wider}): PostgreSQL demands the partition columns in it, so ({key}) alone is no"
            f" longer unique by constraint, and INSERT … ON CONFLICT ({key}) fails from the cutover on.",
            "Write `accept: [weaker_key]` when the application neither repeats a key nor names it in ON CONFLICT.",
        )
    for index in shape.indexes:
        lacks = [column for column in cut_by if column not in index["columns"]]
        if index["unique"] and index["name"] != shape.key_index and lacks:
            yield refuse(
                "unique_index",
                f"Unique index {index['name']} of {shape.table} lacks {', '.join(lacks)}: partitions cannot hold it.",
                f"Drop it, or add {', '.join(lacks)} to it, or cut by a column that it has.",
            )
        if index["exclusion"] and index["name"] == shape.key_index:
            yield refuse(
                "temporal_key",
                f"{shape.table}'s key is WITHOUT OVERLAPS, which a copy cannot follow row by row.",
                "Give it a plain key besides, or keep the table as it is.",
            )
        elif index["exclusion"] and cut_by:
            yield from _about_exclusion(shape, index["name"], lacks, server_version)
        if not index["valid"]:
            yield refuse("invalid_index", f"Index {index['name']} is invalid.", "REINDEX or drop it first.")


def _about_exclusion(shape: Shape, name: str, lacks: list[str], server_version: int) -> Iterator[Finding]:
    """Whether partitions can hold an exclusion constraint; the rehearsal sees that the columns are in it with `=`."""
    if server_version < EXCLUDES_ON_PARTITIONS:
        what = f"Exclusion constraint {name} of {shape.table}: before PostgreSQL 17 partitions cannot hold one."
        yield refuse("exclusion", what, "Make a plain table of it, or drop the constraint.")
    elif lacks:
        columns = ", ".join(lacks)
        yield refuse(
            "exclusion",
            f"Exclusion constraint {name} of {shape.table} lacks {columns} (with =): partitions cannot hold it.",
            f"Cut by a column that it has with =, or add {columns} to it, or make a plain table of it, or drop it.",
        )


def _key_way_on(shape: Shape) -> str:
    """Name a unique index that would do, if its columns could not be NULL."""
    for index in shape.indexes:
        if index["unique"] and index["valid"] and index["plain"]:
            columns = ", ".join(f"ALTER COLUMN {name} SET NOT NULL" for name in index["columns"])
            return f"Unique index {index['name']} would do: ALTER TABLE {shape.table} {columns}."
    added = "ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    return f"ALTER TABLE {shape.table} {added} first, or ADD PRIMARY KEY (…) on columns that are unique."

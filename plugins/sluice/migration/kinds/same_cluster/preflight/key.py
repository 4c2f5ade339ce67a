"""What the key and the unique indexes must be."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.models import Migration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.said import accept, refuse
from sluice.stores.catalogue import Shape


def about_key(shape: Shape, migration: Migration) -> Iterator[Finding]:
    """Every row must be told apart, here and in the target."""
    column = migration.target.partition.column
    if not shape.key:
        yield refuse(
            "no_key",
            f"{shape.table} has no primary key: rows could not be told apart.",
            "ALTER TABLE … ADD PRIMARY KEY first (an identity column will do).",
        )
        return
    if shape.key_deferrable:
        yield refuse("deferrable_key", f"{shape.table}'s primary key is deferrable.", "Make it NOT DEFERRABLE first.")
    if column not in shape.key:
        yield accept(
            "weaker_key",
            f"The primary key ({', '.join(shape.key)}) becomes ({', '.join((*shape.key, column))}): PostgreSQL demands the"
            f" partition column in it, so ({', '.join(shape.key)}) alone is no longer unique"
            f" by constraint, and INSERT … ON CONFLICT ({', '.join(shape.key)}) fails from the cutover on.",
            "Write `accept: [weaker_key]` when the application neither repeats a key nor names it in ON CONFLICT.",
        )
    for index in shape.indexes:
        if index["unique"] and not index["primary"] and column not in index["columns"]:
            yield refuse(
                "unique_index",
                f"Unique index {index['name']} lacks {column}: partitions cannot hold it.",
                f"Drop it, or add {column} to it.",
            )
        if index["exclusion"]:
            yield refuse(
                "exclusion",
                f"Exclusion constraint {index['name']} does not reach across partitions.",
                "Drop it.",
            )
        if not index["valid"]:
            yield refuse("invalid_index", f"Index {index['name']} is invalid.", "REINDEX or drop it first.")

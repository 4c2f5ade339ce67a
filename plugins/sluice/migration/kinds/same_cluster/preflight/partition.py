"""What the partition column must hold."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from sluice.estate.models import Migration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.said import inform, refuse
from sluice.stores.catalogue import Shape
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement

MOST_MONTHS = 400
DATED = ("timestamp with time zone", "timestamp without time zone", "date")


def about_partition_column(c: Connection, shape: Shape, migration: Migration) -> Iterator[Finding]:
    """Every row must have a partition."""
    name = migration.target.partition.column
    column = shape.column(name)
    if column is None:
        there = ", ".join(x.name for x in shape.columns)
        yield refuse(
            "no_partition_column",
            f"{shape.table} has no column {name} (it has {there}).",
            "Mend into.partition.range.",
        )
        return
    if column.type not in DATED:
        yield refuse("not_dated", f"{shape.table}.{name} is {column.type}.", f"Months need one of: {', '.join(DATED)}.")
        return
    if column.generated:
        yield refuse(
            "generated_partition_column",
            f"{shape.table}.{name} is generated.",
            "Partition by a stored column.",
        )
    seen = one(
        c,
        statement("expand.scan_partition_column", source=shape.table.identifier, column=sql.Identifier(name)),
    )
    if seen["nulls"]:
        yield refuse(
            "null_partition_column",
            f"{seen['nulls']} rows of {shape.table} have no {name}.",
            "Give them one first.",
        )
    if seen["infinite"]:
        yield refuse(
            "infinite_partition_column",
            f"{seen['infinite']} rows of {shape.table} have an infinite {name}.",
            "Mend them.",
        )
    if seen["months"] > MOST_MONTHS:
        yield refuse(
            "too_many_partitions",
            f"{shape.table}.{name} goes from {seen['least']} to {seen['greatest']}: {seen['months']:.0f} months.",
            f"Mend the odd dates; at most {MOST_MONTHS} partitions are made.",
        )
    if not column.not_null:
        yield inform(
            "nullable_partition_column",
            f"{shape.table}.{name} may be NULL; the new table refuses NULL there.",
        )

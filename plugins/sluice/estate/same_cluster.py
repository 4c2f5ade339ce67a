"""`kind: same_cluster`: a PostgreSQL table takes another shape within its own database."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from sluice.estate.cuts import Cut, Partition, default_partition_schema
from sluice.estate.fields import Expression, Identifier, Part, SqlType, TableName, lasting
from sluice.estate.migration import Limits, Migration, Origin, Pace, Proof, Switch


class Source(Origin):
    """Where the rows are today."""

    table: TableName
    """The table to move."""


class Change(Part):
    """What becomes of one column: another type, another value, a new column, or none."""

    type: SqlType | None = None
    """The column's type in the new table. Needed with `from`."""
    value: Expression | None = Field(default=None, alias="from")
    """Its value, as an immutable SQL expression over the old table's columns."""
    drop: bool = False
    """Whether the new table leaves the old column out."""
    back: Expression | None = None
    """The old column's value, as an immutable SQL expression over the new table's columns. Cutting back needs it."""


class Target(Part):
    """What the table becomes. It takes over the source's name at cutover."""

    table: TableName
    """The new table, in the same database. Sluice makes it."""
    partition: Partition | None = None
    """How it is cut into partitions; without it, one plain table."""
    columns: dict[Identifier, Change] = Field(default_factory=dict, max_length=200)
    """Columns that change, by name. All others are carried over as they are."""
    months_ahead: int = Field(default=3, ge=1, le=60)
    """With `range`: months for which partitions are kept ready beyond the current one."""
    partition_schema: Identifier | None = None
    """The schema that holds the partitions; without it, `<schema of from.table>_partitions`."""

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """How it is cut, outermost first; none for a plain table."""
        return self.partition.cuts if self.partition else ()

    @property
    def range_cut(self) -> Cut | None:
        """The cut by ranges of time, where there is one."""
        return next((cut for cut in self.cuts if cut.range_of), None)


class Backfill(Pace):
    """How history is copied while the application keeps writing."""

    slow_down_when: Limits = Limits()
    """Limits at which the backfill waits."""

    @property
    def limits(self) -> Limits:
        """The limits at which the backfill waits."""
        return self.slow_down_when


class Shadow(Part):
    """The shadow read: before cutover, the application's own reads (pg_stat_statements) run on both tables."""

    statements: int = Field(default=20, ge=1, le=200)
    """At most so many statements, those called most often first."""
    samples: int = Field(default=20, ge=1, le=200)
    """Each runs with the values of so many rows, from all over the table."""
    slower_than: float = Field(default=3.0, ge=1, le=100)
    """Red where the new table's P95 is more than so many times the old one's, and the allowance."""
    allowance: Annotated[timedelta, lasting("0ms", "1h")] = timedelta(milliseconds=5)
    """What a read may be slower by, whatever it took before."""
    required: bool = False
    """Whether the gate is red where no read could be compared."""


class Gates(Proof):
    """What must hold before the migration may go on, besides the full row-by-row diff, which is always asked for."""

    shadow: Shadow | None = Shadow()
    """How the application's reads are compared before cutover; `null` leaves that out."""


class Cutover(Switch):
    """How and when the names are swapped. A person approves it each time."""

    lock_timeout: Annotated[timedelta, lasting("10ms", "2s")] = timedelta(milliseconds=50)
    """How long one try waits for its lock. Every writer queues behind it that long."""
    tries: int = Field(default=100, ge=1, le=10_000)
    """Tries before it gives up, with nothing changed."""

    @property
    def longest_wait(self) -> timedelta:
        """How long one try waits for its lock."""
        return self.lock_timeout


class SameClusterMigration(Migration):
    """A table's way from what it is to what it shall be."""

    kind: Literal["same_cluster"] = "same_cluster"
    """The way of moving: `same_cluster` keeps the table in its database."""
    source: Source = Field(alias="from")
    """Where the rows are today."""
    target: Target = Field(alias="into")
    """What the table becomes."""
    backfill: Backfill = Backfill()
    """How history is copied."""
    gates: Gates = Gates()
    """What must hold before the migration goes on."""
    cutover: Cutover = Cutover()
    """How and when the names are swapped."""

    @property
    def becomes(self) -> str:
        """The new table's name."""
        return self.target.table

    @property
    def partition_schema(self) -> str:
        """The schema that holds the partitions: the one asked for, or the default."""
        return self.target.partition_schema or default_partition_schema(self.source.table)

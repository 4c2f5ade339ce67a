"""What an estate is made of, as frozen models. A description below a field is also the editor's and the reference's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from sluice.estate import calendar
from sluice.estate.calendar import Freeze, Window
from sluice.estate.fields import (
    Bucket,
    Connection,
    Expression,
    Finding,
    Identifier,
    Name,
    Part,
    SqlType,
    Suite,
    TableName,
    lasting,
)
from sluice.estate.names import parse_table


class Source(Part):
    """Where the rows are today."""

    store: Name
    """Which store holds the table: a name under `stores` in estate.yaml."""
    table: TableName
    """The table to move."""


class Cut(Part):
    """How a table is cut: by exactly one of `range` (with `every`), `hash` (with `parts`) or `list`."""

    range_of: Identifier | None = Field(default=None, alias="range")
    """The column whose ranges make the partitions. It becomes part of the primary key."""
    every: Literal["month", "week", "day"] | None = None
    """With `range`: how much one partition holds. Bounds are UTC, weeks begin on Monday."""
    hash_of: Identifier | None = Field(default=None, alias="hash")
    """The column whose hash chooses the partition. It becomes part of the primary key."""
    parts: Annotated[int, Field(ge=2, le=1024)] | None = None
    """With `hash`: how many partitions."""
    list_of: Identifier | None = Field(default=None, alias="list")
    """The column of which each value has a partition; new values go to a default one. It becomes part of the key."""

    @property
    def column(self) -> str:
        """The column that the partitions are cut by."""
        return self.range_of or self.hash_of or self.list_of or ""


class Partition(Cut):
    """How the new table is cut, once or twice: `{list: tenant_id, then: {range: created_at, every: month}}`."""

    then: Cut | None = None
    """How each partition is cut again, below `list` or `hash`."""

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The cuts, outermost first."""
        return (self, self.then) if self.then else (self,)


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


class Limits(Part):
    """When the backfill steps back. It waits while any limit is passed; `null` switches a limit off."""

    replica_lag: Annotated[timedelta, lasting("10ms", "1h")] | None = timedelta(seconds=5)
    """The slowest replica is further behind than this."""
    commit_latency: Annotated[timedelta, lasting("1ms", "1m")] | None = timedelta(milliseconds=50)
    """A commit takes longer than this."""
    waiting_writers: Annotated[int, Field(ge=1, le=1000)] | None = 2
    """So many of the application's sessions wait for a lock."""
    wal_rate_mb: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """The server writes more WAL than this, in MB a second."""


class Backfill(Part):
    """How history is copied while the application keeps writing."""

    lanes: int = Field(default=2, ge=1, le=16)
    """Workers that copy side by side. More lanes, more load."""
    chunk_rows: int = Field(default=20_000, ge=100, le=1_000_000)
    """Rows in one transaction. Sluice halves it by itself when writers are in the way."""
    slow_down_when: Limits = Limits()
    """Limits at which the backfill waits."""


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


class Gates(Part):
    """What must hold before the migration may go on, besides the full row-by-row diff, which is always asked for."""

    verified: tuple[Suite, ...] = Field(default=(), max_length=20)
    """Suites that the new table must pass before it is verified."""
    cut_over: tuple[Suite, ...] = Field(default=(), max_length=20)
    """Suites that it must pass again just before cutover."""
    freshness: Annotated[timedelta, lasting("1s", "7d")] = timedelta(minutes=30)
    """How old a green gate may be at cutover."""
    shadow: Shadow | None = Shadow()
    """How the application's reads are compared before cutover; `null` leaves that out."""


class Cutover(Part):
    """How and when the names are swapped. A person approves it each time."""

    window: Window | None = None
    """Hours in which a cutover may start; without it, at any hour."""
    freeze: tuple[Freeze, ...] = Field(default=(), max_length=100)
    """Days on which no cutover starts, first and last included, UTC."""
    approver_is_not_requester: bool = False
    """Whether somebody other than who started the run must approve."""
    lock_timeout: Annotated[timedelta, lasting("10ms", "2s")] = timedelta(milliseconds=50)
    """How long one try waits for its lock. Every writer queues behind it that long."""
    tries: int = Field(default=100, ge=1, le=10_000)
    """Tries before it gives up, with nothing changed."""

    def open_at(self, moment: datetime) -> tuple[bool, str]:
        """Say whether a cutover may start at `moment`, and why or when. Raises ValueError for a moment without zone."""
        return calendar.open_at(self.window, self.freeze, moment)


class Migration(Part):
    """A table's way from what it is to what it shall be."""

    name: Name = Field(alias="migration")
    """The migration's name: the file's name without `.yaml`. Its DAG is `migrate__<name>`."""
    kind: Literal["same_cluster"] = "same_cluster"
    """The way of moving: `same_cluster` keeps the table in its database."""
    source: Source = Field(alias="from")
    """Where the rows are today."""
    target: Target = Field(alias="into")
    """What the table becomes."""
    accept: tuple[Finding, ...] = Field(default=(), max_length=50)
    """Findings of the preflight that you have read and accept, by code. One that cannot be accepted must be mended."""
    backfill: Backfill = Backfill()
    """How history is copied."""
    gates: Gates = Gates()
    """What must hold before the migration goes on."""
    cutover: Cutover = Cutover()
    """How and when the names are swapped."""
    keep_old_for: Annotated[timedelta, lasting("1m", "3650d")] = timedelta(days=7)
    """How long the old table is kept, in step with the new one, after cutover: as long as you can cut back."""

    @property
    def partition_schema(self) -> str:
        """The schema that holds the partitions: the one asked for, or the default."""
        return self.target.partition_schema or default_partition_schema(self.source.table)


class Vault(Part):
    """The S3 bucket that keeps evidence, archives and backups."""

    connection: Connection
    """The Airflow connection to S3."""
    bucket: Bucket
    """The bucket's name. It must be there."""


class LedgerRef(Part):
    """The database that knows where every migration stands."""

    connection: Connection
    """The Airflow connection to the ledger's own database."""


class Store(Part):
    """One database under care."""

    engine: Literal["postgres"]
    """What the store runs on."""
    connection: Connection
    """The Airflow connection by which Sluice works on this store."""
    rto: Annotated[timedelta, lasting("1s", "30d")]
    """Recovery time objective: how long it may take to bring this store back."""
    rpo: Annotated[timedelta, lasting("0s", "30d")]
    """Recovery point objective: how much of the latest writes may be lost."""
    pool_slots: int = Field(default=4, ge=1, le=64)
    """How many of Sluice's tasks may work on this store at once."""


class EstateFile(Part):
    """What estate.yaml holds."""

    estate: Name
    """The estate's name."""
    vault: Vault
    """Where evidence, archives and backups are kept."""
    ledger: LedgerRef
    """Where the phases of all migrations are kept."""
    stores: dict[Name, Store] = Field(min_length=1, max_length=200)
    """The databases under care, by name."""


class Estate(EstateFile):
    """All stores under care, and the migrations of their tables."""

    migrations: dict[Name, Migration] = Field(default_factory=dict)
    """Every migration, by name; empty when only the stores were read."""


def default_partition_schema(source_table: str) -> str:
    """Name the schema of the partitions for a source such as `app.user_sessions`: `app_partitions`."""
    return f"{parse_table(source_table)[0]}_partitions"

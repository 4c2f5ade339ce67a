"""`kind: into_postgres`: a DynamoDB table's items become rows of a PostgreSQL table."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sluice.estate.cuts import Partition
from sluice.estate.fields import Identifier, Name, Part, SqlType, TableName, Template, Words
from sluice.estate.migration import Migration
from sluice.estate.single_table import DynamoSource, Replication, Retirement, RoutedCutover, RoutedGates, ScanPace, Skip


class Column(Part):
    """What a column is made of."""

    type: SqlType
    """The column's type."""
    value: Template = Field(alias="from")
    """Its value: `{attribute}` for the attribute itself, or text with attributes in it."""
    otherwise: Template | None = None
    """Its value where that is missing; without it, SQL's NULL."""


class Tenant(Part):
    """The tenant that all rows belong to."""

    column: Identifier
    """The column that row-level security looks at."""
    value: Words
    """The tenant's id."""


class Rows(Part):
    """What the items become: one row each."""

    store: Name
    """The PostgreSQL store that gets them."""
    table: TableName
    """The table. Sluice makes it where it is not there, and takes an empty one that fits."""
    key: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=32)]
    """The columns of its primary key."""
    columns: dict[Identifier, Column] = Field(min_length=1, max_length=200)
    """Its columns, by name."""
    extra: Identifier | None = None
    """The jsonb column for every attribute that no column takes. Without it, an item that has one is quarantined."""
    tenant: Tenant | None = None
    """The tenant of all rows, where the table has row-level security."""
    partition: Partition | None = None
    """How it is cut into partitions; without it, one plain table."""
    months_ahead: int = Field(default=3, ge=1, le=60)
    """With `range`: months for which partitions are kept ready beyond the current one."""


class IntoPostgresMigration(Migration):
    """The way of a DynamoDB table's items into a PostgreSQL table."""

    follows_later: ClassVar[bool] = True
    kind: Literal["into_postgres"]
    """The way of moving: `into_postgres` makes rows of items."""
    source: DynamoSource = Field(alias="from")
    """Where the items are today."""
    target: Rows = Field(alias="into")
    """What the items become."""
    skip: Skip | None = None
    """Items that are not migrated, and counted."""
    backfill: ScanPace = ScanPace()
    """How history is copied."""
    replication: Replication = Replication()
    """How far behind the other side may be."""
    gates: RoutedGates = RoutedGates()
    """What must hold before the migration goes on."""
    cutover: RoutedCutover = RoutedCutover()
    """How and when the new side takes over."""
    retire: Retirement = Retirement()
    """What becomes of the old table at the end."""

    @property
    def becomes(self) -> str:
        """The table that gets the rows."""
        return self.target.table

    @property
    def rows_in(self) -> str:
        """The store that gets the rows."""
        return self.target.store

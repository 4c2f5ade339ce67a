"""How a PostgreSQL table is cut into partitions, as a person writes it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sluice.estate.fields import Identifier, Part
from sluice.estate.names import parse_table


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


def default_partition_schema(source_table: str) -> str:
    """Name the schema of the partitions for a source such as `app.user_sessions`: `app_partitions`."""
    return f"{parse_table(source_table)[0]}_partitions"

"""A table that is kept: its partitions are made before they are needed, and archived when they are old."""

from __future__ import annotations

from pydantic import Field

from sluice.estate.cuts import Partition, default_partition_schema
from sluice.estate.fields import Identifier, Name, Part, TableName
from sluice.estate.retention import Retention


class Dataset(Part):
    """A partitioned PostgreSQL table under care, whoever made it."""

    name: Name = Field(alias="dataset")
    """The file's name without `.yaml`."""
    store: Name
    """The store that holds the table."""
    table: TableName
    """The partitioned table. It must be there."""
    partition: Partition
    """How it is cut. It must be cut so already: nothing here cuts a table anew, a migration does."""
    months_ahead: int = Field(default=3, ge=1, le=60)
    """With `range`: months for which partitions are kept ready beyond the current one."""
    partition_schema: Identifier | None = None
    """The schema of new partitions; without it, where the newest one is, and for the first one `<schema of table>_partitions`."""
    retention: Retention | None = None
    """How long months are kept, and what becomes of them then; without it, they stay."""

    @property
    def schema_of_first(self) -> str:
        """Name the schema of a table's first partition."""
        return self.partition_schema or default_partition_schema(self.table)

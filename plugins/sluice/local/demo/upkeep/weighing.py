"""What a month holds, counted and hashed in ways that the archive knows nothing of: in the database, and in the vault's files."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import statement

COLUMNS = ["id", "tenant_id", "entity_id", "entity_type", "action", "changes", "performed_by", "performed_at"]


@dataclass(frozen=True)
class Weight:
    """Rows, and the sum of hashes of all that they hold."""

    rows: int
    content: str


@dataclass(frozen=True)
class Filed:
    """The same of files, and their bytes."""

    weight: Weight
    bytes: int


def weigh(c: Connection, month: Table) -> Weight:
    """Weigh a partition. Read only."""
    found = one(c, statement("demo.weigh_month", partition=month.identifier))
    return Weight(found["rows"], found["content"])


def weigh_files(client: Any, bucket: str, manifest: str) -> Filed:
    """Weigh what a manifest lists, as anybody would who has boto3 and pyarrow alone."""
    import pyarrow.parquet as pq

    count = content = size = 0
    told = json.loads(client.get_object(Bucket=bucket, Key=manifest)["Body"].read())
    for part in told["parts"]:
        body = client.get_object(Bucket=bucket, Key=part["key"])["Body"].read()
        table = pq.read_table(io.BytesIO(body)).select(COLUMNS)
        moments = table.column("performed_at").cast("int64")
        for row in zip(*(column.to_pylist() for column in table.set_column(7, "performed_at", moments)), strict=True):
            said = "|".join("-" if value is None else str(value) for value in row)
            content += int.from_bytes(hashlib.md5(said.encode()).digest()[:8], "big", signed=True)
            count += 1
        size += len(body)
    return Filed(Weight(count, str(content)), size)

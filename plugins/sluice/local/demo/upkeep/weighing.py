"""What a month holds, counted and hashed in ways that the archive knows nothing of: in the database, and in the vault's files."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from typing import Any

from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Weight:
    """Rows, the sum of hashes of their keys, and of all that they hold."""

    rows: int
    keys: str
    whole: str


@dataclass(frozen=True)
class Filed:
    """The same of files: rows, keys, and their bytes."""

    rows: int
    keys: str
    bytes: int


def weigh(c: Connection, month: Table) -> Weight:
    """Weigh a partition. Read only."""
    found = one(c, statement("demo.weigh_month", partition=month.identifier))
    return Weight(found["rows"], found["keys"], found["whole"])


def weigh_files(client: Any, bucket: str, manifest: str) -> Filed:
    """Weigh what a manifest lists, as anybody would who has boto3 and pyarrow alone."""
    import pyarrow.parquet as pq

    count = keys = size = 0
    told = json.loads(client.get_object(Bucket=bucket, Key=manifest)["Body"].read())
    for part in told["parts"]:
        body = client.get_object(Bucket=bucket, Key=part["key"])["Body"].read()
        for id_ in pq.read_table(io.BytesIO(body), columns=["id"]).column("id").to_pylist():
            keys += int.from_bytes(hashlib.md5(id_.encode()).digest()[:8], "big", signed=True)
            count += 1
        size += len(body)
    return Filed(count, str(keys), size)

"""What a reader finds of months that come and go, by means that share no code with the archive: plain SQL, boto3 and pyarrow."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import psycopg

Row: TypeAlias = tuple[str, str]
"""The moment of a row in UTC, and what it says: no two have the same."""
ROWS = "SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), said FROM "
TABLES = """SELECT c.oid::regclass::text, coalesce(NOT i.inhdetachpending, false) FROM pg_class c
    LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
    WHERE c.relnamespace = 'app_partitions'::regnamespace AND c.relkind = 'r'"""
STORED = "jsonb_build_object('key', manifest, 'version', manifest_version)"
IN_VAULT_ALONE = f"""SELECT CASE state WHEN 'dropped' THEN {STORED} WHEN 'restored' THEN
    CASE WHEN EXISTS (SELECT FROM pg_class WHERE oid = partition_oid) THEN NULL ELSE {STORED} END
    ELSE supplement_of END FROM sluice_archive.month"""
"""The manifests of what no table has: months that were dropped, those that were brought back and dropped by hand, and what late
rows are a supplement of while these are in a table still."""
IN_USE = (
    f"SELECT {STORED} FROM sluice_archive.month WHERE state IN ('dropped', 'restored') AND manifest IS NOT NULL UNION ALL"
    + (" SELECT supplement_of FROM sluice_archive.month WHERE supplement_of IS NOT NULL")
)
BACK = """SELECT partition_oid::regclass::text FROM sluice_archive.month
    WHERE state = 'restored' AND expires_at > clock_timestamp() AND EXISTS (SELECT FROM pg_class WHERE oid = partition_oid)"""

PROVEN = """SELECT partition_oid::regclass::text FROM sluice_archive.month
    WHERE state = 'restored' AND verified_at IS NOT NULL AND EXISTS (SELECT FROM pg_class WHERE oid = partition_oid) ORDER BY 1"""


class Lost(AssertionError):
    """A row that was acknowledged is neither in the database nor in an object that was read back."""


class Twice(AssertionError):
    """Who reads the table and what the vault alone has finds a row more than once."""


class Taken(AssertionError):
    """Rows left the database while the file keeps them, or the table before their time there was over."""


@dataclass
class Oracle:
    """What was ever acknowledged, and where it is, seen by an administrator."""

    c: psycopg.Connection
    s3: Any
    bucket: str
    acknowledged: set[Row] = field(default_factory=set)

    def holds(self) -> None:
        """Raise Lost or Twice unless a reader finds every row, and each of them once."""
        found = Counter(self.in_postgres()) + Counter(self.in_vault_alone())
        if missing := self.acknowledged - set(found):
            raise Lost(f"{len(missing)} of {len(self.acknowledged)} rows are nowhere, such as {min(missing)}")
        if double := [row for row, times in found.items() if times > 1]:
            raise Twice(f"{len(double)} rows are found more than once, such as {min(double)}")

    def in_postgres(self) -> Iterator[Row]:
        """Every row of the table, and of each month that stands beside it or is half detached."""
        for name in ("app.event", *(name for name, attached in self.ask(TABLES) if not attached)):
            yield from self.rows_of(name)

    def brought_back(self) -> set[Row]:
        """What is in the table for a time that is not over."""
        return {row for (name,) in self.ask(BACK) for row in self.rows_of(name)}

    def in_vault_alone(self) -> Iterator[Row]:
        """Every row of an object that stands for what no table has; what cannot be read holds nothing."""
        for manifest in self._each(IN_VAULT_ALONE):
            with suppress(Exception):
                yield from self.stored(manifest)

    def stored(self, manifest: dict[str, Any]) -> list[Row]:
        """The rows of one manifest's files."""
        import pyarrow.parquet as pq

        read = (pq.read_table(io.BytesIO(self._object(part))).to_pylist() for part in manifest["parts"])
        return [(f"{row['at']:%Y-%m-%d %H:%M:%S.%f}", row["said"]) for rows in read for row in rows]

    def folders_in_use(self) -> set[str]:
        """The folders of all that the ledger has handed to the vault for good, or may need again."""
        return {part["key"].rpartition("/")[0] for manifest in self._each(IN_USE) for part in manifest["parts"]}

    def rows_of(self, table: str) -> list[Row]:
        """What one finds in a table."""
        return self.ask(ROWS + table)  # type: ignore[return-value]

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return self.c.execute(query).fetchall()  # type: ignore[call-overload, no-any-return]

    def _each(self, query: str) -> Iterator[dict[str, Any]]:
        """The manifests that a query names, and all that they are supplements of."""
        for (named,) in self.ask(query):
            while named:
                manifest = self._manifest(named)
                yield manifest
                named = manifest.get("supplement_of")

    def _manifest(self, named: dict[str, Any]) -> dict[str, Any]:
        with suppress(Exception):
            told: dict[str, Any] = json.loads(self._object(named))
            return told
        return {"parts": []}

    def _object(self, named: dict[str, Any]) -> bytes:
        asked = {"VersionId": named["version"]} if named["version"] else {}
        body: bytes = self.s3.get_object(Bucket=self.bucket, Key=named["key"], **asked)["Body"].read()
        return body

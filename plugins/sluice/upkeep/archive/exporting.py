"""Store a month in the vault, a bounded file at a time, and its manifest last.

    archive/<store>/<schema>.<table>/<lower>--<upper>/<hash>-arrow<version>/part-00000.parquet
    archive/<store>/<schema>.<table>/<lower>--<upper>/<hash>-arrow<version>/manifest-<sha>.json  without it there is none

Count, hash and rows are of one snapshot, and rows come in the order of the key: so the same rows make the same files to the byte,
whoever died on the way. A writer of another version has a folder of its own: its files may differ, and its rows do not. A
manifest has its own checksum in its name: the same rows may have come from a table with one check more.
"""

from __future__ import annotations

import hashlib
import io
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape
from sluice.stores.objects import AlreadyThere, Vault
from sluice.stores.postgres import Connection, translated
from sluice.stores.statements import as_text, statement
from sluice.upkeep.archive.census import Census, snapshot, take_census
from sluice.upkeep.archive.columns import plain, schema_of
from sluice.upkeep.archive.ledger import Export, Month
from sluice.upkeep.archive.manifest import Manifest, Part
from sluice.upkeep.partitions.spans import BEGIN

GROUP_ROWS, GROUP_BYTES = 50_000, 16_000_000
"""What a row group holds at most, in rows and in bytes of text: what is in memory while it is made."""
PART_BYTES = 32_000_000
"""Compressed bytes after which a file ends."""
PARQUET, JSON = "application/vnd.apache.parquet", "application/json"
Texts = tuple[str | None, ...]


class Differs(Terminal):
    """The vault holds something else under the keys of this month."""


@dataclass(frozen=True)
class Exporter:
    """What stores months of one table: as a role that sees every row, into one vault. `time` is the column they are cut by."""

    c: Connection
    vault: Vault
    store: str
    time: str
    tenant: str | None

    def run(self, month: Month) -> Export:
        """Store a month, or what is missing of it. Raises Differs, SeesPart, NoSuchMonth, VaultDown, StoreDown."""
        with translated(f"exporting {month}"), snapshot(self.c):
            census = take_census(self.c, month.oid, self.time, self.tenant)
            folder = f"{self._prefix(month)}/{_hex(census.hash)}-arrow{_arrow()}"
            try:
                parts = tuple(self._parts(census, folder))
                failpoint("month.parts_stored")
                body = self._manifest(month, census, parts).body()
                digest = hashlib.sha256(body).hexdigest()
                stored = self.vault.put_once(f"{folder}/manifest-{digest[:16]}.json", body, JSON)
            except AlreadyThere as other:
                raise Differs(
                    f"{month}: the vault has other content for the same rows ({other}). Somebody wrote there, or its objects"
                    " changed: keep them as evidence, and move them away. The month stays where it is."
                ) from other
        failpoint("month.stored")
        return Export(census.rows, census.hash, stored.key, stored.sha256, stored.version_id)

    def _prefix(self, month: Month) -> str:
        table = urllib.parse.quote(str(month.parent), safe=".")
        lower = "ever" if month.span.lower == BEGIN else f"{month.span.lower:%Y%m%dT%H%M%SZ}"
        return f"archive/{self.store}/{table}/{lower}--{month.span.upper:%Y%m%dT%H%M%SZ}"

    def _parts(self, census: Census, folder: str) -> Iterator[Part]:
        """Store the files. Their rows are read while they are written: a month of any size takes the same memory."""
        groups = _groups(_read(self.c, census))
        for number, (body, rows) in enumerate(_files(groups, census)):
            stored = self.vault.put_once(f"{folder}/part-{number:05}.parquet", body, PARQUET)
            failpoint("month.part_stored")
            yield Part(stored.key, rows, len(body), stored.sha256, stored.version_id)

    def _manifest(self, month: Month, census: Census, parts: tuple[Part, ...]) -> Manifest:
        shape = census.shape
        return Manifest(
            store=self.store,
            table=str(month.parent),
            partition=(month.partition.schema, month.partition.name),
            bounds=month.bounds,
            time=self.time,
            columns=census.columns,
            key=shape.key,
            ddl=tuple(_ddl(shape, self.c)),
            written=tuple(column.name for column in shape.columns if column.written),
            rows=census.rows,
            hash=census.hash,
            least=census.least,
            most=census.most,
            tenant=self.tenant,
            tenants=census.tenants,
            parts=parts,
        )


def _read(c: Connection, census: Census) -> Iterator[Texts]:
    """Read all rows as PostgreSQL's texts, in the order of the key; of all their texts where there is none."""
    shape = census.shape
    texts = [sql.SQL("({})::text").format(sql.Identifier("t", column.name)) for column in shape.columns]
    keys: list[sql.Composable] = [sql.Identifier("t", name) for name in shape.key]
    ordered = keys or [sql.SQL('{} COLLATE "C"').format(text) for text in texts]
    parts = {"texts": sql.SQL(", ").join(texts), "keys": sql.SQL(", ").join(ordered)}
    asked = statement("archive.copy_out", partition=shape.table.identifier, **parts)
    with c.cursor() as cursor, cursor.copy(as_text(asked, c).encode()) as copy:
        yield from copy.rows()


def _groups(rows: Iterable[Texts]) -> Iterator[list[Texts]]:
    group: list[Texts] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(text) for text in row if text)
        if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _files(groups: Iterator[list[Texts]], census: Census) -> Iterator[tuple[bytes, int]]:
    """Make files of row groups: content and rows of each. A month without a row has one file, which tells its columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, at_end, number = schema_of(census.columns), False, 0
    while not at_end:
        sink, rows = io.BytesIO(), 0
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            while sink.tell() < PART_BYTES:
                group = next(groups, None)
                if group is None:
                    at_end = True
                    break
                texts = map(list, zip(*group, strict=True))
                arrays = [plain(column, one.form) for column, one in zip(texts, census.columns, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=schema), row_group_size=len(group))
                rows += len(group)
        if rows or not number:
            yield sink.getvalue(), rows
        number += 1


def _ddl(shape: Shape, c: Connection) -> Iterator[str]:
    """Write the month's columns and checks, as CREATE TABLE has them between its brackets."""
    for column in shape.columns:
        told = f"{sql.Identifier(column.name).as_string(c)} {column.type}"
        if column.generated:
            kept = "STORED" if column.generated == "s" else "VIRTUAL"
            told += f" GENERATED ALWAYS AS ({column.default}) {kept}"
        yield told + (" NOT NULL" if column.not_null else "")
    for check in shape.checks:
        yield f"CONSTRAINT {sql.Identifier(check['name']).as_string(c)} {check['definition']}"


def _hex(hash_: str) -> str:
    return format(int(hash_) % 2**64, "016x")


def _arrow() -> Any:
    import pyarrow as pa

    return pa.__version__

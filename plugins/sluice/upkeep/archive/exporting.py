"""Store a month in the vault, a bounded file at a time, and its manifest last.

    archive/<store>/<schema>.<table>/<lower>--<upper>/<hash>-arrow<version>/part-00000.parquet
    archive/<store>/<schema>.<table>/<lower>--<upper>/<hash>-arrow<version>/manifest-<sha>.json  without it there is none

Count, hash and rows are of one snapshot, and rows come in the order of the key, texts by their bytes: so the same rows make the
same files to the byte, whoever died on the way and however a server sorts. A writer of another version has a folder of its own:
its files may differ, and its rows do not. A manifest has its own checksum in its name: the same rows may have come from a table
with one check more.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape
from sluice.stores.objects import AlreadyThere, Vault
from sluice.stores.postgres import Connection, translated
from sluice.stores.statements import as_text, statement
from sluice.upkeep.archive.ahead import ahead
from sluice.upkeep.archive.census import Census, snapshot, take_census
from sluice.upkeep.archive.collations import collations_of, sorted_alike
from sluice.upkeep.archive.columns import is_text_already, schema_of, written
from sluice.upkeep.archive.counting import Counted, counted_beside
from sluice.upkeep.archive.groups import DELIMITER, QUOTE, Group, Row, as_batch, group
from sluice.upkeep.archive.ledger import Export, Month
from sluice.upkeep.archive.manifest import Manifest, Part, folder_of
from sluice.upkeep.partitions.spans import BEGIN

PART_BYTES = 32_000_000
"""Compressed bytes after which a file ends."""
PARQUET, JSON = "application/vnd.apache.parquet", "application/json"


class Differs(Terminal):
    """The vault holds something else under the keys of this month."""


@dataclass(frozen=True)
class Exporter:
    """What stores months of one table: as a role that sees every row, into one vault. `time` is the column they are cut by."""

    c: Connection
    beside: Connection
    """A session that may count and hash meanwhile, or the same one."""
    vault: Vault
    store: str
    time: str
    tenant: str | None

    def run(self, month: Month) -> Export:
        """Store a month, or what is missing of it. Raises Differs, SeesPart, DroppedMeanwhile, VaultDown, StoreDown."""
        with (
            translated(f"exporting {month}"),
            snapshot(self.c),
            counted_beside(self.c, self.beside, month.oid) as counted,
        ):
            census = take_census(self.c, month.oid, self.time, self.tenant)
            try:
                parts = tuple(self._parts(month, census, counted))
                failpoint("month.parts_stored")
                body = self._manifest(month, census, counted(), parts).body()
                digest = hashlib.sha256(body).hexdigest()
                key = f"{self._folder(month, counted())}/manifest-{digest[:16]}.json"
                stored = self.vault.put_once(key, body, JSON)
            except AlreadyThere as other:
                raise Differs(
                    f"{month}: the vault has other content for the same rows ({other}). Somebody wrote there, or its objects"
                    " changed: keep them as evidence, and move them away. The month stays where it is."
                ) from other
        failpoint("month.stored")
        return Export(counted().rows, counted().hash, stored.key, stored.sha256, stored.version_id)

    def _folder(self, month: Month, counted: Counted) -> str:
        lower = "ever" if month.span.lower == BEGIN else f"{month.span.lower:%Y%m%dT%H%M%SZ}"
        span = f"{lower}--{month.span.upper:%Y%m%dT%H%M%SZ}"
        return f"{folder_of(self.store, month.parent)}/{span}/{_hex(counted.hash)}-arrow{_arrow()}"

    def _parts(self, month: Month, census: Census, counted: Callable[[], Counted]) -> Iterator[Part]:
        """Store the files. Reading, writing and storing go on beside each other; a month of any size takes the same memory.

        The first file waits for the hash, of which its folder has its name.

        Whatever breaks off here ends the reading too: on a connection that is read from nothing else can be said, not even
        ROLLBACK.
        """
        with (
            closing(read_rows(self.c, census)) as read,
            ahead(group(read)) as groups,
            ahead(make_files(groups, census)) as files,
        ):
            for number, (body, rows) in enumerate(files):
                stored = self.vault.put_once(
                    f"{self._folder(month, counted())}/part-{number:05}.parquet", body, PARQUET
                )
                failpoint("month.part_stored")
                yield Part(stored.key, rows, len(body), stored.sha256, stored.version_id)

    def _manifest(self, month: Month, census: Census, counted: Counted, parts: tuple[Part, ...]) -> Manifest:
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
            rows=counted.rows,
            hash=counted.hash,
            least=census.least,
            most=census.most,
            tenant=self.tenant,
            tenants=census.tenants,
            parts=parts,
            supplement_of=asdict(month.supplement_of) if month.supplement_of else None,
        )


def read_rows(c: Connection, census: Census) -> Generator[Row]:
    """Read all rows as CSV of PostgreSQL's texts, in the order of the key; of all their texts where there is none."""
    shape = census.shape
    named = {column: sql.Identifier("t", column.name) for column in shape.columns}
    cast = [sql.SQL("({})::text").format(name) for name in named.values()]
    texts = [name if is_text_already(one.type) else text for (one, name), text in zip(named.items(), cast, strict=True)]
    collated = collations_of(c, shape.oid)
    keys = [sorted_alike(name, name in collated) for name in shape.key]
    ordered = keys or [sql.SQL('{} COLLATE "C"').format(text) for text in cast]
    parts = {"texts": sql.SQL(", ").join(texts), "keys": sql.SQL(", ").join(ordered)}
    signs = {"delimiter": sql.Literal(DELIMITER), "quote": sql.Literal(QUOTE)}
    asked = statement("archive.copy_out", partition=shape.table.identifier, **parts, **signs)
    with c.cursor() as cursor, cursor.copy(as_text(asked, c).encode()) as copy:
        yield from copy


def make_files(groups: Iterator[Group], census: Census) -> Generator[tuple[bytes, int]]:
    """Make files of row groups: content and rows of each. A month without a row has one file, which tells its columns."""
    import pyarrow.parquet as pq

    schema, how, at_end, number = schema_of(census.columns), written(census.columns), False, 0
    while not at_end:
        sink, rows = io.BytesIO(), 0
        with pq.ParquetWriter(sink, schema, compression="zstd", **how) as writer:
            while sink.tell() < PART_BYTES:
                group = next(groups, None)
                if group is None:
                    at_end = True
                    break
                writer.write_batch(as_batch(group, census.columns), row_group_size=group.rows)
                rows += group.rows
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

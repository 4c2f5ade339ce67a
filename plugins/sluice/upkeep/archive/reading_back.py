"""Read a month back out of the vault, never from a local file, and hold it against its manifest and the ledger. Read only."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sluice.errors import Terminal
from sluice.stores.objects import Damaged, Vault
from sluice.upkeep.archive.census import name_of
from sluice.upkeep.archive.columns import TEXT, Texts, schema_of, texts
from sluice.upkeep.archive.hashing import sum_of_hashes
from sluice.upkeep.archive.ledger import Export
from sluice.upkeep.archive.manifest import Manifest, Part

KEPT = "The month stays in the database. Keep the object as evidence, move it away, and run this again: it is exported anew."


class Unlike(Terminal):
    """What was read back is not what was exported."""


@dataclass
class Read:
    """What was counted while a month was read."""

    rows: int = 0
    hash: int = 0
    tenants: Counter[str] = field(default_factory=Counter)
    least: str | None = None
    most: str | None = None


def read_manifest(vault: Vault, export: Export) -> Manifest:
    """Read the manifest that the ledger names. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    body = vault.get(export.key, export.version)
    if hashlib.sha256(body).hexdigest() != export.sha256:
        raise Damaged(f"{export.key} in the vault is not the manifest that was stored. {KEPT}")
    return Manifest.of(body, export.key)


def verify(vault: Vault, export: Export) -> Read:
    """Read every object of a month: checksums, schema, count, hash, bounds, tenants.

    Raises Damaged, Unlike, NoSuchKey, VaultDown.
    """
    manifest = read_manifest(vault, export)
    found = Read()
    for part in manifest.parts:
        before = found.rows
        for group in read(vault, manifest, part):
            _count(found, manifest, group)
        if found.rows - before != part.rows:
            raise Unlike(f"{part.key} has {found.rows - before:,} rows of {part.rows:,}. {KEPT}")
    wanted = (manifest.rows, manifest.hash, manifest.tenants)
    told = (found.rows, str(found.hash), dict(found.tenants) if manifest.tenant else None)
    if told != wanted or (manifest.rows, manifest.hash) != (export.rows, export.hash):
        raise Unlike(
            f"{export.key}: read back were {found.rows:,} rows ({found.hash}), exported {export.rows:,} ({export.hash}),"
            f" or their tenants differ. {KEPT}"
        )
    if (found.least, found.most) != (manifest.least, manifest.most) and _bounds_are_plain(manifest):
        raise Unlike(f"{export.key}: rows from {found.least} to {found.most}, exported from {manifest.least}. {KEPT}")
    return found


def batches(vault: Vault, manifest: Manifest, part: Part) -> Iterator[list[Texts]]:
    """Give a file's rows as PostgreSQL's texts, a list a column, a row group at a time. Raises Damaged, NoSuchKey, VaultDown."""
    for group in read(vault, manifest, part):
        yield [column.to_pylist() for column in group]


def read(vault: Vault, manifest: Manifest, part: Part) -> Iterator[list[Any]]:
    """Give a file's rows as PostgreSQL's texts, an array of pyarrow a column, a row group at a time. Raises as `batches` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    body = vault.get(part.key, part.version)
    if hashlib.sha256(body).hexdigest() != part.sha256:
        raise Damaged(f"{part.key} in the vault is not what was stored. {KEPT}")
    try:
        file = pq.ParquetFile(io.BytesIO(body))
        if not file.schema_arrow.equals(schema_of(manifest.columns), check_metadata=True):
            raise Unlike(f"{part.key} has other columns than its manifest says. {KEPT}")
        for number in range(file.num_row_groups):
            group = file.read_row_group(number)
            yield [texts(group.column(place).combine_chunks(), one.form) for place, one in enumerate(manifest.columns)]
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Damaged(f"{part.key} in the vault cannot be read: {error}. {KEPT}") from error


def _count(found: Read, manifest: Manifest, columns: list[Any]) -> None:
    import pyarrow.compute as pc

    named = dict(zip((one.name for one in manifest.columns), columns, strict=True))
    found.rows += len(columns[0])
    found.hash += sum_of_hashes(columns)
    if manifest.tenant:
        for tenant in pc.value_counts(named[manifest.tenant]).to_pylist():
            found.tenants[name_of(tenant["values"])] += tenant["counts"]
    bounds = pc.min_max(named[manifest.time]).as_py()
    found.least = min(filter(None, (found.least, bounds["min"])), default=None)
    found.most = max(filter(None, (found.most, bounds["max"])), default=None)


def _bounds_are_plain(manifest: Manifest) -> bool:
    """Texts of times sort as the times do, but for years before the first, after 9999, and infinity: those are stored as text."""
    return next(one.form for one in manifest.columns if one.name == manifest.time) != TEXT

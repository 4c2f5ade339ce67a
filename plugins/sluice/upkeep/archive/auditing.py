"""What of a month is in the database, what its manifest says, and what was read back: facts for its gates to judge. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sluice.errors import Terminal
from sluice.stores.catalogue import table_by_oid
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.ledger import Month
from sluice.upkeep.archive.reading_back import read_manifest

Facts: TypeAlias = Mapping[str, int | str]


class NotStored(Terminal):
    """A month that is not in the vault, or was not read back."""


def audit_manifest(c: Connection, vault: Vault, month: Month) -> Facts:
    """Hold the manifest against the month that stands in the database still. Raises NotStored, Damaged, VaultDown."""
    if month.export is None or (shape := table_by_oid(c, month.oid)) is None:
        raise NotStored(f"{month} is {month.state}: there is nothing to compare.")
    manifest = read_manifest(vault, month.export)
    there = count_and_hash(c, month.oid)
    stored = set(vault.list(month.export.key.rpartition("/")[0] + "/"))
    missing = [part.key for part in manifest.parts if part.key not in stored]
    lacking = sorted({column.name for column in shape.columns} - {column.name for column in manifest.columns})
    return {
        "rows_there": there.rows,
        "rows_manifest": manifest.rows,
        "rows_in_parts": sum(part.rows for part in manifest.parts),
        "hash_differs": int(there.hash != manifest.hash),
        "parts": len(manifest.parts),
        "bytes": sum(part.bytes for part in manifest.parts),
        "parts_missing": len(missing),
        "parts_missing_told": "; ".join(missing[:10]),
        "columns_lacking": len(lacking),
        "columns_lacking_told": "; ".join(lacking),
        **month.export.named,
    }


def audit_reading(month: Month) -> Facts:
    """Say what was read out of the vault, beside what was stored. Raises NotStored."""
    if month.export is None or month.reading is None:
        raise NotStored(f"{month} is {month.state}: it was not read back.")
    return {
        "rows_stored": month.export.rows,
        "rows_read": month.reading.rows,
        "hash_differs": int(month.reading.hash != month.export.hash),
        "read_back_at": month.reading.at.isoformat(),
        **month.export.named,
    }

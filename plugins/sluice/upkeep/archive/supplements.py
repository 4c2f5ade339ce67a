"""A month and the rows that came late to it, as the vault has them: each manifest names the one that it is a supplement of."""

from __future__ import annotations

from sluice.stores.objects import Vault
from sluice.upkeep.archive.ledger import Export, Month
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.reading_back import read_manifest


def whole(vault: Vault, export: Export) -> list[tuple[Export, Manifest]]:
    """Give an export and all that it is a supplement of, the oldest first. Raises Damaged, Unreadable, NoSuchKey, VaultDown."""
    found = []
    step: Export | None = export
    while step:
        manifest = read_manifest(vault, step)
        found.append((step, manifest))
        step = before(manifest)
    return found[::-1]


def before(manifest: Manifest) -> Export | None:
    """Give what a manifest is a supplement of."""
    return Export(**manifest.supplement_of) if manifest.supplement_of else None


def in_vault_alone(month: Month) -> Export | None:
    """Give the last export of what of a month is in the vault and no longer in the database."""
    found = {"dropped": month.export, "restored": None}
    return found.get(month.state, month.supplement_of)


def out_of_database(vault: Vault, month: Month) -> list[tuple[Export, Manifest]]:
    """Give what of a month is in the vault and no longer in the database, the oldest first. Raises as `whole` does."""
    export = in_vault_alone(month)
    return whole(vault, export) if export else []

"""Look for the months that are in the vault alone: whether their manifests and files are there as they were stored. Read only."""

from __future__ import annotations

from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.ledger import Export
from sluice.upkeep.archive.manifest import Unreadable
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.archive.supplements import before, in_vault_alone
from sluice.upkeep.vault.watching import Seen, tonights


def look_for_months(c: Connection, vault: Vault) -> Seen:
    """Look for tonight's part of what was dropped from a database, of every table of it. Raises VaultDown, AccessDenied."""
    known = ledger.out_of_database(c)
    seen = Seen(len(known))
    for month in tonights(known, str, known[0].now) if known else ():
        seen.months += 1
        step = in_vault_alone(month)
        while step:
            step = _look_for(vault, step, str(month), seen)
    return seen


def _look_for(vault: Vault, export: Export, month: str, seen: Seen) -> Export | None:
    """Look for one export; give what it is a supplement of."""
    earlier: Export | None = None
    with seen.reading(month, export.key, Unreadable):
        manifest = read_manifest(vault, export)
        earlier = before(manifest)
        seen.look_for(vault, month, export.key, manifest.parts)
    return earlier

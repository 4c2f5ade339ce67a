"""Look for the months of records that are in the vault alone: whether their manifests and files are there. Read only."""

from __future__ import annotations

from sluice.stores.dynamodb.clock import store_clock
from sluice.upkeep.items.archiving import ItemArchive
from sluice.upkeep.items.rounds import Unreadable, every_round
from sluice.upkeep.vault.watching import Seen, tonights


def look_for_items(archive: ItemArchive) -> Seen:
    """Look for tonight's part of what was deleted from an entity's table. Raises VaultDown, AccessDenied."""
    rounds = every_round(archive.vault, archive.folder)
    known = [one for one in rounds if one.is_verified and one.is_done]
    seen = Seen(len(known))
    now = store_clock(archive.client, archive.place.table)
    for one in tonights(known, lambda one: one.folder, now):
        seen.months += 1
        month, key = f"{archive.items.file.entity}, {one.month}", one.manifest_key
        with seen.reading(month, key, Unreadable):
            seen.look_for(archive.vault, month, key, one.manifest.parts)
    return seen

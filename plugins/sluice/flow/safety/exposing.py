"""What is known of a store that is backed up: gathered for whoever asks what would be, if it died now."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sluice.flow.connections import open_vault
from sluice.flow.safety.shipping import EVERY
from sluice.flow.safety.stores import SHIPS, backup_of, driver_of, goals_of

if TYPE_CHECKING:
    from sluice.safety.exposure import Facts


def facts_now(name: str) -> Facts:
    """Gather it. The store itself need not be up. Raises NotBackedUp, NoConnection, Unreadable, VaultDown."""
    from sluice.safety.drill.certificate import certificates_of
    from sluice.safety.exposure import Facts

    store, backup = backup_of(name)
    driver = driver_of(name)
    return Facts(
        store=name,
        goals=goals_of(store),
        window=driver.window(),
        backups=driver.backups(),
        certificates=certificates_of(open_vault(), name),
        drill_at=backup.drill_at,
        on_its_way=EVERY if backup.by in SHIPS else timedelta(0),
    )

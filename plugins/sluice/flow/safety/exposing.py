"""What is known of the stores that are backed up: gathered for whoever asks what would be, if one died now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sluice.errors import SluiceError
from sluice.estate import read_stores
from sluice.flow.connections import open_vault
from sluice.flow.project import ROOT
from sluice.flow.safety.shipping import EVERY
from sluice.flow.safety.stores import backed_up, backup_of, driver_of, goals_of

if TYPE_CHECKING:
    from sluice.estate.backups import Backups
    from sluice.safety.drill.certificate import Certificate
    from sluice.safety.driver import Taken, Window
    from sluice.safety.exposure import Facts
    from sluice.safety.runbooks.known import Known


def facts_now(name: str) -> Facts:
    """Gather it. The store itself need not be up. Raises NotBackedUp, NoConnection, VaultDown."""
    from sluice.safety.drill.certificate import readable_certificates

    unread = list[str]()
    return facts_with(name, readable_certificates(open_vault(), name, unread.append), unread)


def facts_with(name: str, certificates: Sequence[Certificate], unread: Sequence[str] = ()) -> Facts:
    """Gather all but the certificates, oldest first, which whoever asks has read. Raises NotBackedUp, NoConnection."""
    from sluice.safety.exposure import Facts

    store, backup = backup_of(name)
    silent = ""
    window: Window | None = None
    backups: Sequence[Taken] = ()
    try:
        driver = driver_of(name)
        window, backups = driver.window(), driver.backups()
    except SluiceError as why:  # it must not hide how the others stand, on a day when one comes for just that
        silent = str(why)
    return Facts(
        store=name,
        goals=goals_of(store),
        window=window,
        backups=backups,
        certificates=certificates,
        drill_at=backup.drill_at,
        on_its_way=on_its_way(backup),
        silent=silent,
        unread=unread,
    )


def on_its_way(backup: Backups) -> timedelta:
    """Tell how much of the log may be on its way into the vault at any moment: what a service keeps itself is none of it."""
    return {"physical": EVERY, "documents": backup.every}.get(backup.by, timedelta(0))


def known_at(now: datetime) -> Known:
    """Gather what runbooks are written from. The stores need not be up. Raises NoConnection, VaultDown."""
    from sluice.safety.exposure import exposure
    from sluice.safety.runbooks.known import Known

    found = {name: facts_now(name) for name in backed_up()}
    exposures = {name: exposure(facts, now) for name, facts in found.items()}
    return Known(read_stores(ROOT), exposures, {name: facts.certificates for name, facts in found.items()}, now)

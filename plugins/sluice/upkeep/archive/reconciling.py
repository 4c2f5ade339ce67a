"""What the ledger says against what there is, in the catalogue and in the vault: a run goes on from the latter."""

from __future__ import annotations

from sluice.errors import Terminal
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.postgres import Connection, Table
from sluice.upkeep.archive.detaching import Tell, parent_of
from sluice.upkeep.archive.ledger import Month, move
from sluice.upkeep.archive.manifest import Unreadable
from sluice.upkeep.archive.reading_back import read_manifest

STORED = ("exported", "verified", "cooling")
"""States of a month that is in the vault and in the database."""


class Gone(Terminal):
    """A month was dropped, and not by the archive."""


def reconcile(c: Connection, vault: Vault, parent: int, month: Month, tell: Tell) -> Month:
    """Move a month to the state that it is in. Raises Gone, OutOfOrder, VaultDown."""
    if month.state == "dropped":
        return month
    table, whose = parent_of(c, month)
    _check_there(month, table)
    if whose == parent:
        return _attached(c, month, tell)
    if month.state in ("eligible", "detaching", "restored"):
        tell(f"{month} is detached already")
        return move(c, month, "detached")
    if month.state in STORED and not _is_stored(vault, month, tell):
        return move(c, month, "detached")
    return month


def _check_there(month: Month, table: Table | None) -> None:
    if table == month.partition:
        return
    what = f"is called {table} by now" if table else "was dropped by somebody else"
    held = (
        f"The vault has it: {month.export.key}" if month.export else "It was in no vault: bring it back from a backup"
    )
    raise Gone(f"{month}: {month.partition} {what}, while it was {month.state}. {held}. Nothing was changed.")


def _attached(c: Connection, month: Month, tell: Tell) -> Month:
    """A month that is in its table: to be detached, or brought back until it expires; else somebody attached it again."""
    if month.state in ("eligible", "detaching"):
        return month
    if month.state == "restored" and (month.expires_at is None or month.now < month.expires_at):
        return month
    tell(f"{month} was {month.state} and is in its table: it begins anew")
    return move(c, month, "eligible")


def _is_stored(vault: Vault, month: Month, tell: Tell) -> bool:
    assert month.export is not None
    try:
        keys = {part.key for part in read_manifest(vault, month.export).parts}
    except (NoSuchKey, Damaged, Unreadable) as lost:
        tell(f"{month} is exported anew: {lost}")
        return False
    missing = keys - set(vault.list(month.export.key.rpartition("/")[0] + "/"))
    for key in sorted(missing):
        tell(f"{month} is exported anew: {key} is not in the vault any more")
    return not missing

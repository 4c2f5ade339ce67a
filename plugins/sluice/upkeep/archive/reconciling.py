"""What the ledger says against what there is, in the catalogue and in the vault: a run goes on from the latter."""

from __future__ import annotations

from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.postgres import Connection
from sluice.upkeep.archive.detaching import Tell, parent_of
from sluice.upkeep.archive.gone import end, find_again, renamed
from sluice.upkeep.archive.late import begin_anew, has_rows
from sluice.upkeep.archive.ledger import Month, move
from sluice.upkeep.archive.manifest import Unreadable
from sluice.upkeep.archive.reading_back import read_manifest
from sluice.upkeep.partitions.there import Branch

STORED = ("exported", "verified", "cooling")
"""States of a month that is in the vault and in the database."""


def reconcile(c: Connection, vault: Vault, branch: Branch, month: Month, tell: Tell) -> Month:
    """Move a month to the state that it is in. Raises Gone, OutOfOrder, VaultDown."""
    if month.state == "dropped":
        return month
    if month.state == "lost":
        return _back_from_a_backup(c, branch, month, tell)
    table, whose = parent_of(c, month)
    if table != month.partition:
        if found := find_again(c, vault, branch, month, tell):
            month, (table, whose) = found, parent_of(c, found)
        elif table is None:
            return end(c, vault, month)
        else:
            raise renamed(month, table)
    if whose == branch.oid:
        return _attached(c, month, tell)
    if month.state in ("eligible", "detaching", "restored"):
        tell(f"{month} is detached already")
        return move(c, month, "detached")
    if month.state in STORED and not _is_stored(vault, month, tell):
        return move(c, month, "detached")
    return month


def _back_from_a_backup(c: Connection, branch: Branch, month: Month, tell: Tell) -> Month:
    """A month that was given up begins anew where its table has rows for it again."""
    again = next((one for one in branch.partitions if one.span == month.span), None)
    if again is None or not has_rows(c, again):
        return month
    tell(f"{month} was given up, and {again.table} has rows of it: it begins anew")
    return begin_anew(c, month, again)


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

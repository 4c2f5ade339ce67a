"""A month whose table is not where it was: found again by its name and its bounds, dropped by somebody else, or called otherwise.

After a dump was restored every table has another OID, and is the same. What is really gone is held against the vault: where that
has it proven, the month is dropped, whoever did it; where not, a person says what becomes of it.
"""

from __future__ import annotations

import logging
import re

from sluice.errors import Terminal
from sluice.stores.objects import Damaged, NoSuchKey, Vault
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.detaching import Tell
from sluice.upkeep.archive.ledger import Month, move, place
from sluice.upkeep.archive.manifest import Unreadable
from sluice.upkeep.archive.reading_back import KEPT, Unlike, verify
from sluice.upkeep.archive.supplements import whole
from sluice.upkeep.partitions.there import Branch

log = logging.getLogger(__name__)


class Gone(Terminal):
    """A month's table is not there, and not by the archive; or it is there by another name."""


def find_again(c: Connection, vault: Vault, branch: Branch, month: Month, tell: Tell) -> Month | None:
    """Find the month's table by its name and note which it is by now; None where none is called so.

    It has the month's bounds, and the rows that were stored, where any were. Raises Gone where it is another table.
    """
    named = rows(c, statement("archive.find_by_name"), schema=month.partition.schema, name=month.partition.name)
    if not named:
        return None
    if not _is_it(c, vault, branch, month, named[0]["oid"], named[0]["parent"]):
        raise Gone(
            f"{month}: another table is called {month.partition} by now, of other bounds or with other rows than were stored,"
            f" while the month was {month.state}. Rename that one: then it is seen what became of the month, and rows in"
            " its place are taken for late ones (`late`). Nothing was changed."
        )
    tell(
        f"{month}: {month.partition} was made anew, as by a dump that is restored; it is known by its name and its bounds"
    )
    return place(c, month, named[0]["oid"])


def renamed(month: Month, table: Table) -> Gone:
    """Say that the month's table is called otherwise by now."""
    return Gone(
        f"{month}: {month.partition} is called {table} by now, while it was {month.state}. Give it its name and its schema"
        f" again (ALTER TABLE); or, if somebody keeps it for good, {_forget(month)} Nothing was changed."
    )


def end(c: Connection, vault: Vault, month: Month) -> Month:
    """A month that somebody else dropped: it is dropped where the vault has it proven still. Raises Gone, VaultDown.

    What the vault has is read back for that, all of it, however long ago it was proven. It is told once, as a warning.
    """
    export = month.export
    if export is None or (month.reading is None and month.state != "exported"):
        raise Gone(_lost(month, "was never read back out of the vault" if export else "was never stored"))
    try:
        found = [verify(vault, stored) for stored, _ in whole(vault, export)][-1]
    except (NoSuchKey, Damaged, Unlike, Unreadable) as lost:
        raise Gone(_lost(month, f"is not whole in the vault ({_bare(lost)})")) from lost
    dropped = f"dropped by somebody else, while it was {month.standing}"
    if month.state == "exported":
        month = move(c, month, "verified", rows=found.rows, hash=str(found.hash))
    log.warning(
        "%s: %s was %s. The vault has it as it was stored, %s rows in %s, read back just now: so it is dropped, and"
        " restore_archive brings it back. Rows that were written to it after it was stored are nowhere but in a backup.",
        month, month.partition, dropped, f"{export.rows:,}", export.key,
    )  # fmt: skip
    return move(c, month, "dropped", note=dropped)


def _is_it(c: Connection, vault: Vault, branch: Branch, month: Month, oid: int, parent: int | None) -> bool:
    if parent is not None:
        within = any(one.oid == oid and one.span == month.span for one in branch.partitions)
    else:
        edges = re.findall(r"'[^']*'", month.bounds)
        within = bool(edges) and bool(one(c, statement("archive.is_kept_within"), oid=oid, edges=edges)["kept"])
    if not within or month.export is None:
        return within
    # One that is back holds all that was ever stored of it; one that leaves, what was stored last.
    try:
        stored = [export for export, _ in whole(vault, month.export)] if month.state == "restored" else [month.export]
    except (NoSuchKey, Damaged, Unreadable) as lost:
        raise Gone(
            f"{month}: {month.partition} was made anew, and nothing tells whether it is the month: {_bare(lost)} Bring that"
            " version of the object back, and it is known again. Nothing was changed."
        ) from lost
    there = count_and_hash(c, oid)
    return (there.rows, int(there.hash)) == (sum(one.rows for one in stored), sum(int(one.hash) for one in stored))


def _lost(month: Month, what: str) -> str:
    """Say what of a month is lost, what is known, and what to do."""
    before = month.supplement_of
    known = f" The vault has what was stored before these late rows came: {before.key}." if before else ""
    held = f" It was held: {month.held}." if month.held else ""
    return (
        f"{month}: {month.partition} was dropped by somebody else, while it was {month.state}. It {what}: its rows are in no"
        f" place that the archive knows.{known}{held} Bring the table back from a backup, by this name and attached to"
        f" {month.parent}, and it goes on; or, if its rows may be lost, {_forget(month)} Nothing was changed."
    )


def _bare(lost: Terminal) -> str:
    """What is wrong in the vault, without the word that the month is in the database still: here it is not."""
    return str(lost).replace(KEPT, "").strip()


def _forget(month: Month) -> str:
    named = str(month.partition).replace("'", "''")
    return f"say so in the store, with the reason: SELECT sluice_archive.forget_month('{named}', '…')."

"""Take a month out of its table, without stopping anybody who reads or writes: DETACH … CONCURRENTLY.

It waits for whoever uses the table just then, with the month in neither place; so it is looked beforehand who has used it for
long, and what was broken off is finished before anything else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.postgres import Connection, LockBusy, Table, rows, translated
from sluice.stores.statements import statement
from sluice.upkeep.archive.ledger import Month, move
from sluice.upkeep.partitions.actions import Finish
from sluice.upkeep.partitions.making import make
from sluice.upkeep.partitions.there import Branch, branches_of, find_branch

LONGEST = timedelta(seconds=5)
"""A transaction that has used the table for longer may go on for long."""
Tell = Callable[[str], None]


class NotDetachable(Terminal):
    """PostgreSQL does not let a month of this table go while others use it."""


def finish_broken_off(c: Connection, branch: Branch, tell: Tell) -> None:
    """End every detach that was broken off: until then its rows are nowhere, and nothing else can come or go. Raises LockBusy."""
    leaving = [(above.table, one.table) for above in branches_of(branch) for one in above.partitions if one.leaving]
    make(c, [Finish(parent, partition) for parent, partition in leaving], tell)


def check_detachable(c: Connection, branch: Branch) -> None:
    """Raise NotDetachable where months of this table cannot leave it."""
    if branch.default:
        raise NotDetachable(
            f"{branch.table} has the default partition {branch.default.table}: PostgreSQL detaches nothing beside it while others"
            " use the table. Move its rows out (create_partitions does) and detach it by hand. Nothing was changed."
        )
    if found := rows(c, statement("archive.list_referring"), parent=branch.oid):
        named = ", ".join(f"{row['name']} of {row['table']}" for row in found)
        raise NotDetachable(
            f"{branch.table} is referred to by {named}: no month of it can be detached. Drop the foreign key, or take"
            " retention out of the dataset's file. Nothing was changed."
        )


def detach(c: Connection, branch: Branch, month: Month, tell: Tell) -> Month:
    """Take a month out. Raises LockBusy where somebody is in the way, OutOfOrder where it is held."""
    check_detachable(c, branch)
    _check_nobody_in_the_way(c, branch, month)
    if month.state == "eligible":
        month = move(c, month, "detaching")
    failpoint("month.detaching")
    leaving = {"parent": month.parent.identifier, "partition": month.partition.identifier}
    try:
        with translated(f"detaching {month}"):
            c.execute(statement("archive.detach", **leaving))
    except LockBusy:
        # Where it had begun to wait for others already, it is finished once they are gone; else nothing was changed.
        found = find_branch(c, month.parent)
        if found is None or not any(one.leaving for one in found.partitions):
            raise
        finish_broken_off(c, found, tell)
    failpoint("month.detached")
    tell(f"detached {month.partition}")
    return move(c, month, "detached")


def parent_of(c: Connection, month: Month) -> tuple[Table | None, int | None]:
    """Say what the month's table is called by now, None where it is gone, and whose partition it is, None where nobody's."""
    found = rows(c, statement("archive.find_partition"), oid=month.oid)
    return (Table(found[0]["schema"], found[0]["name"]), found[0]["parent"]) if found else (None, None)


def _check_nobody_in_the_way(c: Connection, branch: Branch, month: Month) -> None:
    holders = rows(c, statement("archive.list_in_the_way"), parent=branch.oid, longest=LONGEST)
    if holders:
        raise LockBusy(
            f"{month} is not detached while {', '.join(row['holder'] for row in holders)} uses {month.parent} in one transaction."
            " It is tried again by itself; if it stays, end that session."
        )

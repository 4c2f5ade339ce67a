"""Rows that come late, for a month that has left its table: where they land, and how they follow it.

A partition for the same bounds stands in the month's place. What it holds takes the way of the month once more, as a supplement
of what the vault has already; or the month is brought back for it. What is dropped is dropped by sluice_archive.drop_month alone.
"""

from __future__ import annotations

from datetime import UTC
from itertools import count

from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.detaching import Tell
from sluice.upkeep.archive.ledger import Month, is_there, move
from sluice.upkeep.partitions.actions import Make
from sluice.upkeep.partitions.making import make
from sluice.upkeep.partitions.naming import late_name
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.partitions.there import Branch, Partition

GONE = ("detached", "exported", "verified", "cooling", "dropped", "lost")
"""States of a month that is not in its table."""


def late_of(branch: Branch, month: Month) -> Partition | None:
    """Find the partition that stands in the place of a month, whoever made it."""
    return next((one for one in _others(branch, month) if one.span == month.span), None)


def make_room(c: Connection, branch: Branch, month: Month, tell: Tell) -> None:
    """Put an empty partition in the place of a month that has left, unless something is there. Raises LockBusy, NameTaken."""
    if month.state not in GONE or any(one.span and one.span.meets(month.span) for one in _others(branch, month)):
        return
    names = (late_name(month.partition, number) for number in count(1))
    table = next(name for name in names if find_table(c, name) is None)
    make(c, [Make(branch.table, table, month.span, branch.columns[0])], tell)


def has_rows(c: Connection, late: Partition) -> bool:
    """Whether any row came late."""
    return bool(one(c, statement("archive.has_rows", partition=late.table.identifier))["found"])


def gone_of(c: Connection, parent: Table) -> set[Span]:
    """Give the months of a table that have left it; none where the archive has never been. Read-only."""
    if not is_there(c):
        return set()
    asked = {"schema": parent.schema, "name": parent.name, "gone": list(GONE)}
    found = rows(c, statement("archive.list_gone"), **asked)
    return {Span(row["lower_bound"].astimezone(UTC), row["upper_bound"].astimezone(UTC)) for row in found}


def begin_anew(c: Connection, month: Month, late: Partition) -> Month:
    """Let the late rows of a month that was dropped take its way. Raises Overtaken, OutOfOrder."""
    named = {"schema": late.table.schema, "name": late.table.name, "oid": late.oid, "bounds": late.bounds}
    return move(c, month, "eligible", **named)


def _others(branch: Branch, month: Month) -> list[Partition]:
    return [one for one in branch.partitions if one.oid != month.oid]

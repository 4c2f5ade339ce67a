"""Bring a month back into its table, until a moment that the ledger knows: behind it, the next run archives the month again.

What of it is in the vault alone is built from its manifests, loaded, counted and hashed; what came late joins it; then it is
attached: all in one transaction, so that whoever dies leaves nothing. It is closed as its table is before anybody can reach it.
The check that it got when it left spares the table a scan.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from psycopg import sql

from sluice.estate.names import fitted
from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, one, translated
from sluice.stores.statements import raw, statement
from sluice.upkeep.archive.building import (
    check_types,
    check_whole,
    close,
    load,
    make_table,
    pour,
    told_plainly,
)
from sluice.upkeep.archive.collations import collations_of, with_collations
from sluice.upkeep.archive.ledger import Export, Month, move
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.supplements import out_of_database
from sluice.upkeep.partitions.there import Partition
from sluice.upkeep.refusals import NotBroughtBack

BESIDE = ("detached", "exported", "verified", "cooling")
"""States of a month that stands beside its table still."""


def restore(c: Connection, vault: Vault, month: Month, lasts: timedelta, late: Partition | None = None) -> Month:
    """Bring a month back for so long, from now on if it is back already. `late` is the partition in its place: its rows join.

    Raises NotBroughtBack, Damaged, Unlike, LockBusy.
    """
    if month.state not in (*BESIDE, "dropped", "restored"):
        raise NotBroughtBack(why_not(month))
    stored = out_of_database(vault, month)
    home = _home(month, stored)
    instead = "Bring it back beside the table: restore_archive with `where`."
    with (
        translated(f"bringing back {month}"),
        told_plainly(month, str(home), f"does not fit {month.parent} any more", instead),
        c.transaction(),
    ):
        c.execute(statement("archive.pin_transaction"))
        parent = find_table(c, month.parent)
        assert parent is not None
        if month.state == "dropped" and late:
            _make_alike(c, home, late, parent)
        there = month.state != "dropped" or late is not None
        for number, (export, manifest) in enumerate(stored):
            joins = there or number > 0
            built = Table(home.schema, fitted(home.name, "_loaded")) if joins else home
            _build(c, vault, month, export, manifest, built, parent)
            if joins:
                pour(c, month, built, home)
        if late:
            leaving = {"parent": month.parent.identifier, "partition": late.table.identifier}
            c.execute(statement("archive.detach_now", **leaving))
            pour(c, month, late.table, home)
        if month.state != "restored":
            _attach(c, month, home, parent)
        oid = found.oid if (found := find_table(c, home)) else month.oid
        month = move(c, month, "restored", schema=home.schema, name=home.name, oid=oid, lasts=lasts)
        failpoint("month.loaded")
    failpoint("month.brought_back")
    return month


def why_not(month: Month) -> str:
    """Say why a month does not come back into its table: it is there, or it is lost."""
    if month.state == "lost":
        kept = month.export or month.supplement_of
        what = f"What the vault has of it, {kept.key}, comes back beside the table" if kept else "The vault has nothing"
        how = "restore_archive with `where`" if kept else "bring its table back from a backup, and it goes on"
        return f"{month} is lost: {month.note}. {what}: {how}."
    if month.supplement_of:
        return f"{month}: rows that came late to it are about to leave. Bring it back when archive_retention has ended."
    return f"{month} is {month.state}: it never left its table."


def _home(month: Month, stored: Sequence[tuple[Export, Manifest]]) -> Table:
    """What it is called when it is back: as it stands beside its table, or as it was called when it first left."""
    return Table(*stored[0][1].partition) if month.state == "dropped" and stored else month.partition


def _make_alike(c: Connection, home: Table, late: Partition, parent: Shape) -> None:
    """Make a table with the indexes of its parent and the check of its bounds: so it takes the place of another in a moment.

    Rows are moved into it while nobody else sees it, and no trigger of the table fires for them.
    """
    owner, named = sql.Identifier(str(parent.facts["owner"])), home.identifier
    alike = {"partition": named, "parent": parent.table.identifier, "cut": sql.SQL("")}
    check = str(one(c, statement("archive.find_bounds_check"), oid=late.oid)["check"])
    c.execute(statement("partitions.act_as_owner", owner=owner))
    c.execute(statement("partitions.create_partition", **alike))
    bounds = {"name": sql.Identifier(fitted(home.name, "_bounds")), "definition": raw(f"CHECK ({check})")}
    c.execute(statement("expand.add_constraint", target=named, **bounds))
    c.execute(statement("archive.act_as_ourselves"))


def _build(
    c: Connection, vault: Vault, month: Month, export: Export, manifest: Manifest, table: Table, parent: Shape
) -> None:
    """Make a table of what was stored, and hold it against what the ledger says of it."""
    check_types(c, month, manifest)
    make_table(c, table, with_collations(c, manifest.ddl, manifest.columns, collations_of(c, parent.oid)), parent)
    load(c, vault, table, manifest, manifest.written)
    check_whole(c, month, table, export.rows, export.hash)


def _attach(c: Connection, month: Month, home: Table, parent: Shape) -> None:
    closed = find_table(c, home)
    assert closed is not None
    close(c, closed, parent.facts["rls"], parent.facts["rls_forced"])
    named = {"parent": month.parent.identifier, "partition": home.identifier, "bounds": raw(month.bounds)}
    c.execute(statement("partitions.attach", **named))

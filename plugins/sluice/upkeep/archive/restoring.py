"""Bring a month back into its table, until a moment that the ledger knows: behind it, the next run archives the month again.

A month that was dropped is built from its manifest, loaded, counted and hashed in one transaction: whoever dies leaves nothing.
It is closed as its table is before anybody can reach it. The check that it got when it left spares the table a scan.
"""

from __future__ import annotations

from datetime import timedelta

from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, translated
from sluice.stores.statements import raw, statement
from sluice.upkeep.archive.building import (
    NotBroughtBack,
    check_types,
    check_whole,
    close,
    load,
    make_table,
    told_plainly,
)
from sluice.upkeep.archive.ledger import Export, Month, move
from sluice.upkeep.archive.reading_back import read_manifest

BESIDE = ("detached", "exported", "verified", "cooling")
"""States of a month that stands beside its table still."""


def restore(c: Connection, vault: Vault, month: Month, lasts: timedelta) -> Month:
    """Bring a month back for so long, from now on if it is back already. Raises NotBroughtBack, Damaged, Unlike, LockBusy."""
    if month.state not in (*BESIDE, "dropped", "restored"):
        raise NotBroughtBack(f"{month} is {month.state}: it never left its table.")
    oid = month.oid
    unfit = f"does not fit {month.parent} any more"
    with (
        translated(f"bringing back {month}"),
        told_plainly(
            month, str(month.partition), unfit, "Bring it back beside the table: restore_archive with `where`."
        ),
        c.transaction(),
    ):
        c.execute(statement("archive.pin_transaction"))
        parent = find_table(c, month.parent)
        assert parent is not None
        if month.state == "dropped" and month.export:
            oid = _built(c, vault, month, month.export, parent)
        if month.state != "restored":
            _attach(c, month, parent)
        month = move(c, month, "restored", oid=oid, lasts=lasts)
        failpoint("month.loaded")
    failpoint("month.brought_back")
    return month


def _built(c: Connection, vault: Vault, month: Month, export: Export, parent: Shape) -> int:
    """Make the table, load it, and hold it against the ledger. Gives its OID."""
    manifest = read_manifest(vault, export)
    check_types(c, month, manifest)
    make_table(c, month.partition, manifest.ddl, parent)
    load(c, vault, month.partition, manifest, manifest.written)
    return check_whole(c, month, month.partition, export.rows, export.hash).oid


def _attach(c: Connection, month: Month, parent: Shape) -> None:
    closed = find_table(c, month.partition)
    assert closed is not None
    close(c, closed, parent.facts["rls"], parent.facts["rls_forced"])
    named = {"parent": month.parent.identifier, "partition": month.partition.identifier, "bounds": raw(month.bounds)}
    c.execute(statement("partitions.attach", **named))

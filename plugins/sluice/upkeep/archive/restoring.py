"""Bring a month back into its table, until a moment that the ledger knows: behind it, the next run archives the month again.

A month that was dropped is built from its manifest, loaded, counted and hashed in one transaction: whoever dies leaves nothing.
It is closed as its table is before anybody can reach it. The check that it got when it left spares the table a scan.
"""

from __future__ import annotations

from datetime import timedelta

import psycopg
from psycopg import errors, sql

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, one, translated
from sluice.stores.statements import as_text, raw, statement
from sluice.upkeep.archive.ledger import Export, Month, move
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.reading_back import Unlike, batches, read_manifest

BESIDE = ("detached", "exported", "verified", "cooling")
"""States of a month that stands beside its table still."""


class NotBroughtBack(Terminal):
    """A month does not go back into its table."""


def restore(c: Connection, vault: Vault, month: Month, lasts: timedelta) -> Month:
    """Bring a month back for so long, from now on if it is back already. Raises NotBroughtBack, Damaged, Unlike, LockBusy."""
    if month.state not in (*BESIDE, "dropped", "restored"):
        raise NotBroughtBack(f"{month} is {month.state}: it never left its table.")
    oid = month.oid
    try:
        with translated(f"bringing back {month}"), c.transaction():
            c.execute(statement("archive.pin_transaction"))
            parent = find_table(c, month.parent)
            assert parent is not None
            if month.state == "dropped" and month.export:
                oid = _built(c, vault, month, month.export, parent)
            if month.state != "restored":
                _attach(c, month, parent)
            month = move(c, month, "restored", oid=oid, lasts=lasts)
            failpoint("month.loaded")
    except errors.DuplicateTable as taken:
        raise NotBroughtBack(
            f"{month}: another table is called {month.partition}. Rename that one, then run this again. Nothing was changed."
        ) from taken
    except (errors.DatatypeMismatch, errors.UndefinedObject, errors.InvalidObjectDefinition) as other:
        raise NotBroughtBack(
            f"{month} does not fit {month.parent} any more: {_told(other)}. Its manifest ({month.export and month.export.key})"
            " has the columns that it had: load it into a table of its own. Nothing was changed."
        ) from other
    failpoint("month.brought_back")
    return month


def _built(c: Connection, vault: Vault, month: Month, export: Export, parent: Shape) -> int:
    """Make the table, load it, and hold it against the ledger. Gives its OID."""
    manifest = read_manifest(vault, export)
    owner = sql.Identifier(str(parent.facts["owner"]))
    if not one(c, statement("partitions.has_schema"), schema=month.partition.schema)["there"]:
        schema = sql.Identifier(month.partition.schema)
        c.execute(statement("expand.create_owned_schema", schema=schema, owner=owner))
    c.execute(statement("partitions.act_as_owner", owner=owner))
    parts = sql.SQL(", ").join(map(raw, manifest.ddl))
    c.execute(statement("archive.create_month", partition=month.partition.identifier, parts=parts))
    c.execute(statement("archive.act_as_ourselves"))
    _load(c, vault, month.partition, manifest)
    made = find_table(c, month.partition)
    assert made is not None
    found = one(c, statement("archive.count_and_hash"), oid=made.oid)
    if (found["rows"], found["hash"]) != (export.rows, export.hash):
        raise Unlike(
            f"{month}: {found['rows']:,} rows ({found['hash']}) came back of {export.rows:,} ({export.hash}). Nothing was"
            " changed: is this server set as the other was (encoding, locale of money, versions of extensions)?"
        )
    return made.oid


def _load(c: Connection, vault: Vault, table: Table, manifest: Manifest) -> None:
    places = [place for place, column in enumerate(manifest.columns) if column.name in manifest.written]
    names = sql.SQL(", ").join(sql.Identifier(manifest.columns[place].name) for place in places)
    asked = statement("archive.copy_in", partition=table.identifier, columns=names)
    with c.cursor() as cursor, cursor.copy(as_text(asked, c).encode()) as copy:
        for part in manifest.parts:
            for columns in batches(vault, manifest, part):
                for row in zip(*(columns[place] for place in places), strict=True):
                    copy.write_row(row)


def _attach(c: Connection, month: Month, parent: Shape) -> None:
    partition = month.partition.identifier
    closed = find_table(c, month.partition)
    assert closed is not None
    # Whoever exported it might read it directly; a partition has no door of its own.
    for role in sorted({grant["grantee"] for grant in closed.grants if grant["column"] is None}):
        c.execute(statement("archive.take_rights", partition=partition, role=sql.Identifier(role)))
    if parent.facts["rls"]:
        c.execute(statement("expand.enable_rls", table=partition))
    if parent.facts["rls_forced"]:
        c.execute(statement("expand.force_rls", table=partition))
    named = {"parent": month.parent.identifier, "partition": partition, "bounds": raw(month.bounds)}
    c.execute(statement("partitions.attach", **named))


def _told(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)

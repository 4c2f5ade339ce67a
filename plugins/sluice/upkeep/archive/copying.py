"""Make a copy of an archived month: a table of its own, in its database or in another one, until a moment that is noted with it.

All it takes is the month's manifest: the database that it came from may be gone, and this one may be newer. Its columns hold what
was archived, a generated one too, without checks, defaults or indexes: so what another version would not have is not asked for.
It is never attached to anything, and the way of the month knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from psycopg import sql

from sluice.estate.dataset import Dataset
from sluice.estate.names import fitted
from sluice.failpoints import failpoint
from sluice.stores.catalogue import Shape, find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, one, translated
from sluice.stores.statements import statement
from sluice.upkeep.archive import ledger
from sluice.upkeep.archive.building import (
    check_types,
    check_whole,
    close,
    load,
    make_table,
    pour,
    told_plainly,
)
from sluice.upkeep.archive.copies import Copy, add, changed, copies_in, prolong
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.detaching import Tell
from sluice.upkeep.archive.finding import find_in_ledger, find_in_vault, read_export
from sluice.upkeep.archive.ledger import Export
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.supplements import whole
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.partitions.there import span_of
from sluice.upkeep.refusals import NotBroughtBack


def copy_months(
    c: Connection, vault: Vault, dataset: Dataset, asked: Span, lasts: timedelta, tell: Tell, store: str, key: str = ""
) -> list[Copy]:
    """Copy what the vault has of a time into the database of a session, which is `store`; gives the copies.

    `key` is that of one manifest, where the vault has several. Raises NotBroughtBack, SeveralExports, Damaged, Unlike, NoSuchKey.
    """
    ledger.prepare(c)
    table = Table.parse(dataset.table)
    found = [read_export(vault, key)] if key else []
    if not found and store == dataset.store:
        found = find_in_ledger(c, table, asked)
    return [
        copy_month(c, vault, export, asked, lasts, tell)
        for export in found or find_in_vault(vault, dataset.store, table, asked)
    ]


def copy_month(c: Connection, vault: Vault, export: Export, asked: Span, lasts: timedelta, tell: Tell) -> Copy:
    """Copy one month for so long; one that is copied already stays so long. Raises NotBroughtBack, Damaged, Unlike."""
    stored = [manifest for _, manifest in whole(vault, export)]
    span = span_of(stored[0].bounds)
    if span is None or not span.meets(asked):
        raise NotBroughtBack(f"{export.key} holds {stored[0].bounds}, and not {asked}. Nothing was changed.")
    written = ""
    if copy := _standing(c, export):
        copy = prolong(c, copy, lasts)
        written = changed(c, copy)
    else:
        with translated(f"copying {stored[0].table}, {span}"), c.transaction():
            c.execute(statement("archive.pin_transaction"))
            table, made = _build(c, vault, stored, f"{stored[0].table}, {span}")
            comment = str(one(c, statement("copies.name_copy"), manifest=export.key)["comment"])
            c.execute(statement("expand.comment_table", target=table.identifier, comment=sql.Literal(comment)))
            add(c, table, made, stored[0], span, replace(export, **asdict(count_and_hash(c, made))), lasts)
            failpoint("beside.loaded")
        failpoint("beside.made")
        copy = _standing(c, export)
        assert copy is not None
    tell(f"{copy} is {copy.table}, until {copy.expires_at:%Y-%m-%d %H:%M} UTC{written}")
    return copy


def _standing(c: Connection, export: Export) -> Copy | None:
    return next((copy for copy in copies_in(c) if copy.export.key == export.key and copy.stands), None)


def _build(c: Connection, vault: Vault, stored: Sequence[Manifest], month: str) -> tuple[Table, int]:
    """Make the table of a month and its supplements, each held against its manifest; give it and its OID."""
    first = stored[0]
    home = Table(first.partition[0], fitted(first.partition[1], "_copy"))
    like = find_table(c, Table(*first.table.split(".", 1)))
    with told_plainly(month, str(home), "cannot be loaded here", "Make the type as it was."):
        for manifest in stored:
            table = home if manifest is first else Table(home.schema, fitted(home.name, "_loaded"))
            check_types(c, month, manifest)
            plain = [f"{sql.Identifier(column.name).as_string(c)} {column.type}" for column in manifest.columns]
            make_table(c, table, plain, like)
            load(c, vault, table, manifest, [column.name for column in manifest.columns])
            check_whole(c, month, table, manifest.rows, manifest.hash)
            if manifest is not first:
                pour(c, month, table, home)
    _close(c, home, like)
    made = find_table(c, home)
    assert made is not None
    return home, made.oid


def _close(c: Connection, table: Table, like: Shape | None) -> None:
    """As the table is; and where nobody knows how that was, for all but those who see every row."""
    made = find_table(c, table)
    assert made is not None
    close(c, made, like is None or like.facts["rls"], like is None or like.facts["rls_forced"])

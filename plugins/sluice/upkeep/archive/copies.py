"""The copies of archived months that are in a database: listed, prolonged, ended, and dropped when their time is over.

The database drops one by itself (sluice_archive.drop_copy): what the archive made and marked, and what holds to the row what it
came with. Before it is asked, the vault is read once more: what is only in the copy by then stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from psycopg import errors

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.catalogue import find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Row, Table, one, rows, translated
from sluice.stores.statements import statement
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.detaching import Tell
from sluice.upkeep.archive.dropping import NotDropped
from sluice.upkeep.archive.ledger import Export, Overtaken
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.reading_back import verify
from sluice.upkeep.archive.roles import let_drop, role_of
from sluice.upkeep.archive.supplements import whole
from sluice.upkeep.partitions.spans import Span
from sluice.upkeep.refusals import NotBroughtBack


@dataclass(frozen=True)
class Copy:
    """One copy of a month."""

    id: int
    table: Table
    of: str
    """The store and the table that the month is of."""
    span: Span
    export: Export
    """Rows and hash of the whole copy; the manifest, where the month has supplements, of the last of them."""
    expires_at: datetime
    over: bool
    """Whether its time is over, by the database's clock."""
    stands: bool
    """Whether its table is there."""

    def __str__(self) -> str:
        return f"the copy of {self.of}, {self.span}"


def copies_in(c: Connection) -> list[Copy]:
    """List the copies in a database, the oldest first; none where the archive has never been. Read-only."""
    if not one(c, statement("copies.are_there"))["there"]:
        return []
    return [_copy(row) for row in rows(c, statement("copies.list_copies"))]


def add(
    c: Connection, table: Table, oid: int, manifest: Manifest, span: Span, export: Export, lasts: timedelta
) -> None:
    """Note a copy, in the transaction that makes it."""
    place = {"schema": table.schema, "name": table.name, "oid": oid, "lower": span.lower, "upper": span.upper}
    told = {"rows": export.rows, "hash": export.hash, "manifest": export.key, "sha256": export.sha256}
    whose = {"store": manifest.store, "table": manifest.table, "version": export.version, "lasts": lasts}
    c.execute(statement("copies.add_copy"), {**place, **told, **whose})


def prolong(c: Connection, copy: Copy, lasts: timedelta) -> Copy:
    """Let a copy stay for so long from now on. Raises Overtaken where it was dropped meanwhile."""
    try:
        with translated(f"prolonging {copy}"):
            c.execute(statement("copies.prolong_copy"), {"id": copy.id, "lasts": lasts})
    except errors.RaiseException as went:
        raise Overtaken(
            f"{copy}: {went.diag.message_primary}, its time was over. It is made anew when this is tried again, by itself."
        ) from went
    return next(one for one in copies_in(c) if one.id == copy.id)


def end_copies(c: Connection, of: str, asked: Span, tell: Tell, key: str = "") -> list[Copy]:
    """Let the time of each copy of a table's months be over, or of one manifest: the next run drops it. Raises NotBroughtBack.

    `of` names the table and its store, as the copies do.
    """
    found = [copy for copy in copies_in(c) if copy.stands and copy.span.meets(asked)]
    ended = [prolong(c, one, timedelta(0)) for one in found if (one.export.key == key if key else one.of == of)]
    if not ended:
        raise NotBroughtBack(
            f"No copy of {of} with {asked} in it stands here, so none is ended: sluice_archive.status shows those that do. One of"
            " a tenant's month is named by the key of its `manifest`. Nothing was changed."
        )
    for copy in ended:
        tell(f"{copy} is over its time: archive_retention drops {copy.table} when it runs next{changed(c, copy)}")
    return ended


def changed(c: Connection, copy: Copy) -> str:
    """Say that somebody wrote to a copy since it was made, and what becomes of it then; nothing where nobody has."""
    made = find_table(c, copy.table)
    there = count_and_hash(c, made.oid) if made else None
    if there is None or (there.rows, there.hash) == (copy.export.rows, copy.export.hash):
        return ""
    return (
        f". But it is no longer what the archive made: it has {there.rows:,} rows, and came with {copy.export.rows:,}. It is"
        " not dropped by itself: keep what you need of it, and drop it"
    )


def drop_copies(keeper: Connection, dropper: Connection, vault: Vault, over: Sequence[Copy]) -> list[str]:
    """Drop each of these; one that cannot go stops no other. Raises NotDropped, which tells of all that stay."""
    if role_of(dropper) != role_of(keeper):
        let_drop(keeper, role_of(dropper))
    told, refused = [], []
    for copy in over:
        try:
            told.append(drop_copy(dropper, vault, copy))
        except Terminal as error:
            refused.append(str(error))
    if refused:
        raise NotDropped(" ".join(refused))
    return told


def drop_copy(dropper: Connection, vault: Vault, copy: Copy) -> str:
    """Drop a copy whose time is over; gives what the database says. Safe to repeat. Raises NotDropped, Damaged, NoSuchKey."""
    for export, manifest in whole(vault, copy.export):
        verify(vault, replace(export, rows=manifest.rows, hash=manifest.hash))
    failpoint("beside.dropping")
    with translated(f"dropping {copy}"):
        try:
            told = str(one(dropper, statement("copies.drop_copy"), id=copy.id)["told"])
        except (errors.RaiseException, errors.DependentObjectsStillExist) as refused:
            raise NotDropped(
                f"{copy}: {refused.diag.message_primary}. It is not dropped. Keep what you need of {copy.table} and drop it"
                " yourself, or let it stay longer: restore_archive with the same month and `days`."
            ) from refused
    failpoint("beside.dropped")
    return told


def _copy(row: Row) -> Copy:
    edges = (row["lower_bound"].astimezone(UTC), row["upper_bound"].astimezone(UTC))
    export = Export(row["rows"], row["hash"], row["manifest"], row["manifest_sha256"], row["manifest_version"])
    return Copy(
        row["id"],
        Table(row["copy_schema"], row["copy_name"]),
        f"{row['of_table']} of {row['of_store']}",
        Span(*edges),
        export,
        row["expires_at"].astimezone(UTC),
        row["over"],
        row["stands"],
    )

"""Make a table out of a manifest, load it, and hold it against what was stored: within the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql

from sluice.stores.catalogue import Shape, find_table
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import as_text, raw, statement
from sluice.upkeep.archive.counting import count_and_hash
from sluice.upkeep.archive.manifest import Manifest
from sluice.upkeep.archive.reading_back import Unlike, batches
from sluice.upkeep.refusals import NotBroughtBack


def check_types(c: Connection, month: object, manifest: Manifest) -> None:
    """Raise NotBroughtBack where types of a month's columns are not in this database."""
    types = sorted({column.type for column in manifest.columns})
    if missing := [row["type"] for row in rows(c, statement("copies.list_missing_types"), types=types)]:
        raise NotBroughtBack(
            f"{month} needs what is not in this database: the types {', '.join(missing)}. Make them first, in those schemas"
            " (enums with all their labels, extensions); pg_dump --schema-only of where it was shows them. Nothing was changed."
        )


def make_table(c: Connection, table: Table, parts: Sequence[str], like: Shape | None) -> None:
    """Make an empty table, and its schema where that is missing; whose it is, `like` says, else whoever is at work."""
    owner = sql.Identifier(str(like.facts["owner"])) if like else sql.SQL("CURRENT_USER")
    if not one(c, statement("partitions.has_schema"), schema=table.schema)["there"]:
        c.execute(statement("expand.create_owned_schema", schema=sql.Identifier(table.schema), owner=owner))
    if like:
        c.execute(statement("partitions.act_as_owner", owner=owner))
    joined = sql.SQL(", ").join(map(raw, parts))
    c.execute(statement("archive.create_month", partition=table.identifier, parts=joined))
    c.execute(statement("archive.act_as_ourselves"))


def load(c: Connection, vault: Vault, table: Table, manifest: Manifest, names: Sequence[str]) -> None:
    """Load a month's rows: these columns of them. Raises Damaged, NoSuchKey, VaultDown."""
    places = [place for place, column in enumerate(manifest.columns) if column.name in names]
    listed = sql.SQL(", ").join(sql.Identifier(manifest.columns[place].name) for place in places)
    asked = statement("archive.copy_in", partition=table.identifier, columns=listed)
    with c.cursor() as cursor, cursor.copy(as_text(asked, c).encode()) as copy:
        for part in manifest.parts:
            for columns in batches(vault, manifest, part):
                for row in zip(*(columns[place] for place in places), strict=True):
                    copy.write_row(row)


def check_whole(c: Connection, month: object, table: Table, rows_wanted: int, hash_wanted: str) -> Shape:
    """Raise Unlike unless a table holds as many rows with such a hash; give it as the catalogue has it."""
    made = find_table(c, table)
    assert made is not None
    found = count_and_hash(c, made.oid)
    if (found.rows, found.hash) != (rows_wanted, hash_wanted):
        raise Unlike(
            f"{month}: {found.rows:,} rows ({found.hash}) came back of {rows_wanted:,} ({hash_wanted}). Nothing was"
            " changed: is this server set as the other was (encoding, locale of money, versions of extensions)?"
        )
    return made


def pour(c: Connection, month: object, source: Table, target: Table) -> None:
    """Move all rows of one table into another with the same columns, and drop the first, empty then. Raises NotBroughtBack."""
    emptied, filled = find_table(c, source), find_table(c, target)
    assert emptied is not None and filled is not None
    if other := {column.name for column in emptied.columns} ^ {column.name for column in filled.columns}:
        raise NotBroughtBack(
            f"{month}: what was stored, and what came late, differ in their columns: {', '.join(sorted(other))}. Bring back"
            " beside the table what was stored first, by the key of its manifest, and add the rest by hand. Nothing was changed."
        )
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in filled.columns if column.written)
    every = {"source": source.identifier, "partition": target.identifier, "condition": sql.SQL("true")}
    c.execute(statement("partitions.move_rows", columns=columns, **every))
    if one(c, statement("archive.has_rows", partition=source.identifier))["found"]:
        raise NotBroughtBack(f"{month}: rows of {source} stay behind. Nothing was changed.")
    c.execute(statement("archive.drop_emptied", emptied=source.identifier))


def close(c: Connection, table: Shape, rls: bool, forced: bool) -> None:
    """Close a table before anybody can reach it: nobody but its owner has a right, and row-level security is as asked."""
    # Default privileges may have opened it; and whoever exported a month might read it directly.
    for role in sorted({grant["grantee"] for grant in table.grants if grant["column"] is None}):
        named = sql.SQL("PUBLIC") if role == "public" else sql.Identifier(role)
        c.execute(statement("archive.take_rights", partition=table.table.identifier, role=named))
    if rls:
        c.execute(statement("expand.enable_rls", table=table.table.identifier))
    if forced:
        c.execute(statement("expand.force_rls", table=table.table.identifier))


@contextmanager
def told_plainly(month: object, taken: str, unfit: str, instead: str) -> Iterator[None]:
    """Turn what PostgreSQL says while a month is built into what a person can act on: where it does not fit, what to do instead.

    Raises NotBroughtBack.
    """
    try:
        yield
    except errors.DuplicateTable as error:
        raise NotBroughtBack(
            f"{month}: another table is called {taken}. Rename that one, then run this again. Nothing was changed."
        ) from error
    except (errors.UniqueViolation, errors.ExclusionViolation) as error:
        raise NotBroughtBack(
            f"{month}: {_told(error)} {error.diag.message_detail or ''} Two rows have one key: bring the month back beside"
            " the table, and decide which of them stays. Nothing was changed."
        ) from error
    except (
        errors.DatatypeMismatch,
        errors.UndefinedObject,
        errors.UndefinedFunction,
        errors.InvalidSchemaName,
        errors.InvalidObjectDefinition,
        errors.SyntaxError,  # a virtual column, below PostgreSQL 18
        errors.DataError,  # a label that an enum has lost
        errors.CheckViolation,
    ) as error:
        raise NotBroughtBack(f"{month} {unfit}: {_told(error)}. {instead} Nothing was changed.") from error


def _told(error: psycopg.Error) -> str:
    return error.diag.message_primary or str(error)

"""A target that is there already: taken as it is where it is empty and fits, refused with the next action where it does not.

What a person made stays: nothing of it is changed but that our three columns, their index and policy are added, and partitions
that are missing. An abort takes these columns and the copies away and leaves the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.into_postgres.layout import (
    Part,
    column_definitions,
    marks_index,
    parts_statements,
    range_of,
    uncovered,
)
from sluice.migration.kinds.into_postgres.shape import RowShape
from sluice.stores.catalogue import Shape, partitions
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement

SHOWN = 5
"""Partitions that are named."""


def obstacles(
    c: Connection, m: IntoPostgresMigration, shape: RowShape, there: Shape, wanted: list[Part]
) -> Iterator[Finding]:
    """Say why a table that is there cannot be taken; nothing if it can. Read-only, but for a draft that is rolled back."""
    name, cut = m.target.table, m.target.partition
    how, column = "HASH" if cut and cut.hash_of else "RANGE", cut.column if cut else ""
    looked = one(c, statement("into_postgres.look_at_taken"), oid=there.oid, how=how, column=column)
    if not looked["ours"]:
        owner = there.facts["owner"]
        yield _no(
            "target_not_ours", f"{name} is there already and belongs to {owner}.", "Make this role a member of it."
        )
        return
    if one(c, statement("into_postgres.has_rows", target=there.table.identifier))["filled"]:
        yield _no(
            "target_has_rows",
            f"{name} is there already and has rows, which could not be told from copies.",
            "Empty it, or name another table under `into.table` and bring both together afterwards.",
        )
    differs = [*_columns(c, shape, there), *_cut(m, looked)]
    if there.key != m.target.key:
        differs.append(f"its key is ({', '.join(there.key)}), not ({', '.join(m.target.key)})")
    if differs:
        what = f"{name} is there already, and is another table than `into` says: {'; '.join(differs)}."
        yield _no("target_differs", what, "Mend one of both; or drop the table, it is empty, and Sluice makes it.")
    if m.target.partition and not differs:
        yield from _partitions(c, name, there, wanted)
    if m.target.tenant and (open_ones := _open(c, there)):
        yield _no(
            "target_open",
            f"{name} is there already, and a tenant would see rows of others: {'; '.join(open_ones)}.",
            "ENABLE and FORCE it with a policy on the tenant's column; or drop the table, it is empty, and Sluice makes it.",
        )


def take(m: IntoPostgresMigration, there: Shape, missing: list[Part]) -> Iterator[sql.Composed]:
    """Give what is added to a table that is taken, in order."""
    target = there.table.identifier
    yield statement("into_postgres.add_marks", target=target)
    yield marks_index(there.table)
    if m.target.tenant:
        yield statement("into_postgres.create_tombstone_policy", table=target)
    yield from parts_statements(m.target, missing)


def _columns(c: Connection, shape: RowShape, there: Shape) -> Iterator[str]:
    with c.transaction(force_rollback=True):
        listed = sql.SQL(", ").join(column_definitions(shape))
        c.execute(statement("into_postgres.create_draft", columns=listed))
        wanted = {row["name"]: row["type"] for row in rows(c, statement("into_postgres.list_draft"))}
    for name, type_ in wanted.items():
        found = there.column(name)
        if found is None:
            yield f"it has no column {name}"
        elif found.type != type_:
            yield f"{name} is {found.type}, not {type_}"
    for column in there.columns:
        if column.name not in wanted and column.not_null and column.default is None and not column.identity:
            yield f"{column.name} is NOT NULL, has no default, and `into` gives it nothing"


def _cut(m: IntoPostgresMigration, looked: Row) -> Iterator[str]:
    wanted = looked["wanted"] if m.target.partition else None
    if looked["cut"] != wanted:
        yield f"it is partitioned by {looked['cut'] or 'nothing'}, not by {wanted or 'nothing'}"


def _partitions(c: Connection, name: str, there: Shape, wanted: list[Part]) -> Iterator[Finding]:
    parts = partitions(c, there.oid)
    if open_ones := [part["name"] for part in parts if "'" not in part["bounds"] and "modulus" not in part["bounds"]]:
        what = f"{name} has partitions without both bounds: {', '.join(open_ones)}."
        yield _no("target_without_bounds", what, "Detach them: new months could not be made beside them.")
        return
    ranges = [range_of(part["bounds"]) for part in parts]
    for part in uncovered(wanted, parts):
        mine = part.range
        if mine and any(one and one[0] < mine[1] and mine[0] < one[1] for one in ranges):
            what = f"{name} has partitions that overlap {part.table.name}, which it lacks, and do not hold all of it."
            yield _no("target_overlaps", what, "Cut them at the same bounds, in UTC, or drop them: they are empty.")
            return


def _open(c: Connection, there: Shape) -> list[str]:
    """Say where a tenant would not be kept to its rows."""
    every = [there.facts, *partitions(c, there.oid)]
    lacking = [f"{one['schema']}.{one['name']}" for one in every if not (one["rls"] and one["rls_forced"])]
    more = f" and {len(lacking) - SHOWN} more" if len(lacking) > SHOWN else ""
    told = [f"row-level security is not enabled and forced on {', '.join(lacking[:SHOWN])}{more}"] if lacking else []
    return told if there.policies else [*told, f"{there.table} has no policy"]


def _no(code: str, what: str, way_on: str) -> Finding:
    return Finding(code, True, what, way_on)

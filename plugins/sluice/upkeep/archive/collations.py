"""How texts of a month sort: each server has its own ways, and the next version of one may have others.

So nothing that is stored depends on them, and a month that comes back sorts as its table does by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psycopg import sql

from sluice.stores.postgres import Connection, rows
from sluice.stores.statements import statement
from sluice.upkeep.archive.columns import Stored


def collations_of(c: Connection, oid: int) -> Mapping[str, str | None]:
    """Give the columns of a table that sort as texts do, each with its collation where that is none of its type's. Read-only."""
    return {row["name"]: row["own"] for row in rows(c, statement("archive.list_collations"), oid=oid)}


def sorted_alike(column: str, collated: bool) -> sql.Composable:
    """Write what a column is sorted by, so that every server sorts it in the same way: texts by their bytes."""
    named = sql.Identifier("t", column)
    return sql.SQL('({})::text COLLATE "C"').format(named) if collated else named


def with_collations(
    c: Connection, ddl: Sequence[str], columns: Sequence[Stored], collations: Mapping[str, str | None]
) -> list[str]:
    """Write a month's columns with these collations. `ddl` has the columns first, in their order: name, type, and the rest."""
    made = list(ddl)
    for place, column in enumerate(columns):
        if own := collations.get(column.name):
            begins = f"{sql.Identifier(column.name).as_string(c)} {column.type}"
            made[place] = f"{begins} COLLATE {own}{made[place].removeprefix(begins)}"
    return made

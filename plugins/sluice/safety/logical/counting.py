"""Count what a dump holds, in the snapshot that it is taken of: what a copy of it is held against.

A dump is not the whole of a database. What it lacks is left out of the count, and named: a copy is never held against what it
cannot have, and nobody takes it for more than it is.
"""

from __future__ import annotations

from collections.abc import Set

from psycopg import errors, sql

from sluice.safety.census import WORKERS, Census, Marked
from sluice.safety.counting import Rewritten, count_all
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connect, Connection, Table, one, rows
from sluice.stores.statements import statement

INVALID = " invalid"
"""How the line of an index ends that PostgreSQL itself does not use."""


def count_dumped(c: Connection, connect: Connect, marked: Marked, tell: Tell) -> Census:
    """Count what a dump in the snapshot of this session's transaction gives back.

    Each table is locked until that transaction ends: nobody empties one before it is dumped. Raises Refused, Rewritten.
    """
    computed = {str(Table(row["schema"], row["name"])) for row in rows(c, statement("logical.list_computed"))}
    lock_all(c, computed)
    held = count_all(connect, marked.snapshot, WORKERS, tell)
    tables = {name: found for name, found in held.tables.items() if name not in computed}
    invalid = tuple(f"i {row['name']} of " for row in rows(c, statement("logical.list_invalid")))
    around = dict(held.surroundings)
    around["index"] = [line for line in around.get("index", ()) if not line.endswith(INVALID)]
    around["owner"] = [line for line in around.get("owner", ()) if not line.startswith(invalid)]
    return Census(c.info.dbname, marked.moment, tables, around, held.sequences)


def lock_all(c: Connection, computed: Set[str]) -> None:
    """Keep every table as it is while the transaction lasts; who reads and writes is not in its way. Raises Rewritten."""
    found = [Table(row["schema"], row["name"]) for row in rows(c, statement("safety.list_marked"))]
    tables = [table.identifier for table in found if str(table) not in computed and table.schema != "pg_catalog"]
    if not tables:
        return
    try:
        c.execute(statement("logical.lock_tables", tables=sql.SQL(", ").join(tables)))
    except (errors.UndefinedTable, errors.InvalidSchemaName) as error:
        raise Rewritten(
            f"A table of {c.info.dbname} was dropped before it was dumped. It is tried again by itself."
        ) from error


def lacks_of(c: Connection) -> tuple[str, ...]:
    """Name what is in the database and does not come back of a dump of it."""
    found = one(c, statement("logical.find_uncounted"))
    computed = [Table(row["schema"], row["name"]) for row in rows(c, statement("logical.list_computed"))]
    invalid = [row["name"] for row in rows(c, statement("logical.list_invalid"))]
    told = [
        f"passwords of the {found['logins']} roles that log in: give them new ones" if found["logins"] else "",
        "tablespaces: all comes back in the default one" if found["tablespaces"] else "",
        f"proof of {found['objects']} large objects: this role may not read pg_largeobject to count what is dumped"
        if found["objects"]
        else "",
        *(f"what {table} held: a materialized view is computed anew" for table in computed),
        *(f"index {name}: it is invalid, and PostgreSQL dumps none that it does not use" for name in invalid),
    ]
    return tuple(filter(None, told))

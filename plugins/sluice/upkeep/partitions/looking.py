"""Look at a table: what it is made of, where rows lie in default partitions, and whether somebody else keeps it. Read only."""

from __future__ import annotations

from psycopg import sql

from sluice.errors import Terminal
from sluice.estate.dataset import Dataset
from sluice.stores.catalogue import find_table
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement
from sluice.upkeep.partitions.planning import MOST, Strays, check_layout
from sluice.upkeep.partitions.there import Branch, branches_of, find_branch

ZONED = "timestamp with time zone"
TIMES = (ZONED, "timestamp without time zone", "date")


class NotPartitioned(Terminal):
    """There is no such table, or it is not partitioned."""


class NotTimes(Terminal):
    """A table is cut by ranges of something that no calendar knows."""


def look(c: Connection, dataset: Dataset) -> Branch:
    """Describe the table of a dataset. Raises NotPartitioned, NotTimes, Misfit."""
    table = Table.parse(dataset.table)
    branch = find_branch(c, table)
    if branch is None:
        raise NotPartitioned(f"{_why_none(c, table, dataset.name)} Nothing was changed.")
    check_layout(branch, dataset)
    for found in branches_of(branch):
        if found.how == "range" and found.type not in TIMES:
            raise NotTimes(
                f"{found.table} is cut by ranges of {found.columns[0]}, a {found.type}: partitions are made ahead by dates"
                " and times alone. Take its file out of include/estate/datasets. Nothing was changed."
            )
    return branch


def _why_none(c: Connection, table: Table, name: str) -> str:
    file = f"include/estate/datasets/{name}.yaml"
    if find_table(c, table) is None:
        return f"{table} is not in the database {c.info.dbname}. Mend `store` or `table` in {file}, or take that file away."
    return f"{table} is there, and not partitioned. Migrate it (docs/howto/migrate-a-table.md), or take {file} away until it is."


def kept_by_another(c: Connection, dataset: Dataset) -> bool:
    """Tell whether pg_partman keeps this table: two that make its partitions would be in each other's way."""
    table = Table.parse(dataset.table)
    for found in rows(c, statement("partitions.find_others_policy")):
        config = Table(found["schema"], found["name"]).identifier
        if one(c, statement("partitions.is_kept_by_another", config=config), table=str(table))["kept"]:
            return True
    return False


def find_strays(c: Connection, branch: Branch, dataset: Dataset) -> Strays:
    """Find where rows lie in default partitions: by month, week or day, or by value."""
    moments, values = {}, {}
    every = next((cut.every for cut in dataset.partition.cuts if cut.every), "month")
    for found in branches_of(branch):
        if found.default is None or found.how == "hash":
            continue
        named = {"partition": found.default.table.identifier, "column": sql.Identifier(found.columns[0])}
        if found.how == "list":
            asked = statement("partitions.find_stray_values", **named)
            values[found.default.oid] = [row["value"] for row in rows(c, asked, most=MOST)]
        else:
            zone = sql.SQL("AT TIME ZONE 'UTC'" if found.type == ZONED else "::timestamp")
            asked = statement("partitions.find_stray_spans", **named, zone=zone)
            moments[found.default.oid] = [row["lower"] for row in rows(c, asked, every=every, most=MOST)]
    return Strays(moments, values)

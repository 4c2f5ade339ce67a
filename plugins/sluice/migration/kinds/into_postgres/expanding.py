"""Make the target, say how far it is what was asked for, and keep partitions ready as time goes on."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import sql

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts, NotYet, Phase, Window
from sluice.migration.kinds.into_postgres import taking
from sluice.migration.kinds.into_postgres.copying import Source
from sluice.migration.kinds.into_postgres.layout import (
    Part,
    Span,
    parts_statements,
    plan_parts,
    plan_span,
    plan_window,
    scan_span,
    schema_of_parts,
    statements,
    uncovered,
)
from sluice.migration.kinds.into_postgres.shape import RowShape
from sluice.migration.kinds.postgres_target.partitions import MOST_PARTITIONS, TooManyPartitions, count_gaps
from sluice.stores.catalogue import Shape, find_table, partitions
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement


def expand(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape, source: Source, items: int) -> None:
    """Build the target, empty, with its marks; or take the one that is there. Raises NotYet where it cannot be taken."""
    span = scan_span(c, m.target, shape, source)
    table, named = Table.parse(m.target.table), f"{m.source.store}/{m.source.table}"
    wanted = plan_parts(c, m.target, span)
    with marks.alone(c):
        marks.execute(c, "create_migration", source=named, target=str(table))
        if not marks.move(c, Phase.PLANNED, to=Phase.EXPANDED):
            return
        there = find_table(c, table)
        for made in _taken(c, m, shape, there, wanted) if there else _made(c, m, shape, wanted):
            c.execute(made)
        failpoint("rows.target_built")
        recorded = {"target": table.identifier.as_string(c), "lower": span.lower, "upper": span.upper, "rows": items}
        c.execute(
            statement("into_postgres.record_target"), {"name": marks.name, "taken": there is not None, **recorded}
        )


def _made(c: Connection, m: IntoPostgresMigration, shape: RowShape, wanted: list[Part]) -> Iterator[sql.Composed]:
    return statements(m.target, shape, wanted, owner_of(c, Table.parse(m.target.table).schema))


def _taken(
    c: Connection, m: IntoPostgresMigration, shape: RowShape, there: Shape, wanted: list[Part]
) -> Iterator[sql.Composed]:
    # Looked at again under the fence: rows may have come since preflight.
    if found := list(taking.obstacles(c, m, shape, there, wanted)):
        raise NotYet(" ".join(map(str, found)))
    missing = uncovered(wanted, partitions(c, there.oid))
    if missing:
        role = sql.Identifier(str(there.facts["owner"]))
        yield statement("expand.create_owned_schema", schema=sql.Identifier(schema_of_parts(m.target)), owner=role)
    yield statement("into_postgres.act_as", owner=sql.Identifier(str(there.facts["owner"])))
    yield from taking.take(m, there, missing)
    yield statement("into_postgres.act_as_ourselves")


def verify(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape) -> Facts:
    """Compare the target, as the catalogue has it, with what the YAML asks for. Read-only."""
    target, row = find_table(c, Table.parse(m.target.table)), marks.row(c)
    if target is None:
        return {"partitions_missing": 1, "columns_missing": len(shape.names)}
    parts = partitions(c, target.oid)
    wanted = plan_parts(c, m.target, Span(row["lower_bound"], row["upper_bound"]))
    guarded = m.target.tenant is not None
    open_ones = [part for part in parts if guarded and not (part["rls"] and part["rls_forced"])]
    parent_open = guarded and not (target.facts["rls"] and target.facts["rls_forced"])
    return {
        "partitions": len(parts),
        "partitions_missing": len(uncovered(wanted, parts)),
        "partitions_gaps": count_gaps(parts) if m.target.partition and m.target.partition.range_of else 0,
        "columns_missing": sum(target.column(name) is None for name in shape.names),
        "key_differs": int(tuple(target.key) != m.target.key),
        "rls_differs": len(open_ones) + int(parent_open),
        "policies_missing": int(guarded) * max(0, 2 - len(target.policies)),  # the tenant's, and that of tombstones
        "target_rows": one(c, statement("expand.count_rows", target=target.table.identifier))["rows"],
    }


def extend(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape) -> int:
    """Make the partitions that time has come for; give how many. What is older than the first waits in quarantine."""
    upper = marks.row(c)["upper_bound"]
    wanted = plan_span(c, m.target, shape, None, None)
    if upper is None or wanted.upper is None or wanted.upper <= upper:
        return 0
    with marks.alone(c):
        made = _add(c, m, plan_parts(c, m.target, Span(marks.row(c)["upper_bound"], wanted.upper)))
        c.execute(statement("into_postgres.record_upper"), {"name": marks.name, "upper": wanted.upper})
    return made


def cover(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape, window: Window) -> int:
    """Make the partitions of a window that nothing holds yet; give how many. A person asked for that very window."""
    wanted = plan_window(c, m.target, shape, window.lower, window.upper)
    table = find_table(c, Table.parse(m.target.table))
    if table is None or not uncovered(wanted, partitions(c, table.oid)):
        return 0
    with marks.alone(c):
        return _add(c, m, wanted)


def _add(c: Connection, m: IntoPostgresMigration, wanted: list[Part]) -> int:
    """Make of these partitions those that nothing covers, as closed as their parent; the caller holds the fence."""
    table = find_table(c, Table.parse(m.target.table))
    there = partitions(c, table.oid) if table else []
    missing = uncovered(wanted, there)
    if len(there) + len(missing) > MOST_PARTITIONS:
        raise TooManyPartitions(
            f"{m.target.table} would have {len(there) + len(missing):,} partitions; at most {MOST_PARTITIONS:,} are made."
            " Mend the odd times in the source, or cut into larger pieces."
        )
    if missing:
        owner = str(table.facts["owner"]) if table else "none"
        role = sql.Identifier(owner)
        c.execute(statement("expand.create_owned_schema", schema=sql.Identifier(schema_of_parts(m.target)), owner=role))
        c.execute(statement("into_postgres.act_as", owner=role))
        for made in parts_statements(m.target, missing):
            c.execute(made)
        c.execute(statement("into_postgres.act_as_ourselves"))
    return len(missing)


def owner_of(c: Connection, schema: str) -> str | None:
    """Give the owner of a schema, where we may act as it."""
    found = rows(c, statement("into_postgres.find_schema_owner"), schema=schema)
    return found[0]["owner"] if found and found[0]["ours"] else None

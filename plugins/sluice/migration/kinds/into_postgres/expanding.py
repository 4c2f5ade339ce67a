"""Make the target, say how far it is what was asked for, and keep partitions ready as time goes on."""

from __future__ import annotations

from psycopg import sql

from sluice.estate.into_postgres import IntoPostgresMigration
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts, Phase
from sluice.migration.kinds.into_postgres.copying import Source
from sluice.migration.kinds.into_postgres.layout import (
    Span,
    parts_statements,
    plan_parts,
    plan_span,
    scan_span,
    statements,
)
from sluice.migration.kinds.into_postgres.shape import RowShape
from sluice.migration.kinds.same_cluster.expand import count_gaps
from sluice.stores.catalogue import find_table, partitions
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement


def expand(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape, source: Source, items: int) -> None:
    """Build the target, empty, with its marks."""
    span = scan_span(c, m.target, shape, source)
    table, named = Table.parse(m.target.table), f"{m.source.store}/{m.source.table}"
    with marks.alone(c):
        marks.execute(c, "create_migration", source=named, target=str(table))
        if not marks.move(c, Phase.PLANNED, to=Phase.EXPANDED):
            return
        for made in statements(m.target, shape, plan_parts(c, m.target, span), owner_of(c, table.schema)):
            c.execute(made)
        failpoint("rows.target_built")
        recorded = {"target": table.identifier.as_string(c), "lower": span.lower, "upper": span.upper, "rows": items}
        c.execute(statement("into_postgres.record_target"), {"name": marks.name, **recorded})


def verify(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape) -> Facts:
    """Compare the target, as the catalogue has it, with what the YAML asks for. Read-only."""
    target, row = find_table(c, Table.parse(m.target.table)), marks.row(c)
    if target is None:
        return {"partitions_missing": 1, "columns_missing": len(shape.names)}
    parts = partitions(c, target.oid)
    wanted = plan_parts(c, m.target, Span(row["lower_bound"], row["upper_bound"]))
    there = {(part["schema"], part["name"]) for part in parts}
    guarded = m.target.tenant is not None
    open_ones = [part for part in parts if guarded and not (part["rls"] and part["rls_forced"])]
    parent_open = guarded and not (target.facts["rls"] and target.facts["rls_forced"])
    return {
        "partitions": len(parts),
        "partitions_missing": sum((one.table.schema, one.table.name) not in there for one in wanted),
        "partitions_gaps": count_gaps(parts) if m.target.partition and m.target.partition.range_of else 0,
        "columns_missing": sum(target.column(name) is None for name in shape.names),
        "indexes_missing": int(tuple(target.key) != m.target.key),
        "rls_differs": len(open_ones) + int(parent_open),
        "grants_missing": 0,
        "target_rows": one(c, statement("expand.count_rows", target=target.table.identifier))["rows"],
    }


def extend(c: Connection, marks: Marks, m: IntoPostgresMigration, shape: RowShape) -> int:
    """Make the partitions that time has come for; give how many. What is older than the first waits in quarantine."""
    upper = marks.row(c)["upper_bound"]
    wanted = plan_span(c, m.target, shape, None, None)
    if upper is None or wanted.upper is None or wanted.upper <= upper:
        return 0
    with marks.alone(c):
        parts = plan_parts(c, m.target, Span(marks.row(c)["upper_bound"], wanted.upper))
        owner = owner_of(c, Table.parse(m.target.table).schema)
        for made in (*_as(owner), *parts_statements(m.target, parts)):
            c.execute(made)
        c.execute(statement("into_postgres.act_as_ourselves"))
        c.execute(statement("into_postgres.record_upper"), {"name": marks.name, "upper": wanted.upper})
    return len(parts)


def owner_of(c: Connection, schema: str) -> str | None:
    """Give the owner of a schema, where we may act as it."""
    found = rows(c, statement("into_postgres.find_schema_owner"), schema=schema)
    return found[0]["owner"] if found and found[0]["ours"] else None


def _as(owner: str | None) -> list[sql.Composed]:
    return [statement("into_postgres.act_as", owner=sql.Identifier(owner))] if owner else []

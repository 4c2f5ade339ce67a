"""Build the target: a partitioned table like the source, empty, with its keys, indexes, policies and grants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from psycopg import sql

from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.route import Route, names
from sluice.stores.catalogue import Shape, find_table, partitions
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement

COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}


@dataclass(frozen=True)
class Month:
    """One partition to be: its table and half-open bounds, in UTC."""

    partition: Table
    lower: str
    upper: str


@dataclass(frozen=True)
class ExpandPlan:
    """The statements in order, and the bounds that they cover."""

    statements: tuple[sql.Composed, ...]
    lower: str
    upper: str
    rows: int


def plan_months(c: Connection, route: Route) -> tuple[list[Month], int]:
    """Plan one partition a month over what the table holds, this month and the months ahead; gives the row count too."""
    column = sql.Identifier(route.partition_column)
    seen = one(c, statement("expand.scan_partition_column", source=route.source.identifier, column=column))
    planned = rows(
        c,
        statement("expand.plan_months"),
        least=seen["least"],
        greatest=seen["greatest"],
        ahead=route.migration.target.months_ahead,
    )
    zone = "+00" if _has_zone(route) else ""
    months = [
        Month(
            Table(route.partition_schema, f"{route.target.name}_{m['suffix']}"),
            f"{m['lower']}{zone}",
            f"{m['upper']}{zone}",
        )
        for m in planned
    ]
    return months, seen["rows"]


def plan_expand(c: Connection, route: Route) -> ExpandPlan:
    """Plan the whole target. Read-only."""
    months, count = plan_months(c, route)
    owner = sql.Identifier(route.shape.facts["owner"])
    made = [
        statement("expand.create_owned_schema", schema=sql.Identifier(route.partition_schema), owner=owner),
        statement(
            "expand.create_parent",
            target=route.target.identifier,
            source=route.source.identifier,
            column=sql.Identifier(route.partition_column),
        ),
        statement(
            "expand.set_owner",
            table=route.target.identifier,
            owner=sql.Identifier(route.shape.facts["owner"]),
        ),
        statement("expand.add_key", target=route.target.identifier, columns=names(route.target_key)),
        *_indexes(route),
        *(step for month in months for step in _partition(route, month)),
        *_security(route),
        *_comment(c, route),
    ]
    return ExpandPlan(tuple(made), months[0].lower, months[-1].upper, count)


def apply_expand(c: Connection, plan: ExpandPlan) -> None:
    """Run the plan; the caller holds the transaction."""
    for made in plan.statements:
        c.execute(made)


def verify_expand(c: Connection, route: Route) -> Facts:
    """Compare the target, as the catalogue has it now, with what the source asks for. Read-only."""
    target = find_table(c, route.target)
    if target is None:
        return {"partitions": 0, "columns_missing": len(route.shape.columns)}
    parts = partitions(c, target.oid)
    count = one(c, statement("expand.count_rows", target=route.target.identifier))["rows"]
    return {
        "partitions": len(parts),
        "partitions_gaps": count_gaps(parts),
        "columns_missing": len(set(_signatures(route.shape)) - set(_signatures(target))),
        "indexes_missing": max(0, len(_secondary(route.shape)) - len(_secondary(target))),
        "rls_differs": _rls_differs(route.shape, target, parts),
        "grants_missing": len({_grant(g) for g in route.shape.grants} - {_grant(g) for g in target.grants}),
        "target_rows": count,
    }


def count_gaps(parts: Sequence[Row]) -> int:
    """Count places where one partition's upper bound is not the next one's lower bound."""
    bounds = sorted(_bounds(part["bounds"]) for part in parts)
    return sum(1 for (_, upper), (lower, _) in pairwise(bounds) if upper != lower)


def _bounds(text: str) -> tuple[str, str]:
    # FOR VALUES FROM ('2025-01-01 00:00:00+00') TO ('2025-02-01 00:00:00+00')
    _, lower, _, upper, _ = text.split("'")
    return lower, upper


def _indexes(route: Route) -> list[sql.Composed]:
    # The tail is PostgreSQL's own text of the index, without the names.
    return [
        statement(
            "expand.create_unique_index" if index["unique"] else "expand.create_index",
            target=route.target.identifier,
            tail=sql.SQL(index["tail"]),
        )
        for index in _secondary(route.shape)
    ]


def _secondary(shape: Shape) -> list[Row]:
    return [index for index in shape.indexes if not index["primary"]]


def _partition(route: Route, month: Month) -> list[sql.Composed]:
    table = month.partition.identifier
    bounds = {"lower": sql.Literal(month.lower), "upper": sql.Literal(month.upper)}
    made = [
        statement("expand.create_partition", partition=table, target=route.target.identifier, **bounds),
        statement("expand.set_owner", table=table, owner=sql.Identifier(route.shape.facts["owner"])),
    ]
    if route.shape.facts["rls"]:
        # Without a policy of its own a partition shows nothing to whoever reaches past the parent.
        made += [statement("expand.enable_rls", table=table), statement("expand.force_rls", table=table)]
    return made


def _security(route: Route) -> list[sql.Composed]:
    target, facts = route.target.identifier, route.shape.facts
    made = [statement("expand.enable_rls", table=target)] if facts["rls"] else []
    made += [statement("expand.force_rls", table=target)] if facts["rls_forced"] else []
    return made + [_policy(route, p) for p in route.shape.policies] + [_granting(route, g) for g in route.shape.grants]


def _policy(route: Route, policy: Row) -> sql.Composed:
    made = statement(
        "expand.create_policy",
        policy=sql.Identifier(policy["name"]),
        target=route.target.identifier,
        permissive=sql.SQL("PERMISSIVE" if policy["permissive"] else "RESTRICTIVE"),
        command=sql.SQL(COMMANDS[policy["command"]]),
        roles=sql.SQL(", ").join(_role(role) for role in policy["roles"]),
    )
    for word, expression in ((" USING (", policy["using"]), (" WITH CHECK (", policy["with_check"])):
        if expression is not None:
            # PostgreSQL's own text of the expression.
            made += sql.SQL(word) + sql.SQL(expression) + sql.SQL(")")
    return made


def _granting(route: Route, grant: Row) -> sql.Composed:
    named = {
        "privilege": sql.SQL(grant["privilege"]),
        "target": route.target.identifier,
        "grantee": _role(grant["grantee"]),
    }
    if grant["column"] is not None:
        made = statement("expand.grant_column", column=sql.Identifier(grant["column"]), **named)
    else:
        made = statement("expand.grant", **named)
    return made + sql.SQL(" WITH GRANT OPTION") if grant["grantable"] else made


def _role(name: str) -> sql.Composable:
    return sql.SQL("PUBLIC") if name == "public" else sql.Identifier(name)


def _comment(c: Connection, route: Route) -> list[sql.Composed]:
    comment = one(c, statement("expand.read_comment"), oid=route.shape.oid)["comment"]
    return (
        [statement("expand.comment_table", target=route.target.identifier, comment=sql.Literal(comment))]
        if comment
        else []
    )


def _signatures(shape: Shape) -> list[tuple[object, ...]]:
    return [(c.name, c.type, c.identity, c.generated, c.default if not c.identity else None) for c in shape.columns]


def _grant(grant: Row) -> tuple[object, ...]:
    return grant["grantee"], grant["privilege"], grant["grantable"], grant["column"]


def _rls_differs(source: Shape, target: Shape, parts: Sequence[Row]) -> int:
    def guard(shape: Shape) -> tuple[object, ...]:
        return (
            shape.facts["rls"],
            shape.facts["rls_forced"],
            [sorted(p.items(), key=str) for p in shape.policies],
        )

    open_parts = [p for p in parts if source.facts["rls"] and not (p["rls"] and p["rls_forced"])]
    return int(guard(source) != guard(target)) + len(open_parts)


def _has_zone(route: Route) -> bool:
    column = route.shape.column(route.partition_column)
    return column is not None and column.type == "timestamp with time zone"

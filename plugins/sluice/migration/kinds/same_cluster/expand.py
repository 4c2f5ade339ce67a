"""Build the target: shaped as the YAML asks, empty, with its keys, indexes, policies and grants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from sluice.estate.models import Cut
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.postgres_target.partitions import bounds_of, count_gaps
from sluice.migration.kinds.same_cluster.layout import Layout, Part, plan_layout
from sluice.migration.kinds.same_cluster.names import new_name
from sluice.migration.kinds.same_cluster.policies import plan_policies, role, told
from sluice.migration.kinds.same_cluster.route import Route, names
from sluice.stores.catalogue import Shape, find_table, partitions
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import raw, statement


@dataclass(frozen=True)
class ExpandPlan:
    """The statements in order, and the bounds of time that they cover (None where time does not cut)."""

    statements: tuple[sql.Composed, ...]
    lower: str | None
    upper: str | None


def plan_expand(c: Connection, route: Route) -> ExpandPlan:
    """Plan the whole target. Read-only."""
    layout = plan_layout(c, route)
    made = [
        *_partition_schema(route, layout),
        *_parent(route),
        _owned(route, route.target),
        *_key(route),
        *_indexes(route),
        *([] if layout.parts else _options(route, route.target)),
        *(step for part in layout.parts for step in _partition(route, part)),
        *_security(route),
        *_statistics(c, route),
        *_comment(c, route),
    ]
    return ExpandPlan(tuple(made), layout.lower, layout.upper)


def apply_expand(c: Connection, plan: ExpandPlan) -> None:
    """Run the plan; the caller holds the transaction."""
    for made in plan.statements:
        c.execute(made)
        failpoint("expansion.statement")


def verify_expand(c: Connection, route: Route, lower: str | None, upper: str | None) -> Facts:
    """Compare the target, as the catalogue has it now, with what the source and the YAML ask for. Read-only."""
    target = find_table(c, route.target)
    if target is None:
        return {"partitions_missing": 1, "columns_missing": len(route.values)}
    parts = partitions(c, target.oid)
    missing, gaps = count_missing(c, target.oid, route.cuts, lower, upper)
    there = {(column.name, column.type) for column in target.columns}
    return {
        "partitions": len(parts),
        "partitions_missing": missing,
        "partitions_gaps": gaps,
        "columns_missing": len({(v.name, _type_of(target, v.name, v.type)) for v in route.values} - there)
        + len(_signatures(route.shape, route) - _signatures(target, route)),
        "indexes_missing": max(0, len(_secondary(route)) + len(_key(route)) - len(target.indexes)),
        "rls_differs": _rls_differs(route.shape, target, parts),
        "grants_missing": len({_grant(g) for g in _grants(route)} - {_grant(g) for g in target.grants}),
        "target_rows": one(c, statement("expand.count_rows", target=route.target.identifier))["rows"],
    }


def count_missing(
    c: Connection, oid: int, cuts: Sequence[Cut], lower: str | None, upper: str | None
) -> tuple[int, int]:
    """Count partitions that should be there and are not, and gaps between ranges, at every level below a table."""
    if not cuts:
        return 0, 0
    cut, parts = cuts[0], partitions(c, oid)
    missing, gaps = 0, 0
    if cut.hash_of:
        missing = (cut.parts or 0) - len(parts)
    elif cut.list_of:
        missing = int(not any(part["bounds"] == "DEFAULT" for part in parts))
    else:
        gaps = count_gaps(parts)
        missing = int(not _covers(parts, lower, upper))
    below = [count_missing(c, part["oid"], cuts[1:], lower, upper) for part in parts]
    return missing + sum(m for m, _ in below), gaps + sum(g for _, g in below)


def read_span(c: Connection, marks: Marks, route: Route) -> tuple[str | None, str | None]:
    """From when until when the target has partitions by now, as the marks have it. Read-only."""
    if route.time_column is None:
        return None, None
    zoned = route.time.type == "timestamp with time zone"
    span = one(c, statement("expand.read_span"), name=marks.name, column=route.time_column, zoned=zoned)
    return span["lower"], span["upper"]


def count_open_ends(c: Connection, marks: Marks) -> int:
    """Count the tables below the target that lack a partition without which some value has none. Read-only."""
    return int(one(c, statement("expand.count_open_ends"), name=marks.name)["tables"])


def _covers(parts: Sequence[Row], lower: str | None, upper: str | None) -> bool:
    """Whether ranges reach from `lower` to `upper`. All bounds are midnights: their days tell."""
    bounds = sorted(bounds_of(part["bounds"]) for part in parts)
    return bool(bounds) and bounds[0][0][:10] <= str(lower)[:10] and bounds[-1][1][:10] >= str(upper)[:10]


def _partition_schema(route: Route, layout: Layout) -> list[sql.Composed]:
    schema, owner = sql.Identifier(route.partition_schema), sql.Identifier(route.shape.facts["owner"])
    return [statement("expand.create_owned_schema", schema=schema, owner=owner)] if layout.parts else []


def _parent(route: Route) -> list[sql.Composed]:
    """The table itself. Columns change on a draft of it: a partition column's type could not be changed any more."""
    cut = _cut(route.cuts[0] if route.cuts else None)
    if not route.reshapes:
        return [
            statement("expand.create_like", target=route.target.identifier, source=route.source.identifier, cut=cut)
        ]
    draft = Table(route.target.schema, "sluice draft").identifier
    return [
        statement("expand.create_like", target=draft, source=route.source.identifier, cut=sql.SQL("")),
        *_changes(route, draft),
        statement("expand.create_like", target=route.target.identifier, source=draft, cut=cut),
        statement("expand.drop_draft", draft=draft),
    ]


def _changes(route: Route, draft: sql.Identifier) -> list[sql.Composed]:
    made = []
    for name, change in route.migration.target.columns.items():
        column, type_ = sql.Identifier(name), raw(change.type or "")
        if change.drop:
            made.append(statement("expand.drop_column", target=draft, column=column))
        elif route.shape.column(name):
            made.append(statement("expand.change_type", target=draft, column=column, type=type_))
        else:
            made.append(statement("expand.add_column", target=draft, column=column, type=type_))
    return made


def _cut(cut: Cut | None) -> sql.Composable:
    if cut is None:
        return sql.SQL("")
    how = "RANGE" if cut.range_of else "HASH" if cut.hash_of else "LIST"
    return statement("expand.partition_by", how=sql.SQL(how), column=sql.Identifier(cut.column))


def _owned(route: Route, table: Table) -> sql.Composed:
    owner = sql.Identifier(route.shape.facts["owner"])
    return statement("expand.set_owner", table=table.identifier, owner=owner)


def _key(route: Route) -> list[sql.Composed]:
    """What tells rows apart. A unique index that stays as it is comes with the other indexes."""
    shape = route.shape
    named = {"target": route.target.identifier, "name": sql.Identifier(new_name(shape.key_index or ""))}
    columns = names(route.target_key)
    if shape.key_primary:
        return [statement("expand.add_key", columns=columns, **named)]
    if route.target_key == shape.key:
        return []
    return [statement("expand.create_unique_index", tail=sql.SQL("({})").format(columns), **named)]


def _indexes(route: Route) -> list[sql.Composed]:
    return [_index(route, index) for index in _secondary(route)]


def _index(route: Route, index: Row) -> sql.Composed:
    """The target's own: the swap gives it the source's name. Definition and tail are PostgreSQL's own text."""
    named = {"target": route.target.identifier, "name": sql.Identifier(new_name(index["name"]))}
    if index["constraint"]:
        return statement("expand.add_constraint", definition=raw(index["constraint"]), **named)
    verb = "expand.create_unique_index" if index["unique"] else "expand.create_index"
    return statement(verb, tail=raw(index["tail"]), **named)


def _secondary(route: Route) -> list[Row]:
    """The indexes that the target gets besides a key of its own: not those of a column that it leaves out."""
    gone = {name for name, change in route.migration.target.columns.items() if change.drop}
    own_key = route.shape.key_index if route.shape.key_primary or route.target_key != route.shape.key else None
    return [i for i in route.shape.indexes if i["name"] != own_key and not gone.intersection(i["columns"])]


def _partition(route: Route, part: Part) -> list[sql.Composed]:
    table = part.table.identifier
    made = [
        statement(
            "expand.create_partition",
            partition=table,
            parent=part.parent.identifier,
            bounds=part.bounds,
            cut=_cut(part.cut),
        ),
        _owned(route, part.table),
        *([] if part.cut else _options(route, part.table)),
    ]
    if route.shape.facts["rls"]:
        # Without a policy of its own a partition shows nothing to whoever reaches past the parent.
        made += [statement("expand.enable_rls", table=table), statement("expand.force_rls", table=table)]
    return made


def _options(route: Route, table: Table) -> list[sql.Composed]:
    """Fill factor, autovacuum and their like, on whatever holds rows."""
    pairs = [option.split("=", 1) for option in route.shape.facts["options"] or ()]
    told = [sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(value)) for name, value in pairs]
    return [statement("expand.set_options", table=table.identifier, options=sql.SQL(", ").join(told))] if told else []


def _security(route: Route) -> list[sql.Composed]:
    target, facts = route.target.identifier, route.shape.facts
    made = [statement("expand.enable_rls", table=target)] if facts["rls"] else []
    made += [statement("expand.force_rls", table=target)] if facts["rls_forced"] else []
    return made + plan_policies(route) + [_granting(route, g) for g in _grants(route)]


def _granting(route: Route, grant: Row) -> sql.Composed:
    named = {
        "privilege": sql.SQL(grant["privilege"]),
        "target": route.target.identifier,
        "grantee": role(grant["grantee"]),
    }
    if grant["column"] is not None:
        made = statement("expand.grant_column", column=sql.Identifier(grant["column"]), **named)
    else:
        made = statement("expand.grant", **named)
    return made + sql.SQL(" WITH GRANT OPTION") if grant["grantable"] else made


def _statistics(c: Connection, route: Route) -> Iterator[sql.Composed]:
    """What the planner is to know of a column, where somebody said it: LIKE leaves that out."""
    kept = {value.name for value in route.values}
    for row in rows(c, statement("expand.list_statistics_targets"), oid=route.shape.oid):
        if row["column"] in kept:
            yield statement(
                "expand.set_statistics",
                target=route.target.identifier,
                column=sql.Identifier(row["column"]),
                wanted=sql.Literal(row["wanted"]),
            )


def _comment(c: Connection, route: Route) -> list[sql.Composed]:
    comment = one(c, statement("expand.read_comment"), oid=route.shape.oid)["comment"]
    return (
        [statement("expand.comment_table", target=route.target.identifier, comment=sql.Literal(comment))]
        if comment
        else []
    )


def _grants(route: Route) -> list[Row]:
    """The grants that the target gets: not those on a column that it leaves out."""
    return [g for g in route.shape.grants if g["column"] is None or any(v.name == g["column"] for v in route.values)]


def _signatures(shape: Shape, route: Route) -> set[tuple[object, ...]]:
    """What must be the same of every column that does not change."""
    changed = route.migration.target.columns
    return {
        (c.name, c.type, c.identity, c.generated, c.default if not c.identity else None)
        for c in shape.columns
        if c.name not in changed
    }


def _type_of(target: Shape, name: str, wanted: str) -> str:
    """The type as the catalogue writes it; a person's own word for it (int, varchar(9)) was read by PostgreSQL."""
    column = target.column(name)
    return column.type if column else wanted


def _grant(grant: Row) -> tuple[object, ...]:
    return grant["grantee"], grant["privilege"], grant["grantable"], grant["column"]


def _rls_differs(source: Shape, target: Shape, parts: Sequence[Row]) -> int:
    def guard(shape: Shape) -> tuple[object, ...]:
        return (
            shape.facts["rls"],
            shape.facts["rls_forced"],
            told(shape),
        )

    open_parts = [p for p in parts if source.facts["rls"] and not (p["rls"] and p["rls_forced"])]
    return int(guard(source) != guard(target)) + len(open_parts)

"""Whether every row has a partition to go to, and partitions are not too many."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.estate.models import Cut
from sluice.migration.engine.contract import Finding, NotYet
from sluice.migration.kinds.postgres_target.partitions import TooManyPartitions
from sluice.migration.kinds.same_cluster.columns import names_it
from sluice.migration.kinds.same_cluster.layout import plan_layout
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.said import accept, inform, refuse
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement

MANY = 200
"""With more partitions than this a person should know how many: three odd rows can make hundreds that stay empty."""
DATED = ("timestamp with time zone", "timestamp without time zone", "date")


def about_partitions(c: Connection, route: Route) -> Iterator[Finding]:
    """Each cut by itself, then all partitions together. The columns were looked at before."""
    stopped = False
    for cut in route.cuts:
        for finding in _about_cut(c, route, cut):
            stopped = stopped or finding.blocks
            yield finding
    if stopped:
        return
    try:
        layout = plan_layout(c, route)
    except TooManyPartitions as error:
        yield refuse("too_many_partitions", str(error), "")
        return
    count = sum(part.cut is None for part in layout.parts)
    if count > MANY:
        span = f", from {layout.lower} to {layout.upper}" if layout.lower else ""
        yield inform(
            "many_partitions",
            f"{route.target} gets {count:,} partitions{span}. Each costs planning and memory in a query that does not say which."
            " Where a few odd rows are why, mend them first; else think of larger pieces.",
        )


def _about_cut(c: Connection, route: Route, cut: Cut) -> Iterator[Finding]:
    source = route.source
    try:
        value = route.value(cut.column)
    except NotYet:
        what = f"{route.target} will have no column {cut.column} (it has {', '.join(v.name for v in route.values)})."
        yield refuse("no_partition_column", what, "Mend into.partition.")
        return
    if cut.range_of and value.type not in DATED:
        yield refuse(
            "not_dated", f"{source}.{cut.column} is {value.type}.", f"Ranges of time need one of: {', '.join(DATED)}."
        )
        return
    if not value.written:
        yield refuse(
            "generated_partition_column", f"{source}.{cut.column} is generated.", "Partition by a stored column."
        )
    virtual = [column.name for column in route.shape.columns if column.generated == "v"]
    if value.expression is not None and any(names_it(value.expression, name) for name in virtual):
        yield refuse(
            "virtual_partition_column",
            f"{route.target}.{cut.column} is made of a virtual generated column, which a trigger is not told of.",
            "Name its own expression instead of it in into.columns.",
        )
    lost, infinite = _lost(c, route, cut)
    if lost:
        yield refuse("null_partition_column", f"{lost} rows of {source} have no {cut.column}.", "Give them one first.")
    if infinite:
        yield refuse(
            "infinite_partition_column", f"{infinite} rows of {source} have an infinite {cut.column}.", "Mend them."
        )
    column = route.shape.column(cut.column)
    if column is not None and not column.not_null:
        yield accept(
            "nullable_partition_column",
            f"{source}.{cut.column} may be NULL; the new table refuses NULL there: a write without it fails after the cutover.",
            "Write `accept: [nullable_partition_column]` when the application always gives one; else SET NOT NULL first.",
        )


def _lost(c: Connection, route: Route, cut: Cut) -> tuple[int, int]:
    """Rows without a value, and rows whose time is infinite."""
    parts = {"source": route.source.identifier, "value": route.value(cut.column).compared("s")}
    if cut.range_of:
        seen = one(c, statement("expand.scan_time", **parts))
        return seen["nulls"], seen["infinite"]
    return one(c, statement("expand.count_lost", **parts))["rows"], 0

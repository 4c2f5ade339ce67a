"""Capture by trigger, in either direction: install, look, take away. Callers hold the transaction and its lock timeout."""

from __future__ import annotations

from psycopg import sql

from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.route import (
    CAPTURE_TRIGGER,
    TRUNCATE_TRIGGER,
    Route,
    assignments,
    equals,
    names,
)
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement


def install_forward(c: Connection, route: Route, lower: str, upper: str) -> None:
    """Make every write on the source write the target too, in its own transaction."""
    c.execute(forward_function(route, lower, upper))
    _install(c, route.source, route.function("capture"))


def install_reverse(c: Connection, route: Route) -> None:
    """Make every write on the target write the source too. Called in the swap's own transaction."""
    c.execute(reverse_function(route))
    _install(c, route.target, route.function("reverse"))


def remove(c: Connection, table: Table, route: Route, direction: str) -> None:
    """Take capture off a table, and its function with it."""
    for trigger in (CAPTURE_TRIGGER, TRUNCATE_TRIGGER):
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
    c.execute(statement("capture.drop_function", function=route.function(direction)))


def look(c: Connection, oid: int) -> Facts:
    """Tell whether capture is in place, always on and first to fire. Read-only."""
    found = rows(c, statement("capture.find_trigger"), oid=oid, names=[CAPTURE_TRIGGER, TRUNCATE_TRIGGER])
    earlier = one(c, statement("capture.count_earlier_triggers"), oid=oid, name=CAPTURE_TRIGGER)["triggers"]
    return {
        "capture_enabled": int(len(found) == 2 and all(row["always"] for row in found)),
        "capture_first_trigger": int(earlier == 0),
    }


def is_on(c: Connection, row: Row, side: str) -> bool:
    """Whether capture is in place and always on, on `source_oid` or `target_oid` of the marks."""
    return bool(look(c, row[side])["capture_enabled"])


def forward_function(route: Route, lower: str, upper: str) -> sql.Composed:
    """The trigger function source → target."""
    column = sql.Identifier(route.partition_column)
    return statement(
        "capture.create_forward",
        function=route.function("capture"),
        name=sql.Literal(route.migration.name),
        target=route.target.identifier,
        column=column,
        lower=_typed(route, lower),
        upper=_typed(route, upper),
        key=names(route.target_key),
        old_key=names(route.target_key, "OLD"),
        new_key=names(route.target_key, "NEW"),
        old_source_key=names(route.shape.key, "OLD"),
        new_source_key=names(route.shape.key, "NEW"),
        matches_old=equals(route.target_key, "OLD"),
        columns=names(route.written),
        old_values=names(route.written, "OLD"),
        new_values=names(route.written, "NEW"),
        assignments=assignments(route.updated, "EXCLUDED"),
    )


def reverse_function(route: Route) -> sql.Composed:
    """The trigger function target → source."""
    return statement(
        "capture.create_reverse",
        function=route.function("reverse"),
        source=route.source.identifier,
        columns=names(route.written),
        new_values=names(route.written, "NEW"),
        assignments=assignments(route.updated, "NEW"),
        matches_old=equals(route.shape.key, "OLD"),
    )


def _install(c: Connection, table: Table, function: sql.Identifier) -> None:
    for trigger, verb in (
        (CAPTURE_TRIGGER, "create_row_trigger"),
        (TRUNCATE_TRIGGER, "create_truncate_trigger"),
    ):
        named = {"trigger": sql.Identifier(trigger), "table": table.identifier}
        c.execute(statement("capture.drop_trigger", **named))
        c.execute(statement(f"capture.{verb}", function=function, **named))
        c.execute(statement("capture.enable_always", **named))


def _typed(route: Route, bound: str) -> sql.Composed:
    column = route.shape.column(route.partition_column)
    # The type's name is the catalogue's own.
    return sql.Literal(bound) + sql.SQL("::") + sql.SQL(column.type if column else "timestamptz")

"""Capture by trigger, in either direction: install, look, take away. Callers hold the transaction and its lock timeout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from psycopg import sql

from sluice.failpoints import failpoint
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.columns import Value
from sluice.migration.kinds.same_cluster.route import (
    CAPTURE_TRIGGER,
    TRUNCATE_TRIGGER,
    Route,
    assignments,
    equals,
    moves,
    names,
    overwrites,
    same,
    values_of,
)
from sluice.stores.postgres import Connection, Row, Table, one, rows
from sluice.stores.statements import statement


def install_forward(c: Connection, route: Route, lower: str | None, upper: str | None) -> None:
    """Make every write on the source write the target too, in its own transaction."""
    c.execute(forward_function(route, lower, upper, overtaken=_may_be_overtaken(c, route.source)))
    _install(c, route.source, route.function("capture"))


def install_reverse(c: Connection, route: Route) -> None:
    """Make every write on the target write the source too. Called in the swap's own transaction."""
    c.execute(reverse_function(route, overtaken=_may_be_overtaken(c, route.target)))
    _install(c, route.target, route.function("reverse"))


def remove(c: Connection, table: Table, route: Route, direction: str) -> None:
    """Take capture off a table, and its function with it."""
    for trigger in (CAPTURE_TRIGGER, TRUNCATE_TRIGGER):
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
        failpoint("trigger.half_off")
    c.execute(statement("capture.drop_function", function=route.function(direction)))
    failpoint("trigger.off")


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


def forward_function(route: Route, lower: str | None, upper: str | None, *, overtaken: bool = False) -> sql.Composed:
    """The trigger function source → target. `overtaken`: another trigger may write a row before we are told of this write."""
    key = [route.value(name) for name in route.target_key]
    cut_by = [route.value(cut.column) for cut in route.cuts]
    parts: dict[str, sql.Composable] = {
        "name": sql.Literal(route.migration.name),
        "source": route.source.identifier,
        "target": route.target.identifier,
        "matches_old": equals(key, "OLD"),
        "live_is_old": _both(key, "s", "OLD"),
        "live_is_new": _both([replace(route.value(name), expression=None) for name in route.shape.key], "s", "NEW"),
        "old_source_key": names(route.shape.key, "OLD"),
        "new_source_key": names(route.shape.key, "NEW"),
        "old_fits": route.fits("OLD", lower, upper),
        "new_fits": route.fits("NEW", lower, upper),
        "partition_values": values_of(cut_by, "NEW") if cut_by else sql.SQL("''"),
        "key": names(route.target_key),
        "moves": moves(key),
        "columns": names(value.name for value in route.written),
        "old_values": values_of(route.written, "OLD"),
        "new_values": values_of(route.written, "NEW"),
        # A table of nothing but identities has nothing to overwrite.
        "on_conflict": sql.SQL("UPDATE SET ") + overwrites(route.updated) if route.updated else sql.SQL("NOTHING"),
    }
    parts["latest"] = statement("capture.latest_forward", **parts) if overtaken else sql.SQL("")
    return _function(route, "capture", "forward", parts)


def reverse_function(route: Route, *, overtaken: bool = False) -> sql.Composed:
    """The trigger function target → source."""
    written = [value for value in route.back_values if value.written]
    updated = [value for value in written if value.updated]
    key = [value for value in route.back_values if value.name in route.shape.key]
    plain_key = [replace(value, expression=None) for value in key]
    live_key = [replace(route.value(name), expression=None) for name in route.target_key]
    parts: dict[str, sql.Composable] = {
        "name": sql.Literal(route.migration.name),
        "source": route.source.identifier,
        "target": route.target.identifier,
        "matches_old": same(key, "OLD"),
        "matches_new": same(key, "NEW"),
        "live_has_old": _both(plain_key, "s", "OLD"),
        "live_has_new": _both(plain_key, "s", "NEW"),
        "live_is_new": _both(live_key, "s", "NEW"),
        "moves": moves(plain_key),
        "old_key": names(route.shape.key, "OLD"),
        "new_key": names(route.shape.key, "NEW"),
        "columns": names(value.name for value in written),
        "new_values": values_of(written, "NEW"),
        "assignments": assignments(updated, "NEW"),
    }
    parts["update"] = statement("capture.update_source", **parts) if updated else sql.SQL("NULL;")
    parts["latest"] = statement("capture.latest_reverse", **parts) if overtaken else sql.SQL("")
    return _function(route, "reverse", "reverse", parts)


def _may_be_overtaken(c: Connection, live: Table) -> bool:
    found = one(c, statement("capture.count_overtakers"), table=live.identifier.as_string(c))
    return bool(found["triggers"])


def _both(values: Iterable[Value], left: str, right: str) -> sql.Composed:
    """Each column has the same value in two rows."""
    return sql.SQL(" AND ").join(value.equals(value.of(left), value.of(right)) for value in values)


def _function(route: Route, name: str, direction: str, parts: dict[str, sql.Composable]) -> sql.Composed:
    """The function, guarded where a value may not fit: that costs a subtransaction a row."""
    guard, rescue = (
        statement(f"capture.{what}_{direction}", **parts) if route.reshapes else sql.SQL("")
        for what in ("guard", "rescue")
    )
    return statement(f"capture.create_{direction}", function=route.function(name), guard=guard, rescue=rescue, **parts)


def _install(c: Connection, table: Table, function: sql.Identifier) -> None:
    failpoint("trigger.function")
    for trigger, verb in (
        (CAPTURE_TRIGGER, "create_row_trigger"),
        (TRUNCATE_TRIGGER, "create_truncate_trigger"),
    ):
        named = {"trigger": sql.Identifier(trigger), "table": table.identifier}
        c.execute(statement("capture.drop_trigger", **named))
        c.execute(statement(f"capture.{verb}", function=function, **named))
        c.execute(statement("capture.enable_always", **named))
        failpoint("trigger.half")

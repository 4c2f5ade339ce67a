"""Capture by trigger, in either direction: install, look, take away. Callers hold the transaction and its lock timeout."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from psycopg import sql

from sluice.failpoints import failpoint
from sluice.ledger.releases import versions
from sluice.migration.engine.contract import Facts
from sluice.migration.kinds.same_cluster.columns import Value
from sluice.migration.kinds.same_cluster.route import (
    CAPTURE_TRIGGER,
    INSERT_TRIGGER,
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

TRIGGERS = (CAPTURE_TRIGGER, INSERT_TRIGGER, TRUNCATE_TRIGGER)
"""Those that capture may be made of; one for inserts stands where whole statements are told at once."""
EVERY_WRITE = 4 | 8 | 16 | 32
"""INSERT, DELETE, UPDATE and TRUNCATE, in pg_trigger's bits."""
PLAIN = frozenset({"smallint", "integer", "bigint", "uuid", "text", "boolean", "date"})
"""Types of a key whose JSON is the same whatever a session has set."""


def install_forward(c: Connection, route: Route, lower: str | None, upper: str | None) -> None:
    """Make every write on the source write the target too, in its own transaction."""
    verbs = BY_STATEMENT if _tells_all_at_once(route) else BY_ROW
    _install(c, route.source, route.function("capture"), forward_function(route, lower, upper), verbs)


def install_reverse(c: Connection, route: Route) -> None:
    """Make every write on the target write the source too. Called in the swap's own transaction."""
    _install(c, route.target, route.function("reverse"), reverse_function(route), BY_ROW)


def remove(c: Connection, table: Table, route: Route, direction: str) -> None:
    """Take capture off a table, and its function with it."""
    for trigger in TRIGGERS:
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
        failpoint("trigger.half_off")
    c.execute(statement("capture.drop_function", function=route.function(direction)))
    failpoint("trigger.off")


def look(c: Connection, oid: int) -> Facts:
    """Tell whether capture is in place, always on and first to fire. Read-only."""
    found = rows(c, statement("capture.find_trigger"), oid=oid, names=list(TRIGGERS))
    earlier = one(c, statement("capture.count_earlier_triggers"), oid=oid, name=CAPTURE_TRIGGER)["triggers"]
    return {
        "capture_enabled": int(are_on(found)),
        "capture_triggers": len(found),
        "capture_first_trigger": int(earlier == 0),
    }


def are_on(found: list[Row]) -> bool:
    """Whether the triggers found are told of every write, and always on."""
    told = 0
    for row in found:
        told |= row["events"]
    return told == EVERY_WRITE and all(row["always"] for row in found)


def is_on(c: Connection, row: Row, side: str) -> bool:
    """Whether capture is in place and always on, on `source_oid` or `target_oid` of the marks."""
    return bool(look(c, row[side])["capture_enabled"])


def is_ours(c: Connection, route: Route, row: Row, *, reverse: bool) -> bool:
    """Whether the function that is there is the one that this version would make. Read-only."""
    if reverse:
        made, oid = reverse_function(route), row["target_oid"]
    else:
        made, oid = forward_function(route, row["lower_bound"], row["upper_bound"]), row["source_oid"]
    found = rows(c, statement("capture.read_signature"), oid=oid, name=CAPTURE_TRIGGER)
    return bool(found) and found[0]["signature"] == _signature(c, made)


def forward_function(route: Route, lower: str | None, upper: str | None) -> sql.Composed:
    """The trigger function source → target."""
    key = [route.value(name) for name in route.target_key]
    cut_by = [route.value(cut.column) for cut in route.cuts]
    live_key = [replace(route.value(name), expression=None) for name in route.shape.key]
    parts: dict[str, sql.Composable] = {
        "name": sql.Literal(route.migration.name),
        "live": route.source.identifier,
        "source": route.source.identifier,
        "target": route.target.identifier,
        "matches_old": equals(key, "OLD"),
        "live_is_old": _both(key, "s", "OLD"),
        "live_is_new": _both(live_key, "s", "NEW"),
        "live_is_told": _both(live_key, "s", "told"),
        "old_source_key": names(route.shape.key, "OLD"),
        "new_source_key": names(route.shape.key, "NEW"),
        "fresh_source_key": names(route.shape.key, "fresh"),
        "fresh_values": values_of(route.written, "fresh"),
        "fresh_fits": route.fits("fresh", lower, upper),
        "fresh_partition_values": values_of(cut_by, "fresh") if cut_by else sql.SQL("''"),
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
    parts["fresh"] = statement("capture.fresh", **parts)
    parts["all_at_once"] = statement("capture.all_at_once", **parts) if _tells_all_at_once(route) else sql.SQL("")
    parts["latest"] = statement("capture.latest_forward", **parts)
    return _function(route, "capture", "forward", parts)


def reverse_function(route: Route) -> sql.Composed:
    """The trigger function target → source."""
    written = [value for value in route.back_values if value.written]
    updated = [value for value in written if value.updated]
    key = [value for value in route.back_values if value.name in route.shape.key]
    plain_key = [replace(value, expression=None) for value in key]
    live_key = [replace(route.value(name), expression=None) for name in route.target_key]
    parts: dict[str, sql.Composable] = {
        "name": sql.Literal(route.migration.name),
        "live": route.target.identifier,
        "source": route.source.identifier,
        "target": route.target.identifier,
        "old_names": names(route.shape.key),
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
    parts["latest"] = statement("capture.latest_reverse", **parts)
    return _function(route, "reverse", "reverse", parts)


BY_ROW = ((CAPTURE_TRIGGER, "create_row_trigger"), (TRUNCATE_TRIGGER, "create_truncate_trigger"))
BY_STATEMENT = (
    (CAPTURE_TRIGGER, "create_change_trigger"),
    (INSERT_TRIGGER, "create_insert_trigger"),
    (TRUNCATE_TRIGGER, "create_truncate_trigger"),
)


def _tells_all_at_once(route: Route) -> bool:
    """Whether an INSERT is told as one: not where a single row may not fit."""
    return not route.reshapes


def _signature(c: Connection, made: sql.Composed) -> str:
    """The version of the marks, for people, and a hash of the whole text, for us."""
    return f"Sluice {versions('marks')[-1]}, {hashlib.sha256(made.as_bytes(c)).hexdigest()[:16]}"


def _both(values: Iterable[Value], left: str, right: str) -> sql.Composed:
    """Each column has the same value in two rows."""
    return sql.SQL(" AND ").join(value.equals(value.of(left), value.of(right)) for value in values)


def _function(route: Route, name: str, direction: str, parts: dict[str, sql.Composable]) -> sql.Composed:
    """The function, guarded where a value may not fit: that costs a subtransaction a row."""
    guard, rescue = (
        statement(f"capture.{what}_{direction}", **parts) if route.reshapes else sql.SQL("")
        for what in ("guard", "rescue")
    )
    pins = statement("capture.pins") if _makes_texts(route) else sql.SQL("")
    named = {"function": route.function(name), "guard": guard, "rescue": rescue, "pins": pins}
    return statement(f"capture.create_{direction}", **named, **parts)


def _makes_texts(route: Route) -> bool:
    """Whether a setting of the user's session could change what the function writes: in an expression, or in a key's JSON."""
    return route.reshapes or any(
        column.type not in PLAIN for column in route.shape.columns if column.name in route.shape.key
    )


def _install(
    c: Connection, table: Table, function: sql.Identifier, made: sql.Composed, verbs: tuple[tuple[str, str], ...]
) -> None:
    c.execute(made)
    c.execute(statement("capture.sign_function", function=function, signature=sql.Literal(_signature(c, made))))
    failpoint("trigger.function")
    for trigger in TRIGGERS:
        c.execute(statement("capture.drop_trigger", trigger=sql.Identifier(trigger), table=table.identifier))
    for trigger, verb in verbs:
        named = {"trigger": sql.Identifier(trigger), "table": table.identifier}
        c.execute(statement(f"capture.{verb}", function=function, **named))
        c.execute(statement("capture.enable_always", **named))
        failpoint("trigger.half")

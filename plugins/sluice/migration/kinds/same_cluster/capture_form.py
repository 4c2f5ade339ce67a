"""What the trigger functions of capture say, in either direction. Pure: the same route gives the same text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from psycopg import sql

from sluice.migration.kinds.same_cluster.columns import Value, qualified
from sluice.migration.kinds.same_cluster.route import (
    Route,
    assignments,
    equals,
    moves,
    names,
    overwrites,
    same,
    values_of,
)
from sluice.stores.statements import statement

PLAIN = frozenset({"smallint", "integer", "bigint", "uuid", "text", "boolean", "date"})
"""Types of a key whose JSON is the same whatever a session has set."""


def forward_function(route: Route, lower: str | None, upper: str | None) -> sql.Composed:
    """The trigger function source → target."""
    key = [route.value(name) for name in route.target_key]
    cut_by = [route.value(cut.column) for cut in route.cuts]
    live_key = [replace(route.value(name), expression=None) for name in route.shape.key]
    live_cuts = [value for value in cut_by if value.name not in route.shape.key]
    parts: dict[str, sql.Composable] = {
        "name": sql.Literal(route.migration.name),
        "source": route.source.identifier,
        "target": route.target.identifier,
        "matches_old": equals(key, "OLD"),
        "live_table": route.source.identifier,
        # By the columns that the source's key has, which has an index; then by what the target is cut by.
        "live_is_old": _both([*live_key, *live_cuts], "s", "OLD"),
        "live_has_old": _both(live_key, "s", "OLD"),
        "live_has_new": _both(live_key, "s", "NEW"),
        "refuse_second": sql.SQL(""),
        "live_is_told": _both(live_key, "s", "told"),
        "old_key": names(route.shape.key, "OLD"),
        "new_key": names(route.shape.key, "NEW"),
        "told_key": names(route.shape.key),
        "fresh_key": names(route.shape.key, "fresh"),
        "fresh_values": values_of(route.written, "fresh"),
        "fresh_fits": route.fits("fresh", lower, upper),
        "told_fits": route.fits("told", lower, upper),
        "fresh_partition_values": values_of(cut_by, "fresh") if cut_by else sql.SQL("''"),
        "old_fits": route.fits("OLD", lower, upper),
        "new_fits": route.fits("NEW", lower, upper),
        "partition_values": values_of(cut_by, "NEW") if cut_by else sql.SQL("''"),
        "key": names(route.target_key),
        "moves": moves([*live_key, *live_cuts]),
        "rekeyed": moves(live_key),
        "columns": names(value.name for value in route.written),
        "old_values": values_of(route.written, "OLD"),
        "new_values": values_of(route.written, "NEW"),
        # A table of nothing but identities has nothing to overwrite.
        "on_conflict": sql.SQL("UPDATE SET ") + overwrites(route.updated) if route.updated else sql.SQL("NOTHING"),
    }
    # Of a value that does not fit only its own event can tell; of a row outside the partitions, anybody.
    fits = route.fits("s", lower, upper)
    held = sql.SQL("{} AND ({}) IS NOT TRUE").format(parts["live_has_old"], fits)
    parts["live_held"] = parts["live_has_old"] if route.reshapes else held
    parts["fresh"] = statement("capture.fresh", lock=sql.SQL(""), **parts)
    parts["fresh_locked"] = statement("capture.fresh", lock=sql.SQL("FOR KEY SHARE"), **parts)
    parts["all_at_once"] = statement("capture.all_at_once", **parts) if tells_all_at_once(route) else sql.SQL("")
    parts["latest"] = statement("capture.latest_forward", **parts)
    parts["misfit"] = statement("capture.misfit")
    told = [value for value in route.back_values if value.expression is not None]
    parts["lossless"] = _lossless(route.values, told)
    parts["put"] = statement("capture.put", **parts)
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
        "source": route.source.identifier,
        "target": route.target.identifier,
        "live_table": route.target.identifier,
        "old_names": names(route.shape.key),
        "old_names_text": sql.Literal(", ".join(route.shape.key)),
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
    for verb, which in (("update", "matches_old"), ("update_new", "matches_new")):
        made = statement("capture.update_source", matches=parts[which], **parts)
        parts[verb] = made if updated else sql.SQL("PERFORM 1;")  # nothing but identities: there it is
    parts["duplicate"] = statement("capture.duplicate", **parts)
    parts["refuse_second"] = statement("capture.refuse_second", **parts)
    parts["lossless"] = _lossless(route.back_values, route.returning)
    parts["lossless_new"] = statement("capture.lossless_new", **parts) if route.returning else sql.SQL("")
    parts["latest"] = statement("capture.latest_reverse", **parts)
    return _function(route, "reverse", "reverse", parts)


def tells_all_at_once(route: Route) -> bool:
    """Whether an INSERT is told as one: not where a single row may not fit."""
    return not route.reshapes


def _both(values: Iterable[Value], left: str, right: str) -> sql.Composed:
    """Each column has the same value in two rows."""
    return sql.SQL(" AND ").join(value.equals(value.of(left), value.of(right)) for value in values)


def _lossless(made: Iterable[Value], told: Sequence[Value]) -> sql.Composable:
    """Nothing, where no changed column comes back; else what refuses a NEW that would come back as another."""
    if not told:
        return sql.SQL("")
    named = [sql.SQL("{} AS {}").format(value.compared("NEW"), sql.Identifier(value.name)) for value in made]
    differ = [value.differs(value.compared("made"), qualified(value.name, "NEW")) for value in told]
    loses = statement("capture.loses", made=sql.SQL(", ").join(named), differ=sql.SQL(" OR ").join(differ))
    return statement("capture.lossless", loses=loses)


def _function(route: Route, name: str, direction: str, parts: dict[str, sql.Composable]) -> sql.Composed:
    """The function, guarded where a value may not fit: that costs a subtransaction a row."""
    guard, clear, rescue = (
        (sql.SQL("BEGIN"), *(statement(f"capture.{what}", **parts) for what in ("clear", f"rescue_{direction}")))
        if route.reshapes
        else (sql.SQL(""),) * 3
    )
    old_snapshot = statement("capture.old_snapshot", **parts)
    pins = statement("capture.pins") if _makes_texts(route) else sql.SQL("")
    own = {"old_snapshot": old_snapshot, "guard": guard, "clear": clear, "rescue": rescue}
    named = {"function": route.function(name), "pins": pins, **own}
    return statement(f"capture.create_{direction}", **named, **parts)


def _makes_texts(route: Route) -> bool:
    """Whether a setting of the user's session could change what the function writes: in an expression, or in a key's JSON."""
    return route.reshapes or any(
        column.type not in PLAIN for column in route.shape.columns if column.name in route.shape.key
    )

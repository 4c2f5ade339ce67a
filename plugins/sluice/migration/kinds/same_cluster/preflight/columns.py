"""Whether every changed column can be made of what is there, and given back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
from psycopg import errors, sql

from sluice.estate.models import Change
from sluice.migration.engine.contract import Finding
from sluice.migration.kinds.same_cluster.columns import untold
from sluice.migration.kinds.same_cluster.route import Route
from sluice.migration.kinds.same_cluster.said import accept, refuse
from sluice.stores.postgres import Connection, one
from sluice.stores.statements import raw, statement

SORTED_ALIKE = (
    {"smallint", "integer", "bigint"},
    {"text", "character varying"},
    {"date", "timestamp without time zone", "timestamp with time zone"},
)
"""Types among which one type's index finds the other's values, in the same order: PostgreSQL's families of operators."""


def about_columns(c: Connection, route: Route) -> Iterator[Finding]:
    """Look at each changed column, then at the way back."""
    changes = route.migration.target.columns
    for name, change in changes.items():
        yield from _about_change(c, route, name, change)
    for name in untold(route.shape, changes):
        yield _about_untold(route, name)


def _about_untold(route: Route, name: str) -> Finding:
    column = route.shape.column(name)
    what = f"{route.source}.{name} cannot be told from the new table: cutting back would bring new rows without it."
    if column is not None and column.not_null and column.default is None:
        return refuse("no_inverse", what, "Give it a `back` expression over the new columns: it may not be NULL.")
    return accept(
        "no_inverse", what, "Give it a `back` expression over the new columns, or write `accept: [no_inverse]`."
    )


def _about_change(c: Connection, route: Route, name: str, change: Change) -> Iterator[Finding]:
    column = route.shape.column(name)
    if change.drop and column is None:
        yield refuse("no_column", f"{route.source} has no column {name} to leave out.", "Mend into.columns.")
    if name in route.shape.key and not _same_value(name, change):
        yield refuse(
            "key_changes",
            f"{route.source}.{name} is in the key and becomes another value: rows could not be told apart on both sides.",
            f"A key column may change its type only: `from: {name}` or `from: {name}::TYPE`.",
        )
    elif name in route.shape.key:
        yield from _about_order(c, route, name)
    if change.value is not None and not change.drop:
        found = list(_about_value(c, route, name, change))
        yield from found
        if found:
            return
    if change.back is not None and column is not None:
        yield from _about_round_trip(c, route, name)


def about_way_back(c: Connection, route: Route) -> Iterator[Finding]:
    """Look at all rows again: some came after the preflight, and before capture was told of any."""
    for name, change in route.migration.target.columns.items():
        if change.back is not None and route.shape.column(name) is not None:
            yield from _about_round_trip(c, route, name)


def _about_value(c: Connection, route: Route, name: str, change: Change) -> Iterator[Finding]:
    value = route.value(name)
    parts = {"source": route.source.identifier, "value": value.of("s"), "type": raw(value.type)}
    try:
        with c.transaction(force_rollback=True):
            c.execute(statement("expand.see_only_the_catalogue"))
            c.execute(statement("expand.draft_value", **parts, column=sql.Identifier(name)))
    except (errors.InvalidObjectDefinition, errors.FeatureNotSupported) as error:
        yield refuse(
            "volatile_column",
            f"{route.source}: `from` of {name} is not immutable: {error.diag.message_primary}.",
            "Its value must depend on the row alone: say AT TIME ZONE 'UTC' instead of the session's zone, and no now().",
        )
        return
    except psycopg.Error as error:
        yield refuse(
            "bad_column",
            f"{route.source}: `from` of {name} cannot be: {error.diag.message_primary}.",
            "Mend into.columns.",
        )
        return
    try:
        one(c, statement("expand.try_value", **parts))
    except psycopg.DataError as error:
        yield refuse(
            "bad_values",
            f"{route.source}: {name} as {change.type} fails for rows that are there ({error.diag.sqlstate}:"
            f" {type(error).__name__}).",
            "Mend the rows, or the expression.",
        )


def _about_round_trip(c: Connection, route: Route, name: str) -> Iterator[Finding]:
    """There and back must be the same value, for every row that is there."""
    try:
        changed = one(c, statement("expand.count_changed", **round_trip(route, name)))["rows"]
    except psycopg.Error as error:
        yield refuse(
            "bad_inverse",
            f"{route.source}: `back` of {name} cannot be: {error.diag.message_primary}.",
            "Mend into.columns.",
        )
        return
    if changed:
        yield refuse(
            "wrong_inverse",
            f"{changed} rows of {route.source} have another {name} after `from` and `back`: cutting back would change them.",
            "Mend the expressions.",
        )


def round_trip(route: Route, name: str) -> dict[str, sql.Composable]:
    """The old table's rows as the new one would have them, and the way back from there."""
    made = [sql.SQL("{} AS {}").format(value.compared("s"), sql.Identifier(value.name)) for value in route.values]
    back = next(value for value in route.back_values if value.name == name)
    return {
        "source": route.source.identifier,
        "values": sql.SQL(", ").join(made),
        "back": back.compared("t"),
        "column": sql.Identifier(name),
    }


def _about_order(c: Connection, route: Route, name: str) -> Iterator[Finding]:
    """Both tables are compared by ranges of the key, and each finds the other's rows by its own key's index."""
    column = route.shape.column(name)
    assert column is not None
    types = one(c, statement("expand.name_types"), now=column.type, then=route.value(name).type)
    both = set(types.values()) - {None}
    if len(both) == 2 and not any(both <= alike for alike in SORTED_ALIKE):
        yield refuse(
            "key_order",
            f"{route.source}.{name} is in the key and goes from {types['now']} to {types['then']}, which sorts otherwise"
            " or cannot use its index: every write would read the whole other table.",
            "Leave its type, or take one that sorts the same: integers do, texts do, dates and timestamps do.",
        )


def _same_value(name: str, change: Change) -> bool:
    """Whether a key column keeps its value and changes its type only."""
    if change.drop or change.value is None:
        return False
    plain = re.escape(name)
    return (
        re.fullmatch(rf'\s*"?{plain}"?\s*(::.+)?|(?i:cast)\s*\(\s*"?{plain}"?\s+(?i:as)\s+.+\)', change.value)
        is not None
    )

"""Compare the two tables of a migration, all of them or one window, whichever of them follows the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Diff, Drifted, NotYet, Phase, RowDiff, Window
from sluice.migration.kinds.same_cluster.columns import qualified
from sluice.migration.kinds.same_cluster.route import Route
from sluice.proof.diff.pair import Bound, Pair
from sluice.proof.diff.pair import Window as Bounds
from sluice.proof.diff.rows import Checked, Comparison, compare
from sluice.stores.postgres import Connection, Row, one, rows, translated
from sluice.stores.statements import statement


def compare_tables(c: Connection, marks: Marks, route: Route) -> Diff:
    """Compare every row. Each range that is equal is remembered: if this dies, the next comparison goes on behind them."""
    begun = marks.begin_comparison(c)
    with _ready(c, marks, route):
        found, since = _go_on(c, marks, route, begun)
    return _diff(found, begun, since, empty=found.rows == 0 and _counted_empty(c, route))


def compare_window(c: Connection, marks: Marks, route: Route, window: Window) -> Diff:
    """Compare the rows of a window. Read-only. Raises NotYet where the target is not cut by time."""
    begun = marks.begin_comparison(c)
    with _ready(c, marks, route):
        found = compare(c, _pair(route, begun), _bounds(route, window))
    return _diff(found, begun, begun["since"], empty=False)


@contextmanager
def _ready(c: Connection, marks: Marks, route: Route) -> Iterator[None]:
    """Let this session know the operators of the key's types (an extension may live in any schema), and speak our errors."""
    schemas = {column.operators for column in route.shape.columns if column.operators}
    if schemas:
        path = ", ".join(sql.Identifier(schema).as_string(c) for schema in ("pg_catalog", *sorted(schemas), "pg_temp"))
        c.execute(statement("connection.pin"), {"settings": Jsonb({"search_path": path})})
    try:
        with translated(f"comparing {route.source} with {route.target}"):
            yield
    except psycopg.DataError as error:
        held = marks.quarantined(c)
        raise NotYet(
            f"{route.source} and {route.target} cannot be compared: SQLSTATE {error.sqlstate}. {held['rows']} rows do not fit"
            f" the other table and are in quarantine ({held['samples']}; table sluice.quarantine). Mend them, then run it again."
        ) from error
    except errors.UndefinedColumn as error:
        raise Drifted(
            f"{route.source} and {route.target} no longer have the same columns: {error.diag.message_primary}. Undo what was"
            f" changed (a new column dropped, a lost one put back), or `./sluice abort {route.migration.name}` and begin again."
        ) from error


def _go_on(c: Connection, marks: Marks, route: Route, begun: Row) -> tuple[Comparison, datetime]:
    """Compare behind what an earlier comparison had proven; gives the moment, too, at which the oldest look began."""
    stands_on = {"name": marks.name, "under": begun["under"]}
    looking_since = begun["since"]

    def remember(part: Checked) -> None:
        nonlocal looking_since
        if part.until is not None:
            ends = {"after": _listed(part.after), "until": _listed(part.until)}
            values = {**ends, "rows": part.rows, "hash": part.hash, "since": looking_since}
            looking_since = one(c, statement("marks.remember_compared"), **stands_on, **values)["now"]

    freshness = route.migration.gates.freshness
    known = rows(c, statement("marks.list_compared"), freshness=freshness, **stands_on)
    before = [Checked(_bound(r["after"]), _bound(r["until"]), r["rows"], int(r["hash"])) for r in known]
    found = compare(c, _pair(route, begun), before=before, checked=remember)
    marks.execute(c, "forget_compared")
    return found, min([begun["since"], *(r["at"] for r in known)])


def _pair(route: Route, begun: Row) -> Pair:
    return route.pair(reverse=begun["phase"] == Phase.CUT_OVER)


def _bounds(route: Route, window: Window) -> Bounds:
    """The window on either side of the comparison."""
    time = route.time
    return Bounds(time.compared("t"), qualified(time.name, "t"), window.lower, window.upper)


def _counted_empty(c: Connection, route: Route) -> bool:
    tables = {"left": route.source.identifier, "right": route.target.identifier}
    return bool(one(c, statement("diff.count_both", **tables))["rows"] == 0)


def _diff(found: Comparison, begun: Row, since: datetime, *, empty: bool) -> Diff:
    return Diff(
        found.rows,
        found.left_rows,
        found.right_rows,
        found.missing,
        found.extra,
        found.different,
        found.hash,
        found.seconds,
        tuple(RowDiff(s.key, s.what, s.columns) for s in found.samples),
        empty=empty,
        epoch=begun["epoch"],
        since=since,
        under=begun["under"],
    )


def _listed(bound: Bound) -> list[str] | None:
    return None if bound is None else list(bound)


def _bound(texts: list[str] | None) -> Bound:
    return None if texts is None else tuple(texts)

"""Copy ranges of pages into the target's holes; each range is checked off in the transaction that copied it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg import errors, sql

from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import COPIES_IN, ChunkBusy, Copied, Drifted, Fence, Fenced, Window
from sluice.migration.kinds.same_cluster.route import Route, names, overwrites, values_of
from sluice.stores.postgres import Connection, LockBusy, Row, one, translated
from sluice.stores.statements import statement

CHUNK_BYTES = 64e6
"""A chunk's most, out-of-line values included: writers may meet its row locks for as long as it takes."""


def plan_chunks(c: Connection, marks: Marks, route: Route, chunk_rows: int) -> None:
    """Lay out ranges of pages, unless they are there and still mean what they meant.

    A rewritten table (VACUUM FULL, CLUSTER) has other pages: what was checked off is laid out again, and filling is free
    where nothing is missing.
    """
    with marks.alone(c):
        row = marks.row(c)
        if row["phase"] not in COPIES_IN:
            raise Fenced(f"{marks.name} is {row['phase']}: there is nothing to copy now. Trigger a new run.")
        stale = row["source_filenode"] != route.shape.filenode
        if stale:
            marks.execute(c, "delete_chunks")
            marks.execute(c, "remember_filenode")
        failpoint("layout.stale")
        if stale or marks.chunks(c)["chunks"] == 0:
            size = one(c, statement("copy.count_pages"), oid=route.shape.oid)
            step = _pages_of(chunk_rows, row["rows_estimated"], size["pages"], size["bytes"])
            marks.execute(c, "plan_page_chunks", pages=step, last=size["pages"])
        failpoint("layout.planned")


def copy_chunk(c: Connection, marks: Marks, route: Route, lane: int, fence: Fence, after: int = 0) -> Copied | None:
    """Claim a pending range, fill its holes and check it off: one transaction. None when nothing is pending.

    Ranges behind number `after` come first: a lane goes on from its last one.
    """
    number = None
    started = time.monotonic()
    try:
        with translated(f"copying {route.source}, lane {lane}"), marks.shared(c) as row:
            check_fence(row, fence, route)
            claimed = _claim(c, marks, after) or (_claim(c, marks, 0) if after else None)
            if claimed is None:
                return None
            number = claimed["number"]
            failpoint("chunk.claimed")
            filled = _fill_unmoved(c, marks, route, fence, claimed)
            failpoint("chunk.rechecked")
            seconds = time.monotonic() - started
            marks.execute(c, "check_off_chunk", number=number, lane=lane, rows=filled, seconds=seconds)
            failpoint("chunk.checked_off")
    except LockBusy as busy:
        if number is None:
            raise
        raise ChunkBusy(str(busy), number) from busy
    failpoint("chunk.committed")
    return Copied(number, filled, seconds)


def _claim(c: Connection, marks: Marks, after: int) -> Row | None:
    return c.execute(statement("marks.claim_chunk"), {"name": marks.name, "after": after}).fetchone()


def fill_window(c: Connection, marks: Marks, route: Route, fence: Fence, window: Window, lo: int, hi: int) -> int:
    """Fill a window's holes from pages lo to hi; gives the rows filled."""

    def fill_pages(pages: Mapping[str, str]) -> int:
        filled = _fill_unmoved(c, marks, route, fence, pages, window)
        failpoint("window.filled")
        return filled

    return _in_halves(c, marks, route, fence, f"filling {route.target}, {window}", fill_pages, lo, hi)


def renew(c: Connection, marks: Marks, route: Route, fence: Fence) -> None:
    """Bring the changed columns of the target back in line with the source, a range of pages at a time.

    The application had the new columns for a while, and may have set them to what the old ones do not say.
    """
    with marks.alone(c):
        row = marks.row(c)
        if row["epoch"] != fence.epoch:
            raise Fenced(f"{marks.name} went back meanwhile. Run it again.")
        marks.execute(c, "remember_filenode")  # no range is half done: a file that was rewritten before this will do
    size = one(c, statement("copy.count_pages"), oid=route.shape.oid)
    step = _pages_of(
        route.migration.backfill.chunk_rows, route.shape.facts["rows_estimated"], size["pages"], size["bytes"]
    )
    changed = [value for value in route.updated if value.expression is not None]
    query = statement(
        "copy.renew_chunk",
        target=route.target.identifier,
        source=route.source.identifier,
        columns=names(value.name for value in route.written),
        expressions=values_of(route.written, "s"),
        key=names(route.target_key),
        fits=route.fits("s", row["lower_bound"], row["upper_bound"]),
        assignments=overwrites(route.updated),
        changed=names((value.name for value in changed), "t"),
        renewed=names((value.name for value in changed), "excluded"),
    )

    def renew_pages(pages: Mapping[str, str]) -> int:
        return _copy(c, route, query, pages)

    doing = f"renewing {route.target}"
    for lo in range(0, size["pages"], step):
        _in_halves(c, marks, route, fence, doing, renew_pages, lo, lo + step)
    with marks.alone(c):
        marks.execute(c, "record_renewed", epoch=fence.epoch)


def _in_halves(
    c: Connection,
    marks: Marks,
    route: Route,
    fence: Fence,
    doing: str,
    copy: Callable[[Mapping[str, str]], int],
    lo: int,
    hi: int,
) -> int:
    """Copy pages lo to hi in a transaction of its own, or in halves where writers are in the way; gives the rows written."""
    try:
        with translated(doing), marks.shared(c) as row:
            check_fence(row, fence, route)
            written = copy({"lo": f"({lo},0)", "hi": f"({hi},0)"})
            if written:
                marks.execute(c, "remember_repair")
            failpoint("window.remembered")
            return written
    except LockBusy:
        if hi - lo < 2:
            raise
    middle = (lo + hi) // 2
    halves = ((lo, middle), (middle, hi))
    return sum(_in_halves(c, marks, route, fence, doing, copy, *half) for half in halves)


def _fill_unmoved(
    c: Connection, marks: Marks, route: Route, fence: Fence, pages: Mapping[str, Any], window: Window | None = None
) -> int:
    """Fill, then look again: nobody can rewrite the table while its rows are locked, so what holds now held then."""
    condition = _within(route) if window else statement("copy.everything")
    bounds = {"lo": pages["lo"], "hi": pages["hi"]}
    bounds |= {"lower": window.lower, "upper": window.upper} if window else {}
    filled = _fill_what_fits(c, marks, route, condition, bounds)
    failpoint("chunk.filled")
    check_fence(marks.under_fence(c), fence, route)
    return filled


def _fill_what_fits(
    c: Connection, marks: Marks, route: Route, condition: sql.Composed, bounds: Mapping[str, Any]
) -> int:
    """Fill the target's holes; rows for which it has no partition go to the quarantine, and keep nobody up."""
    try:
        with c.transaction():  # a savepoint
            return fill(c, route, condition, bounds)
    except errors.CheckViolation:
        row = marks.row(c)
        fits = route.fits("s", row["lower_bound"], row["upper_bound"])
    misfits = statement("copy.misfits", condition=condition, fits=fits)
    key, reason = names(route.shape.key, "s"), values_of([route.value(cut.column) for cut in route.cuts], "s")
    query = statement("copy.quarantine_rows", source=route.source.identifier, key=key, reason=reason, condition=misfits)
    c.execute(query, {"name": marks.name, **bounds})
    return fill(c, route, statement("copy.fitting", condition=condition, fits=fits), bounds)


def fill(c: Connection, route: Route, condition: sql.Composed, bounds: Mapping[str, Any]) -> int:
    """Fill the target's holes from a range of pages (`lo`, `hi`), of rows that meet a condition; gives the rows written."""
    query = statement(
        "copy.fill_chunk",
        target=route.target.identifier,
        source=route.source.identifier,
        columns=names(value.name for value in route.written),
        expressions=values_of(route.written, "s"),
        key=names(route.target_key),
        condition=condition,
    )
    return _copy(c, route, query, bounds)


def _copy(c: Connection, route: Route, query: sql.Composed, bounds: Mapping[str, Any]) -> int:
    """Run a statement that copies rows, no longer than a user may wait for it; gives the rows written."""
    c.execute(statement("copy.limit_chunk"))
    try:
        return c.execute(query, bounds).rowcount
    except errors.QueryCanceled as error:
        raise LockBusy(
            f"{route.source}, pages {bounds['lo']} to {bounds['hi']}: it took longer than writers may be kept waiting."
            " It is tried again in halves."
        ) from error
    except errors.CheckViolation as error:
        if error.diag.constraint_name is None:
            raise  # no partition for a row: the caller knows what to do
        raise _cannot_hold(route, bounds, error) from error
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise _cannot_hold(route, bounds, error) from error


def _cannot_hold(route: Route, bounds: Mapping[str, Any], error: psycopg.Error) -> Drifted:
    return Drifted(
        f"{route.source} holds rows that {route.target} cannot hold (pages {bounds['lo']} to {bounds['hi']}):"
        f" {error.diag.message_primary}. Mend or delete them, or abort and begin again."
    )


def _within(route: Route) -> sql.Composed:
    return statement("copy.window", time=route.time.of("s"))


def halve(c: Connection, marks: Marks, number: int) -> None:
    """Split a pending range of pages in two; a range of one page stays. Under the fence: an abort must see both halves."""
    with marks.shared(c):
        chunk = c.execute(statement("marks.read_chunk"), {"name": marks.name, "number": number}).fetchone()
        if chunk is None:
            return
        lo, hi = _page(chunk["lo"]), _page(chunk["hi"])
        if hi - lo < 2:
            marks.execute(c, "postpone_chunk", number=number)
            return
        middle = f"({(lo + hi) // 2},0)"
        marks.execute(c, "shorten_chunk", number=number, middle=middle)
        failpoint("chunk.shortened")
        marks.execute(c, "add_chunk", lo=middle, hi=chunk["hi"])
    failpoint("chunk.halved")


def check_fence(row: Mapping[str, Any], fence: Fence, route: Route) -> None:
    """Refuse to write under an older epoch, another phase, or beside tables that are not what they were."""
    if row["epoch"] != fence.epoch or row["phase"] not in COPIES_IN:
        raise Fenced(
            f"{route.migration.name} is {row['phase']} in epoch {row['epoch']}; this worker was started for epoch {fence.epoch}."
            " It stops here; nothing is lost."
        )
    if not row["same_file"]:
        raise Drifted(
            f"{route.source} was rewritten (VACUUM FULL, CLUSTER?): its pages moved. Run the migration again: it lays out anew."
        )
    for side, table in (("same_source", route.source), ("same_target", route.target)):
        if not row[side]:
            raise Drifted(
                f"{table} was changed since the migration began (column, constraint, unique index, policy, grant, owner,"
                f" trigger, or a partition that is gone). Put it back, or ./sluice abort {route.migration.name} and begin again."
            )


def _pages_of(chunk_rows: int, count: int, pages: int, size: int) -> int:
    """How many pages hold about `chunk_rows` rows, and no more than CHUNK_BYTES: a row may be a megabyte."""
    by_rows = chunk_rows * pages / count if count else pages
    by_bytes = CHUNK_BYTES * pages / size if size else pages
    return max(1, round(min(by_rows, by_bytes)))


def _page(tid: str) -> int:
    return int(tid.strip("()").split(",")[0])

"""Copy ranges of pages into the target's holes; each range is checked off in the transaction that copied it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from psycopg import errors, sql

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import ChunkBusy, Copied, Drifted, Fence, Fenced, Phase, Window
from sluice.migration.kinds.same_cluster.route import Route, names
from sluice.stores.postgres import Connection, LockBusy, one, translated
from sluice.stores.statements import statement

COPIES_IN = (Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED)


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
        if stale or marks.chunks(c)["chunks"] == 0:
            pages = one(c, statement("copy.count_pages"), oid=route.shape.oid)["pages"]
            marks.execute(c, "plan_page_chunks", pages=_pages_of(chunk_rows, pages, row["rows_estimated"]), last=pages)


def copy_chunk(c: Connection, marks: Marks, route: Route, lane: int, fence: Fence) -> Copied | None:
    """Claim a pending range, fill its holes and check it off: one transaction. None when nothing is pending."""
    number = None
    started = time.monotonic()
    try:
        with translated(f"copying {route.source}, lane {lane}"), marks.shared(c) as row:
            check_fence(row, fence, route)
            claimed = c.execute(statement("marks.claim_chunk"), {"name": marks.name}).fetchone()
            if claimed is None:
                return None
            number = claimed["number"]
            filled = _fill_unmoved(c, marks, route, fence, claimed)
            seconds = time.monotonic() - started
            marks.execute(c, "check_off_chunk", number=number, lane=lane, rows=filled, seconds=seconds)
    except LockBusy as busy:
        if number is None:
            raise
        raise ChunkBusy(str(busy), number) from busy
    return Copied(number, filled, seconds)


def fill_window(c: Connection, marks: Marks, route: Route, fence: Fence, window: Window, lo: int, hi: int) -> int:
    """Fill a window's holes from pages lo to hi, in a transaction of its own, or in halves where writers are in the way."""
    try:
        with translated(f"filling {route.target}, {window}"), marks.shared(c) as row:
            check_fence(row, fence, route)
            filled = _fill_unmoved(c, marks, route, fence, {"lo": f"({lo},0)", "hi": f"({hi},0)"}, window)
            if filled:
                marks.execute(c, "remember_repair")
            return filled
    except LockBusy:
        if hi - lo < 2:
            raise
    middle = (lo + hi) // 2
    return sum(fill_window(c, marks, route, fence, window, *half) for half in ((lo, middle), (middle, hi)))


def _fill_unmoved(
    c: Connection, marks: Marks, route: Route, fence: Fence, pages: Mapping[str, Any], window: Window | None = None
) -> int:
    """Fill, then look again: nobody can rewrite the table while its rows are locked, so what holds now held then."""
    filled = fill(c, route, pages, window)
    check_fence(marks.under_fence(c), fence, route)
    return filled


def fill(c: Connection, route: Route, pages: Mapping[str, Any], window: Window | None = None) -> int:
    """Fill the target's holes from a range of pages (`lo`, `hi`), perhaps of a window only; gives the rows written."""
    bounds = {"lower": window.lower, "upper": window.upper} if window else {}
    query = statement(
        "copy.fill_chunk",
        target=route.target.identifier,
        source=route.source.identifier,
        columns=names(route.written),
        expressions=names(route.written, "s"),
        key=names(route.target_key),
        window=statement("copy.window", column=sql.Identifier(route.partition_column))
        if window
        else statement("copy.everything"),
    )
    c.execute(statement("copy.limit_chunk"))
    try:
        return c.execute(query, {"lo": pages["lo"], "hi": pages["hi"], **bounds}).rowcount
    except errors.QueryCanceled as error:
        raise LockBusy(
            f"{route.source}, pages {pages['lo']} to {pages['hi']}: it took longer than writers may be kept waiting."
            " It is tried again in halves."
        ) from error
    except errors.CheckViolation as error:
        raise Drifted(
            f"{route.source} holds rows outside the partitions of {route.target} (pages {pages['lo']} to {pages['hi']}):"
            f" {error.diag.message_detail}. Mend or delete them, or abort and expand again: partitions cover what is there then."
        ) from error


def halve(c: Connection, marks: Marks, number: int) -> None:
    """Split a pending range of pages in two; a range of one page stays."""
    with c.transaction():
        chunk = c.execute(statement("marks.read_chunk"), {"name": marks.name, "number": number}).fetchone()
        if chunk is None:
            return
        lo, hi = _page(chunk["lo"]), _page(chunk["hi"])
        if hi - lo < 2:
            marks.execute(c, "postpone_chunk", number=number)
            return
        middle = f"({(lo + hi) // 2},0)"
        marks.execute(c, "shorten_chunk", number=number, middle=middle)
        marks.execute(c, "add_chunk", lo=middle, hi=chunk["hi"])


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
                f"{table} was changed since the migration began (column, constraint, policy, grant, owner or trigger)."
                f" Put it back, or ./sluice abort {route.migration.name} and begin again."
            )


def _pages_of(chunk_rows: int, pages: int, count: int) -> int:
    """How many pages hold about `chunk_rows` rows."""
    return max(1, round(chunk_rows * pages / count)) if count else max(1, pages)


def _page(tid: str) -> int:
    return int(tid.strip("()").split(",")[0])

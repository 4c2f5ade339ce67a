"""The plan of a migration as text: what a dry run prints. Read-only."""

from __future__ import annotations

from sluice.migration.engine.contract import Phase, Position, Progress
from sluice.migration.kinds.same_cluster import capture_form, expand
from sluice.migration.kinds.same_cluster.route import Route, old_table
from sluice.stores.postgres import Connection
from sluice.stores.statements import as_text


def plan(c: Connection, route: Route, position: Position, progress: Progress) -> str:
    """Say where it stands and what each step would do; while it is still planned, statement by statement."""
    lines = [
        f"{route.migration.name}: {route.source} → {route.target}, {_shape(route)}",
        f"stands at: {position.phase} (epoch {position.epoch})",
        f"backfill: {progress if progress.chunks else 'not laid out yet'}, {route.migration.backfill.lanes} lanes,"
        f" {route.migration.backfill.chunk_rows:,} rows a chunk",
        f"cutover: {route.source} becomes {old_table(route.source)} and follows; {route.target} takes its name;"
        f" tries of {route.migration.cutover.lock_timeout.total_seconds() * 1000:.0f} ms",
    ]
    if position.phase is Phase.PLANNED:
        planned = expand.plan_expand(c, route)
        lines += ["", f"-- expand: {len(planned.statements)} statements"]
        lines += [f"{as_text(made, c)};" for made in planned.statements]
        lines += [
            "",
            "-- capture",
            f"{as_text(capture_form.forward_function(route, planned.lower, planned.upper), c)};",
        ]
    return "\n".join(lines)


def _shape(route: Route) -> str:
    said = [
        f"by {cut.every} of {cut.column}"
        if cut.range_of
        else f"in {cut.parts} parts by hash of {cut.column}"
        if cut.hash_of
        else f"by value of {cut.column}"
        for cut in route.cuts
    ]
    changed = [f"{len(route.migration.target.columns)} columns changed"] if route.reshapes else []
    return ", then ".join(said or ["one plain table"]) + "".join(f", {text}" for text in changed)

"""The end of the copy: every segment is done, what an epoch gone by left behind is swept, and the account of it."""

from __future__ import annotations

from sluice.migration.engine.contract import Facts, Fence, Fenced, NotYet, Phase
from sluice.migration.kinds.dynamodb_source.tokens import token
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.standing import extras, progress, standing
from sluice.migration.kinds.postgres_target.statistics import refresh_statistics
from sluice.stores.statements import statement


def finish(parts: Parts, fence: Fence) -> Facts:
    """capturing → backfilled. Raises NotYet while a segment is pending, Fenced in another epoch."""
    done = progress(parts)
    if done.done < done.chunks or not done.chunks:
        raise NotYet(f"{parts.source_name}: {done}. Clear the lanes of this run and let them go on.")
    parts.copying.again(fence)
    swept = 0
    with parts.marks.alone(parts.c):
        row = parts.marks.row(parts.c)
        if row["epoch"] != fence.epoch:
            raise Fenced(f"{parts.name} went back while it was copied: this run is over.")
        if parts.marks.move(parts.c, Phase.CAPTURING, to=Phase.BACKFILLED):
            query = statement("into_postgres.sweep", target=parts.table.identifier)
            swept = parts.c.execute(query, {"floor": token(fence.epoch)}).rowcount
    refresh_statistics(parts.c, row["target_oid"], parts.table)
    return {
        "chunks": done.chunks,
        "chunks_done": done.done,
        "rows_copied": done.rows,
        "rows_per_second": round(done.rate),
        "rows_swept": swept,
        "rows_skipped": parts.copying.skipped(),
        **extras(parts),
        **standing(parts),
    }

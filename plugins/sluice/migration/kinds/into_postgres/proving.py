"""The comparison of a migration's two sides as they stand: what leads, what is excused, and what becomes of a clean one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from sluice.failpoints import failpoint
from sluice.migration.engine.contract import COPIES_IN, Diff, Facts, Fence, Fenced, NotYet, Phase, Position, Window
from sluice.migration.kinds.into_postgres.comparing import Sides, compare
from sluice.migration.kinds.into_postgres.delivering import replicate
from sluice.migration.kinds.into_postgres.parts import Parts
from sluice.migration.kinds.into_postgres.standing import standing
from sluice.stores.postgres import rows
from sluice.stores.statements import statement

SETTLING = 5.0
"""Seconds for which changes are delivered between two looks at what differed."""


def compare_sides(parts: Parts, position: Position, window: Window | None = None, column: str | None = None) -> Diff:
    """Compare every item with its row, and every row with its item, settled; of a window, those of its time."""
    since = parts.marks.begin_comparison(parts.c)
    taken = partial(_origins, parts, "list_taken") if position.phase is Phase.CUT_OVER else None
    quarantined: Callable[[Sequence[str]], set[str]] = partial(_origins, parts, "which_quarantined")
    if position.phase in COPIES_IN:
        parts.copying.again(Fence(position.epoch))
    sides = Sides(parts.c, parts.target, parts.source, quarantined, taken, window, column)
    diff = compare(sides, lambda: replicate(parts, SETTLING), position.epoch, since["since"])
    return replace(diff, under=since["under"])


def record(parts: Parts, diff: Diff) -> Facts:
    """backfilled → verified, on a clean diff; further on, the proof alone."""
    if not diff.clean:
        raise NotYet(f"the diff of {parts.name} is not clean: {diff.facts()}")
    with parts.marks.alone(parts.c):
        if parts.marks.row(parts.c)["epoch"] != diff.epoch:
            raise Fenced(
                f"{parts.name} went back while its tables were compared. The comparison proves nothing; run it again."
            )
        parts.marks.move(parts.c, Phase.BACKFILLED, to=Phase.VERIFIED)
        parts.marks.execute(parts.c, "record_verified", epoch=diff.epoch, since=diff.since, under=diff.under)
        failpoint("rows.proof_recorded")
    return {"verified_seconds_ago": 0, **standing(parts)}


def _origins(parts: Parts, verb: str, origins: Sequence[str]) -> set[str]:
    if not origins:
        return set()
    found = rows(parts.c, statement(f"into_postgres.{verb}"), name=parts.name, origins=list(origins))
    return {row["origin"] for row in found}

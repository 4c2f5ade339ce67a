"""A stream that was trimmed before it was read: changes were lost, and only a new copy mends that, in a new epoch.

All of the new epoch is younger than all of the old one, so the copy goes over what is stale, and what it did not come by was
deleted in the gap: it is swept when the copy is done.
"""

from __future__ import annotations

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import COPIES_IN, Fence, Phase
from sluice.stores.dynamodb.streams import StreamGone, Trimmed
from sluice.stores.postgres import Connection
from sluice.stores.statements import statement


class Gap(Terminal):
    """Changes of the source were lost before they were read."""


def begin_gap(c: Connection, marks: Marks, fence: Fence, lost: Trimmed | StreamGone) -> Gap:
    """Begin the epoch in which the copy is made anew; give the error that tells a person of it."""
    with marks.alone(c):
        row = marks.row(c)
        if row["phase"] == Phase.CUT_OVER:
            return Gap(
                f"{lost} Whoever wrote to the old table after the cutover of {marks.name} did so past its route."
            )
        if row["epoch"] == fence.epoch and marks.move(c, *COPIES_IN, to=Phase.CAPTURING, epochs=1):
            c.execute(statement("into_postgres.forget_places"), {"name": marks.name})
            marks.execute(c, "delete_chunks")
            c.execute(statement("into_postgres.clear_proof"), {"name": marks.name})
            failpoint("rows.gap_noted")
    return Gap(
        f"{lost} {marks.name} is capturing again, in a new epoch: run migrate__{marks.name} onward, which copies and compares"
        " anew."
    )

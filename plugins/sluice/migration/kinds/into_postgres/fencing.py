"""One transaction of a worker: the fence shared, and all that it relies on looked at behind it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, Fence, Fenced
from sluice.stores.postgres import Connection


@contextmanager
def working(c: Connection, marks: Marks, fence: Fence, *phases: str) -> Iterator[None]:
    """Share the fence for a transaction. Raises Fenced in another epoch or phase, Drifted when the table is another one."""
    with marks.shared(c) as row:
        if row["epoch"] != fence.epoch or row["phase"] not in phases:
            raise Fenced(
                f"{marks.name} is {row['phase']} in epoch {row['epoch']} by now, and this worker was started for epoch"
                f" {fence.epoch}: it is over."
            )
        if not row["same_target"]:
            raise Drifted(
                f"The target of {marks.name} is not what it was when capture began: a column, a unique index, a partition."
                f" Put it back, or `./sluice abort {marks.name}` and begin again."
            )
        yield

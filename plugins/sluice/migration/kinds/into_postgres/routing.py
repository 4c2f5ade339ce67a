"""Where applications read and write: one item in DynamoDB that they poll, always told by what the marks say.

Marks and route are in two stores, so no transaction has both: the marks move first, and the route follows them, under the
fence. A process that dies in between leaves a route that is older than the marks, which whoever comes next sets right.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Fence, Fenced, Phase
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_one
from sluice.stores.postgres import Connection

OLD, SHADOW, NEW = ("old", "old"), ("shadow", "old"), ("new", "new")
TOLD = {Phase.SHADOWING: SHADOW, Phase.CUT_OVER: NEW, Phase.RETIRED: NEW}
"""Where to read and where to write, by phase; elsewhere both are the old side."""


@dataclass(frozen=True)
class Route:
    """The route of a migration, as applications are told it. `lease` and `skew` in seconds."""

    client: Any
    items: ItemMarks
    marks: Marks
    lease: float
    skew: float

    def publish(self, c: Connection) -> None:
        """Tell applications what holds."""
        with self.marks.alone(c):
            row = self.marks.row(c)
            self._tell(*TOLD.get(Phase(row["phase"]), OLD), row["epoch"])

    @contextmanager
    def frozen(self, c: Connection, fence: Fence, phase: Phase) -> Iterator[None]:
        """Nobody writes in here, to either side; afterwards the route says what holds by then. Raises Fenced."""
        with self.marks.alone(c):
            row = self.marks.row(c)
            if row["epoch"] != fence.epoch or row["phase"] != phase:
                raise Fenced(f"{self.marks.name} is {row['phase']} by now: the route was left as it is.")
            self._tell(TOLD.get(phase, OLD)[1], "none", fence.epoch)
        try:
            failpoint("rows.frozen")
            time.sleep(self.lease + self.skew)
            yield
        finally:
            self.publish(c)

    def _tell(self, read_from: str, write_to: str, epoch: int) -> None:
        """Write it, unless somebody else has since it was read: one who slept must not turn applications back."""
        before = self.items.route() or {}
        put = self.items.tell(read_from, write_to, epoch, self.lease)
        turn = before.get("turn", {}).get("N")
        condition = (
            Condition("#turn = :turn", {"#turn": "turn"}, {":turn": {"N": turn}})
            if turn
            else Condition("attribute_not_exists(#turn)", {"#turn": "turn"})
        )
        item = {**put.item, "turn": {"N": str(int(turn or 0) + 1)}}
        try:
            write_one(self.client, Put(put.table, item, condition) if before else replace(put, item=item))
        except Cancelled as cancelled:
            raise Fenced(f"the route of {self.marks.name} was told otherwise meanwhile. Run it again.") from cancelled

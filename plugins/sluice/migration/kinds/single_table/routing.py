"""Where applications read and write, as one item that they poll: the flag of a blue-green switch.

An application may write only within the lease after it read the item. So once nobody may write to either side, and the lease
and the clocks' difference are over, nobody does: no lock is needed, and no list of who there is.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import Fenced
from sluice.stores.dynamodb.writes import Cancelled, Put, write_together


@dataclass(frozen=True)
class Route:
    """The route of a migration, as applications are told it."""

    client: Any
    marks: ItemMarks
    lease: float
    skew: float
    """Both in seconds."""

    def tell(self, state: State, read_from: str, write_to: str) -> Put:
        """The write that tells applications where to go."""
        return self.marks.tell(read_from, write_to, state.epoch, self.lease)

    def publish(self, state: State, read_from: str, write_to: str) -> None:
        """Tell applications where to go, if the migration stands where `state` saw it. Raises Fenced."""
        try:
            write_together(
                self.client, [self.marks.fence(0, state.epoch, state.phase), self.tell(state, read_from, write_to)]
            )
        except Cancelled as cancelled:
            raise Fenced(f"{self.marks.name} has gone on meanwhile: the route was left as it is.") from cancelled

    @contextmanager
    def frozen(self, state: State, side: str) -> Iterator[None]:
        """Nobody writes in here; `side` is where they did and, should anything go wrong, do again."""
        self.publish(state, side, "none")
        failpoint("route.frozen")
        try:
            time.sleep(self.lease + self.skew)
            yield
        except BaseException:
            self._thaw(state, side)
            raise

    def _thaw(self, state: State, side: str) -> None:
        try:
            self.publish(state, side, side)
        except Fenced:
            return  # the switch was made after all, and with it the route

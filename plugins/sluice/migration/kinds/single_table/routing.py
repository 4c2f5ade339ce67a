"""Where applications read and write, as one item that they poll: the flag of a blue-green switch.

An application may write only within the lease after it read the item. So once nobody may write to either side, and the lease
and the clocks' difference are over, nobody does: no lock is needed, and no list of who there is.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import Fenced, NotYet
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_together

NOT_FROZEN = Condition(
    "attribute_not_exists(PK) OR #write_to <> :none", {"#write_to": "write_to"}, {":none": {"S": "none"}}
)
BUSY = (
    "another switch holds the route, or died holding it: applications write nowhere at the moment. replicate_changes opens it"
    " when its time is over; then clear this task."
)


@dataclass(frozen=True)
class Frozen:
    """A freeze, and who holds it."""

    nonce: str

    @property
    def still(self) -> Condition:
        """What holds while it is this one."""
        return Condition("#by = :by", {"#by": "frozen_by"}, {":by": {"S": self.nonce}})


@dataclass(frozen=True)
class Route:
    """The route of a migration, as applications are told it."""

    client: Any
    marks: ItemMarks
    lease: float
    skew: float
    """Both in seconds."""

    def tell(self, state: State, read_from: str, write_to: str, unless: Condition | None = None) -> Put:
        """The write that tells applications where to go."""
        return self.marks.tell(read_from, write_to, state.epoch, self.lease, condition=unless)

    def begin(self, state: State, read_from: str, write_to: str) -> Put:
        """The same, refused while a switch holds applications: only who froze a route opens it."""
        return self.tell(state, read_from, write_to, NOT_FROZEN)

    @contextmanager
    def frozen(self, state: State, side: str, longest: float) -> Iterator[Frozen]:
        """Nobody writes in here; `side` is where they did and, should anything go wrong, do again.

        Once `longest` seconds are over whoever follows the stream may open it again: who froze it has died. Raises
        NotYet while another switch holds the route.
        """
        frozen = Frozen(uuid.uuid4().hex)
        until = state.now + timedelta(seconds=longest)
        told = {"by": frozen.nonce, "until": until.isoformat()}
        self._write(state, self.marks.tell(side, "none", state.epoch, self.lease, told, NOT_FROZEN), BUSY)
        try:
            failpoint("route.frozen")
            time.sleep(self.lease + self.skew)
            yield frozen
        except BaseException:
            self._open(state, side, frozen)
            raise

    def thaw(self, state: State) -> bool:
        """Open a route that was frozen by somebody who has died, to where it was; tells whether it did."""
        route = self.marks.route() or {}
        if route.get("write_to") != {"S": "none"} or state.now < datetime.fromisoformat(route["frozen_until"]["S"]):
            return False
        self._open(state, route["read_from"]["S"], Frozen(route["frozen_by"]["S"]))
        return True

    def _open(self, state: State, side: str, frozen: Frozen) -> None:
        try:
            self._write(state, self.tell(state, side, side, frozen.still), "")
        except NotYet:
            return  # the switch was made after all, and with it the route; or somebody has opened it already

    def _write(self, state: State, put: Put, refused: str) -> None:
        try:
            write_together(self.client, [self.marks.fence(0, state.epoch, state.phase), put])
        except Cancelled as cancelled:
            if min(one.index for one in cancelled.refused) == 0:
                raise Fenced(f"{self.marks.name} has gone on meanwhile: the route was left as it is.") from cancelled
            raise NotYet(f"{self.marks.name}: {refused}") from cancelled

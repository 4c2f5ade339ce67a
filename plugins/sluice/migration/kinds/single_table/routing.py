"""Where applications read and write, as one item that they poll: the flag of a blue-green switch.

An application may write only within the lease after it read the item. So once nobody may write to either side, and the lease
and the clocks' difference are over, nobody does: no lock is needed, and no list of who there is. What counts is the lease that
was handed out: who shortens it in the file is heard only behind a freeze, when nobody has a longer one any more.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import Fenced, NotYet
from sluice.stores.dynamodb.clock import store_clock
from sluice.stores.dynamodb.writes import Cancelled, Condition, Put, write_together

BUSY = (
    "another switch holds the route, or died holding it: applications write nowhere at the moment. replicate_changes opens it"
    " when its time is over; then clear this task."
)


@dataclass(frozen=True)
class Frozen:
    """A freeze, and who holds it. `waited` are the seconds that it gave to leases."""

    nonce: str
    waited: float = 0.0

    @property
    def still(self) -> Condition:
        """What holds while it is this one."""
        return Condition("#by = :by", {"#by": "frozen_by"}, {":by": {"S": self.nonce}})


class _Leased(NamedTuple):
    """The longest lease that anybody may have, in seconds, and what holds until another one is told, or a freeze begins."""

    seconds: float
    still: Condition


@dataclass(frozen=True)
class Route:
    """The route of a migration, as applications are told it."""

    client: Any
    marks: ItemMarks
    lease: float
    skew: float
    """Both in seconds."""

    def switched(self, state: State, side: str, frozen: Frozen) -> Put:
        """The write that tells applications where to go once a freeze has waited for all of them: the lease is ours again."""
        return self.marks.tell(side, side, state.epoch, self.lease, condition=frozen.still)

    def begin(self, state: State, read_from: str, write_to: str) -> Put:
        """The same beside applications that write; refused while a switch holds them: only who froze a route opens it."""
        leased = self._leased()
        return self.marks.tell(read_from, write_to, state.epoch, leased.seconds, condition=leased.still)

    @contextmanager
    def frozen(self, state: State, side: str, longest: float) -> Iterator[Frozen]:
        """Nobody writes in here; `side` is where they did and, should anything go wrong, do again.

        Once `longest` seconds beside the leases are over whoever follows the stream may open it again: who froze it has died.
        Raises NotYet while another switch holds the route.
        """
        leased = self._leased()
        frozen = Frozen(uuid.uuid4().hex, leased.seconds + self.skew)
        now = store_clock(self.client, self.marks.table)  # what was looked at before may have taken an hour
        until = now + timedelta(seconds=frozen.waited + longest)
        told = {"by": frozen.nonce, "until": until.isoformat()}
        self._write(state, self.marks.tell(side, "none", state.epoch, leased.seconds, told, leased.still), BUSY)
        try:
            failpoint("route.frozen")
            time.sleep(frozen.waited)
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

    def _leased(self) -> _Leased:
        route = self.marks.route()
        if route is None:
            return _Leased(self.lease, Condition("attribute_not_exists(PK)"))
        told = route["lease_seconds"]
        names = {"#write_to": "write_to", "#lease": "lease_seconds"}
        still = Condition("#write_to <> :none AND #lease = :lease", names, {":none": {"S": "none"}, ":lease": told})
        return _Leased(max(self.lease, float(told["N"])), still)

    def _open(self, state: State, side: str, frozen: Frozen) -> None:
        lease = self._leased().seconds  # while it is frozen nobody hands out another one
        try:
            self._write(state, self.marks.tell(side, side, state.epoch, lease, condition=frozen.still), "")
        except NotYet:
            return  # the switch was made after all, and with it the route; or somebody has opened it already

    def _write(self, state: State, put: Put, refused: str) -> None:
        try:
            write_together(self.client, [self.marks.fence(0, state.epoch, state.phase), put])
        except Cancelled as cancelled:
            if min(one.index for one in cancelled.refused) == 0:
                raise Fenced(f"{self.marks.name} has gone on meanwhile: the route was left as it is.") from cancelled
            raise NotYet(f"{self.marks.name}: {refused}") from cancelled

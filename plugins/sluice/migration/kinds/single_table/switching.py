"""The switch, either way: nobody writes, what is under way arrives, and one transaction says who leads from now on.

What follows begins to be led by what led before in that same transaction: the stream of the new leader was read up to date just
before, and whatever is written to it from now on is an application's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import Fenced, Lag, NotYet, Phase, Swap
from sluice.migration.kinds.single_table.routing import Route

DRAIN_SECONDS = 30.0
"""How long writers are kept waiting for the last changes, before they are let go on where they were."""
GRACE_SECONDS = 30.0
"""How much longer a switch may take before it is taken for dead, and the route is opened by others."""


class NotArrived(NotYet):
    """Changes were still under way when the time for a switch was over. Nothing was switched."""


@dataclass(frozen=True)
class Switching:
    """One switch. `drain` delivers until canaries of the leader are home; `read_up` reads the other stream to its head.

    `check` raises NotYet while something has no place on the other side: it would be lost by going there.
    """

    marks: ItemMarks
    route: Route
    drain: Callable[[float], Lag]
    read_up: Callable[[], Lag]
    check: Callable[[], None]

    def over(self, state: State) -> Swap:
        """shadowing → cut_over: the records lead."""
        facts = {"cut_over_at": state.now.isoformat()}
        return self._switch(state, Phase.CUT_OVER, "old", "new", 0, facts)

    def back(self, state: State) -> Swap:
        """cut_over → verified, epoch + 1: the old table leads again, with every write since."""
        return self._switch(state, Phase.VERIFIED, "new", "old", 1, {"cut_over_at": "", "verified_at": ""})

    def _switch(self, state: State, to: Phase, before: str, after: str, epochs: int, facts: dict[str, str]) -> Swap:
        self.check()
        if (lag := self.read_up()).pending:
            raise NotArrived(
                f"{self.marks.name}: the stream of what follows is not read up to now ({lag.held_by}), and from there it shall be"
                " brought back. Let replicate_changes run for a while, then clear this task."
            )
        asked = time.monotonic()
        longest = self.route.lease + self.route.skew + DRAIN_SECONDS + GRACE_SECONDS
        with self.route.frozen(state, before, longest) as frozen:
            lag = self.drain(DRAIN_SECONDS)
            if lag.pending:
                raise NotArrived(
                    f"{self.marks.name}: {lag.pending} canaries or shards had not arrived after {DRAIN_SECONDS:.0f} s"
                    f" ({lag.held_by}). Applications write where they did; see that replicate_changes runs, then clear this task."
                )
            self.check()
            failpoint("switch.drained")
            tell = self.route.tell(replace(state, epoch=state.epoch + epochs), after, after, frozen.still)
            if not self.marks.move(state, to, epochs=epochs, also=[tell], facts=facts):
                raise Fenced(f"{self.marks.name} has gone on meanwhile. Trigger a new run.")
        failpoint("switch.made")
        waited = (time.monotonic() - asked) * 1000
        lease = round((self.route.lease + self.route.skew) * 1000)
        return Swap(waited, facts={"lease_ms": lease, "pause_beyond_lease_ms": round(waited - lease, 2)})

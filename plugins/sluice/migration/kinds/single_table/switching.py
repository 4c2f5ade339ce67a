"""The switch, either way: nobody writes, what is under way arrives, and one transaction says who leads from now on.

What led begins to follow in that same transaction: the stream of the new leader stands at its head just before, and whatever is
written to it from now on is an application's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, State
from sluice.migration.engine.contract import Fenced, Phase, Swap
from sluice.migration.kinds.dynamodb_source.arriving import (
    DRAIN_SECONDS,
    GRACE_SECONDS,
    Drain,
    check_arrived,
    check_settled,
)
from sluice.migration.kinds.single_table.leads import FORGOT, LED
from sluice.migration.kinds.single_table.routing import Route
from sluice.stores.dynamodb.writes import Check


@dataclass(frozen=True)
class Switching:
    """One switch. `drain` delivers until canaries of the leader are home.

    `check` raises NotYet while something has no place on the other side: it would be lost by going there.
    """

    marks: ItemMarks
    route: Route
    drain: Drain
    within: timedelta
    """How soon canaries have to be home before anybody is kept waiting."""
    prepare: Callable[[], list[Check]]
    """Makes ready the stream of what will lead, and says what must hold of it still at the switch. Raises NotSettled."""
    check: Callable[[], None]
    begins: Callable[..., dict[str, str]]
    """Facts of what begins to lead: the source, or the records."""

    def over(self, state: State) -> Swap:
        """shadowing → cut_over: the records lead."""
        return self._switch(state, Phase.CUT_OVER, "old", "new", 0, {LED: str(state.epoch), FORGOT: ""})

    def back(self, state: State) -> Swap:
        """cut_over → verified, epoch + 1: the old table leads again, with every write since."""
        return self._switch(state, Phase.VERIFIED, "new", "old", 1, {"verified_at": ""})

    def _switch(self, state: State, to: Phase, before: str, after: str, epochs: int, facts: dict[str, str]) -> Swap:
        self.check()
        held = self.prepare()
        check_settled(self.marks.name, self.drain, self.within)
        asked = time.monotonic()
        with self.route.frozen(state, before, DRAIN_SECONDS + GRACE_SECONDS) as frozen:
            check_arrived(self.marks.name, self.drain)
            self.check()
            failpoint("switch.drained")
            tell = self.route.switched(replace(state, epoch=state.epoch + epochs), after, frozen)
            # Now, while nobody writes: what came before went where it was told to, and what comes later does or goes astray.
            at = self.marks.state().now.isoformat() if after == "new" else ""
            facts |= {"cut_over_at": at, **self.begins(source=after == "old")}
            if not self.marks.move(state, to, epochs=epochs, also=[tell, *held], facts=facts):
                raise Fenced(f"{self.marks.name} has gone on meanwhile. Trigger a new run.")
        failpoint("switch.made")
        waited = (time.monotonic() - asked) * 1000
        lease = round(frozen.waited * 1000)
        return Swap(waited, facts={"lease_ms": lease, "pause_beyond_lease_ms": round(waited - lease, 2)})

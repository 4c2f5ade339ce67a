"""A stream that was trimmed before it was read: changes were lost, and only a new copy mends that, in a new epoch.

All of the new epoch is younger than all of the old one, so the copy goes over what is stale, and what nothing leads to after it
was deleted in the gap. While the source leads, the migration stands in capturing again and a person lets it run anew. While the
records lead, applications need not wait: the way back is copied beside them, and cutting back waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.ledger.item_marks import State
from sluice.migration.engine.contract import Fence, Lag, NotYet, Phase
from sluice.migration.kinds.dynamodb_source.arriving import NotSettled
from sluice.migration.kinds.dynamodb_source.notes import StateNotes
from sluice.migration.kinds.single_table.leads import FORGOT, source_leads
from sluice.migration.kinds.single_table.places import begin_again, begin_way, forget_places
from sluice.migration.kinds.single_table.sweeping import left_over
from sluice.migration.kinds.single_table.ways import Ways
from sluice.migration.kinds.single_table.wishes import Wish
from sluice.migration.kinds.single_table.writing import Writer, clear_tombstones
from sluice.stores.dynamodb.streams import StreamGone, Trimmed

log = logging.getLogger(__name__)

DUE = "copy_back_due"
PAGE_ITEMS = 1000
READ_UP_SECONDS = 60.0


class Gap(Terminal):
    """Changes of the leading table were lost before they were read."""


@dataclass(frozen=True)
class GapMender:
    """Notes a gap, and copies over it."""

    ways: Ways

    def begin(self, state: State, lost: Trimmed | StreamGone) -> Gap:
        """Begin the epoch in which the copy is made anew; give the error that tells a person of it."""
        marks, forward = self.ways.marks, source_leads(state)
        if isinstance(lost, StreamGone):
            self.ways.switch_on(source=forward)  # before what mends it
        if not forward:
            # Before it is due: a copy that was done once must not be taken for this one.
            forget_places(marks, "back", self.ways.fence(state)(0))
        fact, stream = self.ways.stream_of(forward)
        facts = {"gap_at": state.now.isoformat(), "verified_at": "", fact: stream.arn}
        facts |= {"segments": ""} if forward else {DUE: "1"}
        to = Phase.CAPTURING if forward else Phase(state.phase)
        if not marks.move(state, to, epochs=1, facts=facts):
            return Gap(f"{lost} {marks.name} has gone on meanwhile: the next reader comes upon the gap again.")
        failpoint("gap.noted")
        # After it: were the places gone and the gap not noted, the next reader would begin anew and see none.
        begun = replace(state, phase=to, epoch=state.epoch + 1)
        begin_way(marks, "forward" if forward else "reverse", state.now, self.ways.fence(begun)(0))
        again = (
            f"It is capturing again, in a new epoch: run migrate__{marks.name} onward, which copies and compares anew."
            if forward
            else "Applications go on. The way back is copied anew by replicate_changes, and cutting back waits for that."
        )
        return Gap(f"{lost} {again}")

    @contextmanager
    def noting(self, state: State) -> Iterator[None]:
        """Read what leads in here. Raises Gap where changes were lost, and by then the new epoch has begun."""
        try:
            yield
        except (StreamGone, Trimmed) as lost:
            raise self.begin(state, lost) from lost

    def read_old(self, state: State, seconds: float) -> Lag:
        """While the records lead, read the old table's stream, for so long at most. Of what was lost, what is left is read.

        Who wrote past the route may be in what was lost: only a comparison knows, and the way back asks for it.
        """
        try:
            return self.ways.old(state).deliver(seconds)
        except (StreamGone, Trimmed) as lost:
            log.warning("%s Nothing follows it: what is left of it is read.", lost)
            if isinstance(lost, StreamGone):
                self.ways.switch_on(source=True)
        now, fence = state.now.isoformat(), self.ways.fence(state)(0)
        StateNotes(self.ways.marks).keep(**{"gap_at": now, FORGOT: now})
        begin_again(self.ways.marks, "forward", self.ways.source_stream, state.now, fence)
        return self.ways.old(state).deliver(seconds)

    def read_up(self, state: State) -> None:
        """Read the old table's stream to its head: from there it leads again. Raises NotSettled."""
        if (lag := self.read_old(state, READ_UP_SECONDS)).pending:
            raise NotSettled(
                f"{self.ways.marks.name}: the old table's stream is not read up to now ({lag.held_by}), and from there it shall"
                " lead again. Nothing was switched. It is tried again by itself; if it stays, see that replicate_changes runs."
            )

    def check(self, state: State) -> None:
        """Raise NotYet while the way back is not whole."""
        if state.facts.get(DUE):
            raise NotYet(
                f"{self.ways.marks.name} has a gap on its way back: replicate_changes is copying over it. Wait for it."
            )

    def copy_back(self, state: State, astray: Callable[[], int | None]) -> None:
        """Copy on over a gap on the way back, if there is one.

        Where writes went `astray`, what nothing leads to may be one of them: it stays, and a comparison names it. While nobody
        knows (None) nothing is swept.
        """
        if state.phase != Phase.CUT_OVER or not state.facts.get(DUE):
            return
        copying = self.ways.copying(state)
        if copying.copy(0, Fence(state.epoch), PAGE_ITEMS) is not None or not copying.is_done():
            return
        if (strays := astray()) is None:
            return
        self.sweep(state, unmarked=not strays)
        # As it was when this began: what became due meanwhile is another gap.
        self.ways.marks.note(state, **{DUE: ""})

    def sweep(self, state: State, *, unmarked: bool = True) -> int:
        """Delete what nothing leads to after a copy; say how many. On the way back what has no mark of ours goes, too."""
        back = not source_leads(state)
        wishes = list(left_over(self.ways.sides(state), state.epoch, self.ways.marks.name, unmarked=back and unmarked))
        guard = lambda: [self.ways.marks.fence(0, state.epoch, state.phase)]  # noqa: E731
        swept = Writer(self.ways.client, Wish.live, guard, self.ways.claims(state).judge).write(wishes).written
        if back:
            clear_tombstones(self.ways.client, wishes)
        return swept

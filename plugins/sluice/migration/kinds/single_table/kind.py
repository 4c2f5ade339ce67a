"""The verbs of the kind `single_table`: each does one thing to a DynamoDB table's migration and gives facts."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from typing import Any

from sluice.failpoints import failpoint
from sluice.ledger.item_marks import State
from sluice.migration.engine.contract import (
    COPIES_IN,
    Copied,
    Diff,
    Facts,
    Fence,
    Fenced,
    Lag,
    NotYet,
    Phase,
    Progress,
    Swap,
    Window,
    WindowResult,
)
from sluice.migration.engine.following import check_behind
from sluice.migration.kinds.dynamodb_source import shadow
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.dynamodb_source.draining import drained
from sluice.migration.kinds.dynamodb_source.retiring import diff_noted, noted_diff
from sluice.migration.kinds.single_table import conditions, expiring, scaling, sweeping
from sluice.migration.kinds.single_table.aborting import abort
from sluice.migration.kinds.single_table.adopting import Adopting
from sluice.migration.kinds.single_table.backfill import READ_UNITS, WRITE_UNITS, Copying
from sluice.migration.kinds.single_table.comparing import compare
from sluice.migration.kinds.single_table.heads import begin_at_head
from sluice.migration.kinds.single_table.looking import Looking
from sluice.migration.kinds.single_table.places import begin_way, forget_places, forget_strays
from sluice.migration.kinds.single_table.planted import plant_and_find
from sluice.migration.kinds.single_table.switching import Switching
from sluice.migration.kinds.single_table.writing import clear_tombstones
from sluice.stores.dynamodb.applying import apply_tables, start_stream
from sluice.stores.dynamodb.writes import Check

log = logging.getLogger(__name__)

ALREADY = Swap(0.0, facts={"already": 1, "lease_ms": 0, "pause_beyond_lease_ms": 0})
"""A switch that has been made, by somebody who died before saying so."""


class SingleTable(Looking):
    """Items of one DynamoDB table become records of a single-table design, in the same account and region."""

    # ---- forward ----

    def expand(self) -> Facts:
        """planned → expanded: make the tables and indexes that are missing. Nothing that is there is changed or deleted."""
        self.marks.prepare()
        plans = apply_tables(self._client, self.tables.targets)
        failpoint("design.built")
        self.marks.create(Phase.PLANNED, {})
        state = self.marks.state()
        if state.phase == Phase.PLANNED:
            self._go(
                state,
                Phase.EXPANDED,
                facts={**expiring.tables_noted(self.tables), "fingerprint": self.tables.fingerprint()},
            )
        scaled = scaling.register(self._scaling, self.tables)
        return {"tables_wanted": len(plans), **self.tables.verify_targets(), **scaled, **self.standing()}

    def start_capture(self) -> Facts:
        """expanded → capturing: the source's stream is on, is read from its oldest record, and applications have a route."""
        start_stream(self._client, self.tables.source.name)
        failpoint("stream.on")
        state = self.marks.state()
        if state.phase == Phase.EXPANDED:
            begin_way(self.marks, "forward", state.now, self.marks.fence(0, state.epoch, Phase.EXPANDED))
            self._go(
                state,
                Phase.CAPTURING,
                also=[self.route.begin(state, "old", "old")],
                facts={"stream": self._ways.source_stream.arn},
            )
        return {"stream_on": 1, "routed": int(self.marks.route() is not None), **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out the segments; what has been copied of them stays copied."""
        state = self.marks.state()
        if not state.facts.get("segments") and state.phase == Phase.CAPTURING:
            forget_places(self.marks, "segment", self._ways.fence(state)(0))
            count = self._client.describe_table(TableName=self.tables.source.name)["Table"]["ItemCount"]
            self.marks.note(
                state,
                segments=str(self.migration.backfill.segments),
                rows_estimated=str(count),
                copying_since=state.now.isoformat(),
            )
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Copy on at one segment; None when none is left to take. Raises Fenced, TooFarBehind."""
        check_behind(self._behind, self.migration)
        return self._copying.copy(lane, fence, self.migration.backfill.chunk_rows)

    def halve_chunk(self, chunk: int) -> None:
        """Nothing to halve: no page holds a lock."""

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled, and what an epoch gone by left behind is swept. Raises NotYet while a segment is pending."""
        progress, state = self.progress(), self.marks.state()
        conditions.check_copied(self.tables.source.name, progress)
        if state.epoch != fence.epoch:
            raise Fenced(f"{self.name} went back while it was copied: this run is over.")
        swept = self._gap.sweep(state) if state.epoch > 1 and state.phase == Phase.CAPTURING else 0
        if state.phase == Phase.CAPTURING:
            self._go(state, Phase.BACKFILLED)
        places = self.marks.places("segment").values()
        names = ("skipped", "written", "older", READ_UNITS, WRITE_UNITS)
        counted = {name: sum(place.counts.get(name, 0) for place in places) for name in names}
        return {
            "chunks": progress.chunks,
            "chunks_done": progress.done,
            "rows_copied": progress.rows,
            "rows_per_second": round(progress.rate),
            "rows_skipped": counted["skipped"],
            "records_written": counted["written"],
            "records_live_already": counted["older"],
            "read_units": counted[READ_UNITS],
            "write_units": counted[WRITE_UNITS],
            "records_swept": swept,
            **self.standing(),
        }

    def replicate(self, seconds: float) -> Lag:
        """Deliver captured changes until none is left, so long at most, whichever side leads."""
        state = self._find()
        if state is None or state.phase not in (*COPIES_IN, Phase.CUT_OVER):
            return Lag(0)
        if self.route.thaw(state):  # first: whatever else is wrong, applications may write
            log.warning(
                "%s: a switch died while nobody might write; applications write where they did again", self.name
            )
        conditions.check_mapping(self.tables, state)
        with self._gap.noting(state):
            self._ways.check_stream(state)
            lag = self._ways.leading(state).deliver(seconds)
        if state.phase == Phase.CUT_OVER:
            unread = self._gap.read_old(state, seconds).pending
            state = self.marks.state()
            self._gap.copy_back(state, lambda: None if unread else self._astray(state))
        self._behind = lag.behind
        return lag

    def drain(self, seconds: float) -> Lag:
        """Deliver until each shard of the leader's stream is read past now, so long at most: canaries prove it."""
        state = self.marks.state()
        with self._gap.noting(state):
            self._ways.check_stream(state)
            canaries = Canaries(self._client, self._ways.leader(state))
            leading = replace(self._ways.leading(state), watch=canaries.watch)
            try:
                return drained(canaries, leading.followed, leading.deliver, seconds)
            finally:
                self.marks.forget_canaries(canaries.flight)

    # ---- proof ----

    def diff(self) -> Diff:
        """Compare every item with what follows it, settled. After a way back it also says of records whose they are."""
        state = self.marks.state()
        conditions.check_mapping(self.tables, state)
        conditions.waiting(self.marks, self._ways, state)
        adopting = Adopting(self._client, self.marks, state)
        sides = adopting.seeing(self._ways.sides(state))
        looked = self._looked(state)
        diff = compare(sides, lambda: self.replicate(5.0), state.epoch, state.now)
        adopting.finish(diff)
        self._compared = diff, looked
        return diff

    def check_verifier(self) -> Facts:
        """Plant known corruption and count what the verifier finds of it."""
        return plant_and_find(self._client, self.marks.table, self.name, self.marks.state().now)

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified, on a clean diff; further on, the proof alone."""
        state = self.marks.state()
        conditions.check_proven(self.name, diff, state)
        to = Phase.VERIFIED if state.phase == Phase.BACKFILLED else Phase(state.phase)
        if not self.marks.move(state, to, facts={"verified_at": (diff.since or state.now).isoformat()}):
            raise Fenced(f"{self.name} has gone on meanwhile. Run it again.")
        failpoint("items.proven")
        return {"verified_seconds_ago": 0, **self.standing()}

    def forget_proof(self) -> None:
        """No cutover before the next clean diff."""
        while not self.marks.note(self.marks.state(), verified_at=""):
            pass  # somebody else wrote beside us: it must not come back with that

    def shadow(self) -> Facts:
        """verified → shadowing, where what applications compared is good; from here on they read both sides.

        The first call of an epoch lets them begin; where reads are required, it is red until there are enough.
        """
        state = self.marks.state()
        if state.phase not in (Phase.VERIFIED, Phase.SHADOWING):
            raise NotYet(f"{self.name} is {state.phase}: reads are compared between verified and the cutover.")
        facts = self._reads(state)
        to = Phase.SHADOWING if shadow.is_good(facts) else Phase.VERIFIED
        if not self.marks.move(state, to, also=[self.route.begin(state, "shadow", "old")]):
            raise Fenced(f"{self.name} has gone on meanwhile. Run it again.")
        return facts

    # ---- the switch ----

    def cut_over(self) -> Swap:
        """shadowing → cut_over: applications are held for the lease, the last changes arrive, the records lead."""
        state = self.marks.state()
        if state.phase == Phase.CUT_OVER:
            return ALREADY
        conditions.check_ready(self.migration, state)
        shadow.check_reads(self.name, self._reads(state))
        return self._switching(state).over(state)

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1: the old table leads again, with every write since."""
        state = self.marks.state()
        if state.phase in (Phase.VERIFIED, Phase.SHADOWING):
            return ALREADY
        if state.phase != Phase.CUT_OVER:
            raise NotYet(f"{self.name} is {state.phase}: only what is cut over can be cut back.")
        self._gap.check(state)
        self._gap.read_old(state, 60.0)
        state = self.marks.state()  # there may have been a gap
        astray = self._astray(state)
        conditions.check_followed(self.name, state, astray, self.diff)
        return self._switching(state, astray).back(state)

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: nothing follows any more, tombstones go, and so does the old table, once its export is proven."""
        state = self.marks.state()
        if state.phase == Phase.CUT_OVER:
            self._retiring.check()
            self.replicate(30.0)
            self._go(state, Phase.RETIRED, facts=diff_noted(self._compared))
        elif state.phase != Phase.RETIRED:
            raise NotYet(f"{self.name} is {state.phase}: only what is cut over can be retired.")
        self._call_canaries_back()
        clear_tombstones(self._client, sweeping.tombstones(self._client, self.tables.targets, self.name))
        expiry = expiring.switch_on(self._client, self.marks, self.tables)
        return {"live_is_target": 1, **expiry, **noted_diff(self.marks.state().facts), **self._retiring.settle()}

    def abort(self) -> str:
        """Anything before cut_over → planned, epoch + 1. Records that were copied stay: the next copy goes over them."""
        state = self._find()
        said = abort(self.marks, state)
        if state is not None and state.phase != Phase.PLANNED:
            self._call_canaries_back()
        return said

    def backfill_window(self, window: Window) -> WindowResult:
        """Not for this kind: a table of keys has no windows of time."""
        raise NotYet(
            f"{self.name} has no windows of time: `./sluice run validate_data` compares it, and a new run copies what is missing."
        )

    # ---- within ----

    def _reads(self, state: State) -> Facts:
        """What readers have told by now."""
        return shadow.judged(self.marks.shadow_reports(state.epoch), self.migration.gates.shadow)

    def _go(self, state: State, to: Phase, **more: Any) -> None:
        """Change the phase, unless somebody else has done just that. Raises Fenced where something else came between."""
        if not self.marks.move(state, to, **more) and self.marks.state().phase != to:
            raise Fenced(f"{self.name} has gone on meanwhile: it is {self.marks.state().phase}. Run it again.")

    def _call_canaries_back(self) -> None:
        """Where a drain was killed, its canaries are still out."""
        source = self.tables.source if self._retiring.is_there() else None
        for table in filter(None, (source, self.tables.whole_table)):
            Canaries(self._client, table).call_all_back()

    @cached_property
    def _copying(self) -> Copying:
        state = self.marks.state()
        conditions.check_mapping(self.tables, state)
        return self._ways.copying(state)

    def _switching(self, state: State, astray: int | None = None) -> Switching:
        """`astray` is how many writes past the route the comparison knew of, where the records have led."""

        def check() -> None:
            conditions.check_switchable(self.tables, self.marks, self._ways, state)
            if astray is not None and (more := self._astray(state) - astray):
                raise NotYet(
                    f"{more} writes came past the route of {self.name} while it was to be cut back, and may stand where the"
                    " records' own writes belong. Nothing was switched. Stop who writes there, then clear this task."
                )

        def begin_back() -> list[Check]:
            self._ways.switch_on(source=False)
            canaries, fence = Canaries(self._client, self._ways.whole_table), self._ways.fence(state)(0)
            forget_strays(self.marks, fence)
            return [begin_at_head(self.marks, "reverse", self._ways.target_stream, canaries, state.now, fence)]

        def read_up() -> list[Check]:
            self._gap.read_up(state)
            return []

        return Switching(
            self.marks,
            self.route,
            self.drain,
            self.migration.replication.settled_within,
            begin_back if astray is None else read_up,
            check,
            self._ways.begins,
        )

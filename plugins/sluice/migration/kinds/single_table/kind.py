"""The verbs of the kind `single_table`: each does one thing to a DynamoDB table's migration and gives facts."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from functools import cached_property
from typing import Any

from sluice.estate.single_table import SingleTableMigration
from sluice.failpoints import failpoint
from sluice.ledger.item_marks import ItemMarks, Poison, State
from sluice.migration.engine.contract import (
    COPIES_IN,
    Copied,
    Diff,
    Drifted,
    Facts,
    Fence,
    Fenced,
    Finding,
    Lag,
    Load,
    NotYet,
    Phase,
    Position,
    Progress,
    Swap,
    Window,
    WindowResult,
)
from sluice.migration.kinds.dynamodb_source.canary import Canaries
from sluice.migration.kinds.single_table import describe, preflight, shadow, sweeping
from sluice.migration.kinds.single_table.backfill import Copying
from sluice.migration.kinds.single_table.comparing import compare
from sluice.migration.kinds.single_table.following import astray
from sluice.migration.kinds.single_table.gap import GapMender
from sluice.migration.kinds.single_table.planted import plant_and_find
from sluice.migration.kinds.single_table.quarantine import release
from sluice.migration.kinds.single_table.routing import Route
from sluice.migration.kinds.single_table.switching import Switching
from sluice.migration.kinds.single_table.tables import Tables
from sluice.migration.kinds.single_table.ways import Ways
from sluice.migration.kinds.single_table.writing import clear_tombstones
from sluice.proof.gates.window import WindowSubject
from sluice.stores.dynamodb.applying import apply_tables
from sluice.stores.dynamodb.streams import Trimmed

log = logging.getLogger(__name__)


class SingleTable:
    """Items of one DynamoDB table become records of a single-table design, in the same account and region."""

    def __init__(self, migration: SingleTableMigration, client: Any, streams: Any, prefix: str = "") -> None:
        """`client` and `streams` are boto3's for `dynamodb` and `dynamodbstreams`; nothing is read yet."""
        self.migration, self.name = migration, migration.name
        self._client, self._streams = client, streams
        self.tables = Tables(client, migration, prefix)
        self.marks = ItemMarks(client, migration.name, f"{prefix}sluice-marks")
        self._ways = Ways(client, streams, self.marks, self.tables)
        self._gap = GapMender(self._ways)
        cutover = migration.cutover
        self.route = Route(client, self.marks, cutover.lease.total_seconds(), cutover.clock_skew.total_seconds())

    # ---- looking ----

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""
        return preflight.findings(self._client, self.tables)

    def describe_plan(self) -> str:
        """The plan for a person: tables, records, and items of the source as the records they become. Read-only."""
        return describe.plan(self._client, self.tables, self.position(), self.progress())

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        state = self._find()
        if state is None:
            return Position(Phase.PLANNED, 1)
        return Position(
            Phase(state.phase), state.epoch, state.time("verified_at"), state.time("cut_over_at"), state.now
        )

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""
        state = self._find()
        if state is None or not state.facts.get("segments"):
            return Progress(0, 0, 0, 0, 0.0, None)
        places = self.marks.places("segment").values()
        rows, done = sum(place.counts.get("rows", 0) for place in places), sum(place.done for place in places)
        seconds = (state.now - (state.time("copying_since") or state.now)).total_seconds()
        estimated = int(state.facts["rows_estimated"])
        rate = rows / seconds if seconds > 0 else 0.0
        eta = max(0, estimated - rows) / rate if rate else None
        return Progress(int(state.facts["segments"]), done, rows, estimated, rate, eta)

    def load(self, lane: int) -> Load:
        """Nothing that could be asked: the service throttles, and each write waits as it is told to."""
        return Load()

    def standing(self) -> Facts:
        """Facts that every gate wants: drift and quarantine."""
        state = self.marks.state()
        drifted = state.facts.get("fingerprint") not in (None, self.tables.fingerprint())
        return {
            "fingerprint_differs": int(drifted),
            "quarantined": len(self.marks.quarantined()),
            "writes_astray": sum(
                place.counts.get(astray(state.epoch), 0) for place in self.marks.places("forward").values()
            ),
        }

    # ---- forward ----

    def expand(self) -> Facts:
        """planned → expanded: make the tables and indexes that are missing. Nothing that is there is changed or deleted."""
        self.marks.prepare()
        plans = apply_tables(self._client, self.tables.targets)
        failpoint("design.built")
        self.marks.create(Phase.PLANNED, {})
        state = self.marks.state()
        if state.phase == Phase.PLANNED:
            self._go(state, Phase.EXPANDED, facts={"fingerprint": self.tables.fingerprint()})
        return {"tables_wanted": len(plans), **self.tables.verify_targets(), **self.standing()}

    def start_capture(self) -> Facts:
        """expanded → capturing: the source's stream is on, is read from its oldest record, and applications have a route."""
        apply_tables(self._client, (replace(self.tables.source, stream=True),))
        failpoint("stream.on")
        state = self.marks.state()
        if state.phase == Phase.EXPANDED:
            self.marks.forget_places("forward")
            self.marks.forget_places("reverse")
            self._go(
                state,
                Phase.CAPTURING,
                also=[self.route.tell(state, "old", "old")],
                facts={"stream": self._ways.source_stream.arn},
            )
        return {"stream_on": 1, "routed": int(self.marks.route() is not None), **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out the segments; what has been copied of them stays copied."""
        state = self.marks.state()
        if not state.facts.get("segments") and state.phase == Phase.CAPTURING:
            self.marks.forget_places("segment")
            count = self._client.describe_table(TableName=self.tables.source.name)["Table"]["ItemCount"]
            self.marks.note(
                state,
                segments=str(self.migration.backfill.segments),
                rows_estimated=str(count),
                copying_since=state.now.isoformat(),
            )
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Copy on at one segment; None when none is left to take. Raises Fenced."""
        return self._copying.copy(lane, fence, self.migration.backfill.chunk_rows)

    def halve_chunk(self, chunk: int) -> None:
        """Nothing to halve: no page holds a lock."""

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled, and what an epoch gone by left behind is swept. Raises NotYet while a segment is pending."""
        progress, state = self.progress(), self.marks.state()
        if progress.done < progress.chunks or not progress.chunks:
            raise NotYet(f"{self.tables.source.name}: {progress}. Clear the lanes of this run and let them go on.")
        if state.epoch != fence.epoch:
            raise Fenced(f"{self.name} went back while it was copied: this run is over.")
        swept = self._gap.sweep(state) if state.epoch > 1 and state.phase == Phase.CAPTURING else 0
        if state.phase == Phase.CAPTURING:
            self._go(state, Phase.BACKFILLED)
        places = self.marks.places("segment").values()
        counted = {name: sum(place.counts.get(name, 0) for place in places) for name in ("skipped", "written", "older")}
        return {
            "chunks": progress.chunks,
            "chunks_done": progress.done,
            "rows_copied": progress.rows,
            "rows_per_second": round(progress.rate),
            "rows_skipped": counted["skipped"],
            "records_written": counted["written"],
            "records_live_already": counted["older"],
            "records_swept": swept,
            **self.standing(),
        }

    def replicate(self, seconds: float) -> Lag:
        """Deliver captured changes until none is left, so long at most, whichever side leads."""
        state = self._find()
        if state is None or state.phase not in (*COPIES_IN, Phase.CUT_OVER):
            return Lag(0)
        self._check_mapping(state)
        if self.route.thaw(state):
            log.warning(
                "%s: a switch died while nobody might write; applications write where they did again", self.name
            )
        try:
            self._ways.check_stream(state)
            lag = self._ways.leading(state).deliver(seconds)
        except Trimmed as trimmed:
            raise self._gap.begin(state, trimmed) from trimmed
        if state.phase in (Phase.SHADOWING, Phase.CUT_OVER):
            self._ways.other(state).deliver(seconds)
        self._gap.copy_back(state, seconds)
        return lag

    def drain(self, seconds: float) -> Lag:
        """Deliver until canaries that are let go now have come out of the leader's stream, so long at most."""
        state = self.marks.state()
        canaries = Canaries(self._client, self._ways.leader(state))
        follower = replace(self._ways.leading(state), watch=canaries.watch)
        deadline = time.monotonic() + seconds
        canaries.let_go()
        try:
            lag = Lag(len(canaries.out))
            while (canaries.out or lag.pending) and time.monotonic() < deadline:
                lag = follower.deliver(deadline - time.monotonic())
                canaries.home(self.marks.canaries(canaries.flight))  # another reader may have been faster
            return Lag(len(canaries.out) + lag.pending, lag.held_by)
        finally:
            canaries.call_back()
            self.marks.forget_canaries(canaries.flight)

    # ---- proof ----

    def diff(self) -> Diff:
        """Compare every item with what follows it, settled."""
        state = self.marks.state()
        self._check_mapping(state)
        self._waiting(state)
        return compare(self._ways.sides(state), lambda: self.replicate(5.0), state.epoch, state.now)

    def check_verifier(self) -> Facts:
        """Plant known corruption and count what the verifier finds of it."""
        return plant_and_find(self._client, self.marks.table, self.name, self.marks.state().now)

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified, on a clean diff; further on, the proof alone."""
        if not diff.clean:
            raise NotYet(f"the diff of {self.name} is not clean: {diff.facts()}")
        state = self.marks.state()
        if state.epoch != diff.epoch:
            raise Fenced(
                f"{self.name} went back while its tables were compared. The comparison proves nothing; run it again."
            )
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
        facts = shadow.judged(self.marks.shadow_reports(state.epoch), self.migration.gates.shadow)
        to = Phase.SHADOWING if shadow.is_good(facts) else Phase.VERIFIED
        if not self.marks.move(state, to, also=[self.route.begin(state, "shadow", "old")]):
            raise Fenced(f"{self.name} has gone on meanwhile. Run it again.")
        return facts

    # ---- the switch ----

    def cut_over(self) -> Swap:
        """shadowing → cut_over: applications are held for the lease, the last changes arrive, the records lead."""
        state = self.marks.state()
        if state.phase == Phase.CUT_OVER:
            return Swap(0.0, facts={"already": 1})
        self._check_ready(state)
        swap = self._switching(state).over(state)
        return replace(swap, facts={**(swap.facts or {}), "writes_astray": self.standing()["writes_astray"]})

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1: the old table leads again, with every write since."""
        state = self.marks.state()
        if state.phase in (Phase.VERIFIED, Phase.SHADOWING):
            return Swap(0.0, facts={"already": 1})
        if state.phase != Phase.CUT_OVER:
            raise NotYet(f"{self.name} is {state.phase}: only what is cut over can be cut back.")
        self._gap.check(state)
        return self._switching(state).back(state)

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: nothing follows any more, and tombstones go. The old table is kept as it is."""
        state = self.marks.state()
        if state.phase == Phase.CUT_OVER:
            self.replicate(30.0)
            self._go(state, Phase.RETIRED)
        elif state.phase != Phase.RETIRED:
            raise NotYet(f"{self.name} is {state.phase}: only what is cut over can be retired.")
        self._call_canaries_back()
        clear_tombstones(self._client, sweeping.tombstones(self._client, self.tables.targets, self.name))
        return {"live_is_target": 1, "old_kept": 1, "old_table": self.tables.source.name}

    def abort(self) -> str:
        """Anything before cut_over → planned, epoch + 1. Records that were copied stay: the next copy goes over them."""
        state = self._find()
        if state is None or state.phase == Phase.PLANNED:
            return f"{self.name} is planned: there is nothing to take back"
        if state.phase not in (Phase.EXPANDED, *COPIES_IN):
            raise NotYet(f"{self.name} is {state.phase}: cut back first.")
        told = self.route.tell(replace(state, epoch=state.epoch + 1), "old", "old")
        forgotten = {"segments": "", "verified_at": ""}
        if not self.marks.move(state, Phase.PLANNED, epochs=1, also=[told], facts=forgotten):
            raise Fenced(f"{self.name} has gone on meanwhile. Run it again.")
        self._call_canaries_back()
        return f"{self.name} is planned again; the records that were copied stay until the next copy"

    def sample(self) -> WindowSubject | None:
        """Nothing that SQL could be asked about."""
        return None

    def backfill_window(self, window: Window) -> WindowResult:
        """Not for this kind: a table of keys has no windows of time."""
        raise NotYet(
            f"{self.name} has no windows of time: `./sluice validate` compares it, and a new run copies what is missing."
        )

    # ---- within ----

    def _find(self) -> State | None:
        return self.marks.find() if self.marks.there() else None

    def _go(self, state: State, to: Phase, **more: Any) -> None:
        """Change the phase, unless somebody else has done just that. Raises Fenced where something else came between."""
        if not self.marks.move(state, to, **more) and self.marks.state().phase != to:
            raise Fenced(f"{self.name} has gone on meanwhile: it is {self.marks.state().phase}. Run it again.")

    def _call_canaries_back(self) -> None:
        """Where a drain was killed, its canaries are still out."""
        for table in filter(None, (self.tables.source, self.tables.whole_table)):
            Canaries(self._client, table).call_back()

    @cached_property
    def _copying(self) -> Copying:
        state = self.marks.state()
        self._check_mapping(state)
        return self._ways.copying(state)

    def _switching(self, state: State) -> Switching:
        other = self._ways.other(state)
        return Switching(
            self.marks, self.route, self.drain, lambda: other.deliver(60.0), lambda: self._check_none_waits(state)
        )

    def _waiting(self, state: State) -> list[Poison]:
        """What is in quarantine and has no place still."""
        release(self._client, self.marks, self._ways.sides(state))
        return self.marks.quarantined()

    def _check_none_waits(self, state: State) -> None:
        if waiting := self._waiting(state):
            raise NotYet(
                f"{self.name} has {len(waiting)} items in quarantine, such as {waiting[0].key}: {waiting[0].reason}."
                " A switch would lose them. Mend or delete them where they are written, then clear this task."
            )

    def _check_ready(self, state: State) -> None:
        """Raise NotYet unless everything that a cutover stands on holds."""
        if state.phase != Phase.SHADOWING:
            raise NotYet(f"{self.name} is {state.phase}: a cutover follows shadowing.")
        proven = state.time("verified_at")
        freshness = self.migration.gates.freshness
        if proven is None or state.now - proven > freshness:
            raise NotYet(f"{self.name} has no clean diff of the last {freshness}: run verify again.")

    def _check_mapping(self, state: State) -> None:
        """Raise Drifted when the YAML or a table is not what it was: another mapping makes other records."""
        if state.facts.get("fingerprint") not in (None, "", self.tables.fingerprint()):
            raise Drifted(
                f"The mapping of {self.name}, or the key of a table, has changed since it was expanded."
                f" Put it back, or `./sluice abort {self.name}` and begin again."
            )

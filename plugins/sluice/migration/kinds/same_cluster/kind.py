"""The verbs of the kind `same_cluster`: each opens what it needs, does one thing and gives facts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cached_property

from psycopg import errors

from sluice.estate.models import SameClusterMigration
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import (
    Copied,
    Diff,
    Facts,
    Fence,
    Fenced,
    Finding,
    Held,
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
from sluice.migration.kinds.postgres_target.statistics import refresh_statistics
from sluice.migration.kinds.postgres_target.verbs import speaking_our_errors
from sluice.migration.kinds.same_cluster import backfill, capture, comparing, describe, expand, preflight, shadow, swap
from sluice.migration.kinds.same_cluster.cutover import Cutover
from sluice.migration.kinds.same_cluster.preflight.columns import about_way_back
from sluice.migration.kinds.same_cluster.renewal import renew_capture
from sluice.migration.kinds.same_cluster.route import ATTIC, Route, check_make, find_route
from sluice.migration.kinds.same_cluster.surroundings import foreign_keys
from sluice.proof.diff.planted import plant_and_find
from sluice.proof.gates.rows import Subject
from sluice.proof.gates.window import WindowSubject
from sluice.stores.catalogue import find_table, table_by_oid
from sluice.stores.postgres import Connect, Connection, Table, one, rows, translated
from sluice.stores.statements import statement


@speaking_our_errors
class SameCluster:
    """A plain table becomes another one in its own database: cut into partitions, its columns changed, or both."""

    def __init__(self, migration: SameClusterMigration, connect: Connect) -> None:
        self.migration = migration
        self.name = migration.name
        self.marks = Marks(migration.name)
        self._connect = connect
        self._wal: tuple[int, float] | None = None
        self._last_chunk = 0

    @cached_property
    def _c(self) -> Connection:
        connection = self._connect(f"migrate {self.migration.name}")
        with translated(f"making schema sluice for {self.migration.name}"):
            self.marks.prepare(connection)
        return connection

    # ---- looking ----

    def preflight(self) -> list[Finding]:
        """Everything that would stop this migration, all at once. Read-only."""
        return preflight.findings(self._c, self.migration, fresh=self.position().phase is Phase.PLANNED)

    def describe_plan(self) -> str:
        """The plan for a person, statements included. Read-only."""
        return describe.plan(self._c, self._route(), self.position(), self.progress())

    def position(self) -> Position:
        """Where the marks say it stands. Read-only."""
        row = self.marks.find(self._c)
        if row is None:
            return Position(Phase.PLANNED, 1)
        return Position(Phase(row["phase"]), row["epoch"], row["verified_at"], row["cut_over_at"], row["now"])

    def progress(self) -> Progress:
        """How far the backfill is. Read-only."""
        counted, row = self.marks.chunks(self._c), self.marks.find(self._c)
        seconds, done, chunks = counted["seconds"], counted["done"], counted["chunks"]
        rate = counted["rows"] / seconds if seconds else 0.0
        eta = seconds * (chunks - done) / done if done else None
        estimated = row["rows_estimated"] or 0 if row else 0
        return Progress(chunks, done, counted["rows"], estimated, rate, eta)

    def load(self, lane: int) -> Load:
        """Replica lag, the commit of a tiny write, writers that wait for us, and the rate of WAL."""
        started = time.monotonic()
        self.marks.execute(self._c, "write_probe", lane=lane)
        latency = time.monotonic() - started
        seen = one(self._c, statement("load.measure"), name=self.migration.name)
        return Load(seen["replica_lag"], latency, seen["waiting_writers"], self._wal_rate(seen["wal_bytes"], started))

    # ---- forward ----

    def expand(self) -> Facts:
        """planned → expanded: build the target, empty."""
        source = Table.parse(self.migration.source.table)
        with translated(f"expanding {source}"):
            if self.position().phase is Phase.PLANNED:
                self._expand()
            row = self.marks.row(self._c)
            return expand.verify_expand(self._c, self._route(), row["lower_bound"], row["upper_bound"])

    def start_capture(self) -> Facts:
        """expanded → capturing: the trigger is on and committed with the phase."""
        route, row = self._route(), self.marks.row(self._c)

        def apply() -> None:
            if self.marks.move(self._c, Phase.EXPANDED, to=Phase.CAPTURING):
                # Read again under the fence: the target may be another than before, with other bounds.
                ours, marked = self._route(), self.marks.row(self._c)
                check_make(self._c, self.marks, ours)
                capture.install_forward(self._c, ours, marked["lower_bound"], marked["upper_bound"])

        with translated(f"starting capture on {route.source}"):
            swap.patiently(self._c, self.marks, route, apply)
        return {**capture.look(self._c, row["source_oid"]), **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out ranges of pages up to the table's end now that capture is on."""
        renew_capture(self._c, self.marks, self.migration)
        backfill.plan_chunks(self._c, self.marks, self._route(), chunk_rows or self.migration.backfill.chunk_rows)
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Fill one pending range of pages and check it off, in one transaction."""
        copied = backfill.copy_chunk(self._c, self.marks, self._cached_route, lane, fence, self._last_chunk)
        self._last_chunk = copied.chunk if copied else 0
        return copied

    def halve_chunk(self, chunk: int) -> None:
        """Split a range of pages that was too large to get its locks."""
        backfill.halve(self._c, self.marks, chunk)

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled. Raises NotYet while a chunk is pending."""
        route, row = self._route(), self.marks.row(self._c)
        progress = self.progress()
        if progress.done < progress.chunks or progress.chunks == 0:
            raise NotYet(f"{route.source}: {progress}. Clear the lanes of this run and let them go on.")
        if lost := list(about_way_back(self._c, route)):
            raise NotYet(f"{'; '.join(finding.what for finding in lost)} Mend these rows, then clear this task.")
        refresh_statistics(self._c, row["target_oid"], route.target)
        self.marks.execute(self._c, "vacuum_chunks")
        failpoint("statistics.refreshed")
        with translated(f"giving {route.target} its foreign keys"):
            foreign_keys.complete(self._c, self.marks, route, fence)
        with self.marks.alone(self._c):
            if self.marks.row(self._c)["epoch"] != fence.epoch:
                raise Fenced(f"{self.migration.name} went back while {route.source} was copied: this run is over.")
            self.marks.move(self._c, Phase.CAPTURING, to=Phase.BACKFILLED)
        return {
            "chunks": progress.chunks,
            "chunks_done": progress.done,
            "rows_copied": progress.rows,
            "rows_per_second": round(progress.rate),
            "foreign_keys_missing": foreign_keys.count_missing(self._c, row["source_oid"], row["target_oid"]),
            **self.standing(),
        }

    def replicate(self, seconds: float) -> Lag:
        """Nothing to deliver: the trigger writes in the user's own transaction. What is out of date is renewed."""
        renew_capture(self._c, self.marks, self.migration)
        self._renew_columns()
        return Lag(0)

    def drain(self, seconds: float) -> Lag:
        """Wait until no snapshot is older than the last copy: after the swap it would see the new table without it."""
        deadline = time.monotonic() + seconds
        while True:
            last_copy = one(self._c, statement("marks.read_last_copy"), name=self.marks.name)["last_copy"]
            holders = [
                row["holder"] for row in rows(self._c, statement("load.list_older_snapshots"), last_copy=str(last_copy))
            ]
            if not holders or time.monotonic() >= deadline:
                return Lag(len(holders), ", ".join(holders))
            time.sleep(0.5)

    def diff(self) -> Diff:
        """Compare every row, exactly, under load; what was found equal is remembered, should this die."""
        return comparing.compare_tables(self._c, self.marks, self._route())

    def check_verifier(self) -> Facts:
        """Plant known corruption in scratch tables and find it."""
        planted = plant_and_find(self._c)
        return {
            "planted": planted.planted,
            "planted_found": planted.found,
            "planted_missed": ", ".join(planted.missed),
            "equal_rows_flagged": len(planted.flagged_wrongly),
        }

    def verify(self, diff: Diff) -> Facts:
        """backfilled → verified, on a clean diff; while shadowing, the proof is renewed and the phase stays."""
        if not diff.clean:
            raise NotYet(f"the diff of {self.migration.name} is not clean: {diff.facts()}")
        with self.marks.alone(self._c):
            now = self.marks.row(self._c)["epoch"]
            if now != diff.epoch:
                raise Fenced(
                    f"{self.migration.name} went back while its tables were compared: that was epoch {diff.epoch}, this is {now}."
                    " The comparison proves nothing now; run it again."
                )
            if diff.under != self.marks.begin_comparison(self._c)["under"]:
                raise NotYet(
                    f"capture of {self.migration.source.table} was touched while its tables were compared: a write may have gone"
                    " round it. Run it again."
                )
            self.marks.move(self._c, Phase.BACKFILLED, to=Phase.VERIFIED)
            self.marks.execute(self._c, "record_verified", epoch=diff.epoch, since=diff.since, under=diff.under)
            failpoint("proof.recorded")
        aged = self.marks.proof_age(self._c, self.migration.gates.freshness)["seconds"]
        return {"verified_seconds_ago": round(aged or 0), **self.standing()}

    def forget_proof(self) -> None:
        """No cutover before the next clean diff."""
        with self.marks.alone(self._c):
            self.marks.execute(self._c, "forget_proof")
            failpoint("proof.forgotten")

    def shadow(self) -> Facts:
        """verified → shadowing, where every answer was the same and none too late; else back to verified."""
        begun, route = self.position(), self._route()
        if begun.phase not in (Phase.VERIFIED, Phase.SHADOWING):
            raise NotYet(
                f"{self.migration.name} is {begun.phase}: reads are compared between verified and the cutover."
            )
        facts = shadow.compare_reads(self._c, self.marks, route)
        failpoint("reads.compared")
        with self.marks.alone(self._c):
            if self.marks.row(self._c)["epoch"] != begun.epoch:
                raise Fenced(f"{self.migration.name} went back while reads were compared. Run it again.")
            there, to = (Phase.VERIFIED, Phase.SHADOWING)[:: 1 if shadow.is_good(facts) else -1]
            self.marks.move(self._c, there, to=to)
        return facts

    # ---- the swap ----

    def cut_over(self) -> Swap:
        """shadowing → cut_over: swap names, turn capture round, in one transaction."""
        return Cutover(self._c, self.marks, self.migration).over()

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1: the mirrored swap; forward capture from the same instant."""
        return Cutover(self._c, self.marks, self.migration).back()

    def _renew_columns(self) -> None:
        """What is left to be made anew since it was cut back; whoever comes next goes on where somebody died."""
        row = self.marks.row(self._c)
        if row["renewal_due"] and row["phase"] in (Phase.VERIFIED, Phase.SHADOWING):
            backfill.renew(self._c, self.marks, self._route(), Fence(row["epoch"]))

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: reverse capture off, the old table put away in the attic, kept."""
        row, route = self.marks.row(self._c), self._route()

        def apply() -> None:
            if self.marks.move(self._c, Phase.CUT_OVER, to=Phase.RETIRED):
                capture.remove(self._c, route.target, route, "reverse")
                foreign_keys.drop_out(self._c, route.source, row["source_oid"])
                swap.widen_sequences(self._c, row["source_oid"], row["target_oid"])
                swap.put_away(self._c, route.source)
                failpoint("attic.moved")

        with translated(f"retiring {route.source}"):
            swap.patiently(self._c, self.marks, route, apply)
        old, live = table_by_oid(self._c, row["source_oid"]), table_by_oid(self._c, row["target_oid"])
        return {
            "capture_left": capture.look(self._c, row["target_oid"])["capture_triggers"],
            "live_is_target": int(live is not None and live.table == Table.parse(self.migration.source.table)),
            "sequences_narrow": swap.count_narrow(self._c, row["source_oid"], row["target_oid"]),
            "old_kept": int(old is not None and old.table.schema == ATTIC),
            "old_table": str(old.table) if old else "",
        }

    def abort(self) -> str:
        """Anything before cut_over → planned: the same statement that needs no Airflow."""
        failpoint("abort.asked")
        if self.marks.find(self._c) is None:
            return f"{self.migration.name} is planned: there is nothing to take back"
        try:
            with translated(f"aborting {self.migration.name}"):
                said = str(one(self._c, statement("marks.abort"), name=self.migration.name)["said"])
        except errors.RaiseException as refused:
            # The statement's own words, which psql shows too.
            raise NotYet(f"{refused.diag.message_primary}.") from None
        failpoint("abort.done")
        return said

    def sample(self) -> Subject | None:
        """The target, whatever it is called now."""
        route = self._route()
        return WindowSubject(self._connect, route.target, route.time_column, route.target_key)

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill a window's holes from every range of pages, each in a transaction of its own, and compare the window."""
        route, fence = self._route(), Fence(self.position().epoch)
        pages = one(self._c, statement("copy.count_pages"), oid=route.shape.oid)["pages"]
        step = max(1, pages // max(1, self.progress().chunks or 1))
        filled = 0
        for lo in range(0, pages, step):
            filled += backfill.fill_window(self._c, self.marks, route, fence, window, lo, lo + step)
        return WindowResult(filled, comparing.compare_window(self._c, self.marks, route, window))

    # ---- within ----

    @cached_property
    def _cached_route(self) -> Route:
        """For the lanes: the fence is what tells that a route has aged."""
        return self._route()

    def _route(self) -> Route:
        return find_route(self._c, self.marks, self.migration)

    def _expand(self) -> None:
        route = self._route()
        with self.marks.alone(self._c):
            self.marks.execute(self._c, "create_migration", source=str(route.source), target=str(route.target))
            failpoint("expansion.named")
            if not self.marks.move(self._c, Phase.PLANNED, to=Phase.EXPANDED):
                return
            plan = expand.plan_expand(self._c, route)
            expand.apply_expand(self._c, plan)
            failpoint("expansion.built")
            target = find_table(self._c, route.target)
            self.marks.execute(
                self._c,
                "set_tables",
                source_oid=route.shape.oid,
                target_oid=target.oid if target else None,
                lower=plan.lower,
                upper=plan.upper,
                rows=one(self._c, statement("expand.count_rows", target=route.source.identifier))["rows"],
            )
            self.marks.execute(self._c, "take_fingerprints")
            failpoint("expansion.recorded")

    def standing(self) -> Facts:
        """Facts that every gate wants: drift and quarantine."""
        with self.marks.shared(self._c) as row:
            differs = int(not (row["same_source"] and row["same_target"]))
        held = self.marks.quarantined(self._c)
        return {"fingerprint_differs": differs, "quarantined": held["rows"], "quarantined_told": held["samples"]}

    def quarantine(self, most: int) -> Sequence[Held]:
        """Rows that the table that follows cannot hold."""
        return [Held(**row) for row in self.marks.held(self._c, most)]

    def _wal_rate(self, wal_bytes: int, at: float) -> float | None:
        before, self._wal = self._wal, (wal_bytes, at)
        if before is None or at <= before[1]:
            return None
        return (wal_bytes - before[0]) / 1e6 / (at - before[1])

"""The verbs of the kind `same_cluster`: each opens what it needs, does one thing and gives facts."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cached_property

from psycopg import errors

from sluice.estate.models import Migration
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import (
    Copied,
    Diff,
    Drifted,
    Facts,
    Fence,
    Finding,
    Lag,
    Load,
    NotYet,
    Phase,
    Position,
    Progress,
    RowDiff,
    Swap,
    Window,
    WindowResult,
)
from sluice.migration.kinds.same_cluster import backfill, capture, describe, expand, preflight, swap
from sluice.migration.kinds.same_cluster.route import ATTIC, CAPTURE_TRIGGER, Route, old_name
from sluice.proof.diff.planted import plant_and_find
from sluice.proof.diff.rows import compare
from sluice.proof.gates.window import WindowSubject
from sluice.stores.catalogue import find_table, table_by_oid
from sluice.stores.postgres import Connect, Connection, Row, Table, one, rows, translated
from sluice.stores.statements import statement

BEFORE_CUTOVER = (Phase.EXPANDED, Phase.CAPTURING, Phase.BACKFILLED, Phase.VERIFIED)


class SameCluster:
    """A plain table becomes monthly partitions in its own database."""

    def __init__(self, migration: Migration, connect: Connect) -> None:
        self.migration = migration
        self.marks = Marks(migration.name)
        self._connect = connect
        self._wal: tuple[int, float] | None = None

    @cached_property
    def _c(self) -> Connection:
        connection = self._connect(f"migrate {self.migration.name}")
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
            return expand.verify_expand(self._c, self._route())

    def start_capture(self) -> Facts:
        """expanded → capturing: the trigger is on and committed with the phase."""
        route, row = self._route(), self.marks.row(self._c)

        def apply() -> None:
            if self.marks.move(self._c, Phase.EXPANDED, to=Phase.CAPTURING):
                self._check_make(route)
                capture.install_forward(self._c, route, row["lower_bound"], row["upper_bound"])
                # Rows between expand and capture may have changed nothing; the make of the tables is pinned from here on.
                self.marks.execute(self._c, "take_fingerprints")

        with translated(f"starting capture on {route.source}"):
            swap.patiently(self._c, self.marks, route, apply)
        return {**capture.look(self._c, row["source_oid"]), **self.standing()}

    def plan_chunks(self, chunk_rows: int | None = None) -> Progress:
        """Lay out ranges of pages up to the table's end now that capture is on."""
        backfill.plan_chunks(self._c, self.marks, self._route(), chunk_rows or self.migration.backfill.chunk_rows)
        return self.progress()

    def copy_chunk(self, lane: int, fence: Fence) -> Copied | None:
        """Fill one pending range of pages and check it off, in one transaction."""
        return backfill.copy_chunk(self._c, self.marks, self._cached_route, lane, fence)

    def halve_chunk(self, chunk: int) -> None:
        """Split a range of pages that was too large to get its locks."""
        backfill.halve(self._c, self.marks, chunk)

    def finish_backfill(self, fence: Fence) -> Facts:
        """capturing → backfilled. Raises NotYet while a chunk is pending."""
        route, row = self._route(), self.marks.row(self._c)
        progress = self.progress()
        if progress.done < progress.chunks or progress.chunks == 0:
            raise NotYet(f"{route.source}: {progress}. Clear the lanes of this run and let them go on.")
        swap.refresh_statistics(self._c, row["target_oid"], route.target)
        with self.marks.alone(self._c):
            self.marks.move(self._c, Phase.CAPTURING, to=Phase.BACKFILLED)
        return {
            "chunks": progress.chunks,
            "chunks_done": progress.done,
            "rows_copied": progress.rows,
            "rows_per_second": round(progress.rate),
            **self.standing(),
        }

    def replicate(self, seconds: float) -> Lag:
        """Nothing to deliver: the trigger writes in the user's own transaction."""
        return Lag(0)

    def drain(self, seconds: float) -> Lag:
        """Wait until no snapshot is older than the last copy: after the swap it would see the new table without it."""
        deadline = time.monotonic() + seconds
        while True:
            last_copy = self.marks.chunks(self._c)["last_copy"]
            holders = [
                row["holder"] for row in rows(self._c, statement("load.list_older_snapshots"), last_copy=str(last_copy))
            ]
            if not holders or time.monotonic() >= deadline:
                return Lag(len(holders), ", ".join(holders))
            time.sleep(0.5)

    def diff(self) -> Diff:
        """Compare every row, exactly, under load. Read-only."""
        return self._diff(None)

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
        """backfilled → verified, on a clean diff."""
        if not diff.clean:
            raise NotYet(f"the diff of {self.migration.name} is not clean: {diff.facts()}")
        with self.marks.alone(self._c):
            self.marks.move(self._c, Phase.BACKFILLED, to=Phase.VERIFIED)
            self.marks.execute(self._c, "record_verified")
        return self.standing()

    # ---- the swap ----

    def cut_over(self) -> Swap:
        """verified → cut_over: swap names, turn capture round, in one transaction."""
        row, route = self.marks.row(self._c), self._route()
        if row["phase"] == Phase.CUT_OVER:
            return Swap(0.0, facts=self._swapped(reverse=True))

        def apply() -> None:
            # The phase first: after somebody else's swap the names mean other tables.
            if not self.marks.move(self._c, Phase.VERIFIED, to=Phase.CUT_OVER):
                raise NotYet(f"{self.migration.name} is not verified, or somebody moved it meanwhile. Run it again.")
            swap.lock_both(self._c, route)
            self._check_cutover(route, row)
            capture.remove(self._c, route.source, route, "capture")
            swap.rename(self._c, route.source, old_name(route.source))
            swap.rename(self._c, route.target, route.source)
            swap.carry_sequences(self._c, row["source_oid"], row["target_oid"], route.source)
            capture.install_reverse(self._c, self._swapped_route(route))
            self.marks.execute(self._c, "record_cut_over")
            self.marks.execute(self._c, "take_fingerprints")

        with translated(f"cutting over {route.source}"):
            with self.marks.shared(self._c) as now:
                if now["phase"] == Phase.VERIFIED:
                    self._c.execute(statement("swap.analyze_table", table=route.target.identifier))
            done = swap.patiently(self._c, self.marks, route, apply)
        return replace(done, facts=self._swapped(reverse=True))

    def cut_back(self) -> Swap:
        """cut_over → verified, epoch + 1: the mirrored swap; forward capture from the same instant."""
        row, route = self.marks.row(self._c), self._route()
        if row["phase"] == Phase.VERIFIED:
            return Swap(0.0, facts=self._swapped(reverse=False))
        live, old = route.target, route.source
        back = replace(route, source=live, target=Table.parse(self.migration.target.table))

        def apply() -> None:
            if not self.marks.move(self._c, Phase.CUT_OVER, to=Phase.VERIFIED, epochs=1):
                raise NotYet(f"{self.migration.name} is not cut over, or no longer: there is nothing to cut back.")
            swap.lock_both(self._c, route)
            self._check_cut_back(row, live)
            capture.remove(self._c, live, route, "reverse")
            swap.rename(self._c, live, back.target)
            swap.rename(self._c, old, live)
            swap.carry_sequences(self._c, row["target_oid"], row["source_oid"], live)
            capture.install_forward(self._c, back, row["lower_bound"], row["upper_bound"])
            self.marks.execute(self._c, "forget_proof")
            self.marks.execute(self._c, "take_fingerprints")

        with translated(f"cutting back {live}"):
            done = swap.patiently(self._c, self.marks, route, apply)
        return replace(done, facts=self._swapped(reverse=False))

    # ---- the end, either one ----

    def retire(self) -> Facts:
        """cut_over → retired: reverse capture off, the old table put away in the attic, kept."""
        row, route = self.marks.row(self._c), self._route()

        def apply() -> None:
            if self.marks.move(self._c, Phase.CUT_OVER, to=Phase.RETIRED):
                capture.remove(self._c, route.target, route, "reverse")
                swap.put_away(self._c, route.source)

        with translated(f"retiring {route.source}"):
            swap.patiently(self._c, self.marks, route, apply)
        old, live = table_by_oid(self._c, row["source_oid"]), table_by_oid(self._c, row["target_oid"])
        return {
            "capture_left": capture.look(self._c, row["target_oid"])["capture_enabled"],
            "live_is_target": int(live is not None and live.table == Table.parse(self.migration.source.table)),
            "old_kept": int(old is not None and old.table.schema == ATTIC),
            "old_table": str(old.table) if old else "",
        }

    def abort(self) -> str:
        """Anything before cut_over → planned: the same statement that needs no Airflow."""
        with translated(f"aborting {self.migration.name}"):
            return str(one(self._c, statement("marks.abort"), name=self.migration.name)["said"])

    def sample(self) -> WindowSubject | None:
        """The partitioned table, whatever it is called now."""
        route = self._route()
        return WindowSubject(self._connect, route.target, route.partition_column, route.target_key)

    def backfill_window(self, window: Window) -> WindowResult:
        """Fill a window's holes from every range of pages, each in a transaction of its own, and compare the window."""
        route, fence = self._route(), Fence(self.position().epoch)
        pages = one(self._c, statement("copy.count_pages"), oid=route.shape.oid)["pages"]
        step = max(1, pages // max(1, self.progress().chunks or 1))
        filled = 0
        for lo in range(0, pages, step):
            filled += backfill.fill_window(self._c, self.marks, route, fence, window, lo, lo + step)
        return WindowResult(filled, self._diff(window))

    # ---- within ----

    @cached_property
    def _cached_route(self) -> Route:
        """For the lanes: the fence is what tells that a route has aged."""
        return self._route()

    def _route(self) -> Route:
        """Both tables by OID where the marks know them, whatever they are called now."""
        row = self.marks.find(self._c)
        source, target = Table.parse(self.migration.source.table), Table.parse(self.migration.target.table)
        if row is None or row["source_oid"] is None:
            shape = find_table(self._c, source)
            if shape is None:
                raise NotYet(f"{source} is not there in store {self.migration.source.store}. Mend from.table.")
            return Route(self.migration, shape, source, target)
        shape, made = table_by_oid(self._c, row["source_oid"]), table_by_oid(self._c, row["target_oid"])
        if shape is None or made is None:
            gone = source if shape is None else target
            raise Drifted(
                f"{gone} was dropped while {self.migration.name} is {row['phase']}. ./sluice abort {self.migration.name}"
            )
        return Route(self.migration, shape, shape.table, made.table)

    def _swapped_route(self, route: Route) -> Route:
        return replace(route, source=old_name(route.source), target=route.source)

    def _expand(self) -> None:
        route = self._route()
        with self.marks.alone(self._c):
            self.marks.execute(self._c, "create_migration", source=str(route.source), target=str(route.target))
            if not self.marks.move(self._c, Phase.PLANNED, to=Phase.EXPANDED):
                return
            plan = expand.plan_expand(self._c, route)
            expand.apply_expand(self._c, plan)
            target = find_table(self._c, route.target)
            self.marks.execute(
                self._c,
                "set_tables",
                source_oid=route.shape.oid,
                target_oid=target.oid if target else None,
                lower=plan.lower,
                upper=plan.upper,
                rows=plan.rows,
            )
            self.marks.execute(self._c, "take_fingerprints")

    def _diff(self, window: Window | None) -> Diff:
        route = self._route()
        bounds = (route.partition_column, window.lower, window.upper) if window else None
        try:
            with translated(f"comparing {route.source} with {route.target}"):
                found = compare(self._c, route.pair, bounds)
        except errors.UndefinedColumn as error:
            raise Drifted(
                f"{route.source} and {route.target} no longer have the same columns: {error.diag.message_primary}."
                " Put the column back as it was, or abort and begin again."
            ) from error
        samples = tuple(RowDiff(s.key, s.what, s.columns) for s in found.samples)
        return Diff(
            found.rows,
            found.left_rows,
            found.right_rows,
            found.missing,
            found.extra,
            found.different,
            found.hash,
            found.seconds,
            samples,
        )

    def standing(self) -> Facts:
        """Facts that every gate wants: drift and quarantine."""
        with self.marks.shared(self._c) as row:
            differs = int(not (row["same_source"] and row["same_target"]))
        return {"fingerprint_differs": differs, "quarantined": self.marks.quarantined(self._c)}

    def _check_make(self, route: Route) -> None:
        row = one(self._c, statement("marks.read_under_fence"), name=self.migration.name)
        if not (row["same_source"] and row["same_target"]):
            raise Drifted(
                f"{route.source} or {route.target} was changed since expand. ./sluice abort {self.migration.name}, begin again."
            )

    def _check_cutover(self, route: Route, row: Row) -> None:
        """What the cutover relies on, once more and cheaply, under its own locks."""
        name, freshness = self.migration.name, self.migration.gates.freshness
        self._check_make(route)
        counted, quarantined = self.marks.chunks(self._c), self.marks.quarantined(self._c)
        which = self.marks.quarantined_samples(self._c)
        proof = self.marks.proof_age(self._c, freshness)
        wrong = [
            said
            for holds, said in (
                (capture.is_on(self._c, row, "source_oid"), f"capture on {route.source} is off"),
                (
                    counted["done"] == counted["chunks"] > 0,
                    f"{counted['chunks'] - counted['done']} chunks are pending",
                ),
                (
                    not quarantined,
                    f"{quarantined} rows are in quarantine ({which}; table sluice.quarantine)",
                ),
                (proof["fresh"], f"the last clean diff is older than {freshness} (or there is none)"),
            )
            if not holds
        ]
        if wrong:
            raise NotYet(
                f"{name} may not cut over: {'; '.join(wrong)}. Nothing was changed; run it again to verify anew."
            )

    def _check_cut_back(self, row: Row, live: Table) -> None:
        """What cutting back relies on, under its own locks: the old table has followed, and can hold every column."""
        if not capture.is_on(self._c, row, "target_oid"):
            raise NotYet(
                f"reverse capture on {live} is off: the old table lacks writes. Nothing was changed. Bring over what a diff"
                f' lists, switch on trigger "{CAPTURE_TRIGGER}" (ENABLE ALWAYS), and cut back then.'
            )
        now, then = (
            {(c["name"], c["type"]) for c in rows(self._c, statement("catalogue.list_columns"), oid=row[side])}
            for side in ("target_oid", "source_oid")
        )
        if now - then:
            raise Drifted(
                f"{live} has columns that the old table has not: {', '.join(' '.join(c) for c in sorted(now - then))}."
                " Cutting back would lose them. Nothing was changed: drop them first, or stay."
            )

    def _swapped(self, *, reverse: bool) -> Facts:
        """How things stand after a swap."""
        row, route = self.marks.row(self._c), self._route()
        live, other = (row["target_oid"], row["source_oid"]) if reverse else (row["source_oid"], row["target_oid"])
        name = Table.parse(self.migration.source.table)
        now = table_by_oid(self._c, row["target_oid"])
        here, there = ("reverse", "forward") if reverse else ("forward", "reverse")
        return {
            f"{here}_capture_enabled": capture.look(self._c, live)["capture_enabled"],
            f"{there}_capture_present": capture.look(self._c, other)["capture_enabled"],
            "names_swapped": int(now is not None and now.table == name),
            "sequence_behind": swap.count_behind(self._c, other, live),
            "live_table": str(route.target if reverse else route.source),
        }

    def _wal_rate(self, wal_bytes: int, at: float) -> float | None:
        before, self._wal = self._wal, (wal_bytes, at)
        if before is None or at <= before[1]:
            return None
        return (wal_bytes - before[0]) / 1e6 / (at - before[1])

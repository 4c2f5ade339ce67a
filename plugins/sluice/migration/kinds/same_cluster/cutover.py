"""Cutting over and cutting back: what must hold, and what is done under the locks of one short transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sluice.estate.models import Migration
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Drifted, Facts, NotYet, Phase, Swap
from sluice.migration.kinds.same_cluster import capture, swap
from sluice.migration.kinds.same_cluster.route import CAPTURE_TRIGGER, Route, check_make, find_route, old_name
from sluice.stores.catalogue import table_by_oid
from sluice.stores.postgres import Connection, Row, Table, rows, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Cutover:
    """The swap of one migration, either way."""

    c: Connection
    marks: Marks
    migration: Migration

    def over(self) -> Swap:
        """verified → cut_over: swap names, turn capture round, in one transaction."""
        row, route = self.marks.row(self.c), find_route(self.c, self.marks, self.migration)
        if row["phase"] == Phase.CUT_OVER:
            return Swap(0.0, facts=self._swapped(reverse=True))

        def apply() -> None:
            # The phase first: after somebody else's swap the names mean other tables.
            if not self.marks.move(self.c, Phase.VERIFIED, to=Phase.CUT_OVER):
                raise NotYet(f"{self.migration.name} is not verified, or somebody moved it meanwhile. Run it again.")
            swap.lock_both(self.c, route)
            self._check_cutover(route, row)
            capture.remove(self.c, route.source, route, "capture")
            swap.rename(self.c, route.source, old_name(route.source))
            swap.rename(self.c, route.target, route.source)
            swap.carry_sequences(self.c, row["source_oid"], row["target_oid"], route.source)
            capture.install_reverse(self.c, replace(route, source=old_name(route.source), target=route.source))
            self.marks.execute(self.c, "record_cut_over")
            self.marks.execute(self.c, "take_fingerprints")

        with translated(f"cutting over {route.source}"):
            with self.marks.shared(self.c) as now:
                if now["phase"] == Phase.VERIFIED:
                    self.c.execute(statement("swap.analyze_table", table=route.target.identifier))
            done = swap.patiently(self.c, self.marks, route, apply)
        return replace(done, facts=self._swapped(reverse=True))

    def back(self) -> Swap:
        """cut_over → verified, epoch + 1: the mirrored swap; forward capture from the same instant."""
        row, route = self.marks.row(self.c), find_route(self.c, self.marks, self.migration)
        if row["phase"] == Phase.VERIFIED:
            return Swap(0.0, facts=self._swapped(reverse=False))
        live, old = route.target, route.source
        back = replace(route, source=live, target=Table.parse(self.migration.target.table))

        def apply() -> None:
            if not self.marks.move(self.c, Phase.CUT_OVER, to=Phase.VERIFIED, epochs=1):
                raise NotYet(f"{self.migration.name} is not cut over, or no longer: there is nothing to cut back.")
            swap.lock_both(self.c, route)
            self._check_cut_back(row, live)
            capture.remove(self.c, live, route, "reverse")
            swap.rename(self.c, live, back.target)
            swap.rename(self.c, old, live)
            swap.carry_sequences(self.c, row["target_oid"], row["source_oid"], live)
            capture.install_forward(self.c, back, row["lower_bound"], row["upper_bound"])
            self.marks.execute(self.c, "forget_proof")
            self.marks.execute(self.c, "take_fingerprints")

        with translated(f"cutting back {live}"):
            done = swap.patiently(self.c, self.marks, route, apply)
        return replace(done, facts=self._swapped(reverse=False))

    def _check_cutover(self, route: Route, row: Row) -> None:
        """What the cutover relies on, once more and cheaply, under its own locks."""
        name, freshness = self.migration.name, self.migration.gates.freshness
        check_make(self.c, self.marks, route)
        counted, quarantined = self.marks.chunks(self.c), self.marks.quarantined(self.c)
        which = self.marks.quarantined_samples(self.c)
        proof = self.marks.proof_age(self.c, freshness)
        wrong = [
            said
            for holds, said in (
                (capture.is_on(self.c, row, "source_oid"), f"capture on {route.source} is off"),
                (
                    counted["done"] == counted["chunks"] > 0,
                    f"{counted['chunks'] - counted['done']} chunks are pending",
                ),
                (
                    not quarantined,
                    f"{quarantined} rows are in quarantine ({which}; table sluice.quarantine)",
                ),
                (
                    proof["covers"],
                    f"partitions end at {row['upper_bound']}, less than a month ahead: writes would fail then",
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
        if not capture.is_on(self.c, row, "target_oid"):
            raise NotYet(
                f"reverse capture on {live} is off: the old table lacks writes. Nothing was changed. Bring over what a diff"
                f' lists, switch on trigger "{CAPTURE_TRIGGER}" (ENABLE ALWAYS), and cut back then.'
            )
        now, then = (
            {(c["name"], c["type"]) for c in rows(self.c, statement("catalogue.list_columns"), oid=row[side])}
            for side in ("target_oid", "source_oid")
        )
        if now - then:
            raise Drifted(
                f"{live} has columns that the old table has not: {', '.join(' '.join(c) for c in sorted(now - then))}."
                " Cutting back would lose them. Nothing was changed: drop them first, or stay."
            )
        if not self.marks.under_fence(self.c)["same_target"]:
            raise Drifted(
                f"{live} was changed since the cutover (column, constraint, policy, grant or owner), and the old table was not."
                f" Nothing was changed: put it back on {live}, cut back, and make the change again there."
            )

    def _swapped(self, *, reverse: bool) -> Facts:
        """How things stand after a swap."""
        row, route = self.marks.row(self.c), find_route(self.c, self.marks, self.migration)
        live, other = (row["target_oid"], row["source_oid"]) if reverse else (row["source_oid"], row["target_oid"])
        name = Table.parse(self.migration.source.table)
        now = table_by_oid(self.c, row["target_oid"])
        here, there = ("reverse", "forward") if reverse else ("forward", "reverse")
        return {
            f"{here}_capture_enabled": capture.look(self.c, live)["capture_enabled"],
            f"{there}_capture_present": capture.look(self.c, other)["capture_enabled"],
            "names_swapped": int(now is not None and now.table == name),
            "sequence_behind": swap.count_behind(self.c, other, live),
            "live_table": str(route.target if reverse else route.source),
        }

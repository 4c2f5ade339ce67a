"""Cutting over and cutting back: what must hold, and what is done under the locks of one short transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sluice.estate.models import SameClusterMigration
from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts, NotYet, Phase, Swap
from sluice.migration.kinds.same_cluster import capture, comparing, conditions, expand, swap
from sluice.migration.kinds.same_cluster.route import Route, find_route, old_table
from sluice.migration.kinds.same_cluster.seen import Look
from sluice.migration.kinds.same_cluster.surroundings import carry, foreign_keys, things
from sluice.stores.catalogue import table_by_oid
from sluice.stores.postgres import Connection, Row, Table, translated
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Cutover:
    """The swap of one migration, either way."""

    c: Connection
    marks: Marks
    migration: SameClusterMigration

    def over(self) -> Swap:
        """shadowing → cut_over: swap names, turn capture round, in one transaction."""
        row, route = self.marks.row(self.c), find_route(self.c, self.marks, self.migration)
        if row["phase"] == Phase.CUT_OVER:
            return self._settled(Swap(0.0), row["target_oid"], reverse=True)
        carrying = carry.plan(self.c, route.source, row["source_oid"], row["target_oid"], over=True)
        live, other = (route.source, row["source_oid"]), (route.target, row["target_oid"])
        look = Look(self.c, self.marks, self.migration.gates.freshness, live, other)

        def ready() -> None:
            # The phase first: after somebody else's swap the names mean other tables.
            if not self.marks.move(self.c, *self._may_stand_at, to=Phase.CUT_OVER):
                raise NotYet(
                    f"{self.migration.name} is not {' or '.join(self._may_stand_at)} (what the application reads must be the"
                    " same, and in time), or somebody moved it meanwhile. Run it again."
                )
            self._same_tables(row)
            conditions.check_cutover(self.migration, route, row, carrying, look())

        def apply() -> None:
            self._lock(carrying, route.source, route.target)
            seen = look()
            conditions.check_cutover(self.migration, route, row, carrying, seen)
            failpoint("cutover.locked")
            capture.remove(self.c, route.source, route, "capture")
            carry.take_off(self.c, carrying)
            swap.rename(self.c, route.source, old_table(route.source))
            failpoint("cutover.half_renamed")
            swap.rename(self.c, route.target, route.source)
            failpoint("cutover.renamed")
            swap.carry_sequences(self.c, *seen.sequences, route.source)
            failpoint("cutover.sequenced")
            carry.put_on(self.c, carrying)
            turned = replace(route, source=old_table(route.source), target=route.source)
            capture.install_reverse(self.c, turned)
            failpoint("cutover.turned")
            self.marks.execute(self.c, "record_cut_over")
            self.marks.execute(self.c, "forget_released")
            carry.remember(self.c, self.marks, carrying)
            self.marks.execute(self.c, "take_fingerprints")

        with translated(f"cutting over {route.source}"):
            with self.marks.shared(self.c) as now:
                if now["phase"] in self._may_stand_at:
                    self.c.execute(statement("swap.analyze_table", table=route.target.identifier))
                    failpoint("cutover.analyzed")
            done = swap.patiently(self.c, self.marks, route, apply, ready)
        return self._settled(done, row["target_oid"], reverse=True)

    def back(self) -> Swap:
        """cut_over → verified, epoch + 1: the mirrored swap; forward capture from the same instant."""
        row, route = self.marks.row(self.c), find_route(self.c, self.marks, self.migration)
        if row["phase"] == Phase.VERIFIED:
            return self._settled(Swap(0.0), row["source_oid"], reverse=False)
        self._prove_followed(row, route)
        live, old = route.target, route.source
        back = replace(route, source=live, target=Table.parse(self.migration.target.table))
        carrying = carry.plan(self.c, live, row["target_oid"], row["source_oid"], over=False)
        sides = (live, row["target_oid"]), (old, row["source_oid"])
        look = Look(self.c, self.marks, self.migration.gates.freshness, *sides)
        # Under the locks the proof tells that no partition has come or gone since it was made, before this.
        lower, upper = expand.read_span(self.c, self.marks, route)
        if expand.count_open_ends(self.c, self.marks):
            raise NotYet(
                f"a partition of {live} that takes whatever no other does (the default one of a list, or one of a hash) is gone:"
                " once it is cut back, writes that belong there would fail. Nothing was changed. Make it again, then cut back."
            )

        def ready() -> None:
            if not self.marks.move(self.c, Phase.CUT_OVER, to=Phase.VERIFIED, epochs=1):
                raise NotYet(f"{self.migration.name} is not cut over, or no longer: there is nothing to cut back.")
            self._same_tables(row)
            conditions.check_cut_back(self.migration, live, old, carrying, look())

        def apply() -> None:
            # The live table first, as its writers do: capture takes them to the other one.
            self._lock(carrying, live, old)
            seen = look()
            conditions.check_cut_back(self.migration, live, old, carrying, seen)
            failpoint("cutback.locked")
            capture.remove(self.c, live, route, "reverse")
            carry.take_off(self.c, carrying)
            swap.rename(self.c, live, back.target)
            failpoint("cutback.half_renamed")
            swap.rename(self.c, old, live)
            swap.carry_sequences(self.c, *seen.sequences, live)
            failpoint("cutback.sequenced")
            carry.put_on(self.c, carrying)
            capture.install_forward(self.c, back, lower, upper)
            failpoint("cutback.turned")
            self.marks.execute(self.c, "forget_proof")
            self.marks.execute(self.c, "forget_released")
            self.marks.execute(self.c, "turn_back", lower=lower, upper=upper, renewal_due=route.reshapes)
            carry.remember(self.c, self.marks, carrying)
            self.marks.execute(self.c, "take_fingerprints")

        with translated(f"cutting back {live}"):
            done = swap.patiently(self.c, self.marks, route, apply, ready)
        return self._settled(done, row["source_oid"], reverse=False)

    def _prove_followed(self, row: Row, route: Route) -> None:
        """Where reverse capture was touched since the cutover, only a comparison knows whether the old table followed."""
        if row["phase"] != Phase.CUT_OVER:
            return
        if self.marks.proof_age(self.c, self.migration.gates.freshness)["untouched"]:
            return
        if not capture.is_on(self.c, row, "target_oid"):
            return  # it is off still: the swap refuses, and says so
        diff = comparing.compare_tables(self.c, self.marks, route)
        if not diff.clean:
            raise NotYet(
                f"reverse capture or a partition of {route.target} was changed since the cutover, and the old table differs:"
                f" {'; '.join(map(str, diff.samples[:5]))}. Nothing was changed: bring these over, then cut back."
            )
        with self.marks.alone(self.c):
            self.marks.execute(self.c, "record_followed", epoch=diff.epoch, under=diff.under)

    @property
    def _may_stand_at(self) -> tuple[Phase, ...]:
        """Where a cutover may begin: `verified` will do only where nobody wants the shadow read."""
        return (Phase.SHADOWING,) if self.migration.gates.shadow else (Phase.SHADOWING, Phase.VERIFIED)

    def _same_tables(self, row: Row) -> None:
        """Under the fence: the tables are those that were planned for. From here on every name is written in full."""
        self.c.execute(statement("surroundings.write_names_in_full"))
        now = self.marks.under_fence(self.c)
        if (now["source_oid"], now["target_oid"]) != (row["source_oid"], row["target_oid"]):
            raise NotYet(f"{self.migration.name} was begun anew meanwhile. Nothing was changed; run it again.")

    def _lock(self, carrying: carry.Carrying, live: Table, other: Table) -> None:
        """Stop everybody."""
        carry.lock_views(self.c, carrying)
        swap.lock_tables(self.c, self.migration, *carry.holders(carrying), live.identifier, other.identifier)

    def _settled(self, done: Swap, live: int, *, reverse: bool) -> Swap:
        """What may take its time after the swap, and how things stand then. A rerun does what was left."""
        carried = self.marks.row(self.c)["carried"] or []
        with translated(f"validating foreign keys to {self.migration.source.table}"):
            foreign_keys.validate_in(self.c, live, carried)
        missing = things.count_missing(carried, things.look(self.c, live))
        return replace(
            done, facts={**self._swapped(reverse=reverse), "carried": len(carried), "carried_missing": missing}
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
            f"{there}_capture_present": capture.look(self.c, other)["capture_triggers"],
            "names_swapped": int(now is not None and now.table == name),
            "sequence_behind": swap.count_behind(self.c, other, live),
            "live_table": str(route.target if reverse else route.source),
        }

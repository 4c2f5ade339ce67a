"""What the DynamoDB demo plays on: the five legacy tables of `tyler`, made afresh, and their application."""

from __future__ import annotations

import time
from functools import cached_property
from threading import Event

from sluice.ledger.item_marks import ItemMarks
from sluice.ledger.items_aside import Poison
from sluice.local.certify import Acknowledged, WorkloadProcess
from sluice.local.demo.dynamodb.belongings import Belongings
from sluice.local.demo.migrating import Migrating
from sluice.local.demo.stage import RunFailed
from sluice.local.tyler.dirt import poisons
from sluice.local.tyler.seed import make_tables, seed
from sluice.local.tyler.shape import LEGACY, MARKS, MIGRATIONS
from sluice.local.tyler.sides import Sides, address_of, client_at
from sluice.local.tyler.writer import effect_of, settle

HOLDS = "backfill.gate_backfilled"
"""The gate that lets nobody on while something waits in quarantine."""
HEALED_WITHIN = 600.0
"""Seconds within which what was mended must be out of quarantine."""


class Tyler(Migrating):
    """Five tables become one design, side by side."""

    migrations = MIGRATIONS

    @cached_property
    def sides(self) -> Sides:
        """The tables, as the application and a person at their desk know them."""
        return Sides(client_at(address_of(self.settings), seconds=30))

    @cached_property
    def _belongings(self) -> Belongings:
        return Belongings(self.sides.client, self.settings.state_dir / "demo-tables.json")

    def begin_afresh(self) -> None:
        """Drop the sample's tables and marks, and make them anew. Raises Strangers."""
        if not self.options.fresh:
            self._belongings.check_strangers()
        self._belongings.forget_marks()
        self.api.fail_unfinished("replicate_changes")  # it may be at a table that goes
        self._belongings.drop()
        make_tables(self.sides.client)
        self._belongings.write_down()
        self.items = seed(self.sides.client, self.options.size, self.say)

    def make_application(self) -> WorkloadProcess:
        """Users of both sides, who follow the route."""
        ledger = self.settings.state_dir / "tyler-ledger.jsonl"
        return WorkloadProcess(address_of(self.settings), ledger, rate=self.options.rate, module="sluice.local.tyler")

    def copied(self, name: str) -> str:
        """Say how far a migration's copy is, out of its marks."""
        marks = self._marks(name)
        state, places = marks.state(), marks.places("segment").values()
        if not (since := state.time("copying_since")):
            return "begins to copy"
        rows, estimated = sum(place.counts.get("rows", 0) for place in places), int(state.facts["rows_estimated"])
        rate = rows / max(0.001, (state.now - since).total_seconds())
        eta = f"{max(0, estimated - rows) / rate:.0f} s" if rows else "unknown"
        return f"{rows:,}/{estimated:,} items, {rate:,.0f} items/s, ETA {eta}"

    def copy(self) -> dict[str, Poison]:
        """Copy everything; gives what could not be mapped, by migration and key. Raises RunFailed for any other reason."""
        try:
            runs = self.run_all("backfilled")
        finally:
            self._belongings.write_down()  # by now the design's table is there, too
        waiting = self.quarantined()
        held = {name for name, run in runs.items() if self.red_tasks(name, run) == [HOLDS]}
        red = {name: run for name, run in runs.items() if name not in held and self.red_tasks(name, run)}
        if red or held - {name.split(" ")[0] for name in waiting}:
            raise RunFailed("\n".join(self.why(name, run) for name, run in (red or runs).items()))
        self.copy_runs, self.held_runs = list(runs.values()), [runs[name] for name in held]
        return waiting

    def quarantined(self) -> dict[str, Poison]:
        """What waits in quarantine now."""
        return {
            f"{name} {poison.key}": poison
            for name in self.migrations
            for poison in self._marks(name).aside.quarantined()
        }

    def mend(self) -> Acknowledged:
        """Do what a person does about them: mend each item where applications write it, or delete it; wait until none is left.

        Gives what was promised of them. Raises RunFailed where one stays in quarantine.
        """
        promised = Acknowledged()
        for poison in poisons():
            legacy = LEGACY[poison.table]
            settle(self.sides, legacy, poison.item, poison.mended, lambda _: None, Event())
            promised.committed([effect_of(legacy, poison.item, poison.mended)])
        deadline = time.monotonic() + HEALED_WITHIN
        while waiting := self.quarantined():
            if time.monotonic() > deadline:
                raise RunFailed(f"{', '.join(waiting)}: still in quarantine, though mended {HEALED_WITHIN:.0f} s ago.")
            time.sleep(1)
        return promised

    def _marks(self, name: str) -> ItemMarks:
        return ItemMarks(self.sides.client, name, MARKS)

"""The switch to PostgreSQL, and the way back from it while nobody has written there.

Nothing is brought back to DynamoDB. So from the cutover on, triggers note which rows applications change; the way back is open as
long as there is none, and shut by the first one, since it would be lost.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from sluice.failpoints import failpoint
from sluice.ledger.marks import Marks
from sluice.migration.engine.contract import Facts, Fence, Fenced, NotYet, Phase, Swap
from sluice.migration.kinds.dynamodb_source.arriving import (
    DRAIN_SECONDS,
    GRACE_SECONDS,
    Drain,
    check_arrived,
    check_settled,
)
from sluice.migration.kinds.into_postgres.routing import Route
from sluice.stores.postgres import Connection, Table, one
from sluice.stores.statements import statement


class NoWayBack(NotYet):
    """Applications have written to PostgreSQL, and nothing brings that back."""


@dataclass(frozen=True)
class Switching:
    """One switch. `drain` delivers until canaries of the old table are home."""

    c: Connection
    marks: Marks
    table: Table
    route: Route
    drain: Drain
    within: timedelta
    """How soon canaries have to be home before anybody is kept waiting."""

    def over(self, fence: Fence) -> Swap:
        """shadowing → cut_over: applications read and write PostgreSQL."""

        def turn() -> None:
            waiting = self.marks.quarantined(self.c)
            if waiting["rows"]:
                raise NotYet(f"{self.marks.name} has {waiting['rows']} items in quarantine: {waiting['samples']}.")
            self.c.execute(statement("into_postgres.remove_tombstones", target=self.table.identifier))
            self.c.execute(statement("into_postgres.forget_taken"), {"name": self.marks.name})
            for verb in ("watch_updates", "watch_deletes"):
                name = sql.Literal(self.marks.name)
                self.c.execute(statement(f"into_postgres.{verb}", target=self.table.identifier, name=name))
            self.c.execute(statement("into_postgres.record_cut_over"), {"name": self.marks.name})
            self.c.execute(statement("into_postgres.forget_counts"), {"name": self.marks.name})

        return self._switch(fence, Phase.SHADOWING, Phase.CUT_OVER, 0, turn)

    def back(self, fence: Fence) -> Swap:
        """cut_over → verified, epoch + 1: the old table leads again. Raises NoWayBack once anybody has written here."""
        self.check_unwritten()

        def turn() -> None:
            # Who outstayed its lease is waited for, and what it wrote is counted.
            self.c.execute(statement("into_postgres.lock_rows", target=self.table.identifier))
            self.check_unwritten()
            self.stop_watching()
            # What lapsed is gone where the items lead.
            self.c.execute(statement("into_postgres.remove_lapsed", target=self.table.identifier))
            self.c.execute(statement("into_postgres.carry_places"), {"name": self.marks.name, "epoch": fence.epoch})
            self.c.execute(statement("into_postgres.clear_proof"), {"name": self.marks.name})

        return self._switch(fence, Phase.CUT_OVER, Phase.VERIFIED, 1, turn)

    def check_unwritten(self) -> None:
        """Raise NoWayBack where a row of PostgreSQL is an application's own."""
        query = statement("into_postgres.count_written_since", target=self.table.identifier)
        if written := one(self.c, query, name=self.marks.name)["rows"]:
            raise NoWayBack(
                f"Applications have written, changed or deleted {written} rows of {self.table} since the cutover, and nothing"
                " brings them back to DynamoDB. Stay here and mend forward; or bring these rows (_token is NULL; deleted ones are"
                " in sluice.taken) to the old table by hand, delete them here and from sluice.taken, and clear this task."
            )

    def look(self) -> Facts:
        """Whether our triggers note what applications write, whether tombstones are left, and what both places tell."""
        query = statement("into_postgres.look_at_switch", target=self.table.identifier)
        found = one(self.c, query, name=self.marks.name)
        item = (self.route.items.route() or {}).get("write_to", {}).get("S")
        agreed = item == found["write_to"]
        return {
            "watching": found["triggers"],
            "tombstones_left": found["tombstones"],
            "routed_to_new": int(agreed and item == "new"),
            "routed_to_old": int(agreed and item == "old"),
        }

    def stop_watching(self) -> None:
        """Take the triggers off; the caller holds the transaction."""
        self.c.execute(statement("into_postgres.stop_watching", target=self.table.identifier))
        self.c.execute(statement("into_postgres.forget_taken"), {"name": self.marks.name})

    def _switch(self, fence: Fence, phase: Phase, to: Phase, epochs: int, turn: Callable[[], None]) -> Swap:
        check_settled(self.marks.name, self.drain, self.within)
        asked = time.monotonic()
        with self.route.frozen(self.c, fence, phase, DRAIN_SECONDS + GRACE_SECONDS) as held:
            check_arrived(self.marks.name, self.drain)
            failpoint("rows.drained")
            with self.marks.alone(self.c):
                self.route.check_held(self.c, held)
                if self.marks.row(self.c)["epoch"] != fence.epoch or not self.marks.move(
                    self.c, phase, to=to, epochs=epochs
                ):
                    raise Fenced(f"{self.marks.name} has gone on meanwhile. Trigger a new run.")
                turn()
                failpoint("rows.turned")
            failpoint("rows.switched")
        waited = (time.monotonic() - asked) * 1000
        lease = round(held.waiting * 1000)
        return Swap(waited, facts={"lease_ms": lease, "pause_beyond_lease_ms": round(waited - lease, 2), **self.look()})

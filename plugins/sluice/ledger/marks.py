"""The marks of one migration: phase, epoch, tables and chunks, beside the data they vouch for.

A change of phase and a chunk's data never commit without their mark: callers do both in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.ledger.releases import bring_up_to_date, check_known, versions
from sluice.stores.postgres import Connection, Row, one, rows
from sluice.stores.statements import statement


class NotThere(Terminal):
    """The migration has no marks where the step wants some."""


@dataclass(frozen=True)
class Marks:
    """The marks of the migration `name`, reached through a connection to the target's database."""

    name: str

    def prepare(self, c: Connection) -> None:
        """Make the schema `sluice` if it is missing or old; an old one while nobody works by it."""
        bring_up_to_date(c, "marks", quiet=lambda c: c.execute(statement("marks.take_every_fence")))
        failpoint("schema.ready")

    def find(self, c: Connection) -> Row | None:
        """Read the migration's row, or None. Read-only."""
        found = rows(c, statement("marks.find_migration"), name=self.name)
        return found[0] if found else None

    def row(self, c: Connection) -> Row:
        """Read the migration's row. Raises NotThere."""
        found = self.find(c)
        if found is None:
            raise NotThere(f"{self.name} has no marks here: expand it first.")
        return found

    @contextmanager
    def alone(self, c: Connection) -> Iterator[None]:
        """A transaction that holds the migration's fence alone: every change of phase happens in here."""
        failpoint("fence.wanted")
        with c.transaction():
            self.take(c)
            failpoint("fence.taken")
            yield
            failpoint("fence.committing")
        failpoint("fence.committed")

    def take(self, c: Connection) -> None:
        """Take the fence alone, within the caller's transaction. Raises Outdated where a newer version has been meanwhile."""
        self.execute(c, "take_fence")
        check_known(
            "marks", [row["version"] for row in rows(c, statement("marks.list_unknown"), known=versions("marks"))]
        )

    @contextmanager
    def shared(self, c: Connection) -> Iterator[Row]:
        """A transaction of a worker: shares the fence, then reads what must not have changed."""
        with c.transaction():
            self.execute(c, "share_fence")
            failpoint("fence.shared")
            yield self.under_fence(c)

    def under_fence(self, c: Connection) -> Row:
        """Read what must not have changed; the caller holds the fence. Raises Outdated as `take` does."""
        row = one(c, statement("marks.read_under_fence"), name=self.name, known=versions("marks"))
        check_known("marks", row["unknown"])
        return row

    def move(self, c: Connection, *from_phases: str, to: str, epochs: int = 0) -> bool:
        """Change the phase, if it is one of `from_phases`; tells whether it did."""
        failpoint("phase.moving")
        moved = rows(
            c,
            statement("marks.move_phase"),
            name=self.name,
            to_phase=to,
            epochs=epochs,
            from_phases=list(from_phases),
        )
        failpoint("phase.moved")
        return bool(moved)

    def execute(self, c: Connection, verb: str, **values: object) -> int:
        """Run a statement of the marks for this migration and give the number of rows it touched."""
        return c.execute(statement(f"marks.{verb}"), {"name": self.name, **values}).rowcount

    def quarantined(self, c: Connection) -> Row:
        """Count the rows that the table that follows cannot hold yet, and name a few: `rows`, `samples`."""
        return one(c, statement("marks.count_quarantined"), name=self.name)

    def held(self, c: Connection, most: int) -> list[Row]:
        """List what waits in quarantine, the oldest first: `key`, `reason`."""
        return rows(c, statement("marks.list_quarantined"), name=self.name, most=most)

    def chunks(self, c: Connection) -> Row:
        """Count chunks, done chunks, rows, seconds worked, and give the last copying transaction."""
        return one(c, statement("marks.count_chunks"), name=self.name)

    def begin_comparison(self, c: Connection) -> Row:
        """Read what a comparison stands on that begins now: phase, epoch, the moment and the state of capture."""
        found = rows(c, statement("marks.begin_comparison"), name=self.name)
        if not found:
            raise NotThere(f"{self.name} has no marks here: there is nothing to compare. Expand it first.")
        return found[0]

    def proof_age(self, c: Connection, freshness: timedelta) -> Row:
        """Tell whether the last clean diff counts still, by the database's clock, and its age in seconds.

        It does not once capture was touched since it began: dropped, switched off and on again, made anew.
        """
        return one(c, statement("marks.read_proof_age"), name=self.name, freshness=freshness)

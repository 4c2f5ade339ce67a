"""What a swap stands on: looked at under the fence, while nobody waits for us, and again under the locks.

The second look is the one that counts. Its questions go out all at once, right behind the locks, and the first look has let
the server plan them: what everybody waits for is one answer, and not one for each question.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sluice.ledger.marks import Marks
from sluice.ledger.releases import check_known, versions
from sluice.migration.kinds.same_cluster import capture
from sluice.migration.kinds.same_cluster.surroundings.things import Hanging, hanging
from sluice.stores.postgres import Answer, Connection, Row, Table
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Seen:
    """How things stand. Pairs are of the live table and of the other one."""

    make: Row
    """What must not have changed: epoch, phase, tables, fingerprints."""
    hung: Hanging
    """What hangs on the live table."""
    chunks: Row
    quarantined: Row
    """How many rows the other table cannot hold, and a few of them."""
    proof: Row
    capture_on: bool
    """Whether the live table is captured."""
    sequences: tuple[list[Row], list[Row]]
    columns: tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Look:
    """Looks at a migration's live table, and at the other one."""

    c: Connection
    marks: Marks
    freshness: timedelta
    live: tuple[Table, int]
    other: tuple[Table, int]

    def __call__(self) -> Seen:
        """Ask everything, then read the answers. Read-only; the caller's transaction has names in full."""
        both, oid = (self.live, self.other), self.live[1]
        make = self._marks("read_under_fence", known=versions("marks"))
        things = self._ask("surroundings.list_things", oid=oid)
        chunks, quarantined = self._marks("count_pending"), self._marks("count_quarantined")
        proof = self._marks("read_proof_age", freshness=self.freshness)
        triggers = self._ask("capture.find_trigger", oid=oid, names=list(capture.TRIGGERS))
        sequences = [self._ask("swap.list_sequences", oid=oid) for _, oid in both]
        columns = [self._ask("swap.list_types", oid=oid) for _, oid in both]
        # From here on it is read, in the same order.
        found = _row(make)
        check_known("marks", found["unknown"])
        return Seen(
            found,
            hanging(things.fetchall()),
            _row(chunks),
            _row(quarantined),
            _row(proof),
            capture.are_on(triggers.fetchall()),
            (sequences[0].fetchall(), sequences[1].fetchall()),
            (_types(columns[0]), _types(columns[1])),
        )

    def _marks(self, verb: str, **values: object) -> Answer:
        return self._ask(f"marks.{verb}", name=self.marks.name, **values)

    def _ask(self, name: str, /, **values: object) -> Answer:
        return self.c.execute(statement(name), values, prepare=True)


def _row(answer: Answer) -> Row:
    row = answer.fetchone()
    if row is None:
        raise LookupError("no row where there is always one")
    return row


def _types(answer: Answer) -> frozenset[tuple[str, str]]:
    return frozenset((row["name"], row["type"]) for row in answer.fetchall())

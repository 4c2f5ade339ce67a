"""What a database holds at one moment, so that a copy of it can be held against it: rows, hashes, and all that is around them.

A table that is written to has another content a moment later. So it is counted in one snapshot, and beside it stands the
position in the log at which that snapshot was taken. Whether a copy that was brought back to this position has seen exactly what
the snapshot saw, the copy says itself: no transaction that the snapshot did not see may have committed there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sluice.errors import Transient
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connection, Table, one, rows
from sluice.stores.statements import statement

TRIES = 200
UNSEEN = 1000
"""How many transactions that began after the snapshot are looked for in a copy: those between it and the position beside it."""


class NeverStill(Transient):
    """In none of many tries a snapshot and a position belonged together."""


@dataclass(frozen=True)
class Moment:
    """A snapshot, and the position in the log beside it."""

    position: str
    at: str
    next: str
    """The transaction that was to begin next."""
    running: tuple[str, ...]
    """Those that were under way."""


@dataclass(frozen=True)
class Content:
    """A table's rows, and the sum of their hashes."""

    rows: int
    hash: str


@dataclass(frozen=True)
class Census:
    """All that a database holds."""

    database: str
    moment: Moment
    tables: Mapping[str, Content]
    surroundings: Mapping[str, Sequence[str]]
    """Roles, grants, policies, constraints, indexes and so on, by kind: one line each."""
    sequences: Mapping[str, int]

    @property
    def rows(self) -> int:
        """How many rows it counts."""
        return sum(table.rows for table in self.tables.values())


def take_census(c: Connection, tell: Tell) -> Census:
    """Count and hash the whole database as of one moment. Raises NeverStill, StoreDown, Refused."""
    # Sequences know no snapshot: read before, the copy has at least as much of each.
    sequences = _sequences(c)
    for _ in range(TRIES):
        before = one(c, statement("safety.find_written"))["position"]
        with c.transaction():
            c.execute(statement("safety.begin_mark"))
            found = one(c, statement("safety.find_mark"))
            if found["position"] == before:
                c.execute(statement("safety.pin_mark"))
                moment = Moment(found["position"], found["at"].isoformat(), found["next"], tuple(found["running"]))
                return _count(c, moment, sequences, tell)
    raise NeverStill(
        f"In {TRIES} tries a snapshot was never taken without something being written meanwhile. It is tried again by"
        " itself; choose an hour with less to do."
    )


def count_copy(c: Connection, moment: Moment, tell: Tell) -> Census:
    """Count and hash a copy that nobody writes to."""
    with c.transaction():
        c.execute(statement("safety.pin_mark"))
        return _count(c, moment, _sequences(c), tell)


def unseen_in(c: Connection, moment: Moment) -> list[str]:
    """Give the transactions that the snapshot did not see and this copy has: with any of these the two cannot be compared."""
    asked = {"running": list(moment.running), "next": moment.next, "most": UNSEEN}
    return [row["xid"] for row in rows(c, statement("safety.list_committed"), **asked)]


def _count(c: Connection, moment: Moment, sequences: Mapping[str, int], tell: Tell) -> Census:
    database = c.info.dbname
    tables = {}
    for row in rows(c, statement("safety.list_marked")):
        table = Table(row["schema"], row["name"])
        found = one(c, statement("safety.hash_table", table=table.identifier))
        tables[str(table)] = Content(found["rows"], found["hash"])
        tell(f"{database}: {table} counted, {found['rows']:,} rows")
    ours = statement("safety.ours")
    around: dict[str, list[str]] = {}
    for line in rows(c, statement("safety.list_surroundings", ours=ours)):
        around.setdefault(line["kind"], []).append(line["line"])
    return Census(database, moment, tables, around, sequences)


def _sequences(c: Connection) -> dict[str, int]:
    found = rows(c, statement("safety.list_sequences"))
    return {str(Table(row["schema"], row["name"])): int(row["at"]) for row in found}

"""What a database holds at one moment, so that a copy of it can be held against it: rows, hashes, and all that is around them.

A table that is written to has another content a moment later. So all of it is counted in one snapshot, by several sessions. To
which place of its log a snapshot belongs PostgreSQL does not say: who can find that out gives a `Mark`, and such a census has
its position. Whether a copy that was brought back to this position has seen exactly what the snapshot saw, the copy says itself:
no transaction that the snapshot did not see may have committed there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sluice.safety.counting import Content, count_all, sequences_of
from sluice.safety.driver import Tell
from sluice.stores.postgres import Connect, Connection, one, rows, translated
from sluice.stores.statements import statement

WORKERS = 2
"""Sessions that count side by side."""
UNSEEN = 1000
"""How many transactions of a copy that the census did not see are named."""


@dataclass(frozen=True)
class Moment:
    """A snapshot, and the position in the log to which it belongs."""

    position: str | None
    """Whoever stops a recovery at this record has what the snapshot saw. None where nobody has found it out."""
    at: str
    next: str
    """The transaction that was to begin next."""
    running: tuple[str, ...]
    """Those that were under way."""


@dataclass(frozen=True)
class Marked:
    """A snapshot that other sessions may take, for as long as the transaction lasts that has given it."""

    snapshot: str
    moment: Moment


Mark: TypeAlias = Callable[[Connection, Tell], Marked]
"""Gives a snapshot of the database behind a session, within a transaction of it that is READ COMMITTED."""


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


def mark_now(c: Connection, tell: Tell) -> Marked:
    """Give the snapshot of this moment, of which nobody knows the position."""
    found = one(c, statement("safety.export_snapshot"))
    return Marked(found["name"], Moment(None, found["at"].isoformat(), found["next"], tuple(found["running"])))


def take_census(connect: Connect, tell: Tell, mark: Mark = mark_now, workers: int = WORKERS) -> Census:
    """Count and hash the whole database as of one moment.

    Raises Refused where the role does not see every row, Rewritten, StoreDown, and what the mark raises.
    """
    with connect("census") as c, translated(f"counting {c.info.dbname}"), c.transaction():
        c.execute(statement("safety.pin_mark"))
        # Sequences know no snapshot: read before, the copy has at least as much of each.
        before = sequences_of(c)
        marked = mark(c, tell)
        held = count_all(connect, marked.snapshot, workers, tell)
        sequences = {name: min(at, held.sequences[name]) for name, at in before.items() if name in held.sequences}
        return Census(c.info.dbname, marked.moment, held.tables, held.surroundings, sequences)


def count_copy(connect: Connect, moment: Moment, tell: Tell, workers: int = WORKERS) -> Census:
    """Count and hash a copy of that moment that nobody writes to. Raises Refused, StoreDown."""
    return replace(take_census(connect, tell, workers=workers), moment=moment)


def unseen_in(c: Connection, moment: Moment) -> list[str]:
    """Give the transactions that the snapshot did not see and this copy has: with any of these the two cannot be compared."""
    asked = {"running": list(moment.running), "next": moment.next, "most": UNSEEN}
    return [row["xid"] for row in rows(c, statement("safety.list_committed"), **asked)]

"""What hangs on a table, read from the catalogue: the same list says what to find, what to carry, and whether it came along."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from sluice.stores.postgres import Connection, Row, rows
from sluice.stores.statements import raw, statement


@dataclass(frozen=True)
class Thing:
    """One of them. `text` makes it again for whichever table has the name by then; `holder` is whom that locks."""

    what: str
    name: str
    holder: str
    owner: str
    text: str
    state: str
    timing: str
    body: str
    ours: bool

    @property
    def mark(self) -> list[str]:
        """What must be the same on the other table."""
        return [self.what, self.name, self.holder, self.text, self.state, self.timing]


@dataclass(frozen=True)
class Hanging:
    """All that hangs on one table. Texts are alike before and after a swap, as the name in them means the live table."""

    things: tuple[Thing, ...]

    def of(self, *what: str) -> tuple[Thing, ...]:
        """Those of a sort: view, function, policy, trigger, key_in, key_out, publication, subscription, left."""
        return tuple(thing for thing in self.things if thing.what in what)

    @property
    def marks(self) -> list[list[str]]:
        """All of them as plain values, for the marks and for comparison. What stays behind by nature is not among them."""
        return sorted(thing.mark for thing in self.things if thing.what not in ("left", "subscription"))


def read(c: Connection, oid: int) -> Hanging:
    """Read what hangs on a table. The caller's transaction has names in full."""
    return hanging(rows(c, statement("surroundings.list_things"), oid=oid))


def hanging(found: Iterable[Row]) -> Hanging:
    """What the rows of `list_things` say."""
    return Hanging(tuple(Thing(**row) for row in found))


def look(c: Connection, oid: int) -> Hanging:
    """Read what hangs on a table, in a transaction of its own. Read-only."""
    with names_in_full(c):
        return read(c, oid)


@contextmanager
def names_in_full(c: Connection) -> Iterator[None]:
    """A transaction in which PostgreSQL writes every name with its schema."""
    with c.transaction():
        c.execute(statement("surroundings.write_names_in_full"))
        yield


def say_again(c: Connection, text: str) -> None:
    """Run a definition that PostgreSQL itself wrote."""
    c.execute(sql.Composed([raw(text)]))


def count_missing(wanted: list[list[str]], there: Hanging) -> int:
    """Count what hung on the table before and does not, or not so, hang on this one."""
    now = there.marks
    return sum(1 for mark in wanted if mark not in now)

"""Make what was planned: each partition in a transaction of its own, so that whoever dies leaves whole ones.

A partition is made beside its parent and attached then. That waits for nobody who reads or writes (a lock weaker than theirs is
taken on the parent), gives up after two seconds where somebody is in the way, and is tried again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from psycopg import errors, sql

from sluice.errors import Terminal
from sluice.failpoints import failpoint
from sluice.stores.postgres import Connection, LockBusy, one, translated
from sluice.stores.statements import statement
from sluice.upkeep.partitions.actions import Action, Finish, Make
from sluice.upkeep.partitions.as_sql import Seen, statements
from sluice.upkeep.partitions.there import Branch

TRIES = 10
"""At a lock that others hold, with longer and longer rests between."""


class NameTaken(Terminal):
    """Another table has the name of a partition that is to be made."""


@contextmanager
def alone(c: Connection, branch: Branch, rest: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Keep others of us away from this table while we plan, make or detach. Raises LockBusy where one is at it for long."""

    def hold() -> None:
        if not one(c, statement("partitions.lock_parent"), oid=branch.oid)["held"]:
            raise LockBusy(f"Another run is at the partitions of {branch.table}. It is tried again by itself.")

    _with_patience(hold, rest)
    try:
        yield
    finally:
        if not c.closed:  # a session that is gone holds nothing, and what ended it is told already
            c.execute(statement("partitions.unlock_parent"), {"oid": branch.oid})


def make(
    c: Connection, actions: Sequence[Action], tell: Callable[[str], None], rest: Callable[[float], None] = time.sleep
) -> int:
    """Do what was planned; give how many partitions were made. Raises LockBusy, NameTaken, Refused."""
    seen = Seen()
    for action in actions:
        _with_patience(lambda action=action: _take(c, action, seen), rest)  # type: ignore[misc]
        tell(str(action))
    return sum(isinstance(action, Make) for action in actions)


def _take(c: Connection, action: Action, seen: Seen) -> None:
    doing = f"{action}"
    try:
        with translated(doing):
            if isinstance(action, Finish):
                for made in statements(c, action, seen):
                    c.execute(made)
                return
            with c.transaction():
                c.execute(sql.SQL(";\n").join(statements(c, action, seen)))  # client and server take turns once
                failpoint("ahead.attached")
            failpoint("ahead.made")
    except errors.DuplicateTable as taken:
        raise NameTaken(
            f"{action.parent} needs a partition {action.partition}, and another table has that name. Rename that one, then"
            " clear this task. Nothing was changed."
        ) from taken


def _with_patience(act: Callable[[], None], rest: Callable[[float], None]) -> None:
    for number in range(1, TRIES + 1):
        try:
            return act()
        except LockBusy:
            if number == TRIES:
                raise
            rest(random.uniform(0.5, 1.5) * number)

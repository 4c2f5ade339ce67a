"""Count and hash a month while it is read: in another session, as of the very same moment.

PostgreSQL lends a snapshot to other sessions for as long as its own transaction lasts (pg_export_snapshot). Hashing takes nearly
as long as reading: one after the other they would leave cores idle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from psycopg import sql

from sluice.stores.postgres import Connection, one
from sluice.stores.statements import statement


@dataclass(frozen=True)
class Counted:
    """A month's rows, and the sum of their portable hashes, as text."""

    rows: int
    hash: str


def count_and_hash(c: Connection, oid: int) -> Counted:
    """Count and hash a table. A role that row-level security filters is refused."""
    found = one(c, statement("archive.count_and_hash"), oid=oid)
    return Counted(found["rows"], found["hash"])


@contextmanager
def counted_beside(c: Connection, beside: Connection, oid: int) -> Iterator[Callable[[], Counted]]:
    """Give what waits for count and hash. `c` is in a snapshot; `beside` counts, or where it is the same session, `c` did before.

    Whoever leaves by an error does not wait for the end of the counting.
    """
    if beside is c:
        found = count_and_hash(c, oid)
        yield lambda: found
        return
    lent = str(one(c, statement("archive.lend_snapshot"))["name"])
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(_count_as_of, beside, lent, oid)
        try:
            yield coming.result
        except BaseException:
            if not coming.done():
                beside.cancel_safe(timeout=5)
            raise


def _count_as_of(beside: Connection, lent: str, oid: int) -> Counted:
    with beside.transaction():
        beside.execute(statement("archive.begin_snapshot"))
        beside.execute(statement("archive.take_snapshot", name=sql.Literal(lent)))
        return count_and_hash(beside, oid)

"""A session in which a store is looked at: one transaction, and whatever is set in it ends with it.

Behind a pooler that lends a server's session for one transaction, what a look sets for longer would be the application's from
then on. So nothing is, and such an address is refused: what it leads to changes with each transaction, and when the pooler dies
the server would be called down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import errors

from sluice.errors import Terminal
from sluice.insight.collecting.lifeline import Lifeline
from sluice.stores.postgres import Connection, one, pin_until_commit, translated, unpinned
from sluice.stores.statements import statement


class ThroughPooler(Terminal):
    """A store's connection leads to a pooler that lends its sessions by the transaction."""


@contextmanager
def opened(dsn: str, store: str, purpose: str, line: Lifeline, **limits: str) -> Iterator[Connection]:
    """Open a transaction for a look; `limits` are settings of PostgreSQL, such as statement_timeout, as it writes them.

    Raises StoreDown, Refused, ThroughPooler.
    """
    with unpinned(dsn, purpose) as c, line.holding(c), translated(f"looking at {store}"):
        _require_own_session(c, dsn, store, line)
        with c.transaction():
            pin_until_commit(c, **limits)
            yield c


def _require_own_session(c: Connection, dsn: str, store: str, line: Lifeline) -> None:
    """Raise ThroughPooler where somebody else is given our server's session as soon as our transaction is over."""
    try:
        ours = _server_of(c)
        if ours == c.info.backend_pid:
            return
        # Somebody is between: it may as well keep the session for us alone.
        with unpinned(dsn, "look") as other, line.holding(other), other.transaction():
            is_lent = _server_of(other) == ours or _server_of(c) != ours
    except errors.ProtocolViolation as error:  # no transactions at all: pool_mode=statement
        raise _refused(store) from error
    if is_lent:
        raise _refused(store)


def _server_of(c: Connection) -> int:
    return int(one(c, statement("connection.find_server"))["pid"])


def _refused(store: str) -> ThroughPooler:
    return ThroughPooler(
        f"{store}: its connection leads through a pooler that lends sessions by the transaction (PgBouncer with"
        " pool_mode=transaction). Nothing was set there, and nothing is measured. Give the server's own address; the pooler"
        " is `watch.pooler`."
    )

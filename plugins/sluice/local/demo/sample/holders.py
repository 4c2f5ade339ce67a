"""Who keeps the demo from beginning afresh: sessions that hold what it has to drop."""

from __future__ import annotations

from psycopg import errors

from sluice.errors import Transient
from sluice.stores.postgres import Connection, one, rows
from sluice.stores.statements import statement


class SampleHeld(Transient):
    """Somebody holds the sample's tables."""


def clear_sample(c: Connection) -> None:
    """Drop the sample's schemas. Raises SampleHeld, naming the sessions that hold them."""
    try:
        c.execute(statement("demo.clear_sample"))
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        oids = one(c, statement("demo.find_sample"))["oids"]
        held = [row["blocker"] for row in rows(c, statement("load.list_blockers"), oids=oids)]
        raise SampleHeld(
            f"The demo cannot begin afresh: the sample's tables are held by {'; '.join(held) or 'a session that is gone by now'}."
            " Nothing was dropped. End it (SELECT pg_terminate_backend(PID);) or wait for it, then run ./sluice demo again."
        ) from None

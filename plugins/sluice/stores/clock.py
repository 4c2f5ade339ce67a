"""What time it is, by a database's own clock: one clock for all who write to it, whatever their machines say."""

from __future__ import annotations

from datetime import UTC, datetime

from sluice.stores.postgres import Connection, one, translated
from sluice.stores.statements import statement


def find_now(c: Connection) -> datetime:
    """Ask the database's clock; in UTC. The moment of asking, within a transaction, too. Raises StoreDown."""
    with translated("asking the database's clock"):
        now: datetime = one(c, statement("clock.find_now"))["now"]
    return now.astimezone(UTC)

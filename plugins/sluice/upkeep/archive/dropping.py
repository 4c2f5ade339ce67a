"""Drop a month that has cooled: through the function of the database that counts and hashes it again, and no other way."""

from __future__ import annotations

from psycopg import errors

from sluice.errors import Terminal
from sluice.estate.retention import Retention
from sluice.failpoints import failpoint
from sluice.stores.objects import Vault
from sluice.stores.postgres import Connection, one, translated
from sluice.stores.statements import statement
from sluice.upkeep.archive.choosing import holding, is_old
from sluice.upkeep.archive.ledger import Month
from sluice.upkeep.archive.reading_back import verify


class NotDropped(Terminal):
    """The database refuses to drop a month."""


def is_due(month: Month, retention: Retention) -> bool:
    """Whether a month has cooled, by the database's clock, nobody holds it, and it is still old.

    By the ledger, and by the file as it is now: a hold, a longer `keep` or `cooling` may have come since the ledger was written.
    """
    if month.state != "cooling" or month.held or month.cools_until is None or month.reading is None:
        return False
    cooled = max(month.cools_until, month.reading.at + retention.cooling) <= month.now
    return cooled and is_old(month.span, retention.keep, month.now) and not holding(month.span, retention.holds)


def drop(c: Connection, vault: Vault, month: Month) -> str:
    """Read a month back once more, then ask the database to drop it. Safe to repeat. Gives what it says.

    Raises Damaged or Unlike where the vault does not hold it any more, NotDropped where the database refuses.
    """
    if month.export is None:
        raise NotDropped(f"{month} is {month.state}, and was never exported. Nothing was dropped.")
    verify(vault, month.export)
    failpoint("month.dropping")
    with translated(f"dropping {month}"):
        try:
            told = str(one(c, statement("archive.drop_month"), **month.place)["told"])
        except (errors.RaiseException, errors.DependentObjectsStillExist) as refused:
            raise NotDropped(
                f"{month}: {refused.diag.message_primary}. Look at sluice_archive.status, and mend what it says; nothing was"
                " dropped."
            ) from refused
    failpoint("month.dropped")
    return told

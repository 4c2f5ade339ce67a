"""The look at how each store's drills go: a year of certificates, that a look before this one has read, as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluice.errors import Transient
from sluice.flow.overview.certificates import opened_seen
from sluice.flow.safety.stores import backup_of, goals_of


class NotReadYet(Transient):
    """What drills have left in the vault was not read yet."""


def look(store: str) -> Mapping[str, Any]:
    """Give the year of its drills, and of its failovers. Raises NotBackedUp, NotReadYet, StoreDown."""
    from sluice.ledger.seen import Kind
    from sluice.overview.drills.condensed import restored
    from sluice.overview.drills.year import year_told

    with opened_seen() as seen:
        known = seen.one_of(Kind.CERTIFICATES, store)
    if known is None or known.at is None or known.failed:  # of before: nobody knows what came since
        why = known.failed if known else "Nobody has looked at them yet: the next look does."
        raise NotReadYet(f"The certificates of {store} were not read: {why}")
    certificates = [restored(store, one) for one in known.found["drills"]]
    goals = goals_of(backup_of(store)[0])
    year = year_told(store, certificates, known.found["stored"], goals, datetime.now(UTC))
    return {"year": year, "failovers": known.found["failovers"][-20:], "unread": known.found["unread"]}

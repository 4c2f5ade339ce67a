"""The look at how safe each store is: its window, its backups, and the certificates that the look before has left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.flow.overview.certificates import opened_seen
from sluice.flow.safety.exposing import facts_now, facts_with


def look(store: str) -> Mapping[str, Any]:
    """Give the facts that its exposure is worked out from. Raises NotBackedUp, NoConnection, StoreDown."""
    from sluice.ledger.seen import Kind
    from sluice.overview.drills.condensed import restored
    from sluice.overview.estate.safety import facts_told

    with opened_seen() as seen:
        known = seen.one_of(Kind.CERTIFICATES, store)
    if known is None or known.at is None:  # without them it would say that nothing was ever proven
        return facts_told(facts_now(store))
    certificates = [restored(store, one) for one in known.found["drills"]]
    unread = [*known.found["unread"], *([known.failed] if known.failed else ())]
    return facts_told(facts_with(store, certificates, unread))

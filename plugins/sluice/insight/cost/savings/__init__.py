"""What would save: every candidate, and the largest of them. They only look: a person decides."""

from __future__ import annotations

from collections.abc import Iterator

from sluice.insight.cost.known import Known
from sluice.insight.cost.prices import Prices
from sluice.insight.cost.reserved import uncovered
from sluice.insight.cost.savings import reserving
from sluice.insight.cost.savings.saving import Saving, largest
from sluice.insight.cost.savings.servers import of_servers, smaller
from sluice.insight.cost.savings.tables import of_tables

__all__ = ["Saving", "candidates", "largest"]


def candidates(known: Known, prices: Prices) -> Iterator[Saving]:
    """Give everything that may save, also what may not. Raises UnknownPrice, UnknownClass."""
    free = uncovered(known)
    switched = list(of_tables(known.tables, prices, free))
    yield from switched
    yield from of_servers(known.instances, prices, free)
    yield from reserving.unused(known, prices)
    # Nothing is reserved for what should become smaller, or be paid otherwise, first.
    busy = [one for one in known.instances if smaller(one, prices) is None]
    leaving = {(one.store, one.touches) for one in largest(switched, len(switched))}
    staying = [table for table in known.tables if (table.store, f"table {table.name}") not in leaving]
    yield from reserving.servers(busy, known, prices)
    yield from reserving.units(staying, known, prices)
